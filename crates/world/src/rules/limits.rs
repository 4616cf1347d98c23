//! Limits, which docs/simulation.md names with their reasons: conferences that were made to end with a leg too late for
//! anybody to undo it, and calls that are over before a page could tell of them.

use super::hears::{LOOKS, UNTOLD};
use crate::page::PageId;
use crate::plan::{Fault, FaultKind};
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_protocol::{CallSid, ConferenceSid, WorkerSid};

/// Our server hears of it and asks Twilio for the contrary: two ways of a message, each of at most 0.4 s.
const UNDONE_WITHIN: u64 = 900;
/// The same of a server that is back and looks first, at one call after the other.
const SEEN_WITHIN: u64 = 2 * UNDONE_WITHIN;
/// The same of one that first hears of the call now, from a page: it waits a second for the callback, asks Twilio for the
/// conference and for the reservations, and looks.
const HEARD_WITHIN: u64 = 1_000 + 2 * 800 + SEEN_WITHIN;
/// Twilio does not do it: our server waits for its answer, and asks again.
const ASKED_AGAIN_WITHIN: u64 = 7_000;
/// A page begins to watch a call, and tells our server: two ways of a message, mostly.
const TOLD_WITHIN: u64 = 300;
/// In what our server asks for.
const UNDONE: &[u8] = b"EndConferenceOnExit=false";
/// Nobody was there to be told.
const NOBODY_KNOWS: u64 = u64::MAX;
/// Somebody is there again, and has never heard of the call.
const UNHEARD_OF: u64 = NOBODY_KNOWS - 1;

impl World {
    /// The customer is in this conference now.
    pub(super) fn is_in(&mut self, number: usize, room: Option<&ConferenceSid>) {
        let unseen = !self.servers.any_runs() || self.is_store_away();
        let customer = &mut self.customers[number];
        if customer.room.as_ref() != room && room.is_some() {
            customer.room = room.cloned();
            customer.met_unseen = unseen;
        }
    }

    /// The callback has come to nobody.
    pub(crate) fn join_untold(&mut self, params: &[(String, String)]) {
        self.rules.untold.extend(of_leg("participant-join", params));
    }

    /// A limit: nobody has told our server of the call (it was down when agent and customer met, or callbacks and registration are
    /// lost), and nobody is left who could tell. A call that nobody has registered is not touched.
    pub(crate) fn is_unheard_of(&self, number: usize) -> bool {
        let customer = &self.customers[number];
        let tells = |page: PageId| {
            let mut tasks = self.pages[page].flex.tasks.keys();
            self.is_connected(page) && tasks.any(|sid| self.customers_of(page, sid).contains(&number))
        };
        let here = customer.room.clone().zip(customer.call.clone());
        // Or nobody was asked to tell, as the call was taken before the plugin was up.
        let unasked = customer.room.as_ref().is_some_and(|room| !self.twilio.model.tells(room));
        let untold = customer.met_unseen
            || unasked
            || self.is_task_deleted(number)
            || here.is_some_and(|here| self.rules.untold.contains(&here));
        untold && !self.is_known(number) && !(0..self.pages.len()).any(tells)
    }

    /// Has Twilio deleted the task of this customer's conference? Who his agent was can be learnt from it alone, if no registration is
    /// believed.
    fn is_task_deleted(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let mut rooms = self.twilio.model.open_conferences();
        let Some((_, task)) = rooms.find(|(open, _)| Some(*open) == room) else { return false };
        !self.twilio.model.tasks().any(|found| found.task.as_str() == task)
    }

    /// Twilio calls back, so many milliseconds late. `None`: that never comes, and Twilio does not repeat it.
    pub(crate) fn flag_told(&mut self, params: &[(String, String)], late: Option<u64>) {
        match flag(params) {
            // Of one that is not told of our server hears by looking.
            Some((flagged, true)) => {
                // What cannot be stored is not heard: our server looks when it can.
                let stored =
                    self.store_fails_until().map_or(0, |until| until - self.now + ASKED_AGAIN_WITHIN);
                let within = late.map_or(LOOKS, |late| LOOKS.min(stored.max(late + UNDONE_WITHIN)));
                self.rules.flagged.insert(flagged, self.now + within);
            }
            Some((flagged, false)) => _ = self.rules.flagged.remove(&flagged),
            None => {}
        }
    }

    /// The callback has come to nobody: our server is down. What it tells is seen when one is back.
    pub(crate) fn flag_untold(&mut self, params: &[(String, String)]) {
        let Some((flagged, true)) = flag(params) else { return };
        if let Some(until) = self.rules.flagged.get_mut(&flagged) {
            *until = NOBODY_KNOWS;
        }
    }

    /// Twilio does not do what our server asks of it, or does not say how a conference stands. It is asked again.
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

    /// In a conference whose callbacks were not asked for nobody tells of flags, and our server looks.
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

    /// A server is there again.
    pub(crate) fn flags_are_seen(&mut self) {
        self.flags_known(NOBODY_KNOWS, SEEN_WITHIN);
        for until in self.rules.flagged.values_mut().filter(|until| **until == NOBODY_KNOWS) {
            *until = UNHEARD_OF;
        }
    }

    /// It may have heard of a call that was made while none was there.
    pub(super) fn flags_are_heard_of(&mut self) {
        self.flags_known(UNHEARD_OF, HEARD_WITHIN);
    }

    /// Those of calls of which a server knows are seen within so many milliseconds.
    fn flags_known(&mut self, unknown: u64, within: u64) {
        let seen = self.now + within;
        let mut flagged: Vec<_> =
            self.rules.flagged.iter_mut().filter(|(_, until)| **until == unknown).collect();
        if flagged.is_empty() {
            return;
        }
        let Ok(calls) = self.servers.kept.calls() else { return };
        for ((of, _), until) in &mut flagged {
            if calls.iter().any(|call| call.conference == *of) {
                **until = seen;
            }
        }
    }

    /// Was this customer's conference made to end with a leg in the instant in which the leg went, or without our server being
    /// told (in time), while it was down, or while Twilio did not undo it, in an account without a document for him?
    pub(super) fn ended_too_soon(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let refused = self.is_all_refused();
        let of_room = |((of, _), until): (&(ConferenceSid, CallSid), &u64)| {
            room == Some(of) && (self.now < *until || refused)
        };
        // Where callbacks were not asked for, nobody tells, and our server looks.
        let unseen = room.is_some_and(|room| !self.twilio.model.tells(room))
            && self.customers[number].had_for < UNTOLD;
        // The flow of a call that an agent places has no document to go on with.
        let inbound = number < self.plan.customers.len();
        !(self.plan.setup.ended && inbound) && (unseen || self.rules.flagged.iter().any(of_room))
    }

    /// Is nobody there who could do something for a customer, does Twilio do nothing of it, or can what he is to hear not be fetched? How
    /// long that takes is not counted.
    pub(super) fn can_nobody_help(&self) -> bool {
        !self.servers.any_runs()
            || self.is_all_refused()
            || self.fails_mostly(&[FaultKind::DocumentLost])
            || self.is_store_away()
    }

    /// Does Twilio do nothing of what it is asked?
    fn is_all_refused(&self) -> bool {
        self.fails_mostly(&[FaultKind::Throttled, FaultKind::Broken, FaultKind::Silent])
    }

    /// True while the database takes next to nothing: our server does nothing then.
    pub(super) fn is_store_away(&self) -> bool {
        self.fails_mostly(&[FaultKind::StoreRefuses, FaultKind::StoreStalls])
    }

    fn fails_mostly(&self, kinds: &[FaultKind]) -> bool {
        let all = |fault: &Fault| {
            kinds.contains(&fault.kind) && fault.rate >= 900 && fault.from <= self.now && self.now < fault.to
        };
        self.plan.faults.iter().any(all)
    }

    /// Did the page crash that had this customer on the line, in the instant in which it took the call, and before it acted or
    /// another tab had heard of it? It is that tab that acts, and as far as it knows the call goes on in the one that is gone.
    pub(super) fn was_gone_unseen(&self, number: usize, from: &WorkerSid, lost: u64) -> bool {
        let briefly = self.customers[number].had_for < TOLD_WITHIN;
        let mut pages =
            self.pages.iter().filter(|it| it.left_unseen && self.agents[it.agent].worker == *from);
        briefly && pages.any(|it| it.ended_at.is_some_and(|at| at <= lost && lost < at + TOLD_WITHIN))
    }

    /// Was this customer's first call with an agent over so soon that our server was not told of it by anybody?
    pub(super) fn was_over_at_once(&self, number: usize) -> bool {
        let customer = &self.customers[number];
        let briefly = customer.losses <= 1 && customer.had_for < TOLD_WITHIN;
        // A conference that is over in the same instant is seen by its task alone.
        briefly && (customer.room.is_some() || self.was_accepted(number)) && !self.is_known(number)
    }

    /// Has an agent had this customer's task, and has it no more?
    fn was_accepted(&self, number: usize) -> bool {
        let call = self.customers[number].call.as_ref();
        let own = self.twilio.model.tasks().filter(|task| call.is_some() && task.call == call);
        let own: Vec<_> = own.map(|task| task.task).collect();
        let over = |status: &str| matches!(status, "wrapping" | "completed");
        self.twilio.model.reservations().any(|it| over(it.status) && own.contains(&it.task))
    }
}

/// Of which conference a callback says that it ends with this leg now, or does not any more.
fn flag(params: &[(String, String)]) -> Option<((ConferenceSid, CallSid), bool)> {
    let flagged = of_leg("participant-modify", params)?;
    Some((flagged, get(params, "EndConferenceOnExit") == Some("true")))
}

/// Of which leg of which conference a callback of this kind tells.
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
