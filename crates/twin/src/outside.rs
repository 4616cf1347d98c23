//! Phones outside, which Twilio dials and the twin answers itself, or lets ring.

use rejoin_protocol::CallSid;
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

/// How long a phone rings that nobody has said anything about: as long as it takes to see that it does.
const RINGS_FOR: Duration = Duration::from_millis(1500);

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// It rings for a moment, and somebody answers.
    #[default]
    Answers,
    /// It rings until somebody says so.
    Rings,
    /// It is engaged.
    Busy,
}

/// One phone.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Phone {
    /// What it does.
    pub answers: Manner,
    /// Its tone.
    pub hz: f32,
}

impl Default for Phone {
    fn default() -> Self {
        Self { answers: Manner::default(), hz: 660.0 }
    }
}

/// What follows from a call to a phone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ringing {
    /// Somebody answers after this time.
    Until(Duration),
    /// Nobody answers by himself.
    OnAndOn,
    /// It does not ring at all.
    Engaged,
}

/// All phones outside. Those of which nothing is known answer.
#[derive(Debug, Default)]
pub(crate) struct Phones {
    known: HashMap<String, Phone>,
    /// The last call to each number.
    called: HashMap<String, CallSid>,
    hz: HashMap<CallSid, f32>,
}

impl Phones {
    /// From now on the phone of this number is like this.
    pub(crate) fn set(&mut self, number: String, phone: Phone) {
        self.known.insert(number, phone);
    }

    /// All phones are as they come, and were never called.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The number is dialled.
    pub(crate) fn ring(&mut self, number: &str, call: &CallSid) -> Ringing {
        let phone = self.known.get(number).cloned().unwrap_or_default();
        self.called.insert(number.to_owned(), call.clone());
        self.hz.insert(call.clone(), phone.hz);
        match phone.answers {
            Manner::Answers => Ringing::Until(RINGS_FOR),
            Manner::Rings => Ringing::OnAndOn,
            Manner::Busy => Ringing::Engaged,
        }
    }

    /// The last call to this number.
    pub(crate) fn called(&self, number: &str) -> Option<CallSid> {
        self.called.get(number).cloned()
    }

    /// Somebody picks up: the tone of the phone; `None`: it does not ring.
    pub(crate) fn pick_up(&mut self, call: &CallSid) -> Option<f32> {
        self.hz.remove(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_answer_unless_somebody_says_otherwise() {
        let mut phones = Phones::default();
        let (one, two) = (CallSid::numbered(1), CallSid::numbered(2));
        assert_eq!(phones.ring("+1", &one), Ringing::Until(RINGS_FOR));
        assert_eq!((phones.called("+1"), phones.called("+2")), (Some(one.clone()), None));
        assert_eq!((phones.pick_up(&one), phones.pick_up(&one)), (Some(660.0), None), "once");
        phones.set("+2".into(), Phone { answers: Manner::Busy, ..Phone::default() });
        assert_eq!(phones.ring("+2", &two), Ringing::Engaged);
        phones.set("+2".into(), Phone { answers: Manner::Rings, hz: 880.0 });
        assert_eq!((phones.ring("+2", &two), phones.pick_up(&two)), (Ringing::OnAndOn, Some(880.0)));
        phones.forget();
        assert_eq!((phones.called("+1"), phones.ring("+2", &two)), (None, Ringing::Until(RINGS_FOR)));
    }
}
