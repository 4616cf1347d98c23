//! One change of the account, and how it is shown.

use crate::{chats, fallback};
use rejoin_protocol::{SinkSid, TaskQueueSid, WorkflowSid};
use rejoin_twilio::{ConversationWebhook, Holder};
use serde_json::Value;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A task channel for Recovery Pings.
    TaskChannel {
        /// Its name.
        name: &'static str,
        /// Its unique name.
        unique_name: &'static str,
    },
    /// An activity for agents who come back in one that receives no tasks.
    Activity {
        /// Its name.
        name: &'static str,
    },
    /// A queue of every worker.
    Queue {
        /// Its name.
        name: &'static str,
    },
    /// The workflow for Recovery Pings.
    PingWorkflow {
        /// Its name.
        name: &'static str,
        /// Its queue; `None`: the one that is created before.
        queue: Option<TaskQueueSid>,
    },
    /// Our filter, before the others of a workflow.
    Filter {
        /// The workflow.
        workflow: WorkflowSid,
        /// Its name.
        name: String,
        /// Its configuration as it was read.
        before: String,
        /// Its configuration afterwards; `None`: a queue is created before.
        after: Option<String>,
        /// The filter.
        filter: String,
    },
    /// A sink of Event Streams.
    Sink {
        /// Where the server takes events.
        destination: String,
    },
    /// What a sink gets.
    Subscription {
        /// The sink; `None`: the one that is created before.
        sink: Option<SinkSid>,
        /// Types with the versions of their schemas.
        types: Vec<(&'static str, u32)>,
    },
    /// The fallback address of a phone number, or of a TwiML application.
    Fallback {
        /// The SID of the number or the application.
        sid: String,
        /// The SIDs of the numbers that have the application.
        numbers: Vec<String>,
        /// The address as it was read; empty: none.
        url: String,
        /// Its method as it was read.
        method: Option<String>,
        /// The address afterwards.
        after: String,
    },
    /// The webhook of Conversations.
    Chats {
        /// As it was read.
        before: ConversationWebhook,
        /// Afterwards.
        after: ConversationWebhook,
    },
    /// The server's address, for the plugin: `ui_attributes.custom_data.rejoin` in Flex's configuration.
    FlexConfiguration {
        /// As it was read.
        before: Option<Value>,
        /// Afterwards.
        after: Value,
    },
}

impl Change {
    /// The change as the lines of a diff.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::TaskChannel { name, unique_name } => {
                vec![format!("+ task channel \"{name}\" ({unique_name})")]
            }
            Self::Activity { name } => vec![format!("+ activity \"{name}\" (receives tasks)")],
            Self::Queue { name } => vec![format!("+ queue \"{name}\" (every worker)")],
            Self::PingWorkflow { name, .. } => {
                vec![format!("+ workflow \"{name}\" (everything goes to the queue \"{name}\")")]
            }
            Self::Filter { workflow, name, filter, .. } => {
                // A name may have any text: what a terminal would obey is written out.
                let name = name.escape_debug();
                let title = format!("~ workflow \"{name}\" ({workflow}): a filter before the others");
                [title].into_iter().chain(filter.lines().map(|line| format!("    + {line}"))).collect()
            }
            Self::Sink { destination } => vec![format!("+ sink of Event Streams, to {destination}")],
            Self::Subscription { types, .. } => {
                let title = format!("+ subscription of the sink, to {} types", types.len());
                let types = types.iter().map(|(kind, version)| format!("    + {kind}, version {version}"));
                [title].into_iter().chain(types).collect()
            }
            Self::Fallback { sid, numbers, url, method, after } => {
                let method = method.as_deref().unwrap_or_default();
                let before = (!url.is_empty()).then(|| format!("    - {method} {}", fallback::shown(url)));
                let of = match Holder::of(sid) {
                    Holder::Number => String::new(),
                    Holder::Application if numbers.is_empty() => " (of no number)".to_owned(),
                    Holder::Application => {
                        format!(" (of {})", fallback::named(numbers.iter().map(String::as_str)))
                    }
                };
                [format!("~ {}{of}: its fallback address", fallback::label(sid))]
                    .into_iter()
                    .chain(before)
                    .chain([format!("    + {} {after}", fallback::METHOD)])
                    .collect()
            }
            Self::Chats { before, after } => {
                let there = !chats::address_of(before).is_empty();
                let before = there.then(|| format!("    - {}", chats::shown(before)));
                ["~ the webhook of Conversations".to_owned()]
                    .into_iter()
                    .chain(before)
                    .chain([format!("    + {}", chats::shown(after))])
                    .collect()
            }
            Self::FlexConfiguration { before, after } => {
                let mut lines = vec!["~ Flex's configuration: ui_attributes.custom_data.rejoin".to_owned()];
                let shown = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
                let before = before.as_ref().map(shown).unwrap_or_default();
                let after = shown(after);
                let is_in = |line: &str, text: &str| text.lines().any(|other| other == line);
                lines.extend(
                    before.lines().filter(|line| !is_in(line, &after)).map(|line| format!("    - {line}")),
                );
                lines.extend(
                    after.lines().filter(|line| !is_in(line, &before)).map(|line| format!("    + {line}")),
                );
                lines
            }
        }
    }
}
