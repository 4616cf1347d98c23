//! What Flex's actions mean for a call (<https://www.twilio.com/docs/flex/developer/ui/v2/actions>).

use rejoin_protocol::api::GracefulReason;

/// An action before which the machine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// As Flex calls it.
    pub name: &'static str,
    /// Only this kind of transfer.
    pub mode: Option<&'static str>,
    /// What is about to happen.
    pub intent: Intent,
}

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// The task is accepted.
    Accept,
    /// Its call is left.
    Leave(GracefulReason),
    /// All calls are left.
    SignOut,
    /// The task is wrapped up or completed by hand.
    Complete,
}

/// All of them. In a warm transfer the agent stays.
pub const ACTIONS: [Action; 7] = [
    action("AcceptTask", Intent::Accept),
    action("HangupCall", Intent::Leave(GracefulReason::HangUp)),
    action("EndConferenceForAll", Intent::Leave(GracefulReason::EndConference)),
    Action { mode: Some("COLD"), ..action("TransferTask", Intent::Leave(GracefulReason::ColdTransfer)) },
    action("Logout", Intent::SignOut),
    action("WrapupTask", Intent::Complete),
    action("CompleteTask", Intent::Complete),
];

const fn action(name: &'static str, intent: Intent) -> Action {
    Action { name, mode: None, intent }
}

impl Action {
    /// How a call is left with it, for whoever tells the server without the machine.
    pub fn reason(&self) -> Option<GracefulReason> {
        match self.intent {
            Intent::Leave(reason) => Some(reason),
            Intent::Complete => Some(GracefulReason::Complete),
            Intent::SignOut => Some(GracefulReason::SignOut),
            Intent::Accept => None,
        }
    }
}

impl Intent {
    /// Of this action; `mode` is a transfer's. `None`: the machine has nothing to say to it.
    pub fn of(name: &str, mode: Option<&str>) -> Option<Self> {
        let meant = |action: &&Action| action.name == name && (action.mode.is_none() || action.mode == mode);
        ACTIONS.iter().find(meant).map(|action| action.intent)
    }
}
