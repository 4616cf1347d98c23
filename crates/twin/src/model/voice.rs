//! Legs and the TwiML they run.

use super::{
    Addresses, Model,
    api::{Audience, Effect, Sound},
    plays::PlayFor,
    state::{Call, CallKind, CallStatus, Doing, Due, Fetch, FetchFor, Joining, Left, Queued, Then, Wait},
    twiml::{self, DialConference, Enqueue, Link, Verb},
};
use rejoin_protocol::{CallSid, Millis, WorkerSid, WorkflowSid};
use std::collections::VecDeque;

/// Silence for each round of a waiting document without a sound, which would otherwise be requested in a tight loop.
const EMPTY_ROUND: Millis = Millis::seconds(1);

/// The absolute form of `url` in a document from `base`.
pub(super) fn resolve(base: &str, url: &str) -> String {
    match reqwest::Url::parse(base).and_then(|base| base.join(url)) {
        Ok(url) => url.into(),
        // An inline document has no address; a relative URL in it fails when it is fetched.
        Err(_) => url.to_owned(),
    }
}

pub(super) fn resolved(base: &str, link: &Link) -> Link {
    Link { url: resolve(base, &link.url), method: link.method.clone() }
}

/// The sound of a verb, and how often it plays; `None` for a verb without one.
pub(super) fn sound(base: &str, verb: &Verb) -> Option<(Sound, u32)> {
    match verb {
        Verb::Say { text, loops } => Some((Sound::Say(text.clone()), *loops)),
        Verb::Play { url, loops } => Some((Sound::Url(resolve(base, url)), *loops)),
        Verb::Pause(time) => Some((Sound::Silence(*time), 1)),
        Verb::Enqueue(_) | Verb::Conference(_) | Verb::Redirect(_) | Verb::Gather(_) => None,
        Verb::Listen | Verb::Hangup | Verb::Leave => None,
    }
}

impl Model {
    /// The document of a number of the account, and its fallback.
    pub(super) fn documents_of(&self, number: &str) -> (Link, Option<Link>) {
        let account = &self.account;
        let at_first = || {
            let fallback_url = account.voice_fallback_url.clone().filter(|_| number == account.number);
            let line = account.lines.iter().find(|line| line.number == number);
            let url = line.map_or(&account.voice_url, |line| &line.voice_url).clone();
            Addresses { url, fallback_url: fallback_url.unwrap_or_default(), ..Addresses::default() }
        };
        let Addresses { url, method, fallback_url, fallback_method } =
            account.addresses.get(number).cloned().unwrap_or_else(at_first);
        let fallback =
            (!fallback_url.is_empty()).then_some(Link { url: fallback_url, method: fallback_method });
        (Link { url, method }, fallback)
    }

    pub(super) fn customer_dials(&mut self, sid: &CallSid, from: String, native: bool) {
        let to = self.account.number.clone();
        let (link, fallback) = self.documents_of(&to);
        let call = Call {
            from,
            to,
            kind: CallKind::Customer { native },
            status: CallStatus::InProgress,
            created: self.now,
            ended: None,
            doing: Doing::Nothing,
            verbs: VecDeque::new(),
            base: String::new(),
            fallback,
        };
        if self.calls.contains_key(sid) {
            return self.log(format!("{sid} dials a second time: ignored"));
        }
        self.log(format!("{sid} a customer dials the number"));
        self.calls.insert(sid.clone(), call);
        self.fetch_document(sid, &link, vec![], false);
    }

    /// Creates an agent's leg and rings the phone: a browser's, or any other.
    pub(super) fn ring(&mut self, worker: WorkerSid, from: String, to: String, joining: Joining) -> CallSid {
        if !to.starts_with("client:") {
            return self.ring_outside(CallKind::Agent(worker), from, to, self.facts.ring_timeout, joining);
        }
        let sid = CallSid::numbered(self.number());
        let call = Call {
            from: from.clone(),
            to: to.clone(),
            kind: CallKind::Agent(worker.clone()),
            status: CallStatus::Ringing,
            created: self.now,
            ended: None,
            doing: Doing::Ringing(joining),
            verbs: VecDeque::new(),
            base: String::new(),
            fallback: None,
        };
        self.calls.insert(sid.clone(), call);
        self.log(format!("{sid} rings the phone of {worker}"));
        self.effects.push(Effect::Ring { call: sid.clone(), worker, from, to });
        self.timer(self.facts.ring_timeout, Due::RingTimeout(sid.clone()));
        sid
    }

    pub(super) fn answered(&mut self, sid: &CallSid) {
        let Some(call) = self.calls.get_mut(sid) else { return };
        if !matches!(call.doing, Doing::Ringing(_)) {
            return;
        }
        let Doing::Ringing(joining) = std::mem::replace(&mut call.doing, Doing::Nothing) else { return };
        call.status = CallStatus::InProgress;
        self.cancel_timers(&Due::RingTimeout(sid.clone()));
        self.log(format!("{sid} the phone answers"));
        self.line_answered(sid);
        self.phone_picked_up(sid, joining);
    }

    pub(super) fn not_answered(&mut self, sid: &CallSid, status: CallStatus) {
        let Some(call) = self.calls.get(sid) else { return };
        if matches!(call.doing, Doing::Ringing(_)) {
            self.log(format!("{sid} the phone does not answer: {}", status.as_str()));
            self.end_call(sid, status, Left::HungUp);
        }
    }

    /// The leg's own end has hung up.
    pub(super) fn hung_up(&mut self, sid: &CallSid) {
        let Some(call) = self.calls.get(sid) else { return };
        let status = match call.status {
            CallStatus::Ringing => CallStatus::NoAnswer,
            CallStatus::InProgress => CallStatus::Completed,
            CallStatus::Completed | CallStatus::NoAnswer | CallStatus::Busy | CallStatus::Canceled => return,
        };
        self.log(format!("{sid} hangs up"));
        self.end_call(sid, status, Left::HungUp);
    }

    pub(super) fn media_silent(&mut self, sid: &CallSid, silent: bool) {
        let due = Due::DeadLeg(sid.clone());
        if silent && self.timers.values().any(|other| *other == due) {
            return; // unchanged: the timer goes on
        }
        self.cancel_timers(&due);
        if silent && self.calls.get(sid).is_some_and(|call| call.status == CallStatus::InProgress) {
            self.timer(self.facts.dead_leg_after, due);
        }
    }

    /// Ends a leg, wherever it is. `left`: what its conference reports.
    pub(super) fn end_call(&mut self, sid: &CallSid, status: CallStatus, left: Left) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(sid) else { return };
        if call.ended.is_some() {
            return;
        }
        call.status = status;
        call.ended = Some(now);
        call.verbs.clear();
        let doing = std::mem::replace(&mut call.doing, Doing::Nothing);
        self.forget_sounds(sid);
        self.cancel_timers(&Due::RingTimeout(sid.clone()));
        self.cancel_timers(&Due::DeadLeg(sid.clone()));
        self.cancel_timers(&Due::TimeLimit(sid.clone()));
        self.forget_keys(sid);
        self.messages.remove(sid);
        self.effects.push(Effect::Drop { call: sid.clone() });
        match doing {
            Doing::Nothing | Doing::Fetching | Doing::Sounding => {}
            Doing::Ringing(joining) => self.set_up_failed(sid, &joining),
            Doing::Queued(queued) => {
                self.tell_action(sid, &queued, "hangup");
                self.cancel_task(&queued.task, "hangup");
            }
            Doing::Conference(conference, _) => self.leave(&conference, sid, left),
        }
        self.line_ended(sid);
    }

    /// Requests the `action` of a leg that no longer waits for its document.
    fn tell_action(&mut self, sid: &CallSid, queued: &Queued, result: &str) {
        let Some(action) = &queued.action else { return };
        let mut params = self.call_params(sid);
        params.extend(self.queue_result(result, &queued.workflow, queued.entered));
        self.effects.push(Effect::Webhook { url: action.url.clone(), method: action.method.clone(), params });
    }

    /// Takes a leg out of its current activity, without ending it.
    fn interrupt(&mut self, sid: &CallSid) {
        self.forget_keys(sid);
        let Some(call) = self.calls.get_mut(sid) else { return };
        call.verbs.clear();
        let doing = std::mem::replace(&mut call.doing, Doing::Nothing);
        self.forget_sounds(sid);
        self.effects.push(Effect::StopPlaying { call: sid.clone() });
        match doing {
            Doing::Nothing | Doing::Fetching | Doing::Sounding | Doing::Ringing(_) => {}
            Doing::Queued(queued) => {
                self.stop_music(sid, &queued);
                if self.facts.redirect_requests_action {
                    self.tell_action(sid, &queued, "redirected");
                }
                if self.facts.redirect_cancels_task {
                    self.cancel_task(&queued.task, "redirected");
                }
            }
            Doing::Conference(conference, _) => self.leave(&conference, sid, Left::UpdatedViaApi),
        }
    }

    /// `POST Calls/{CA}` with a document.
    pub(super) fn redirect(&mut self, sid: &CallSid, link: &Link, fallback: Option<Link>) {
        self.log(format!("{sid} is redirected to another document"));
        self.interrupt(sid);
        if let Some(call) = self.calls.get_mut(sid) {
            call.fallback = fallback;
        }
        self.fetch_document(sid, link, vec![], false);
    }

    /// `POST Calls/{CA}` with inline TwiML.
    pub(super) fn redirect_inline(&mut self, sid: &CallSid, document: &str) {
        self.log(format!("{sid} is redirected to an inline document"));
        self.interrupt(sid);
        if let Some(call) = self.calls.get_mut(sid) {
            call.fallback = None;
        }
        match twiml::parse(document, self.facts.document_limit) {
            Ok(verbs) => self.run(sid, verbs.into(), String::new()),
            Err(error) => self.document_failed(sid, "", false, &error.to_string()),
        }
    }

    /// Parameters of every request about a call (<https://www.twilio.com/docs/voice/twiml#request-parameters>).
    pub(super) fn call_params(&self, sid: &CallSid) -> Vec<(String, String)> {
        let Some(call) = self.calls.get(sid) else { return vec![] };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        vec![
            pair("CallSid", sid.as_str()),
            pair("AccountSid", self.account.sid.as_str()),
            pair("From", &call.from),
            pair("To", &call.to),
            pair("Caller", &call.from),
            pair("Called", &call.to),
            pair("CallStatus", call.status.as_str()),
            pair("Direction", call.kind.direction()),
            pair("ApiVersion", "2010-04-01"),
        ]
    }

    pub(super) fn fetch_document(
        &mut self,
        sid: &CallSid,
        link: &Link,
        extra: Vec<(String, String)>,
        fallback: bool,
    ) {
        let mut params = self.call_params(sid);
        params.extend(extra);
        let Some(call) = self.calls.get_mut(sid) else { return };
        if call.status != CallStatus::InProgress {
            return;
        }
        call.doing = Doing::Fetching;
        self.fetch(FetchFor::Document(sid.clone()), link, params, fallback);
    }

    pub(super) fn document_fetched(
        &mut self,
        sid: &CallSid,
        fetch: &Fetch,
        result: Result<VecDeque<Verb>, String>,
    ) {
        match result {
            Ok(verbs) => self.run(sid, verbs, fetch.url.clone()),
            Err(why) => self.document_failed(sid, &fetch.url, fetch.fallback, &why),
        }
    }

    /// Tries the fallback; without one the caller hears the error message and is hung up on.
    pub(super) fn document_failed(&mut self, sid: &CallSid, url: &str, was_fallback: bool, why: &str) {
        self.log(format!("{sid} a document fails: {why}"));
        let Some(call) = self.calls.get(sid) else { return };
        match call.fallback.clone().filter(|_| !was_fallback) {
            Some(fallback) => {
                let code = why.split(':').next().unwrap_or_default().to_owned();
                let extra = vec![("ErrorCode".into(), code), ("ErrorUrl".into(), url.to_owned())];
                self.fetch_document(sid, &fallback, extra, true);
            }
            None => {
                let message = Verb::Say { text: self.facts.error_message.into(), loops: 1 };
                self.run(sid, [message].into(), String::new());
            }
        }
    }

    pub(super) fn run(&mut self, sid: &CallSid, verbs: VecDeque<Verb>, base: String) {
        let Some(call) = self.calls.get_mut(sid) else { return };
        call.verbs = verbs;
        call.base = base;
        self.advance(sid);
    }

    /// Continues with the next verb of the leg's document.
    pub(super) fn advance(&mut self, sid: &CallSid) {
        loop {
            let Some(call) = self.calls.get_mut(sid) else { return };
            if call.status != CallStatus::InProgress {
                return;
            }
            call.doing = Doing::Nothing;
            let Some(verb) = call.verbs.pop_front() else {
                self.log(format!("{sid} its document is at its end: hung up"));
                return self.end_call(sid, CallStatus::Completed, Left::HungUp);
            };
            let base = call.base.clone();
            if let Some((sound, loops)) = sound(&base, &verb) {
                call.doing = Doing::Sounding;
                return self.play(PlayFor::Document(sid.clone()), Audience::Leg(sid.clone()), sound, loops);
            }
            match verb {
                Verb::Enqueue(enqueue) => {
                    if self.enqueue(sid, &base, &enqueue) {
                        return;
                    }
                }
                Verb::Conference(conference) => {
                    return self.dial_conference(sid, &base, &conference);
                }
                Verb::Redirect(link) => {
                    return self.fetch_document(sid, &resolved(&base, &link), vec![], false);
                }
                Verb::Gather(gather) => self.gather(sid, *gather),
                Verb::Listen => return self.listen(sid),
                Verb::Hangup => return self.end_call(sid, CallStatus::Completed, Left::HungUp),
                // Not in a queue, so there is nothing to leave. The others have a sound.
                Verb::Leave | Verb::Say { .. } | Verb::Play { .. } | Verb::Pause(_) => {}
            }
        }
    }

    /// Returns false when there is no such workflow or the task is refused; the document goes on.
    fn enqueue(&mut self, sid: &CallSid, base: &str, enqueue: &Enqueue) -> bool {
        let task = match self.task_of_call(sid, enqueue) {
            Ok(task) => task,
            Err(error) => {
                self.log(format!("{sid} cannot be queued: {}", error.message));
                return false;
            }
        };
        self.log(format!("{sid} waits in the queue as {task}"));
        let now = self.now;
        let Some(call) = self.calls.get_mut(sid) else { return false };
        call.doing = Doing::Queued(Box::new(Queued {
            task,
            workflow: enqueue.workflow.clone(),
            entered: now,
            action: enqueue.action.as_ref().map(|link| resolved(base, link)),
            wait_link: enqueue.wait.as_ref().map(|link| resolved(base, link)),
            wait: None,
            music: enqueue.wait.is_none(),
        }));
        match &enqueue.wait {
            Some(link) => self.fetch_wait(sid, &resolved(base, link)),
            None => self.put_on_hold(sid, None),
        }
        true
    }

    fn fetch_wait(&mut self, sid: &CallSid, link: &Link) {
        let Some(Call { doing: Doing::Queued(queued), .. }) = self.calls.get(sid) else { return };
        let queues: Vec<_> = self
            .calls
            .values()
            .filter_map(|call| match &call.doing {
                Doing::Queued(other) if other.workflow == queued.workflow => Some(other.entered),
                _ => None,
            })
            .collect();
        let position = queues.iter().filter(|entered| **entered < queued.entered).count() + 1;
        let waited = queued.entered.until(self.now).0 / 1000;
        let mut params = self.call_params(sid);
        let pair = |key: &str, value: String| (key.to_owned(), value);
        params.extend([
            pair("QueueSid", queue_sid(&queued.workflow)),
            pair("QueueTime", waited.to_string()),
            pair("QueuePosition", position.to_string()),
            pair("AvgQueueTime", waited.to_string()),
            pair("CurrentQueueSize", queues.len().to_string()),
        ]);
        self.fetch(FetchFor::Wait(sid.clone()), link, params, false);
    }

    pub(super) fn wait_fetched(
        &mut self,
        sid: &CallSid,
        fetch: &Fetch,
        result: Result<VecDeque<Verb>, String>,
    ) {
        match result {
            Ok(verbs) => {
                let Some(Call { doing: Doing::Queued(queued), .. }) = self.calls.get_mut(sid) else { return };
                queued.wait =
                    Some(Wait { verbs: verbs.into(), at: 0, base: fetch.url.clone(), silent: true });
                self.advance_wait(sid);
            }
            Err(why) => {
                self.log(format!("{sid} waits in silence, the waiting document fails: {why}"));
                let again = self.facts.failed_wait_is_requested_again;
                let Some(Call { doing: Doing::Queued(queued), .. }) = self.calls.get_mut(sid) else { return };
                queued.wait = None;
                if again {
                    let base = fetch.url.clone();
                    queued.wait = Some(Wait { verbs: vec![], at: 0, base, silent: false });
                    let (of, to) = (PlayFor::Wait(sid.clone()), Audience::Leg(sid.clone()));
                    self.play(of, to, Sound::Silence(EMPTY_ROUND), 1);
                }
            }
        }
    }

    /// Continues with the next verb of the waiting document. At its end it is requested again, as the `<Enqueue>`
    /// page says (<https://www.twilio.com/docs/voice/twiml/enqueue#waiturl>).
    pub(super) fn advance_wait(&mut self, sid: &CallSid) {
        loop {
            let Some(Call { doing: Doing::Queued(queued), .. }) = self.calls.get_mut(sid) else { return };
            let Some(wait) = &mut queued.wait else { return };
            let of = PlayFor::Wait(sid.clone());
            let to = Audience::Leg(sid.clone());
            let Some(verb) = wait.verbs.get(wait.at).cloned() else {
                if std::mem::take(&mut wait.silent) {
                    return self.play(of, to, Sound::Silence(EMPTY_ROUND), 1);
                }
                let link = queued.wait_link.clone();
                return link.into_iter().for_each(|link| self.fetch_wait(sid, &link));
            };
            wait.at += 1;
            let base = wait.base.clone();
            if let Some((sound, loops)) = sound(&base, &verb) {
                wait.silent = false;
                return self.play(of, to, sound, loops);
            }
            match verb {
                Verb::Redirect(link) => return self.fetch_wait(sid, &resolved(&base, &link)),
                Verb::Hangup => return self.end_call(sid, CallStatus::Completed, Left::HungUp),
                Verb::Leave => return self.leave_queue(sid),
                Verb::Enqueue(_) | Verb::Conference(_) | Verb::Gather(_) | Verb::Listen => {
                    self.log(format!("{sid} its waiting document has a verb that is not allowed there"));
                }
                Verb::Say { .. } | Verb::Play { .. } | Verb::Pause(_) => {}
            }
        }
    }

    /// `<Leave>`.
    fn leave_queue(&mut self, sid: &CallSid) {
        let Some(queued) = self.dequeue(sid) else { return };
        self.cancel_task(&queued.task, "leave");
        self.after_queue(sid, queued.action.as_ref(), "leave", &queued.workflow, queued.entered);
    }

    /// Takes a leg out of its queue. Its task stays.
    pub(super) fn dequeue(&mut self, sid: &CallSid) -> Option<Queued> {
        let call = self.calls.get_mut(sid)?;
        if !matches!(call.doing, Doing::Queued(_)) {
            return None;
        }
        let Doing::Queued(queued) = std::mem::replace(&mut call.doing, Doing::Nothing) else { return None };
        self.forget_sounds(sid);
        self.effects.push(Effect::StopPlaying { call: sid.clone() });
        self.stop_music(sid, &queued);
        Some(*queued)
    }

    fn stop_music(&mut self, sid: &CallSid, queued: &Queued) {
        if queued.music {
            self.take_off_hold(sid);
        }
    }

    fn after_queue(
        &mut self,
        sid: &CallSid,
        action: Option<&Link>,
        result: &str,
        workflow: &WorkflowSid,
        entered: Millis,
    ) {
        match action {
            Some(action) => {
                let extra = self.queue_result(result, workflow, entered);
                self.fetch_document(sid, action, extra, false);
            }
            None => self.advance(sid),
        }
    }

    fn queue_result(&self, result: &str, workflow: &WorkflowSid, entered: Millis) -> Vec<(String, String)> {
        vec![
            ("QueueResult".into(), result.into()),
            ("QueueSid".into(), queue_sid(workflow)),
            ("QueueTime".into(), (entered.until(self.now).0 / 1000).to_string()),
        ]
    }

    fn dial_conference(&mut self, sid: &CallSid, base: &str, dial: &DialConference) {
        let then = Then::Dial { action: dial.action.as_ref().map(|link| resolved(base, link)) };
        let mut callback = dial.callback.clone();
        if let Some(callback) = &mut callback {
            callback.link = resolved(base, &callback.link);
        }
        self.join_by_twiml(sid, dial, callback, then);
    }

    /// The leg's conference has ended or removed it: continues with its document.
    pub(super) fn after_conference(&mut self, sid: &CallSid) {
        let Some(call) = self.calls.get_mut(sid) else { return };
        if !matches!(call.doing, Doing::Conference(..)) {
            return;
        }
        let Doing::Conference(_, then) = std::mem::replace(&mut call.doing, Doing::Nothing) else { return };
        match then {
            Then::HangUp => self.end_call(sid, CallStatus::Completed, Left::HungUp),
            Then::Enqueue { action, workflow, entered } => {
                self.after_queue(sid, action.as_ref(), "bridged", &workflow, entered);
            }
            Then::Dial { action: Some(action) } => {
                let extra = vec![("DialCallStatus".into(), "answered".into())];
                self.fetch_document(sid, &action, extra, false);
            }
            Then::Dial { action: None } => self.advance(sid),
        }
    }

    /// Forgets what plays to the leg, or is being fetched for it.
    pub(super) fn forget_sounds(&mut self, sid: &CallSid) {
        self.plays.forget(&PlayFor::Document(sid.clone()));
        self.plays.forget(&PlayFor::Wait(sid.clone()));
        self.fetches.retain(
            |_, fetch| !matches!(&fetch.of, FetchFor::Document(call) | FetchFor::Wait(call) if call == sid),
        );
    }
}

/// The voice queue behind a workflow.
fn queue_sid(workflow: &WorkflowSid) -> String {
    format!("QU{}", workflow.digits())
}

impl CallKind {
    /// `Direction`.
    pub(super) fn direction(&self) -> &'static str {
        match self {
            Self::Customer { .. } | Self::Line => "inbound",
            Self::Agent(_) | Self::Dialled => "outbound-api",
        }
    }
}
