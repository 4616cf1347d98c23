//! Calls that are placed by REST (<https://www.twilio.com/docs/voice/api/call-resource#create-a-call>), and their other end
//! when that is a number of the same account: a call of its own, which runs the number's document.

use super::{
    Model,
    api::{ApiError, NewCall, Reply},
    requests::Answer,
    state::{Begins, BeginsWith, Call, CallKind, CallStatus, Doing, Due, Joining, Left},
    twiml::{self, Link, http_method},
};
use rejoin_protocol::{CallSid, Millis};
use std::collections::VecDeque;

impl Model {
    /// `POST Calls`.
    pub(super) fn create_call(&mut self, new: NewCall) -> Answer {
        let NewCall { to, from, url, method, fallback_url, fallback_method, twiml, timeout, time_limit } =
            new;
        let is_number = |text: &str| {
            text.strip_prefix('+').is_some_and(|rest| {
                (7..=15).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        if !is_number(&to) {
            let message = "To: the twin calls numbers in the form +15550100001 alone".to_owned();
            return Err(ApiError { status: 400, code: 21211, message });
        }
        // https://www.twilio.com/docs/api/errors/21210
        if from != self.account.number && !self.account.lines.iter().any(|line| line.number == from) {
            let message = "From is no number of this account".to_owned();
            return Err(ApiError { status: 400, code: 21210, message });
        }
        let link = |url: String, method: Option<&str>| Link { url, method: http_method(method) };
        let fallback = fallback_url.map(|url| link(url, fallback_method.as_deref()));
        // Url wins when both are sent.
        let at = match (url, twiml) {
            (Some(url), _) => BeginsWith::Url(link(url, method.as_deref())),
            (None, Some(twiml)) if twiml.chars().count() <= self.facts.twiml_limit => {
                BeginsWith::Inline(twiml)
            }
            (None, Some(_)) => {
                let limit = self.facts.twiml_limit;
                return Err(ApiError::bad_request(format!("Twiml is longer than {limit} characters")));
            }
            // https://www.twilio.com/docs/api/errors/21205
            (None, None) => {
                let message = "neither Url nor Twiml is given".to_owned();
                return Err(ApiError { status: 400, code: 21205, message });
            }
        };
        let timeout = timeout.map_or(self.facts.ring_timeout, Millis::seconds);
        let begins = Begins { at, time_limit: time_limit.map(Millis::seconds) };
        let joining = Joining::Document(Box::new(begins));
        let sid = self.ring_outside(CallKind::Dialled, from, to, timeout, joining);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.fallback = fallback;
        }
        let reply = self.call_reply(&sid)?;
        Ok(Reply { status: 201, ..reply })
    }

    /// The phone was answered.
    pub(super) fn begin_document(&mut self, sid: &CallSid, begins: Begins) {
        if let Some(limit) = begins.time_limit {
            self.timer(limit, Due::TimeLimit(sid.clone()));
        }
        match begins.at {
            BeginsWith::Url(link) => self.fetch_document(sid, &link, vec![], false),
            BeginsWith::Inline(document) => match twiml::parse(&document, self.facts.document_limit) {
                Ok(verbs) => self.run(sid, verbs.into(), String::new()),
                Err(error) => self.document_failed(sid, "", false, &error.to_string()),
            },
        }
    }

    /// A call rings at a number of the account: there it is a call of its own.
    pub(super) fn line_rings(&mut self, placed: &CallSid, from: &str, to: &str) {
        if !self.account.lines.iter().any(|line| line.number == to) {
            return;
        }
        let sid = CallSid::numbered(self.number());
        let call = Call {
            from: from.to_owned(),
            to: to.to_owned(),
            kind: CallKind::Line,
            status: CallStatus::Ringing,
            created: self.now,
            ended: None,
            doing: Doing::Nothing,
            verbs: VecDeque::new(),
            base: String::new(),
            fallback: self.documents_of(to).1,
        };
        self.log(format!("{sid} is the other end of {placed}"));
        self.calls.insert(sid.clone(), call);
        self.other_ends.insert(placed.clone(), sid.clone());
        self.other_ends.insert(sid, placed.clone());
    }

    /// The number of the account answers: its document runs.
    pub(super) fn line_answered(&mut self, placed: &CallSid) {
        let Some(sid) = self.other_ends.get(placed).cloned() else { return };
        let Some(call) = self.calls.get_mut(&sid).filter(|call| call.kind == CallKind::Line) else { return };
        call.status = CallStatus::InProgress;
        let to = call.to.clone();
        let (link, _) = self.documents_of(&to);
        self.fetch_document(&sid, &link, vec![], false);
    }

    /// One end is gone: the other one hears that the line is hung up.
    pub(super) fn line_ended(&mut self, sid: &CallSid) {
        let Some(other) = self.other_ends.remove(sid) else { return };
        self.other_ends.remove(&other);
        let rings = self.calls.get(&other).is_some_and(|call| call.status == CallStatus::Ringing);
        let status = if rings { CallStatus::NoAnswer } else { CallStatus::Completed };
        self.end_call(&other, status, Left::HungUp);
    }
}
