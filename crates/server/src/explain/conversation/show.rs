//! The story of a conversation in readable form, in the marks of a call's: `<` came in, `=` was decided, `>` is asked of Twilio.

use super::{ConversationNow, ConversationStory, FoundEntry};
use crate::explain::show::time;
use crate::story::ConversationEntry;
use rejoin_conversations::{Action, Cause, Ending, Leaving, Outcome, Step, Telling};
use rejoin_protocol::{Millis, WorkerSid};
use std::fmt::{self, Write as _};

impl fmt::Display for ConversationStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Conversation {}", self.conversation)?;
        let first = self.entries.first().map_or(Millis(0), |found| found.at);
        let mut server = None;
        for found in &self.entries {
            if server != Some(&found.server) {
                let again = if server.is_some() { "from here on " } else { "" };
                writeln!(f, "  ({again}server {})", found.server)?;
                server = Some(&found.server);
            }
            let since = first.until(found.at).0;
            let (whole, part) = (since / 1000, since % 1000);
            let (mark, text) = (mark(found), words(found));
            writeln!(f, "  {}  {whole:>5}.{part:03} s  {mark} {text}", time(found.at))?;
            if found.entry.is_none() {
                writeln!(f, "{:41}{}", "", found.stored)?;
            }
        }
        match &self.now {
            Some(now) => writeln!(f, "\n{}", now.words()),
            None => writeln!(f, "\nNow: it is over, and forgotten but for its story"),
        }
    }
}

impl ConversationNow {
    /// How it stands, in sentences.
    pub(super) fn words(&self) -> String {
        let mut text = match (self.attendance, self.because) {
            (Some(attendance), Some(because)) => format!("Now: {attendance}. {because}"),
            _ => "Now: not judged by this version yet.".to_owned(),
        };
        // Writing to a string cannot fail.
        if let Some(since) = self.since {
            let _ = write!(text, " So since {} UTC.", time(since));
        }
        if !self.agents.is_empty() {
            let _ = write!(text, " On it: {}.", names(&self.agents));
        }
        if let Some(since) = self.unanswered_since {
            let _ = write!(text, " The customer has waited for an answer since {} UTC.", time(since));
        }
        if !self.requested.is_empty() {
            let _ = write!(text, " Asked of Twilio at present: {}.", self.requested.join(", "));
        }
        if let Some(at) = self.judged_at {
            let _ = write!(text, " It is judged again at {} UTC, or with the next news.", time(at));
        }
        if let Some(until) = self.absent_until {
            let _ = write!(text, " The absence ends at {} UTC at the latest.", time(until));
        }
        text
    }
}

fn mark(found: &FoundEntry) -> char {
    match &found.entry {
        None => '?',
        Some(
            ConversationEntry::Judged { .. }
            | ConversationEntry::Began { .. }
            | ConversationEntry::Ended { .. },
        ) => '=',
        Some(ConversationEntry::Requested { .. }) => '>',
        Some(
            ConversationEntry::Placed { .. }
            | ConversationEntry::Joined { .. }
            | ConversationEntry::Named { .. }
            | ConversationEntry::Left { .. }
            | ConversationEntry::Leaving { .. }
            | ConversationEntry::PageGone { .. }
            | ConversationEntry::PageBack { .. }
            | ConversationEntry::CustomerWaits
            | ConversationEntry::Answered { .. },
        ) => '<',
    }
}

/// An entry as a sentence.
pub(super) fn words(found: &FoundEntry) -> String {
    let Some(entry) = &found.entry else {
        let name = found.stored.get("what").and_then(serde_json::Value::as_str);
        return format!("of another version of Rejoin: {}", name.unwrap_or("without a name"));
    };
    match entry {
        ConversationEntry::Placed { interaction, channel } => {
            format!("It is on channel {channel} of interaction {interaction}.")
        }
        ConversationEntry::Joined { participant, task: Some(task) } => {
            format!("An agent joined as {participant}, by task {task}.")
        }
        ConversationEntry::Joined { participant, task: None } => format!("An agent joined as {participant}."),
        ConversationEntry::Named { participant, worker } => {
            format!("Twilio says that {participant} is agent {worker}.")
        }
        ConversationEntry::Left { participant, worker } => {
            let worker = worker.as_ref().map_or_else(String::new, |worker| format!(" {worker}"));
            format!("Agent{worker} has left ({participant}).")
        }
        ConversationEntry::Leaving { worker, how } => {
            let how = match how {
                Leaving::Leave => "leaves",
                Leaving::Pause => "pauses",
                Leaving::Transfer => "transfers",
                Leaving::WrapUp => "wraps up",
            };
            format!("The page of agent {worker} says that the agent {how}.")
        }
        ConversationEntry::PageGone { worker, way } => {
            format!("A page of agent {worker} is gone: {}.", way.name())
        }
        ConversationEntry::PageBack { worker } => format!("A page of agent {worker} is there."),
        ConversationEntry::CustomerWaits => {
            "The customer has written, and no agent's page is there.".to_owned()
        }
        ConversationEntry::Judged { attendance, row, because } => {
            format!("{attendance}: {because} (row {row})")
        }
        ConversationEntry::Began { absence, cause, until, lost } => began(*absence, *cause, *until, lost),
        ConversationEntry::Ended { absence, ending } => {
            let how = match ending {
                Ending::Back => "the agent's page is there again",
                Ending::SameAgent => "the same agent has it by the invite",
                Ending::OtherAgent => "another agent has it",
                Ending::Graceful => "somebody has paused or left it by Flex's buttons",
                Ending::Parked => "it is parked until the customer writes",
                Ending::Closed => "the conversation is closed",
            };
            format!("Absence {absence} has ended: {}, {how}.", ending.name())
        }
        ConversationEntry::Requested { action } => format!("Twilio is to {}.", wanted(action)),
        ConversationEntry::Answered { action, outcome } => answered(action, outcome),
    }
}

fn began(absence: u32, cause: Cause, until: Millis, lost: &[WorkerSid]) -> String {
    let why = match cause {
        Cause::Unattended { way, since } => {
            let lost = names(lost);
            format!("all pages of {lost} are gone, the last one since {} UTC ({})", time(since), way.name())
        }
        Cause::Unrouted => "nobody has the conversation, and no task looks for an agent".to_owned(),
        Cause::Woken => "it was parked, and the customer has written".to_owned(),
    };
    format!("Absence {absence} begins: {why}. It ends at {} UTC at the latest.", time(until))
}

/// What Twilio is asked to do.
fn wanted(action: &Action) -> String {
    match action {
        Action::Poll { .. } => "say who is on the conversation".to_owned(),
        Action::Tell { what } => match what {
            Telling::AgentGone { .. } => {
                "tell the customer that the agent is gone, and another one comes".to_owned()
            }
            Telling::Parked { .. } => {
                "tell the customer that the agent is gone, and it goes on when they write".to_owned()
            }
            Telling::Idle { step: Step::SecondAlert, .. } => "alert the customer again".to_owned(),
            Telling::Idle { .. } => "alert the customer, because nobody writes".to_owned(),
        },
        Action::Invite { number, target, task, .. } => {
            let whom =
                target.as_ref().map_or("any agent".to_owned(), |worker| format!("agent {worker} first"));
            format!("invite {whom} (invite {number}, with the attributes of {task})")
        }
        Action::CloseParticipant { participant, .. } => {
            format!("close {participant}, in whose place another agent has joined")
        }
        Action::Park { .. } => "park the conversation until the customer writes".to_owned(),
        Action::Close { .. } => "close the conversation".to_owned(),
    }
}

fn answered(action: &Action, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { reason } => format!("Twilio did not {}: {reason}", wanted(action)),
        Outcome::Invited { invite, task: Some(task) } => {
            format!("Twilio has made invite {invite}, with task {task}.")
        }
        Outcome::Invited { invite, task: None } => format!("Twilio has made invite {invite}."),
        Outcome::Unconfirmed => {
            "Twilio does not say that the channel that a page has named is the conversation's.".to_owned()
        }
        Outcome::Ok | Outcome::Seen(_) | Outcome::NotFound => match action {
            Action::Poll { .. } => "Twilio has said who is on the conversation.".to_owned(),
            Action::Tell { what: Telling::Idle { .. } } => "The customer is alerted.".to_owned(),
            Action::Tell { .. } => "The customer is told.".to_owned(),
            Action::Invite { .. } => "Twilio has taken the invite.".to_owned(),
            Action::CloseParticipant { participant, .. } => format!("Twilio closes {participant}."),
            Action::Park { .. } => "Twilio parks the conversation.".to_owned(),
            Action::Close { .. } => "Twilio closes the conversation.".to_owned(),
        },
    }
}

fn names(workers: &[WorkerSid]) -> String {
    let names: Vec<String> = workers.iter().map(|worker| format!("agent {worker}")).collect();
    if names.is_empty() { "its agents".to_owned() } else { names.join(", ") }
}
