//! The sound of a hold: Twilio's music, or the document of a `HoldUrl`
//! (<https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant-resource>).

use super::{
    Model,
    api::{Audience, Effect},
    conference::is_allowed_in_a_conference,
    plays::PlayFor,
    state::{Fetch, FetchFor, Wait},
    twiml::{Link, Verb},
    voice::{resolve, sound},
};
use rejoin_protocol::CallSid;
use std::collections::VecDeque;

impl Model {
    /// Puts a leg on hold, or changes what it hears there.
    pub(super) fn put_on_hold(&mut self, call: &CallSid, link: Option<&Link>) {
        self.forget_hold(call);
        self.effects.push(Effect::Hold { call: call.clone(), hold: true, music: link.is_none() });
        if let Some(link) = link {
            self.fetch_hold(call, link);
        }
    }

    pub(super) fn take_off_hold(&mut self, call: &CallSid) {
        self.forget_hold(call);
        self.effects.push(Effect::Hold { call: call.clone(), hold: false, music: false });
    }

    fn fetch_hold(&mut self, call: &CallSid, link: &Link) {
        let params = self.call_params(call);
        self.fetch(FetchFor::Hold(call.clone()), link, params, false);
    }

    pub(super) fn hold_fetched(
        &mut self,
        call: &CallSid,
        fetch: &Fetch,
        result: Result<VecDeque<Verb>, String>,
    ) {
        let allowed = result.and_then(|verbs| match verbs.iter().all(is_allowed_in_a_conference) {
            true => Ok(verbs),
            false => Err("13238: on hold a document may say, play, pause and redirect only".to_owned()),
        });
        match allowed {
            Ok(verbs) => {
                let document = Wait { verbs: verbs.into(), at: 0, base: fetch.url.clone(), silent: true };
                self.holds.insert(call.clone(), document);
                self.advance_hold(call);
            }
            Err(why) => {
                self.log(format!("{call} hears Twilio's music on hold, its document fails: {why}"));
                self.effects.push(Effect::Hold { call: call.clone(), hold: true, music: true });
            }
        }
    }

    /// Continues with the next verb of the document.
    pub(super) fn advance_hold(&mut self, call: &CallSid) {
        let loops = self.facts.hold_document_loops;
        let Some(document) = self.holds.get_mut(call) else { return };
        if loops && document.at >= document.verbs.len() {
            document.at = 0;
        }
        let Some(verb) = document.verbs.get(document.at).cloned() else { return };
        document.at += 1;
        let base = document.base.clone();
        if let Some((sound, loops)) = sound(&base, &verb) {
            return self.play(PlayFor::Hold(call.clone()), Audience::OnHold(call.clone()), sound, loops);
        }
        // No other verb is allowed there.
        if let Verb::Redirect(link) = verb {
            self.fetch_hold(call, &Link { url: resolve(&base, &link.url), method: link.method });
        }
    }

    fn forget_hold(&mut self, call: &CallSid) {
        self.holds.remove(call);
        self.plays.forget(&PlayFor::Hold(call.clone()));
        let fetching = FetchFor::Hold(call.clone());
        self.fetches.retain(|_, other| other.of != fetching);
    }
}
