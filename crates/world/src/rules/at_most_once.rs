//! What our server does at Twilio, as Twilio sees it: at most once, and only to legs that it may touch.

use super::{Rule, WAITS};
use crate::plan::FaultKind;
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_protocol::{CallSid, ReservationSid, TaskSid, attributes};
use rejoin_twin::model::{LegPlace, ParticipantView, TaskView};
use serde_json::Value;

/// How long our server may take to learn that an agent has come to a customer (milliseconds).
const NOT_KNOWN_YET: u64 = 3_000;
/// How often a customer whom no agent took may be put into the queue again for any agent.
const ANY: u32 = 4;

/// The resource of a request: `["Calls", "CA…"]` and so on.
fn resource(request: &http::Request<Bytes>) -> Vec<String> {
    let path = request.uri().path().trim_end_matches(".json");
    path.split('/').filter(|part| !part.is_empty()).skip(4).map(str::to_owned).collect()
}

/// Where a request sends a leg: into the queue (by which recovery, for whom), or into which conference.
fn sent_to(body: &str) -> Option<String> {
    let after = |mark: &str| {
        let (_, rest) = body.split_once(mark)?;
        rest.split(|char: char| !char.is_ascii_alphanumeric()).next()
    };
    if let Some((before, _)) = body.split_once("%3C%2FConference") {
        let (_, name) = before.rsplit_once("%3E")?;
        return Some(format!("the conference {name}"));
    }
    let recovery = after("%2Fwait%2F").or_else(|| after("%2Frequeue%2F"))?;
    let whom = if body.contains("targetWorkerSid") { "the agent" } else { "any agent" };
    // A deliberate repetition carries its count.
    let again = after("rejoinSentAgain%22%3A").map_or_else(String::new, |times| format!(" again {times}"));
    Some(format!("{whom} by {recovery}{again}"))
}

impl World {
    /// Our server is about to change something.
    pub(crate) fn before_change(&mut self, request: &http::Request<Bytes>) {
        let resource = resource(request);
        let resource: Vec<&str> = resource.iter().map(String::as_str).collect();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.once(request.method(), &resource, &body);
        match (request.method().as_str(), resource.as_slice()) {
            ("POST", ["Calls", call]) if body.contains("Url=") || body.contains("Twiml=") => {
                let Ok(call) = CallSid::parse(call) else { return };
                let Some(number) = self.whose.get(&call).copied() else { return };
                let customer = &self.customers[number];
                if customer.hung_up || customer.gone {
                    return;
                }
                let known = customer.talking_since.is_some_and(|since| since + NOT_KNOWN_YET < self.now);
                if known && !self.plan.setup_is_blind() && !self.lost_callbacks {
                    self.broken(
                        Rule::NotTaken,
                        format!("customer {number} talks to an agent and is redirected"),
                    );
                }
            }
            ("POST", ["Conferences", room]) => self.announces(room, &body),
            ("DELETE", ["Conferences", _, "Participants", call]) => {
                let Ok(call) = CallSid::parse(call) else { return };
                let attended = self.attended();
                if attended.contains(&call) && self.has_company(&call, &attended) {
                    self.broken(
                        Rule::NotRemoved,
                        format!("the leg {call} of an agent who is there is removed"),
                    );
                }
            }
            ("POST", [.., "Tasks", task, "Reservations", _])
            | ("POST", ["Tasks", task, "Reservations", _])
                if body.contains("ReservationStatus=completed") =>
            {
                let waits = |room: &rejoin_protocol::ConferenceSid| {
                    self.twilio.model.participants(room).any(|it| it.customer)
                        && !self.twilio.model.participants(room).any(|it| it.agent.is_some())
                };
                let room =
                    self.twilio.model.open_conferences().find(|(_, name)| name == task).map(|(room, _)| room);
                if room.is_some_and(waits) {
                    self.broken(
                        Rule::NotCompletedTooSoon,
                        format!("{task} is completed while its customer still waits there"),
                    );
                }
            }
            _ => {}
        }
    }

    /// True when an attended leg, or a third party, is in this leg's conference too. An agent alone, or with dead legs and
    /// supervisors who listen or coach, has no customer: the customer has been taken elsewhere.
    fn has_company(&self, call: &CallSid, attended: &[CallSid]) -> bool {
        let Some(LegPlace::Conference(room)) = self.twilio.model.place(call) else { return false };
        let is_there = |other: &ParticipantView<'_>| match other.agent {
            Some(_) => attended.contains(other.call),
            None => other.customer || !(other.muted || other.coaches),
        };
        self.twilio.model.participants(room).any(|other| other.call != call && is_there(&other))
    }

    /// True when an answer of Twilio may not have reached our server. It may then repeat what Twilio refuses the
    /// second time.
    fn knows_not_what_it_did(&self) -> bool {
        use crate::plan::FaultKind::*;
        let dies = [
            ServerDies,
            ServerRestarts,
            DiesAfterCommit,
            DiesAfterEffect,
            ServerStands,
            StandsAtStep,
            DiesAtStep,
            StoreRefuses,
            StoreStalls,
            CommitUnknown,
            DatabaseRestored,
        ];
        let unknown = [&[BrokenDone, SilentDone][..], &dies].concat();
        self.coverage.faults.keys().any(|kind| unknown.contains(kind))
    }

    /// True when our server's database was restored from a backup: our server does not know what it did since, and what it
    /// repeats does no harm.
    pub(super) fn has_forgotten(&self) -> bool {
        self.coverage.faults.contains_key(&FaultKind::DatabaseRestored)
    }

    /// Checks that nothing is requested again that was done.
    fn once(&mut self, method: &http::Method, resource: &[&str], body: &str) {
        if let ("POST", [.., "Reservations", reservation]) = (method.as_str(), resource)
            && body.contains("ReservationStatus=completed")
            && self.rules.completed.iter().any(|done| done.as_str() == *reservation)
            && !self.knows_not_what_it_did()
        {
            self.broken(Rule::CompletedOnce, format!("{reservation} was completed already"));
        }
    }

    /// A request was carried out.
    fn done(&mut self, resource: &[String], body: &str) {
        let resource: Vec<&str> = resource.iter().map(String::as_str).collect();
        match resource.as_slice() {
            [.., "Reservations", reservation] if body.contains("ReservationStatus=completed") => {
                self.rules.completed.extend(ReservationSid::parse(reservation));
            }
            ["Conferences", _, "Participants", call] => {
                let Ok(call) = CallSid::parse(call) else { return };
                // Without a document it is the agent's own hold, which our server has restored.
                if body.contains("HoldUrl=") {
                    self.hold_begun(&call, body);
                    self.rules.our_holds.insert(call);
                } else if body.contains("Hold=") {
                    self.hold_over(&call);
                    self.rules.our_holds.remove(&call);
                    self.rules.hold_ended.insert(call, self.now);
                }
            }
            ["Calls", _, "UserDefinedMessages"] => self.silences.asked += 1,
            ["Calls", call] => {
                let (Ok(call), Some(to)) = (CallSid::parse(call), sent_to(body)) else { return };
                // A customer who has waited for any agent in vain waits again.
                let most = if to.starts_with("any agent") { ANY } else { 1 };
                let count = self.rules.moved.entry((call.clone(), to.clone())).or_default();
                *count += 1;
                if *count > most && !self.has_forgotten() {
                    self.broken(Rule::MovedOnce, format!("{call} is sent to {to} again"));
                }
            }
            _ => {}
        }
    }

    /// Our server has changed something.
    pub(crate) fn changed(&mut self, request: &http::Request<Bytes>, said: &http::Response<Bytes>) {
        let resource = resource(request);
        if request.method() == http::Method::POST {
            self.done(&resource, &String::from_utf8_lossy(request.body()));
        }
        if request.method() == http::Method::POST && resource == ["Tasks"] {
            let said: Value = serde_json::from_slice(said.body()).unwrap_or_default();
            let own: Value = said["attributes"]
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            let recovery = own[attributes::RECOVERY_ID].as_str().unwrap_or_default().to_owned();
            let count = self.rules.pings.entry(recovery.clone()).or_default();
            *count += 1;
            let count = *count;
            if count > 1 && !self.has_forgotten() {
                self.broken(Rule::OnePing, format!("recovery {recovery} has {count} pings"));
            }
            self.false_recovery(&own);
            self.planted_completion(&own);
        }
    }

    fn false_recovery(&mut self, own: &Value) {
        let lost = own["disconnectedReservationSid"].as_str().unwrap_or_default();
        self.rules.looked_for.insert(lost.to_owned());
        // A poll may have shown the leave before a callback did. The ping follows the time for a mark.
        if let Some((_, leg)) = self.rules.legs.iter().find(|(reservation, _)| reservation.as_str() == lost) {
            self.rules.leaves_heard.entry(leg.clone()).or_insert(self.now.saturating_sub(WAITS));
        }
        if self.rules.left.iter().any(|left| left.as_str() == lost) && !self.has_forgotten() {
            self.broken(Rule::NoFalseRecovery, format!("{lost} was left on purpose, with a mark in time"));
        }
    }

    /// Checks new tasks that bring customers back.
    pub(super) fn check_tasks(&mut self) {
        let new: Vec<(TaskSid, Value)> = self
            .twilio
            .model
            .tasks_after(self.rules.settled.as_ref())
            .filter(|task| task.call.is_some() && !self.rules.tasks.contains(task.task))
            .map(|task| (task.task.clone(), task.attributes.clone()))
            .collect();
        for (task, own) in new {
            self.rules.tasks.insert(task);
            if own["isReconnect"] != true {
                continue;
            }
            let target = own["targetWorkerSid"].as_str().map(str::to_owned);
            let recovery = own[attributes::RECOVERY_ID].as_str().unwrap_or_default().to_owned();
            let most = if target.is_some() { 1 } else { ANY };
            // A deliberate repetition carries its count.
            let again = own[attributes::SENT_AGAIN].as_u64();
            let count = self.rules.requeues.entry((recovery.clone(), target, again)).or_default();
            *count += 1;
            if *count > most && !self.has_forgotten() {
                self.broken(Rule::OneRequeue, format!("recovery {recovery} has too many reconnect tasks"));
            }
            self.false_recovery(&own);
        }
        let over = |task: &TaskView<'_>| {
            matches!(task.status, "completed" | "canceled") || self.rules.tasks.contains(task.task)
        };
        let settled = self.twilio.model.tasks_after(self.rules.settled.as_ref()).take_while(over).last();
        if let Some(settled) = settled.map(|task| task.task.clone()) {
            self.rules.settled = Some(settled);
        }
    }
}
