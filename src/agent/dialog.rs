use rejoin_protocol::Millis;
use rejoin_protocol::api::Failure;

/// What the blocking dialog shows. The texts are in `js-shim/languages/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// The page was gone during a call; the server is being asked about it.
    Checking,
    /// The server does not answer. With a button.
    Unreachable,
    /// The agent's page or leg is gone; the customer is kept on the line.
    Interrupted {
        /// When the server moves on to the next agent: milliseconds since the Unix epoch.
        until: Option<Millis>,
    },
    /// The agent's phone is not registered yet; the call waits for it.
    WaitingForPhone {
        /// When the server moves on to the next agent: milliseconds since the Unix epoch.
        until: Option<Millis>,
    },
    /// The browser denies this page the microphone; the call waits for it.
    MicrophoneDenied {
        /// When the server moves on to the next agent.
        until: Option<Millis>,
    },
    /// There is no microphone; the call waits for one.
    NoMicrophone {
        /// When the server moves on to the next agent.
        until: Option<Millis>,
    },
    /// The agent is on the call, but the browser plays nothing before a click. With a button.
    NeedsClick,
    /// The agent is being put back into the customer's conference.
    InPlace,
    /// The customer is on the way back to this agent.
    Reconnecting,
    /// It takes longer than it should. With a button.
    Slow,
    /// The agent is back on the call.
    Rejoined,
    /// The customer waits for any agent. With a button.
    WaitingForOther,
    /// The same, because the customer was lost too often lately. With a button.
    TooOften,
    /// Another agent has the customer. With a button.
    HandedOver {
        /// That agent's name.
        name: Option<String>,
    },
    /// The customer hung up. With a button.
    CustomerLeft,
    /// The recovery failed for good. With a button.
    Failed {
        /// Why it failed.
        reason: Failure,
    },
}
