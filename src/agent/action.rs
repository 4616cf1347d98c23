//! What Flex's actions mean for a call (<https://www.twilio.com/docs/flex/developer/ui/v2/actions>).

use rejoin_protocol::api::GracefulReason;

/// An action before which Flex asks the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The action's name in Flex.
    pub name: &'static str,
    /// Only for transfers of this mode.
    pub mode: Option<&'static str>,
    /// What the action does to a call.
    pub intent: Intent,
}

/// What an action does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A task is accepted.
    Accept,
    /// The agent leaves the task's call.
    Leave(GracefulReason),
    /// The agent leaves all calls.
    SignOut,
    /// The task is wrapped up or completed by hand.
    Complete,
}

/// All actions. In a warm transfer the agent stays.
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
    /// The reason of the departure, for code that tells the server without the machine.
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
    /// The intent of an action; `mode` is a transfer's. `None`: the action does not concern calls.
    pub fn of(name: &str, mode: Option<&str>) -> Option<Self> {
        let meant = |action: &&Action| action.name == name && (action.mode.is_none() || action.mode == mode);
        ACTIONS.iter().find(meant).map(|action| action.intent)
    }
}
