//! Which document a request gets. Pure: the request, the settings, and nothing else.

use super::context::Context;
use super::endpoint::Endpoint;
use crate::audio::{COMFORT_PATH, COMFORT_TIMES};
use crate::texts::{Phrase, Texts};
use rejoin_protocol::attributes::PRIORITY;
use rejoin_protocol::overrides::{self, with_overrides};
use rejoin_protocol::{RecoveryId, TaskSid, WorkflowSid};
use rejoin_twilio::twiml::{Conference, Document, Enqueue};
use rejoin_twilio::webhook::{self, QueueResult};
use secrecy::SecretString;
use std::borrow::Cow;

/// How often a customer whose call has ended goes back to the first server, some ten seconds each time, before the fallback sends
/// them to the queue: only the first server knows whether the agent was lost.
pub(super) const KEPT: u32 = 5;
/// How often the fallback answers for one failure, before the caller hears the last words. The first server answers in between, or
/// the queue has the customer.
pub(super) const MOST: u32 = 60;
/// Lifetime of a task, as for the first server's.
pub(super) const TASK_TIMEOUT_SECONDS: u64 = 24 * 3600;

/// The settings that answers depend on.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where Twilio reaches the fallback, without a slash at the end.
    pub own: String,
    /// Where Twilio reaches the first server, without a slash at the end. Callers are sent back to the first of them.
    pub primary: Vec<String>,
    /// Where the customer's flow goes on after a call (`REJOIN_ENDED_URL`).
    pub ended_url: Option<String>,
    /// Connection overrides of the first server's documents. Empty: no address carries any.
    pub document_overrides: String,
    /// Connection overrides of its callbacks.
    pub callback_overrides: String,
    /// The workflow of a customer whose request names none.
    pub workflow: Option<WorkflowSid>,
    /// What callers hear.
    pub texts: Texts,
    /// Auth tokens that seal contexts: the current one, and the previous one during a rotation.
    pub tokens: Vec<SecretString>,
}

/// A request whose signature is valid.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its path, without that of the host's own address: `/twiml/…`.
    pub path: &'a str,
    /// Its query, decoded.
    pub query: &'a [(String, String)],
    /// Its form, decoded.
    pub form: &'a [(String, String)],
}

/// The document that a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Words, and the end of the document.
    Words(Said),
    /// Words, unless they were heard, and comfort audio until somebody ends it.
    Hold(Option<Said>),
    /// Comfort audio once.
    Comfort,
    /// Comfort audio for a minute; Twilio asks again then.
    Wait,
    /// The caller is gone, or runs another document.
    Nothing,
    /// The flow goes on.
    Over(String),
    /// Words and the queue; from a queue that refuses, back to the first server.
    Queue { said: Said, queue: Box<Queue> },
    /// Words, the first time, and comfort audio; back to the first server.
    Keep { said: Option<Said>, back: String },
    /// A third party follows into the new conference.
    Follow { task: TaskSid, muted: bool, end: bool, label: Option<String> },
    /// The call ends.
    HangUp,
}

/// Words in a language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) language: String,
    pub(super) text: String,
}

/// The way into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) workflow: WorkflowSid,
    pub(super) priority: u32,
    pub(super) attributes: String,
    /// Where Twilio fetches what the customer hears: here, because only here somebody is known to answer.
    pub(super) wait: String,
    /// Where it fetches what follows: the first server, whose queue this is.
    pub(super) after: String,
    /// Where the document goes on if the queue refuses.
    pub(super) back: String,
}

/// The request that failed, or the request itself.
struct Failed<'a> {
    endpoint: Endpoint,
    id: Option<Cow<'a, str>>,
    query: Cow<'a, [(String, String)]>,
}

impl Failed<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        value(&self.query, name)
    }

    /// How often the fallback has answered for this failure.
    fn hop(&self) -> u32 {
        self.value("hop").and_then(|hop| hop.parse().ok()).unwrap_or(0)
    }
}

/// What a request says about the customer.
struct Given {
    context: Option<Context>,
    /// The context as the address has it, for the next address; empty without one.
    sealed: String,
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Rules {
    /// The document's text. `None`: there is no such end point.
    pub fn answer(&self, asked: Asked<'_>) -> Option<String> {
        self.decide(asked).map(|decision| self.document(&decision).finish())
    }

    fn decide(&self, asked: Asked<'_>) -> Option<Decision> {
        let (endpoint, id) = Endpoint::of(asked.path)?;
        let own = Failed { endpoint, id: id.map(Cow::Borrowed), query: Cow::Borrowed(asked.query) };
        let named = if endpoint == Endpoint::Fallback { self.named(asked.form) } else { None };
        let failed = named.unwrap_or(own);
        let given = self.given(&[&failed.query, asked.query]);
        let said = |phrase| self.said(phrase, &given);
        let result = QueueResult::of(asked.form);
        Some(match failed.endpoint {
            Endpoint::Announce => Decision::Words(said(Phrase::Interrupted)),
            Endpoint::Hold => {
                let told = failed.value("told") == Some("true");
                Decision::Hold((!told).then(|| said(Phrase::Interrupted)))
            }
            Endpoint::Comfort => Decision::Comfort,
            Endpoint::Wait => Decision::Wait,
            Endpoint::Lost => Decision::Words(said(Phrase::Lost)),
            Endpoint::TestCall => Decision::HangUp,
            Endpoint::Move => {
                let flag = |name| failed.value(name) == Some("true");
                Decision::Follow {
                    task: TaskSid::parse(failed.id.as_deref().or(failed.value("task"))?).ok()?,
                    muted: flag("muted"),
                    end: flag("end"),
                    label: failed.value("label").map(str::to_owned),
                }
            }
            Endpoint::Requeue | Endpoint::Fallback => self.to_queue(&failed, &given),
            Endpoint::After => match result {
                Some(QueueResult::HungUp | QueueResult::Redirected) => Decision::Nothing,
                Some(QueueResult::Left) => self.to_queue(&failed, &given),
                Some(QueueResult::Bridged) | None => self.kept(&failed, &given),
            },
            Endpoint::Ended => match result {
                Some(QueueResult::HungUp | QueueResult::Redirected) => Decision::Nothing,
                Some(QueueResult::Left) => self.over(),
                Some(QueueResult::Bridged) | None => self.kept(&failed, &given),
            },
        })
    }

    /// The document of the first server that failed, as Twilio names it. `None`: it names none, or not one of the first server's.
    fn named<'a>(&self, form: &'a [(String, String)]) -> Option<Failed<'a>> {
        let url = value(form, "ErrorUrl")?;
        let url = url.split('#').next().unwrap_or_default();
        let rest = self.primary.iter().find_map(|primary| url.strip_prefix(primary.as_str()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (endpoint, id) = Endpoint::of(path)?;
        let query = webhook::form(query.as_bytes());
        Some(Failed { endpoint, id: id.map(Cow::Borrowed), query: Cow::Owned(query) })
    }

    /// The context of the first of these queries that has one; else the last one's workflow, else that of the settings.
    fn given(&self, queries: &[&[(String, String)]]) -> Given {
        let found =
            queries.iter().find_map(|query| Some((Context::opened(query, &self.tokens)?, sealed(query))));
        match found {
            Some((context, sealed)) => Given { context: Some(context), sealed },
            None => {
                let context = queries.last().and_then(|query| self.default_context(query));
                Given { context, sealed: String::new() }
            }
        }
    }

    /// For an address that names only a workflow, as that of a number does. Twilio has signed it.
    fn default_context(&self, query: &[(String, String)]) -> Option<Context> {
        let named = value(query, "workflow").and_then(|workflow| WorkflowSid::parse(workflow).ok());
        Some(Context {
            workflow: named.or_else(|| self.workflow.clone())?,
            priority: PRIORITY,
            language: None,
            recovery: None,
            attributes: "{}".into(),
        })
    }

    fn said(&self, phrase: Phrase, given: &Given) -> Said {
        let wanted = given.context.as_ref().and_then(|context| context.language.as_deref());
        let (language, text) = self.texts.say(phrase, wanted);
        Said { language: language.to_owned(), text: text.to_owned() }
    }

    /// Back to the first server, again and again, until it is known whether the agent was lost; then into the queue.
    fn kept(&self, failed: &Failed<'_>, given: &Given) -> Decision {
        let hop = failed.hop();
        if hop < if given.context.is_some() { KEPT } else { MOST } {
            let said = (hop == 0).then(|| self.said(Phrase::Interrupted, given));
            return Decision::Keep { said, back: self.back(None, hop, given) };
        }
        if given.context.is_some() { self.to_queue(failed, given) } else { self.over() }
    }

    /// Into the queue. Without a workflow only the first server knows into which.
    fn to_queue(&self, failed: &Failed<'_>, given: &Given) -> Decision {
        let hop = failed.hop();
        if hop >= MOST {
            return Decision::Words(self.said(Phrase::Lost, given));
        }
        let of_path = || failed.id.as_deref().and_then(|id| RecoveryId::parse(id).ok());
        let recovery = given.context.as_ref().and_then(|context| context.recovery.clone()).or_else(of_path);
        let recovery = recovery.as_ref();
        let back = self.back(recovery, hop, given);
        let Some(context) = &given.context else {
            let said = (hop == 0).then(|| self.said(Phrase::Interrupted, given));
            return Decision::Keep { said, back };
        };
        let after = match recovery {
            Some(recovery) => format!("/twiml/after/{recovery}"),
            None => "/twiml/ended".into(),
        };
        let after = format!("{}{}", self.first(&after), prefixed('?', &given.sealed));
        Decision::Queue {
            said: self.said(Phrase::Again, given),
            queue: Box::new(Queue {
                workflow: context.workflow.clone(),
                priority: context.priority,
                attributes: context.attributes.clone(),
                wait: with_overrides(&format!("{}/twiml/wait", self.own), &self.document_overrides),
                after: with_overrides(&after, &self.document_overrides),
                back,
            }),
        }
    }

    fn over(&self) -> Decision {
        self.ended_url.clone().map_or(Decision::Nothing, Decision::Over)
    }

    /// The first server's document for a customer who is to be queued, or whose call has ended, with one more hop.
    fn back(&self, recovery: Option<&RecoveryId>, hop: u32, given: &Given) -> String {
        let path = match recovery {
            Some(recovery) => format!("/twiml/fallback/{recovery}?"),
            None => "/twiml/ended?asked=0&".into(),
        };
        let url =
            format!("{}hop={}{}", self.first(&path), hop.saturating_add(1), prefixed('&', &given.sealed));
        with_overrides(&url, if self.document_overrides.is_empty() { "" } else { overrides::BACK })
    }

    /// An address of the first server.
    fn first(&self, path: &str) -> String {
        format!("{}{path}", self.primary.first().map_or("", String::as_str))
    }

    pub(super) fn document(&self, decision: &Decision) -> Document {
        // On this host: a first server that is away cannot play it.
        let comfort = format!("{}{COMFORT_PATH}", self.own);
        let say = |document: Document, said: &Said| document.say(&said.language, &said.text);
        let new = Document::new();
        match decision {
            Decision::Words(said) => say(new, said),
            Decision::Hold(Some(said)) => say(new, said).play_for_ever(&comfort),
            Decision::Hold(None) => new.play_for_ever(&comfort),
            Decision::Comfort => new.play(&comfort),
            Decision::Wait => new.play_times(&comfort, COMFORT_TIMES),
            Decision::Nothing => new,
            Decision::Over(url) => new.redirect(url),
            Decision::Queue { said, queue } => say(new, said)
                .enqueue(&Enqueue {
                    workflow: &queue.workflow,
                    wait_url: &queue.wait,
                    action: &queue.after,
                    priority: queue.priority,
                    timeout_seconds: TASK_TIMEOUT_SECONDS,
                    attributes: &queue.attributes,
                })
                .play(&comfort)
                .redirect(&queue.back),
            Decision::Keep { said: Some(said), back } => say(new, said).play(&comfort).redirect(back),
            Decision::Keep { said: None, back } => new.play(&comfort).redirect(back),
            Decision::Follow { task, muted, end, label } => new.conference(&Conference {
                name: task,
                muted: *muted,
                end_on_exit: *end,
                label: label.as_deref(),
                status_callback: &with_overrides(
                    &self.first("/webhooks/conference"),
                    &self.callback_overrides,
                ),
            }),
            Decision::HangUp => new.hang_up(),
        }
    }
}

/// The context of a query as it is. It was opened, so it is base64url and needs no escape.
fn sealed(query: &[(String, String)]) -> String {
    match (value(query, "c"), value(query, "m")) {
        (Some(context), Some(signature)) => format!("c={context}&m={signature}"),
        _ => String::new(),
    }
}

fn prefixed(prefix: char, query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("{prefix}{query}") }
}
