//! The document that sends a customer into the queue, inline or fetched.

use crate::config::Config;
use crate::fallback::Context;
use crate::reconnect;
use crate::texts::Phrase;
use rejoin_protocol::attributes::{OWN_AGENT_PRIORITY, PRIORITY};
use rejoin_protocol::{RecoveryId, WorkerSid, WorkflowSid};
use rejoin_recovery::Call;
use rejoin_twilio::Task;
use rejoin_twilio::twiml::{Document, Enqueue};

/// Lifetime of a reconnect task: as long as any other, by [TaskRouter's
/// default](https://www.twilio.com/docs/taskrouter/api/task#create-a-task-resource). The machine sends a customer who
/// waits for one agent on to the next. A customer who waits for any agent waits until one is free, or until they hang
/// up: with a task that is canceled before, they would hear music forever without a task.
const TASK_TIMEOUT_SECONDS: u64 = 24 * 3600;
/// Longest language tag that an address carries, in bytes. `de-DE` has five.
const LONGEST_TAG: usize = 35;

/// The call, updated from its task as just read.
pub(crate) fn with_task(mut call: Call, task: Task) -> Call {
    if let Some(attributes) = task.attributes {
        call.facts.task.attributes = attributes;
    }
    if task.workflow_sid.is_some() {
        call.facts.origin.workflow = task.workflow_sid;
    }
    call
}

/// How a customer goes into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    workflow: WorkflowSid,
    attributes: String,
    priority: u32,
    pub(crate) language: Option<String>,
    /// True when the customer has heard nothing of the interruption so far, and hears it in the queue.
    untold: bool,
    /// True when a customer whom the queue has not kept may go into it again.
    pub(crate) again: bool,
    /// What the addresses carry for the fallback, as a query; `None`: there is no fallback.
    context: Option<String>,
}

impl Way {
    /// For this agent, or for any. `token`: of Twilio's request, if there is one. `None`: the call has no recovery, or Twilio has not said by which workflow it
    /// came. A page's word is not enough to send a customer anywhere.
    pub(crate) fn of(
        config: &Config,
        call: &Call,
        target: Option<&WorkerSid>,
        token: Option<&str>,
    ) -> Option<Self> {
        let recovery = call.recovery.as_ref()?;
        let outbound = config.outbound_workflow.as_ref().filter(|_| reconnect::was_placed(call));
        let workflow = outbound.or(call.facts.origin.workflow.as_ref())?.clone();
        let language = reconnect::language(&call.facts.task.attributes, &config.texts.language_attribute);
        let context = config.fallback_url.as_ref().map(|_| {
            let context = Context {
                workflow: workflow.clone(),
                priority: PRIORITY,
                language: language.clone().filter(|tag| tag.len() <= LONGEST_TAG),
                recovery: Some(recovery.absence.id.clone()),
                attributes: reconnect::fallback_attributes(call, recovery, &config.fallback_attributes),
            };
            context.sealed(&config.auth_token)
        });
        Some(Self {
            workflow,
            attributes: reconnect::attributes(call, recovery, target),
            priority: if target.is_some() { OWN_AGENT_PRIORITY } else { PRIORITY },
            language,
            untold: recovery.words_at.is_some(),
            again: call.goes_to_queue_again(token),
            context,
        })
    }

    /// The path with what it carries for the fallback.
    pub(crate) fn carrying(&self, path: &str) -> String {
        self.context.as_ref().map_or_else(|| path.to_owned(), |context| format!("{path}?{context}"))
    }

    /// Adds the queue to a document.
    pub(crate) fn enqueued(&self, config: &Config, document: Document, recovery: &RecoveryId) -> Document {
        let untold = if self.untold { "?told=false" } else { "" };
        let document = document.enqueue(&Enqueue {
            workflow: &self.workflow,
            wait_url: &config.document(&format!("/twiml/wait/{recovery}{untold}")),
            action: &config.document(&self.carrying(&format!("/twiml/after/{recovery}"))),
            priority: self.priority,
            timeout_seconds: TASK_TIMEOUT_SECONDS,
            attributes: &self.attributes,
        });
        // The document continues here if the queue does not accept the call.
        let (language, text) = config.texts.say(Phrase::Again, self.language.as_deref());
        document
            .say(language, text)
            .redirect(&config.document(&self.carrying(&format!("/twiml/fallback/{recovery}"))))
    }
}
