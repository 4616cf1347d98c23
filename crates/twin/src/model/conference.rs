//! Conferences and their participants (<https://www.twilio.com/docs/voice/twiml/conference>).

use super::{
    Model,
    api::{ApiError, Audience, Effect, ParticipantChange},
    plays::PlayFor,
    state::{
        Announcement, Call, CallKind, CallStatus, Conference, ConferenceEnd, ConferenceStatus, Doing, Fetch,
        FetchFor, Left, Participant, ParticipantKind, ReservationStatus, Then,
    },
    twiml::{Callback, DialConference, Link, Verb, http_method},
    voice::{resolve, sound},
};
use crate::dates::rfc2822;
use rejoin_protocol::{CallSid, ConferenceSid, ParticipantSid, ReservationSid, TaskSid};
use std::collections::VecDeque;

/// How a participant joins.
#[derive(Clone, Debug)]
pub(super) struct Joins {
    pub(super) sid: Option<ParticipantSid>,
    pub(super) kind: ParticipantKind,
    pub(super) label: Option<String>,
    pub(super) muted: bool,
    pub(super) end_on_exit: bool,
    pub(super) start_on_enter: bool,
    pub(super) then: Then,
}

/// True when a document with this verb can play to a participant who stays in the conference.
pub(super) fn is_allowed_in_a_conference(verb: &Verb) -> bool {
    match verb {
        Verb::Say { .. } | Verb::Play { .. } | Verb::Pause(_) | Verb::Redirect(_) => true,
        Verb::Enqueue(_) | Verb::Conference(_) | Verb::Gather(_) | Verb::Listen => false,
        Verb::Hangup | Verb::Leave => false,
    }
}

impl Conference {
    /// The current participants.
    pub(super) fn live(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| participant.left.is_none())
    }
}

impl Model {
    /// The open conference with this name; created with this callback if there is none.
    pub(super) fn conference_named(&mut self, name: &str, callback: Option<Callback>) -> ConferenceSid {
        let open = self.open_conference(name);
        open.unwrap_or_else(|| {
            let sid = ConferenceSid::numbered(self.number());
            let conference = Conference {
                name: name.to_owned(),
                status: ConferenceStatus::Init,
                created: self.now,
                updated: self.now,
                sequence: 0,
                callback,
                participants: vec![],
                announcements: VecDeque::new(),
                ended: None,
            };
            self.conferences.insert(sid.clone(), conference);
            self.log(format!("{sid} is a new conference"));
            sid
        })
    }

    /// The open conference with this name.
    pub(super) fn open_conference(&self, name: &str) -> Option<ConferenceSid> {
        self.conferences
            .iter()
            .find(|(_, conference)| {
                conference.name == name && conference.status != ConferenceStatus::Completed
            })
            .map(|(sid, _)| sid.clone())
    }

    /// `<Dial><Conference>`.
    pub(super) fn join_by_twiml(
        &mut self,
        call: &CallSid,
        dial: &DialConference,
        callback: Option<Callback>,
        then: Then,
    ) {
        let conference = self.conference_named(&dial.name, callback);
        let taken = dial.label.is_some()
            && self
                .conferences
                .get(&conference)
                .is_some_and(|conference| conference.live().any(|other| other.label == dial.label));
        if taken {
            // Error 16025: continue with the next verb.
            self.log(format!("{call} cannot join {conference}: its label is taken"));
            return self.advance(call);
        }
        let kind = match self.calls.get(call).map(|call| call.kind.clone()) {
            Some(CallKind::Agent(worker)) => ParticipantKind::Agent { worker, reservation: None },
            _ if self.is_customer_of(&dial.name, call) => ParticipantKind::Customer,
            _ => ParticipantKind::External,
        };
        let joins = Joins {
            sid: None,
            kind,
            label: dial.label.clone(),
            muted: dial.muted,
            end_on_exit: dial.end_on_exit,
            start_on_enter: dial.start_on_enter,
            then,
        };
        self.join(&conference, call, joins);
    }

    /// Flex names a conference after its task, which names the customer's leg.
    fn is_customer_of(&self, name: &str, call: &CallSid) -> bool {
        TaskSid::parse(name)
            .ok()
            .and_then(|task| self.tasks.get(&task))
            .is_some_and(|task| task.call.as_ref() == Some(call))
    }

    pub(super) fn join(&mut self, sid: &ConferenceSid, call: &CallSid, joins: Joins) {
        let participant_sid = match joins.sid {
            Some(sid) => sid,
            None => ParticipantSid::numbered(self.number()),
        };
        let now = self.now;
        let Some(leg) = self.calls.get_mut(call) else { return };
        leg.doing = Doing::Conference(sid.clone(), joins.then);
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        conference.participants.push(Participant {
            sid: participant_sid,
            call: call.clone(),
            kind: joins.kind,
            label: joins.label,
            hold: false,
            muted: joins.muted,
            coaches: None,
            end_on_exit: joins.end_on_exit,
            start_on_enter: joins.start_on_enter,
            joined: now,
            updated: now,
            left: None,
            sequence: 0,
            event: "participant-join",
        });
        let index = conference.participants.len() - 1;
        let starts = conference.status == ConferenceStatus::Init
            && conference.live().count() >= 2
            && conference.live().any(|participant| participant.start_on_enter);
        self.effects.push(Effect::Place { call: call.clone(), conference: Some(sid.clone()) });
        if joins.muted {
            self.effects.push(Effect::Mute { call: call.clone(), muted: true });
        }
        self.log(format!("{call} joins {sid}"));
        self.participant_event(sid, index, "join", "participant-join", vec![]);
        if starts {
            if let Some(conference) = self.conferences.get_mut(sid) {
                conference.status = ConferenceStatus::InProgress;
            }
            self.conference_event(sid, "start", "conference-start", vec![]);
        }
        self.tell_participant(sid, index, "participant.added");
    }

    /// A leg leaves the conference. The caller decides what the leg does next.
    pub(super) fn leave(&mut self, sid: &ConferenceSid, call: &CallSid, left: Left) {
        let Some(conference) = self.conferences.get(sid) else { return };
        let Some(ends) = conference
            .live()
            .find(|participant| participant.call == *call)
            .map(|participant| participant.end_on_exit)
        else {
            return;
        };
        self.mark_left(sid, call, left);
        let alone = self.conferences.get(sid).is_none_or(|conference| conference.live().next().is_none());
        let kicked = matches!(left, Left::Kicked | Left::Transferred);
        if ends {
            self.end_conference(sid, &ConferenceEnd::Moderator { call: call.clone(), kicked });
        } else if alone {
            self.end_conference(sid, &ConferenceEnd::Last { call: call.clone(), kicked });
        }
    }

    fn mark_left(&mut self, sid: &ConferenceSid, call: &CallSid, left: Left) {
        let now = self.now;
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        let Some(index) = conference
            .participants
            .iter()
            .position(|participant| participant.left.is_none() && participant.call == *call)
        else {
            return;
        };
        let participant = &mut conference.participants[index];
        let (hold, muted, coached) = (participant.hold, participant.muted, participant.coaches.is_some());
        participant.left = Some(now);
        participant.updated = now;
        let reservation = participant.kind.reservation().cloned();
        if hold {
            self.take_off_hold(call);
        }
        if muted {
            self.effects.push(Effect::Mute { call: call.clone(), muted: false });
        }
        if coached {
            self.effects.push(Effect::Coach { call: call.clone(), coached: None });
        }
        self.effects.push(Effect::Place { call: call.clone(), conference: None });
        let reason = match left {
            Left::HungUp => "participant_hung_up",
            Left::UpdatedViaApi => "participant_updated_via_api",
            Left::Kicked => self.facts.kick_reason,
            Left::Transferred => self.facts.transfer_reason,
            Left::ModeratorEnded => "moderator_ended_conference",
            Left::EndedViaApi => "conference_ended_via_api",
        };
        let status = self.calls.get(call).map_or(CallStatus::Completed, |call| call.status);
        self.log(format!("{call} leaves {sid}: {reason}"));
        self.participant_event(
            sid,
            index,
            "leave",
            "participant-leave",
            vec![
                ("ParticipantCallStatus".into(), status.as_str().into()),
                ("ReasonParticipantLeft".into(), reason.into()),
            ],
        );
        self.tell_participant(sid, index, "participant.removed");
        if let Some(reservation) = reservation {
            // After "Join Call" a second leg of the same reservation may stand.
            let stands = self.conferences.values().any(|conference| {
                conference.live().any(|other| other.kind.reservation() == Some(&reservation))
            });
            if !stands {
                self.wrap(&reservation);
                self.placed_no_more(&reservation);
            }
        }
    }

    pub(super) fn end_conference(&mut self, sid: &ConferenceSid, why: &ConferenceEnd) {
        let now = self.now;
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        if conference.status == ConferenceStatus::Completed {
            return;
        }
        conference.status = ConferenceStatus::Completed;
        conference.updated = now;
        conference.ended = Some(why.clone());
        conference.announcements.clear();
        let others: Vec<CallSid> = conference.live().map(|participant| participant.call.clone()).collect();
        self.plays.forget(&PlayFor::Announcement(sid.clone()));
        let of = FetchFor::Announcement(sid.clone());
        self.fetches.retain(|_, fetch| fetch.of != of);
        let left = if *why == ConferenceEnd::Api { Left::EndedViaApi } else { Left::ModeratorEnded };
        for call in &others {
            self.mark_left(sid, call, left);
        }
        self.stop_dialling(sid);
        self.log(format!("{sid} ends: {}", why.as_str()));
        let mut extra: Vec<(String, String)> =
            vec![("ReasonConferenceEnded".into(), why.as_str().into()), ("Reason".into(), why.text().into())];
        if let Some(call) = why.call() {
            extra.push(("CallSidEndingConference".into(), call.to_string()));
            let label = self.conferences.get(sid).and_then(|conference| {
                let mut all = conference.participants.iter().rev();
                all.find(|participant| participant.call == *call).and_then(|p| p.label.clone())
            });
            if let Some(label) = label {
                extra.push(("ParticipantLabelEndingConference".into(), label));
            }
        }
        self.conference_event(sid, "end", "conference-end", extra);
        self.call_is_over(sid);
        for call in &others {
            if *why == ConferenceEnd::Api {
                // Ending by API hangs up all participants.
                if let Some(leg) = self.calls.get_mut(call) {
                    leg.doing = Doing::Nothing;
                }
                self.end_call(call, CallStatus::Completed, Left::EndedViaApi);
            } else {
                self.after_conference(call);
            }
        }
    }

    /// `DELETE` of a participant, or `Status=completed` of a leg.
    pub(super) fn kick(&mut self, call: &CallSid) {
        self.end_call(call, CallStatus::Completed, Left::Kicked);
    }

    /// Changes flags and reports it. An unchanged flag causes no webhook.
    ///
    /// # Errors
    /// When there is no such participant.
    pub(super) fn change_participant(
        &mut self,
        sid: &ConferenceSid,
        call: &CallSid,
        change: &ParticipantChange,
    ) -> Result<(), ApiError> {
        let now = self.now;
        let missing = || ApiError::not_found("participant");
        let conference = self.conferences.get_mut(sid).ok_or_else(missing)?;
        let coached = change.coaches.as_ref().and_then(Option::as_ref);
        if coached.is_some_and(|coached| !conference.live().any(|participant| participant.call == *coached)) {
            return Err(ApiError {
                status: 400,
                code: 16028,
                message: "CallSidToCoach is not in the conference".into(),
            });
        }
        let index = conference
            .participants
            .iter()
            .position(|participant| participant.left.is_none() && participant.call == *call)
            .ok_or_else(missing)?;
        let participant = &mut conference.participants[index];
        participant.updated = now;
        // The flag has no effect while the participant is on hold.
        let end_on_exit = change
            .end_conference_on_exit
            .filter(|wanted| !participant.hold && *wanted != participant.end_on_exit);
        let ignored = change.end_conference_on_exit.is_some() && participant.hold;
        let hold = change.hold.filter(|wanted| *wanted != participant.hold || change.hold_url.is_some());
        let muted = change.muted.filter(|wanted| *wanted != participant.muted);
        if let Some(wanted) = end_on_exit {
            participant.end_on_exit = wanted;
        }
        let coaches = change.coaches.clone().filter(|wanted| *wanted != participant.coaches);
        if let Some(coaches) = &coaches {
            participant.coaches.clone_from(coaches);
        }
        let before = participant.hold;
        participant.hold = hold.unwrap_or(participant.hold);
        participant.muted = muted.unwrap_or(participant.muted);
        if ignored {
            self.log(format!("{call} is on hold: EndConferenceOnExit has no effect"));
        }
        if let Some(wanted) = end_on_exit {
            self.log(format!("{call} EndConferenceOnExit is {wanted} now"));
            self.participant_event(sid, index, "modify", "participant-modify", vec![]);
        }
        if let Some(coached) = coaches {
            let whom = coached.as_ref().map_or("everybody", CallSid::as_str);
            self.log(format!("{call} is heard by {whom} now"));
            self.effects.push(Effect::Coach { call: call.clone(), coached });
            self.participant_event(sid, index, "modify", "participant-modify", vec![]);
        }
        if let Some(hold) = hold {
            self.log(format!("{call} is {} now", if hold { "on hold" } else { "off hold" }));
            let method = change.hold_method.as_deref().unwrap_or("GET");
            let link = change.hold_url.clone().map(|url| Link { url, method: http_method(Some(method)) });
            if hold {
                self.put_on_hold(call, link.as_ref());
            } else {
                self.take_off_hold(call);
            }
            if hold != before {
                let event = if hold { "participant-hold" } else { "participant-unhold" };
                self.participant_event(sid, index, "hold", event, vec![]);
            }
        }
        if let Some(muted) = muted {
            self.effects.push(Effect::Mute { call: call.clone(), muted });
            let event = if muted { "participant-mute" } else { "participant-unmute" };
            self.participant_event(sid, index, "mute", event, vec![]);
        }
        if let Some(url) = change.announce_url.clone().filter(|url| !url.is_empty()) {
            let method = http_method(change.announce_method.as_deref());
            self.announce(sid, Some(call.clone()), Link { url, method });
        }
        let flags = change.end_conference_on_exit.is_some()
            || change.hold.is_some()
            || change.muted.is_some()
            || change.coaches.is_some();
        if flags {
            // Flex waits for an answer to its request, even when nothing changed.
            self.tell_participant(sid, index, "participant.modified");
        }
        Ok(())
    }

    /// Queues an announcement behind earlier ones.
    pub(super) fn announce(&mut self, sid: &ConferenceSid, call: Option<CallSid>, link: Link) {
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        conference.announcements.push_back(Announcement {
            link,
            call,
            verbs: VecDeque::new(),
            base: String::new(),
            started: false,
        });
        self.start_announcement(sid);
    }

    fn start_announcement(&mut self, sid: &ConferenceSid) {
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        let Some(announcement) = conference.announcements.front_mut() else { return };
        if announcement.started {
            return;
        }
        announcement.started = true;
        let link = announcement.link.clone();
        let call = announcement.call.clone();
        let mut params: Vec<(String, String)> = vec![
            ("AccountSid".into(), self.account.sid.to_string()),
            ("ConferenceSid".into(), sid.to_string()),
            ("FriendlyName".into(), conference.name.clone()),
            ("ApiVersion".into(), "2010-04-01".into()),
        ];
        if let Some(call) = call {
            params.push(("CallSid".into(), call.to_string()));
        }
        self.log(format!("{sid} an announcement begins"));
        self.fetch(FetchFor::Announcement(sid.clone()), &link, params, false);
    }

    pub(super) fn announcement_fetched(
        &mut self,
        sid: &ConferenceSid,
        fetch: &Fetch,
        result: Result<VecDeque<Verb>, String>,
    ) {
        let result = result.and_then(|verbs| {
            if verbs.iter().all(is_allowed_in_a_conference) {
                Ok(verbs)
            } else {
                Err("13248: an announcement may say, play, pause and redirect only".into())
            }
        });
        match result {
            Ok(verbs) => {
                let Some(conference) = self.conferences.get_mut(sid) else { return };
                let Some(announcement) = conference.announcements.front_mut() else { return };
                announcement.verbs = verbs;
                announcement.base.clone_from(&fetch.url);
                self.advance_announcement(sid);
            }
            Err(why) => {
                self.log(format!("{sid} an announcement fails: {why}"));
                let event = self.facts.failed_fetch_fails_announcement.then_some("announcement-fail");
                self.finish_announcement(sid, event, vec![("ReasonAnnouncementFailed".into(), why)]);
            }
        }
    }

    pub(super) fn advance_announcement(&mut self, sid: &ConferenceSid) {
        loop {
            let to = self.announcement_audience(sid);
            let Some(conference) = self.conferences.get_mut(sid) else { return };
            let Some(announcement) = conference.announcements.front_mut() else { return };
            let base = announcement.base.clone();
            let Some(verb) = announcement.verbs.pop_front() else {
                return self.finish_announcement(sid, Some("announcement-end"), vec![]);
            };
            if let Some((sound, loops)) = sound(&base, &verb) {
                return self.play(PlayFor::Announcement(sid.clone()), to, sound, loops);
            }
            if let Verb::Redirect(link) = verb {
                let link = Link { url: resolve(&base, &link.url), method: link.method };
                return self.fetch(FetchFor::Announcement(sid.clone()), &link, vec![], false);
            }
        }
    }

    /// The audience of the current announcement.
    pub(super) fn announcement_audience(&self, sid: &ConferenceSid) -> Audience {
        let call = self
            .conferences
            .get(sid)
            .and_then(|conference| conference.announcements.front())
            .and_then(|announcement| announcement.call.clone());
        call.map_or_else(|| Audience::Conference(sid.clone()), Audience::Leg)
    }

    fn finish_announcement(
        &mut self,
        sid: &ConferenceSid,
        event: Option<&'static str>,
        mut extra: Vec<(String, String)>,
    ) {
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        let Some(done) = conference.announcements.pop_front() else { return };
        extra.push(("AnnounceUrl".into(), done.link.url));
        let index = done.call.and_then(|call| {
            conference
                .participants
                .iter()
                .position(|participant| participant.left.is_none() && participant.call == call)
        });
        match (event, index) {
            (Some(event), Some(index)) => self.participant_event(sid, index, "announcement", event, extra),
            (Some(event), None) => self.conference_event(sid, "announcement", event, extra),
            (None, _) => {}
        }
        self.start_announcement(sid);
    }

    /// An event of the conference as a whole.
    fn conference_event(
        &mut self,
        sid: &ConferenceSid,
        selector: &str,
        event: &str,
        extra: Vec<(String, String)>,
    ) {
        let account = self.account.sid.to_string();
        let now = self.now;
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        conference.sequence += 1;
        conference.updated = now;
        let Some(callback) = &conference.callback else { return };
        if !callback.events.iter().any(|subscribed| subscribed == selector) {
            return;
        }
        let mut params: Vec<(String, String)> = vec![
            ("ConferenceSid".into(), sid.to_string()),
            ("FriendlyName".into(), conference.name.clone()),
            ("AccountSid".into(), account),
            ("SequenceNumber".into(), conference.sequence.to_string()),
            ("Timestamp".into(), rfc2822(now)),
            ("StatusCallbackEvent".into(), event.into()),
        ];
        params.extend(extra);
        let Link { url, method } = callback.link.clone();
        self.effects.push(Effect::Webhook { url, method, params });
    }

    /// An event of one participant.
    fn participant_event(
        &mut self,
        sid: &ConferenceSid,
        index: usize,
        selector: &str,
        event: &'static str,
        extra: Vec<(String, String)>,
    ) {
        let Some(conference) = self.conferences.get_mut(sid) else { return };
        let sequence = conference.sequence + 1;
        let Some(participant) = conference.participants.get_mut(index) else { return };
        participant.sequence = sequence;
        participant.event = event;
        let mut params: Vec<(String, String)> = vec![
            ("CallSid".into(), participant.call.to_string()),
            ("Muted".into(), participant.muted.to_string()),
            ("Hold".into(), participant.hold.to_string()),
            ("Coaching".into(), participant.coaches.is_some().to_string()),
            ("EndConferenceOnExit".into(), participant.end_on_exit.to_string()),
            ("StartConferenceOnEnter".into(), participant.start_on_enter.to_string()),
        ];
        if let Some(label) = &participant.label {
            params.push(("ParticipantLabel".into(), label.clone()));
        }
        params.extend(extra);
        self.conference_event(sid, selector, event, params);
    }

    /// Reports a participant to the workers who have the conference's task.
    fn tell_participant(&mut self, sid: &ConferenceSid, index: usize, event_type: &str) {
        let Some(conference) = self.conferences.get(sid) else { return };
        let Ok(task) = TaskSid::parse(&conference.name) else { return };
        let Some(participant) = conference.participants.get(index) else { return };
        let workers = self.workers_on(&task);
        if !workers.is_empty() {
            let payload = self.bridge_participant(sid, &task, participant);
            self.tell(workers, event_type, payload);
        }
    }

    /// The agent's leg is gone: its reservation starts to wrap up.
    fn wrap(&mut self, reservation: &ReservationSid) {
        if self.reservations.get(reservation).is_some_and(|r| r.status == ReservationStatus::Accepted) {
            self.set_reservation(reservation, ReservationStatus::Wrapping);
        }
    }

    /// The participant of this leg, while it is in the conference.
    pub(super) fn in_conference(&self, sid: &ConferenceSid, call: &CallSid) -> Option<&Participant> {
        self.conferences.get(sid)?.live().find(|participant| participant.call == *call)
    }

    /// The conference that this leg is in.
    pub(super) fn conference_of(&self, call: &CallSid) -> Option<&ConferenceSid> {
        match self.calls.get(call) {
            Some(Call { doing: Doing::Conference(conference, _), .. }) => Some(conference),
            _ => None,
        }
    }
}
