//! Known limits, which docs/simulation.md explains: conferences that were made to end with a leg too late for our
//! server to undo it, and calls that are over before a page could register them.

use super::hears::{LOOKS, UNTOLD};
use crate::page::PageId;
use crate::plan::{Fault, FaultKind};
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_protocol::{CallSid, ConferenceSid, WorkerSid};

/// How long our server takes to learn of a flag and ask Twilio to clear it: two messages of at most 0.4 s each.
const UNDONE_WITHIN: u64 = 900;
/// The same for a server that is back and polls first, one call after the other.
const SEEN_WITHIN: u64 = 2 * UNDONE_WITHIN;
/// The same for a server that discovers the call from a page: it waits a second for the callback, asks Twilio for the
/// conference and for the reservations, and polls.
const HEARD_WITHIN: u64 = 1_000 + 2 * 800 + SEEN_WITHIN;
/// The same when Twilio does not carry it out: our server waits for the answer, and retries.
const ASKED_AGAIN_WITHIN: u64 = 7_000;
/// How long a page takes to notice a call and register it: usually two messages.
const TOLD_WITHIN: u64 = 300;
/// The part of a request that clears the flag.
const UNDONE: &[u8] = b"EndConferenceOnExit=false";
/// No server was there to hear of the flag.
const NOBODY_KNOWS: u64 = u64::MAX;
/// A server is back that does not know the call.
const UNHEARD_OF: u64 = NOBODY_KNOWS - 1;

impl World {
    /// The customer is in this conference now.
    pub(super) fn note_room(&mut self, number: usize, room: Option<&ConferenceSid>) {
        let (now, unseen) = (self.now, !self.servers.any_runs() || self.is_store_away());
        let customer = &mut self.customers[number];
        if customer.room.as_ref() != room && room.is_some() {
            // The agent who took them into the last conference was gone before they could talk. Our server counts that, too.
            let unmet = customer.lost.as_ref().is_some_and(|lost| lost.at < customer.room_since);
            customer.losses += u32::from(unmet);
            customer.room = room.cloned();
            customer.room_since = now;
            customer.met_unseen = unseen;
        }
    }

    /// A callback of a join was lost.
    pub(crate) fn join_untold(&mut self, params: &[(String, String)]) {
        self.rules.untold.extend(of_leg("participant-join", params));
    }

    /// Known limit: a backup that is restored has no call that began since it was made.
    pub(crate) fn forgets_since(&mut self, backup: u64) {
        for customer in self.customers.iter_mut().filter(|customer| customer.room_since >= backup) {
            customer.met_unseen = true;
        }
    }

    /// Known limit: our server has never heard of the call (it was down when agent and customer met, or callbacks and
    /// registration are lost), and no page is left that could register it. An unregistered call is not touched.
    pub(crate) fn is_unheard_of(&self, number: usize) -> bool {
        let customer = &self.customers[number];
        let tells = |page: PageId| {
            let mut tasks = self.pages[page].flex.tasks.keys();
            self.is_connected(page) && tasks.any(|sid| self.customers_of(page, sid).contains(&number))
        };
        let here = customer.room.clone().zip(customer.call.clone());
        // Or callbacks were not requested, as the call was accepted before the plugin was up.
        let unasked = customer.room.as_ref().is_some_and(|room| !self.twilio.model.tells(room));
        let untold = customer.met_unseen
            || unasked
            || self.is_task_deleted(number)
            || here.is_some_and(|here| self.rules.untold.contains(&here));
        untold && !self.is_known(number) && !(0..self.pages.len()).any(tells)
    }

    /// True when Twilio has deleted the task of this customer's conference. Only the task says who the agent was, if
    /// no registration is accepted.
    fn is_task_deleted(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let mut rooms = self.twilio.model.open_conferences();
        let Some((_, task)) = rooms.find(|(open, _)| Some(*open) == room) else { return false };
        !self.twilio.model.tasks().any(|found| found.task.as_str() == task)
    }

    /// Twilio sends a callback, this many milliseconds late. `None`: it is lost, and Twilio does not repeat it.
    pub(crate) fn flag_callback_sent(&mut self, params: &[(String, String)], late: Option<u64>) {
        match flag(params) {
            // Without a callback our server learns of the flag by polling.
            Some((flagged, true)) => {
                // A callback that cannot be stored is not heard: our server polls when it can.
                let stored =
                    self.store_fails_until().map_or(0, |until| until - self.now + ASKED_AGAIN_WITHIN);
                // A server that Twilio asks for fewer requests has pauses between them.
                let undone = if self.is_throttled() { ASKED_AGAIN_WITHIN } else { UNDONE_WITHIN };
                let within = late.map_or(LOOKS, |late| LOOKS.min(stored.max(late + undone)));
                self.rules.flagged.insert(flagged, self.now + within);
            }
            Some((flagged, false)) => _ = self.rules.flagged.remove(&flagged),
            None => {}
        }
    }

    /// The callback is lost because our server is down. A server that is back finds out by polling.
    pub(crate) fn flag_untold(&mut self, params: &[(String, String)]) {
        let Some((flagged, true)) = flag(params) else { return };
        if let Some(until) = self.rules.flagged.get_mut(&flagged) {
            *until = NOBODY_KNOWS;
        }
    }

    /// Twilio does not carry out a request of our server, or does not answer a poll. The server retries.
    pub(crate) fn flag_stays(&mut self, request: &http::Request<Bytes>) {
        let undoes = request.body().windows(UNDONE.len()).any(|part| part == UNDONE);
        let asks = request.method() == http::Method::GET;
        let conference = request.uri().path().split('/').find_map(|part| ConferenceSid::parse(part).ok());
        let Some(conference) = conference.filter(|_| undoes || asks) else { return };
        for ((of, _), until) in &mut self.rules.flagged {
            if *of == conference && *until < UNHEARD_OF {
                *until = (*until).max(self.now + ASKED_AGAIN_WITHIN);
            }
        }
    }

    /// In a conference without our callbacks nothing reports flags, and our server polls.
    pub(super) fn see_flags(&mut self, room: &ConferenceSid) {
        let seen = self.now + UNTOLD;
        for leg in self.twilio.model.participants(room) {
            let flag = (room.clone(), leg.call.clone());
            if leg.end_on_exit {
                self.rules.flagged.entry(flag).or_insert(seen);
            } else {
                self.rules.flagged.remove(&flag);
            }
        }
    }

    /// A server is back: it polls the calls that it knows.
    pub(crate) fn set_flag_deadlines_after_restart(&mut self) {
        self.flags_known(NOBODY_KNOWS, SEEN_WITHIN);
        for until in self.rules.flagged.values_mut().filter(|until| **until == NOBODY_KNOWS) {
            *until = UNHEARD_OF;
        }
    }

    /// A server may have discovered a call that was made while none was up.
    pub(super) fn set_flag_deadlines_after_discovery(&mut self) {
        self.flags_known(UNHEARD_OF, HEARD_WITHIN);
    }

    /// Sets a deadline for the flags of calls that a server knows.
    fn flags_known(&mut self, unknown: u64, within: u64) {
        let seen = self.now + within;
        let mut flagged: Vec<_> =
            self.rules.flagged.iter_mut().filter(|(_, until)| **until == unknown).collect();
        if flagged.is_empty() {
            return;
        }
        for ((of, _), until) in &mut flagged {
            if self.servers.kept.any_call(|call| call.conference == *of).unwrap_or(false) {
                **until = seen;
            }
        }
    }

    /// Known limit: this customer's conference ended with a leg whose flag our server could not clear in time: it was
    /// set in the instant in which the leg went, or our server did not hear of it (in time) or was down, or Twilio
    /// did not carry it out; and the account has no document for a released customer.
    pub(super) fn ended_too_soon(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let refused = self.is_all_refused();
        let of_room = |((of, _), until): (&(ConferenceSid, CallSid), &u64)| {
            room == Some(of) && (self.now < *until || refused)
        };
        // Without our callbacks nothing reports the flag, and our server polls.
        let unseen = room.is_some_and(|room| !self.twilio.model.tells(room))
            && self.customers[number].had_for < UNTOLD;
        // The flow of a call that an agent places has no document to go on with.
        let inbound = number < self.plan.customers.len();
        !(self.plan.setup.ended && inbound) && (unseen || self.rules.flagged.iter().any(of_room))
    }

    /// True while no server is up, Twilio carries out nothing, or Twilio cannot fetch documents. Such time is not
    /// counted.
    pub(super) fn can_nobody_help(&self) -> bool {
        !self.servers.any_runs()
            || self.is_all_refused()
            || self.fails_mostly(&[FaultKind::DocumentLost])
            || self.is_store_away()
    }

    /// True while Twilio carries out no requests.
    fn is_all_refused(&self) -> bool {
        self.fails_mostly(&[FaultKind::Throttled, FaultKind::Broken, FaultKind::Silent])
    }

    /// True while the database refuses almost everything, so that our server does nothing.
    pub(super) fn is_store_away(&self) -> bool {
        self.fails_mostly(&[FaultKind::StoreRefuses, FaultKind::StoreStalls])
    }

    /// True while Twilio asks for fewer requests, now and then or always.
    fn is_throttled(&self) -> bool {
        let mut faults = self.plan.faults.iter();
        faults.any(|it| it.kind == FaultKind::Throttled && it.from <= self.now && self.now < it.to)
    }

    fn fails_mostly(&self, kinds: &[FaultKind]) -> bool {
        let all = |fault: &Fault| {
            kinds.contains(&fault.kind) && fault.rate >= 900 && fault.from <= self.now && self.now < fault.to
        };
        self.plan.faults.iter().any(all)
    }

    /// Known limit: the page with this customer crashed in the instant in which it took the call, before it acted or
    /// another tab had heard of it. That tab acts now, and to its knowledge the call goes on in the dead page.
    pub(super) fn was_gone_unseen(&self, number: usize, from: &WorkerSid, lost: u64) -> bool {
        let briefly = self.customers[number].had_for < TOLD_WITHIN;
        let mut pages =
            self.pages.iter().filter(|it| it.left_unseen && self.agents[it.agent].worker == *from);
        briefly && pages.any(|it| it.ended_at.is_some_and(|at| at <= lost && lost < at + TOLD_WITHIN))
    }

    /// Known limit: this customer's first call with an agent was over before anything reported it to our server.
    pub(super) fn was_over_at_once(&self, number: usize) -> bool {
        let customer = &self.customers[number];
        let briefly = customer.losses <= 1 && customer.had_for < TOLD_WITHIN;
        // A conference that ends in the same instant is visible only by its task.
        briefly && (customer.room.is_some() || self.was_accepted(number)) && !self.is_known(number)
    }

    /// True when an agent had this customer's task, and has it no longer.
    fn was_accepted(&self, number: usize) -> bool {
        let call = self.customers[number].call.as_ref();
        let own = self.twilio.model.tasks().filter(|task| call.is_some() && task.call == call);
        let own: Vec<_> = own.map(|task| task.task).collect();
        let over = |status: &str| matches!(status, "wrapping" | "completed");
        self.twilio.model.reservations().any(|it| over(it.status) && own.contains(&it.task))
    }
}

/// The leg whose flag a callback reports, and whether the conference ends with it now.
fn flag(params: &[(String, String)]) -> Option<((ConferenceSid, CallSid), bool)> {
    let flagged = of_leg("participant-modify", params)?;
    Some((flagged, get(params, "EndConferenceOnExit") == Some("true")))
}

/// The conference and the leg that a callback of this kind reports.
fn of_leg(kind: &str, params: &[(String, String)]) -> Option<(ConferenceSid, CallSid)> {
    if get(params, "StatusCallbackEvent") != Some(kind) {
        return None;
    }
    let conference = ConferenceSid::parse(get(params, "ConferenceSid")?).ok()?;
    Some((conference, CallSid::parse(get(params, "CallSid")?).ok()?))
}

fn get<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
