//! The demo account: two agents, a queue for everybody and one for recovery pings.

use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_protocol::{
    AccountSid, ActivitySid, TaskChannelSid, TaskQueueSid, WorkerSid, WorkflowSid, WorkspaceSid,
};
use std::collections::BTreeMap;

/// The account's configuration.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account.
    pub sid: AccountSid,
    /// Its only workspace.
    pub workspace: WorkspaceSid,
    /// Its number, E.164.
    pub number: String,
    /// `VoiceUrl` of the number, fetched by POST.
    pub voice_url: String,
    /// `VoiceFallbackUrl` of the number.
    pub voice_fallback_url: Option<String>,
    /// What an administrator has set since, by the number.
    pub addresses: BTreeMap<String, Addresses>,
    /// Its other numbers. They are called by calls that this account places.
    pub lines: Vec<LineSetup>,
    /// Agents.
    pub workers: Vec<WorkerSetup>,
    /// Activities.
    pub activities: Vec<ActivitySetup>,
    /// Task channels.
    pub channels: Vec<ChannelSetup>,
    /// Queues.
    pub queues: Vec<QueueSetup>,
    /// Workflows: name and configuration.
    pub workflows: Vec<WorkflowSetup>,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct WorkerSetup {
    /// The worker's SID.
    pub sid: WorkerSid,
    /// `friendly_name`: the Flex identity, here the e-mail address.
    pub name: String,
    /// Client identity, as in `client:…`.
    pub identity: String,
    /// Attributes, JSON text.
    pub attributes: String,
    /// Capacity per task channel, in the order of the account's channels.
    pub capacity: Vec<u32>,
}

/// An activity.
#[derive(Clone, Debug)]
pub struct ActivitySetup {
    /// The activity's SID.
    pub sid: ActivitySid,
    /// Name.
    pub name: String,
    /// True when a worker in it can be offered tasks.
    pub available: bool,
}

/// A task channel.
#[derive(Clone, Debug)]
pub struct ChannelSetup {
    /// The channel's SID.
    pub sid: TaskChannelSid,
    /// `unique_name`.
    pub unique_name: String,
    /// `friendly_name`.
    pub name: String,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueSetup {
    /// The queue's SID.
    pub sid: TaskQueueSid,
    /// Name.
    pub name: String,
    /// `TargetWorkers`: an expression on the attributes of its workers; `1==1`: every worker.
    pub target_workers: String,
}

/// Another number of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSetup {
    /// The number, E.164.
    pub number: String,
    /// `VoiceUrl`, fetched by POST when the number is called.
    pub voice_url: String,
}

/// Where the documents of calls to a number are fetched: as the number has it, or its TwiML application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `VoiceUrl`; empty: none.
    pub url: String,
    /// `VoiceMethod`.
    pub method: String,
    /// `VoiceFallbackUrl`; empty: none.
    pub fallback_url: String,
    /// `VoiceFallbackMethod`.
    pub fallback_method: String,
}

impl Default for Addresses {
    fn default() -> Self {
        let post = || "POST".to_owned();
        Self { url: String::new(), method: post(), fallback_url: String::new(), fallback_method: post() }
    }
}

/// A workflow.
#[derive(Clone, Debug)]
pub struct WorkflowSetup {
    /// The workflow's SID.
    pub sid: WorkflowSid,
    /// Name.
    pub name: String,
    /// The configuration, as in TaskRouter's REST API: JSON text.
    pub configuration: String,
}

impl Account {
    /// The same account before anybody set it up for Rejoin.
    pub(crate) fn bare(mut self) -> Self {
        self.activities.retain(|activity| activity.name != "Reconnecting");
        self.channels.retain(|channel| channel.unique_name != RECOVERY_PING_CHANNEL);
        self.queues.retain(|queue| queue.name != "Recovery Ping");
        self.workflows.retain(|workflow| workflow.name != "Recovery Ping");
        for worker in &mut self.workers {
            worker.capacity.truncate(self.channels.len());
        }
        let everyone = TaskQueueSid::numbered(1);
        if let Some(workflow) = self.workflows.first_mut() {
            let routing = serde_json::json!({"filters": [], "default_filter": {"queue": everyone}});
            workflow.configuration = serde_json::json!({"task_routing": routing}).to_string();
        }
        self
    }

    /// The worker with this client identity.
    pub fn worker_by_identity(&self, identity: &str) -> Option<&WorkerSetup> {
        self.workers.iter().find(|worker| worker.identity == identity)
    }
}

/// The demo account. `voice_url`: TwiML for calls to its number.
pub fn demo_account(account: AccountSid, voice_url: String) -> Account {
    let agent = |number: u128, first: &str| WorkerSetup {
        sid: WorkerSid::numbered(number),
        name: format!("{}@example.com", first.to_lowercase()),
        identity: format!("{}_40example_2Ecom", first.to_lowercase()),
        attributes: serde_json::json!({
            "contact_uri": format!("client:{}_40example_2Ecom", first.to_lowercase()),
            "full_name": first,
            "email": format!("{}@example.com", first.to_lowercase()),
            "roles": ["agent"],
            "routing": {"skills": [], "levels": {}},
        })
        .to_string(),
        // Three chats beside one call.
        capacity: vec![1, 1, 3, 1],
    };
    let activity = |number: u128, name: &str, available| ActivitySetup {
        sid: ActivitySid::numbered(number),
        name: name.into(),
        available,
    };
    let channel = |number: u128, unique: &str, name: &str| ChannelSetup {
        sid: TaskChannelSid::numbered(number),
        unique_name: unique.into(),
        name: name.into(),
    };
    let queue = |number: u128, name: &str| QueueSetup {
        sid: TaskQueueSid::numbered(number),
        name: name.into(),
        target_workers: "1==1".into(),
    };
    let everyone = TaskQueueSid::numbered(1);
    let ping = TaskQueueSid::numbered(2);
    Account {
        sid: account,
        workspace: WorkspaceSid::numbered(1),
        number: "+15550001111".into(),
        voice_url,
        voice_fallback_url: None,
        addresses: BTreeMap::new(),
        lines: vec![],
        workers: vec![agent(0xada, "Ada"), agent(0xb0, "Bo")],
        activities: vec![
            activity(0, "Offline", false),
            activity(1, "Available", true),
            activity(2, "Unavailable", false),
            activity(3, "Reconnecting", true),
        ],
        channels: vec![
            channel(1, "voice", "Voice"),
            channel(2, "default", "Default"),
            channel(3, "chat", "Programmable Chat"),
            channel(4, "recovery-ping", "Recovery Ping"),
        ],
        queues: vec![queue(1, "Everyone"), queue(2, "Recovery Ping"), queue(3, "Second line")],
        workflows: vec![
            WorkflowSetup {
                sid: WorkflowSid::numbered(1),
                name: "Assign to Anyone".into(),
                configuration: serde_json::json!({"task_routing": {
                    "filters": [{
                        "filter_friendly_name": "Direct to an agent (reconnect)",
                        "expression": "isReconnect == true AND targetWorkerSid != null",
                        "targets": [
                            {"queue": everyone, "known_worker_sid": "task.targetWorkerSid",
                             "timeout": 30, "priority": 1001},
                            {"queue": everyone, "priority": 1000}
                        ]
                    }],
                    "default_filter": {"queue": everyone}
                }})
                .to_string(),
            },
            WorkflowSetup {
                sid: WorkflowSid::numbered(2),
                name: "Recovery Ping".into(),
                configuration: serde_json::json!({"task_routing": {
                    "filters": [], "default_filter": {"queue": ping}
                }})
                .to_string(),
            },
            // Matches nobody: an outbound call already has its agent.
            WorkflowSetup {
                sid: WorkflowSid::numbered(3),
                name: "Outbound".into(),
                configuration: serde_json::json!({"task_routing": {"filters": []}}).to_string(),
            },
        ],
    }
}
