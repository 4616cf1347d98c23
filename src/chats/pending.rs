//! Messages on their way, and how a notice names them.

use crate::chats::Message;
use crate::value::joined;

/// Stands between messages in a notice.
pub(super) const BETWEEN: &str = " · ";
/// How much of a message is shown in a notice, in bytes.
const EXCERPT: usize = 80;

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) message: Message,
    pub(super) stage: Stage,
    pub(super) kind: Kind,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Flex has not said that it failed: it may have been kept back on purpose, and is not sent again.
    Unsure,
    /// It has failed, or waits for one that has: it is sent again unless it is there.
    Failed,
    /// The agent was out of the conversation and has its text back. It may be there all the same: it is looked for, so
    /// that the agent does not send it twice, and never sent again.
    Returned,
}

impl Pending {
    /// True when it waits to be sent again.
    pub(super) fn waits(&self) -> bool {
        self.stage == Stage::Waiting && self.kind != Kind::Returned
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Flex sends it.
    Sending,
    /// It has failed, or an earlier one has.
    Waiting,
    /// The conversation is being searched for it.
    Searching,
    /// It is being sent again.
    Resending,
}

pub(super) fn excerpt(text: &str) -> String {
    let short = text.get(..text.floor_char_boundary(EXCERPT)).unwrap_or_default();
    if short.len() < text.len() { joined(&[short, "…"]) } else { text.to_owned() }
}

pub(super) fn excerpts(of: &[Pending]) -> String {
    let all: Vec<_> = of.iter().map(|pending| excerpt(&pending.message.body)).collect();
    listed(BETWEEN, &all)
}

pub(super) fn listed(between: &str, texts: &[String]) -> String {
    texts.iter().fold(String::new(), |all, text| beside(all, between, text))
}

/// Both texts, with something between them unless one is empty.
pub(super) fn beside(text: String, between: &str, other: &str) -> String {
    if text.is_empty() || other.is_empty() { text + other } else { joined(&[&text, between, other]) }
}

/// True if the text has these lines in it. The search of the standard library is some kilobytes of WebAssembly.
pub(super) fn has(text: &str, lines: &str) -> bool {
    let [text, lines] = [text, lines].map(|it| joined(&["\n", it, "\n"]));
    text.as_bytes().windows(lines.len()).any(|it| it == lines.as_bytes())
}
