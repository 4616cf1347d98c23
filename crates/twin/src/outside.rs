//! Outside phones, which Twilio dials and the twin answers, or lets ring.

use rejoin_protocol::CallSid;
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

/// How long an unconfigured phone rings: long enough to be noticed.
const RINGS_FOR: Duration = Duration::from_millis(1500);

/// How a phone takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// It rings for a moment, and is answered.
    #[default]
    Answers,
    /// It rings until a request answers it.
    Rings,
    /// It is busy.
    Busy,
}

/// An outside phone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Phone {
    /// How it takes calls.
    pub answers: Manner,
    /// Its tone in hertz.
    pub hz: f32,
    /// Keys that are pressed a moment after it was answered.
    pub presses: String,
}

impl Default for Phone {
    fn default() -> Self {
        Self { answers: Manner::default(), hz: 660.0, presses: String::new() }
    }
}

/// The result of a call to a phone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ringing {
    /// It is answered after this time.
    Until(Duration),
    /// It is not answered by itself.
    OnAndOn,
    /// It does not ring at all.
    Engaged,
}

/// All outside phones. Unconfigured ones are answered.
#[derive(Debug, Default)]
pub(crate) struct Phones {
    known: HashMap<String, Phone>,
    /// The last call to each number.
    called: HashMap<String, CallSid>,
    ringing: HashMap<CallSid, Phone>,
}

impl Phones {
    /// Configures the phone with this number.
    pub(crate) fn set(&mut self, number: String, phone: Phone) {
        self.known.insert(number, phone);
    }

    /// Forgets all configurations and calls.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The number is dialled.
    pub(crate) fn ring(&mut self, number: &str, call: &CallSid) -> Ringing {
        let phone = self.known.get(number).cloned().unwrap_or_default();
        self.called.insert(number.to_owned(), call.clone());
        self.ringing.insert(call.clone(), phone.clone());
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

    /// Answers the phone, and returns it; `None` when it does not ring.
    pub(crate) fn pick_up(&mut self, call: &CallSid) -> Option<Phone> {
        self.ringing.remove(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_answer_unless_configured_otherwise() {
        let mut phones = Phones::default();
        let (one, two) = (CallSid::numbered(1), CallSid::numbered(2));
        assert_eq!(phones.ring("+1", &one), Ringing::Until(RINGS_FOR));
        assert_eq!((phones.called("+1"), phones.called("+2")), (Some(one.clone()), None));
        assert_eq!((phones.pick_up(&one), phones.pick_up(&one)), (Some(Phone::default()), None), "once");
        phones.set("+2".into(), Phone { answers: Manner::Busy, ..Phone::default() });
        assert_eq!(phones.ring("+2", &two), Ringing::Engaged);
        let loud = Phone { answers: Manner::Rings, hz: 880.0, ..Phone::default() };
        phones.set("+2".into(), loud.clone());
        assert_eq!((phones.ring("+2", &two), phones.pick_up(&two)), (Ringing::OnAndOn, Some(loud)));
        phones.forget();
        assert_eq!((phones.called("+1"), phones.ring("+2", &two)), (None, Ringing::Until(RINGS_FOR)));
    }
}
