//! How a customer goes on into the queue: the document that sends him there, whoever hands it to Twilio.

use crate::config::Config;
use crate::reconnect;
use crate::texts::Phrase;
use rejoin_protocol::attributes::{OWN_AGENT_PRIORITY, PRIORITY};
use rejoin_protocol::{RecoveryId, WorkerSid, WorkflowSid};
use rejoin_recovery::Call;
use rejoin_twilio::Task;
use rejoin_twilio::twiml::{Document, Enqueue};

/// So long may a reconnect task stand: as long as any other, by [TaskRouter's default](https://www.twilio.com/docs/taskrouter/api/task#create-a-task-resource).
/// The machine sends who waits for one agent on to the next. Who waits for any waits until somebody is free, or he hangs up: with
/// a task that is canceled before, he would hear music for ever, and be nobody's.
const TASK_TIMEOUT_SECONDS: u64 = 24 * 3600;

/// The call, with what was just read of its task.
pub(crate) fn with_task(mut call: Call, task: Task) -> Call {
    if let Some(attributes) = task.attributes {
        call.facts.task.attributes = attributes;
    }
    if task.workflow_sid.is_some() {
        call.facts.origin.workflow = task.workflow_sid;
    }
    call
}

/// How a customer goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    workflow: WorkflowSid,
    attributes: String,
    priority: u32,
    pub(crate) language: Option<String>,
    /// May one whom the queue has not kept go into it again?
    pub(crate) again: bool,
}

impl Way {
    /// For this agent, or for any. `None`: the call has no recovery, or Twilio has not said by which workflow it came. What a
    /// page says of that is no way to send anybody.
    pub(crate) fn of(config: &Config, call: &Call, target: Option<&WorkerSid>) -> Option<Self> {
        let recovery = call.recovery.as_ref()?;
        let outbound = config.outbound_workflow.as_ref().filter(|_| reconnect::was_placed(call));
        Some(Self {
            workflow: outbound.or(call.facts.origin.workflow.as_ref())?.clone(),
            attributes: reconnect::attributes(call, recovery, target),
            priority: if target.is_some() { OWN_AGENT_PRIORITY } else { PRIORITY },
            language: reconnect::language(&call.facts.task.attributes, &config.texts.language_attribute),
            again: call.goes_to_queue_again(),
        })
    }

    /// Into the queue, after what the document has already.
    pub(crate) fn enqueued(&self, config: &Config, document: Document, recovery: &RecoveryId) -> Document {
        let document = document.enqueue(&Enqueue {
            workflow: &self.workflow,
            wait_url: &config.public(&format!("/twiml/wait/{recovery}")),
            action: &config.public(&format!("/twiml/after/{recovery}")),
            priority: self.priority,
            timeout_seconds: TASK_TIMEOUT_SECONDS,
            attributes: &self.attributes,
        });
        // Where the document goes on if the queue does not take the call.
        let (language, text) = config.texts.say(Phrase::Again, self.language.as_deref());
        document.say(language, text).redirect(&config.public(&format!("/twiml/fallback/{recovery}")))
    }
}
