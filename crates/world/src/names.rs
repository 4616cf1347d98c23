//! Names of things in a timeline: people by number, everything else by the end of its SID.

use crate::world::World;
use rejoin_protocol::{CallSid, WorkerSid};

/// Length of a SID: two letters and 32 hexadecimal digits.
const SID: usize = 34;

impl World {
    /// A text of the timeline with readable names.
    pub(crate) fn named(&self, text: &str) -> String {
        let mut said = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let token = rest.find(|char: char| !is_of_token(char)).unwrap_or(rest.len());
            if rest.starts_with("eyJ") && token > SID {
                // A token means nothing to readers.
                said.push('…');
                rest = &rest[token..];
                continue;
            }
            let word = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (taken, left) = rest.split_at(word.max(first.len_utf8()));
            said.push_str(&self.word(taken));
            rest = left;
        }
        said.trim_end().to_owned()
    }

    fn word(&self, word: &str) -> String {
        // In an encoded address a SID has a prefix.
        let Some((before, sid)) = word.len().checked_sub(SID).and_then(|at| word.split_at_checked(at)) else {
            return word.into();
        };
        let (kind, number) = sid.split_at(2);
        let is_sid = kind.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_sid {
            return word.into();
        }
        let customer = CallSid::parse(sid).ok().and_then(|call| self.whose.get(&call));
        let worker = WorkerSid::parse(sid).ok();
        let agent = worker.and_then(|worker| self.agents.iter().position(|agent| agent.worker == worker));
        match (customer, agent) {
            (Some(number), _) => format!("{before}customer {number}"),
            (_, Some(number)) => format!("{before}agent {number}"),
            _ => format!("{before}{kind}-{}", number.trim_start_matches('0')),
        }
    }
}

fn is_of_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}
