//! Names of task attributes that workflows, reports and desktops of contact centres use, or that the plugin looks
//! for. They are part of the product's interface: see docs/attributes.md.

/// Maximum length of task attributes, in characters of their JSON text, white space included
/// (<https://www.twilio.com/docs/taskrouter/limits>).
pub const LIMIT: usize = 4096;

/// `true` on the task that brings a customer back.
pub const IS_RECONNECT: &str = "isReconnect";
/// The worker who should get the customer back; absent when any agent may.
pub const TARGET_WORKER_SID: &str = "targetWorkerSid";
/// The task that the agent was lost from.
pub const DISCONNECTED_TASK_SID: &str = "disconnectedTaskSid";
/// The worker who was lost.
pub const DISCONNECTED_WORKER_SID: &str = "disconnectedWorkerSid";
/// The lost worker's name as Flex shows it.
pub const DISCONNECTED_WORKER_NAME: &str = "disconnectedWorkerName";
/// When the agent was lost: milliseconds since the Unix epoch.
pub const DISCONNECTED_TIME: &str = "disconnectedTime";
/// The conference that the agent was lost from.
pub const DISCONNECTED_CONFERENCE_SID: &str = "disconnectedConferenceSid";
/// The reservation that the agent was lost from.
pub const DISCONNECTED_RESERVATION_SID: &str = "disconnectedReservationSid";
/// Ours: [`crate::RecoveryId`] of the recovery that a ping or reconnect task belongs to.
pub const RECOVERY_ID: &str = "rejoinRecoveryId";
/// Ours: on the task that sends a customer to any agent again, the number of earlier sendings: the customer waited in
/// silence, or had not left the old place. It tells the sendings apart when the server looks up whether a later one
/// was made.
pub const SENT_AGAIN: &str = "rejoinSentAgain";
/// Ours: the [`crate::api::GracefulMark`] that the agent's page writes into the task when our server does not answer.
pub const LEFT: &str = "rejoinLeft";
/// Flex Insights: `conversations.followed_by` of the old task and `preceded_by` of the new one.
pub const RECONNECT_AGENT: &str = "Reconnect Agent";
/// Name of the ping's workflow, queue and task channel.
pub const RECOVERY_PING: &str = "Recovery Ping";
/// Unique name of the ping's task channel.
pub const RECOVERY_PING_CHANNEL: &str = "recovery-ping";
/// Priority of pings, and of customers who may go to any agent.
pub const PRIORITY: u32 = 1000;
/// Priority of customers who should return to their own agent: the agent is free for a moment when the old
/// reservation is completed, and a customer for any agent who has waited longer would get that agent.
pub const OWN_AGENT_PRIORITY: u32 = PRIORITY + 1;
