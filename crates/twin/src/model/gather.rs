//! `<Gather>` of keys (<https://www.twilio.com/docs/voice/twiml/gather>): what plays meanwhile stops at the first key, and the
//! action is requested with all keys as `Digits`. Without a key the document goes on.

use super::{
    Model,
    api::Effect,
    state::{Doing, Due},
    twiml::{Gather, Verb},
    voice::resolved,
};
use rejoin_protocol::CallSid;

/// A `<Gather>` that a leg is at, and the keys so far.
#[derive(Debug)]
pub(super) struct Gathering {
    gather: Gather,
    keys: String,
}

impl Model {
    /// The leg's document is at a `<Gather>`: its prompts come first, and keys count from now on.
    pub(super) fn gather(&mut self, sid: &CallSid, mut gather: Gather) {
        let Some(call) = self.calls.get_mut(sid) else { return };
        call.verbs.push_front(Verb::Listen);
        for prompt in std::mem::take(&mut gather.prompts).into_iter().rev() {
            call.verbs.push_front(prompt);
        }
        self.gathers.insert(sid.clone(), Gathering { gather, keys: String::new() });
    }

    /// The prompts are over.
    pub(super) fn listen(&mut self, sid: &CallSid) {
        let Some(gathering) = self.gathers.get(sid) else { return self.advance(sid) };
        let timeout = gathering.gather.timeout;
        if let Some(call) = self.calls.get_mut(sid) {
            call.doing = Doing::Sounding;
        }
        self.timer(timeout, Due::Keys(sid.clone()));
    }

    /// Keys were pressed.
    pub(super) fn pressed(&mut self, sid: &CallSid, keys: &str) {
        for key in keys.chars() {
            let Some(gathering) = self.gathers.get_mut(sid) else { return };
            let is_last = gathering.gather.finish == Some(key);
            if !is_last {
                gathering.keys.push(key);
            }
            let is_full = gathering.gather.keys.is_some_and(|keys| gathering.keys.len() >= keys);
            if is_last || is_full {
                return self.gathered(sid);
            }
            self.stop_prompts(sid);
            self.listen(sid);
        }
    }

    fn stop_prompts(&mut self, sid: &CallSid) {
        self.cancel_timers(&Due::Keys(sid.clone()));
        self.forget_sounds(sid);
        self.effects.push(Effect::StopPlaying { call: sid.clone() });
        if let Some(call) = self.calls.get_mut(sid) {
            // It is not there any more once the prompts are over.
            if let Some(place) = call.verbs.iter().position(|verb| *verb == Verb::Listen) {
                call.verbs.drain(..place);
            }
        }
    }

    /// No key came in time.
    pub(super) fn keys_are_over(&mut self, sid: &CallSid) {
        self.gathered(sid);
    }

    fn gathered(&mut self, sid: &CallSid) {
        self.stop_prompts(sid);
        let Some(Gathering { gather, keys }) = self.gathers.remove(sid) else { return };
        let Some(call) = self.calls.get_mut(sid) else { return };
        if call.verbs.front() == Some(&Verb::Listen) {
            call.verbs.pop_front();
        }
        let base = call.base.clone();
        if keys.is_empty() && !gather.empty {
            return self.advance(sid);
        }
        match &gather.action {
            Some(action) => {
                let digits = vec![("Digits".to_owned(), keys)];
                self.fetch_document(sid, &resolved(&base, action), digits, false);
            }
            None => self.document_failed(sid, &base, true, "13310: the twin models <Gather> with an action"),
        }
    }

    /// The leg's document is replaced, or the leg has ended.
    pub(super) fn forget_keys(&mut self, sid: &CallSid) {
        self.gathers.remove(sid);
        self.cancel_timers(&Due::Keys(sid.clone()));
    }
}
