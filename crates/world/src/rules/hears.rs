//! What customers hear, and who talks to them.

use super::Rule;
use crate::customers::Lost;
use crate::day::{End, Loss};
use crate::page::Page;
use crate::plan::FaultKind;
use crate::timeline::{HEARS_NOTHING, Kind, Lane, TALKS_TO};
use crate::world::World;
use rejoin_protocol::{CallSid, ConferenceSid, WorkerSid};
use rejoin_twin::model::{LegPlace, ParticipantView};

/// How long it takes, without faults, to receive a leave, wait for a mark, and make the announcement: six messages of at
/// most 0.4 s each, and 0.3 s.
const NOTICE: u64 = 2_700;
/// How long after a page's goodbye the announcement waits.
const MAY_BE_BACK: u64 = 1_500;
/// How long it takes, without faults, to ask a page whose push channel is lost over its leg, to wait for an answer, and to put the
/// customer on hold.
const ASKED: u64 = 5_500;
/// How long after a page is back its next push channel is open, without faults: a pause of at most 0.75 s, and two messages.
const CONNECTS: u64 = 1_600;
/// A leg that stands for so long has somebody at it, as our server sees it: it ends the customer's hold.
const STANDS: u64 = 60_000;
/// How long a customer may be in a queue before they hear words, without faults: the request for a document and its answer, twice.
const TOLD: u64 = 2_500;
/// A younger call our server may have to discover first, which it does by itself after 3 s.
const YOUNG: u64 = 4_000;
/// How long a page waits for the answer to a request, before it sends the next one.
const GIVEN_UP: u64 = 10_000;
/// How late a poll may notice what was missed, when callbacks were lost, or Twilio or our server did not work.
pub(super) const LOOKS: u64 = 330_000;
/// From the end of an agent's hold to the beginning of ours: a round trip to Twilio and one message more.
const ON_OUR_HOLD: u64 = 1_200;
/// How late polling notices something in a conference without our callbacks: the server polls it every 10 s.
pub(super) const UNTOLD: u64 = 10_500;

impl World {
    /// The legs at which an agent hears and talks in a connected page.
    pub(crate) fn attended(&self) -> Vec<CallSid> {
        let here = (0..self.pages.len()).filter(|page| self.is_connected(*page));
        here.filter_map(|page| self.pages[page].flex.call.as_ref().map(|on| on.leg.clone())).collect()
    }

    /// Who talks to this customer in this conference: an agent, or a third party.
    fn talker(
        &self,
        room: &ConferenceSid,
        customer: &CallSid,
        attended: &[CallSid],
    ) -> Option<Option<WorkerSid>> {
        let mut others =
            self.twilio.model.participants(room).filter(|other| other.call != customer && !other.hold);
        others.find_map(|other| match other.agent {
            _ if other.customer => Some(None),
            // A supervisor is muted, also one who has followed; an agent can mute the own phone.
            _ if other.muted || other.coaches => None,
            Some((worker, _)) => attended.contains(other.call).then(|| Some(worker.clone())),
            None => Some(None),
        })
    }

    /// Checks who is in silence, and for how long.
    pub(super) fn check_hearing(&mut self) {
        let now = self.now;
        self.set_flag_deadlines_after_discovery();
        let nobody_can = self.can_nobody_help();
        let attended = self.attended();
        for number in 0..self.customers.len() {
            let customer = &self.customers[number];
            let Some(call) = customer.call.as_ref().filter(|_| !customer.gone && !customer.hung_up) else {
                continue;
            };
            let Some(leg) = self.twilio.model.leg(call).filter(|leg| leg.answered) else { continue };
            let call = call.clone();
            let room = match leg.place {
                LegPlace::Conference(room) => Some(room.clone()),
                LegPlace::Queue(_) | LegPlace::Between => None,
            };
            let (hears, words, queued) = (leg.sounds, leg.speech, matches!(leg.place, LegPlace::Queue(_)));
            self.check_queue(number, &call, queued && !nobody_can);
            self.note_room(number, room.as_ref());
            let untold = room.as_ref().is_some_and(|room| !self.twilio.model.tells(room));
            if let Some(room) = room.as_ref().filter(|_| untold) {
                self.see_flags(room);
            }
            let talker = room.as_ref().and_then(|room| self.talker(room, &call, &attended));
            self.hears(number, talker.as_ref(), hears);
            if let Some(Some(worker)) = &talker {
                self.customers[number].agent_has_one_page = self.has_one_page(worker);
            }
            self.met(number, talker.clone().flatten());
            if let Some(room) = &room {
                self.check_agents(number, room, &attended);
            }
            self.check_hold(number, &call, room.as_ref(), matches!(talker, Some(Some(_))));
            if let Some(lost) = self.customers[number].lost.as_mut().filter(|_| hears) {
                lost.heard.get_or_insert(now - lost.at);
                lost.told |= words;
            }
            self.check_told(number, queued);
            if hears || talker.is_some() {
                self.customers[number].silent_since = None;
                continue;
            }
            let is_alone = room.as_ref().is_some_and(|room| self.is_alone_with_one(room));
            let stands = room.and_then(|room| self.stands(&room));
            let is_known = stands.as_ref().is_some_and(|(leg, _)| self.rules.registered.contains(leg));
            let customer = &mut self.customers[number];
            if customer.stood != stands {
                // The silence can be noticed from now on, or it is about another leg.
                customer.silent_since = None;
                customer.stood.clone_from(&stands);
            }
            let stands = stands.map(|(_, unsaid)| (unsaid, is_alone && is_known));
            // A silence that was noticed late stays so when the customer is moved.
            customer.silent_untold = untold || (customer.silent_since.is_some() && customer.silent_untold);
            let untold = customer.silent_untold;
            if nobody_can {
                // Count from when a server can do something about it.
                customer.silent_since = Some(now);
            }
            let since = *customer.silent_since.get_or_insert(now);
            if customer.excused.is_some() {
                continue;
            }
            let bound = self.silence(number, stands) + if untold { UNTOLD } else { 0 };
            if now.saturating_sub(since) > bound && self.is_unheard_of(number) {
                // It counts from when a page can tell a server of the call.
                self.customers[number].silent_since = Some(now);
            } else if now.saturating_sub(since) > bound {
                let what =
                    format!("customer {number} has heard nothing for {:.1} s", (now - since) as f64 / 1000.0);
                self.broken(Rule::NoDeadAir, what);
            }
        }
    }

    /// Checks that a customer in a queue hears what has happened.
    fn check_told(&mut self, number: usize, queued: bool) {
        let nobody_can = self.can_nobody_help();
        let now = self.now;
        let Some(lost) = &mut self.customers[number].lost else { return };
        if !queued || lost.told || nobody_can {
            lost.untold_since = None;
            return;
        }
        let since = *lost.untold_since.get_or_insert(now);
        if now - since > TOLD && !self.is_slow() && self.customers[number].excused.is_none() {
            let what = format!("customer {number} waits in a queue, and nobody has told them why");
            self.broken(Rule::IsTold, what);
        }
    }

    /// The first unattended leg of an agent here, and whether our server cannot know that it is unattended.
    fn stands(&self, room: &ConferenceSid) -> Option<(CallSid, bool)> {
        let mut dead = self.twilio.model.participants(room).filter(|it| it.agent.is_some());
        let first = dead.next()?.call;
        Some((first.clone(), self.is_unsaid(first) || dead.any(|other| self.is_unsaid(other.call))))
    }

    /// True when no page has said goodbye to this leg.
    pub(super) fn is_unsaid(&self, call: &CallSid) -> bool {
        let page = self.pages.iter().find(|page| page.left_leg.as_ref() == Some(call));
        page.is_none_or(|page| !page.said_goodbye)
    }

    /// Writes what the customer hears to the timeline when it has changed.
    fn hears(&mut self, number: usize, talker: Option<&Option<WorkerSid>>, sounds: bool) {
        if self.timeline.is_none() {
            return;
        }
        let agent = |worker: &WorkerSid| self.agents.iter().position(|agent| agent.worker == *worker);
        let what = match talker {
            Some(Some(worker)) => {
                agent(worker).map_or("talks".to_owned(), |agent| format!("{TALKS_TO}{}", Lane::Agent(agent)))
            }
            Some(None) => format!("{TALKS_TO}a third party"),
            None if sounds => "hears music or words".to_owned(),
            None => HEARS_NOTHING.to_owned(),
        };
        if self.customers[number].told != what {
            self.customers[number].told.clone_from(&what);
            self.note(Lane::Customer(number), None, Kind::Hears, || what);
        }
    }

    /// True when the agent has one page.
    fn has_one_page(&self, worker: &WorkerSid) -> bool {
        let pages = self.pages.iter().filter(|it| it.alive && self.agents[it.agent].worker == *worker);
        pages.count() == 1
    }

    /// True when customer and agent are alone in this conference, but for those who listen, coach, or are on hold.
    fn is_alone_with_one(&self, room: &ConferenceSid) -> bool {
        let listens = |it: &ParticipantView<'_>| {
            let has_reservation = it.agent.is_some_and(|(_, reservation)| reservation.is_some());
            !it.customer && !has_reservation && (it.muted || it.coaches || it.hold)
        };
        self.twilio.model.participants(room).filter(|it| !listens(it)).count() == 2
    }

    /// True when our server asks the page of the agent whom this customer had, once its push channel is lost. They are alone, and
    /// the agent's leg is registered: a page that ends before its call is registered cannot be asked. One whose leg stands for too
    /// long after its customer was told is taken to live. A server believes in silence only once an answer has come back, not when
    /// more pages than three are lost within seconds, and not after a refused transfer, whose mark stands until the page withdraws
    /// it. A page that was heard after its channel ended is not asked: it may live without one. A
    /// server behind a proxy does not hear that a machine has no network.
    fn is_asked_for(&self, number: usize) -> bool {
        let (setup, customer) = (&self.plan.setup, &self.customers[number]);
        let faults = &self.coverage.faults;
        let cut = [FaultKind::PushCut, FaultKind::AnswerLost].iter().any(|kind| faults.contains_key(kind));
        let answered = self.rules.answered_at.is_some_and(|at| Some(at) < customer.silent_since);
        let is_untold = customer.lost.as_ref().is_none_or(|lost| lost.heard.is_none());
        setup.in_place
            && setup.customer_hold
            && !cut
            && (answered || self.silences.asked == 0)
            && (setup.dead_leg < STANDS || is_untold)
            && self.agents.len() <= 3
            && !self.was_back_for_a_moment(number)
            && !(setup.proxied && self.was_away(number))
            && self.rules.refused.is_empty()
            && customer.agent_has_one_page
            && customer.had_for >= YOUNG
    }

    /// The pages of the agent whose leg stands beside this customer, or else of the agent whom they had.
    fn pages_of_agent(&self, number: usize) -> impl Iterator<Item = &Page> {
        let customer = &self.customers[number];
        let had = customer.with.as_ref().or(customer.lost.as_ref().map(|lost| &lost.from));
        let stands = customer.stood.as_ref().and_then(|(leg, _)| self.twilio.model.leg(leg)?.worker);
        let agent = stands.or(had);
        self.pages.iter().filter(move |it| Some(&self.agents[it.agent].worker) == agent)
    }

    /// True when a page of that agent was away.
    fn was_away(&self, number: usize) -> bool {
        self.pages_of_agent(number).any(|it| it.away_at.is_some())
    }

    /// True when a page of that agent was away, and away again before it had a push channel.
    fn was_back_for_a_moment(&self, number: usize) -> bool {
        self.pages_of_agent(number).any(|it| {
            let mut gone = [it.away_at, it.ended_at].into_iter().flatten();
            it.away_at.is_some() && gone.any(|at| it.here_since <= at && at < it.here_since + CONNECTS)
        })
    }

    /// How long a silence may last (milliseconds).
    fn silence(&self, number: usize, stands: Option<(bool, bool)>) -> u64 {
        let young = if self.customers[number].had_for < YOUNG { YOUNG } else { 0 };
        let dead = match stands {
            Some((true, true)) if self.is_asked_for(number) => ASKED,
            Some((true, _)) => self.plan.setup.dead_leg + 3_000,
            Some((false, _)) => MAY_BE_BACK,
            None => 0,
        };
        let foreign = self.plan.agents.iter().any(|agent| agent.foreign);
        dead + if self.is_slow() || foreign { LOOKS } else { NOTICE + young }
    }

    /// The customer has this agent now, or none.
    fn met(&mut self, number: usize, worker: Option<WorkerSid>) {
        let now = self.now;
        let unseen = !self.servers.any_runs() || self.is_store_away();
        let customer = &mut self.customers[number];
        match worker {
            Some(worker) => {
                customer.talked = true;
                if customer.with.as_ref() != Some(&worker) {
                    customer.talking_since = Some(now);
                    customer.met_unseen = unseen;
                }
                customer.had_for = customer.talking_since.map_or(0, |since| now - since);
                customer.had.insert(worker.clone());
                if let Some(Lost { at, from, heard, told, .. }) = customer.lost.take() {
                    customer.was_told = told;
                    let end = if from == worker { End::Same } else { End::Other };
                    self.losses.push(Loss { heard, end, after: now - at });
                }
                self.customers[number].with = Some(worker);
            }
            None => {
                if let Some(from) = customer.with.take() {
                    customer.talking_since = None;
                    if customer.excused.is_none() {
                        customer.lost = Some(Lost {
                            at: now,
                            queued: None,
                            from,
                            calls: None,
                            heard: None,
                            // Nobody repeats it for an agent who was there for a moment.
                            told: customer.was_told && customer.had_for < YOUNG,
                            untold_since: None,
                            nobodys: None,
                        });
                        customer.losses += 1;
                    }
                }
            }
        }
    }

    /// Checks that no customer is left on our hold while an agent is there.
    fn check_hold(&mut self, number: usize, call: &CallSid, room: Option<&ConferenceSid>, talks: bool) {
        let on_hold = |room| self.twilio.model.participants(room).any(|it| it.call == call && it.hold);
        let holds = room.is_some_and(on_hold);
        // The agent's hold may begin when their page is gone already. Our server ends it at once to put the customer
        // on its own.
        let ended = self.rules.hold_ended.get(call).is_some_and(|at| self.now < at + ON_OUR_HOLD);
        let says = holds || (talks && !ended);
        if room.is_some() && says && !self.rules.our_holds.contains(call) {
            // A customer whom the agent has put on hold stays on hold, also if our server renewed the hold.
            self.customers[number].agent_holds = holds;
        }
        let room = room.filter(|_| talks);
        if room.is_some() && !holds {
            self.rules.our_holds.remove(call);
        }
        let held = room.is_some() && holds && !self.customers[number].agent_holds;
        if !held {
            self.customers[number].held_since = None;
            return;
        }
        if self.can_nobody_help() {
            self.customers[number].held_since = None;
        }
        let since = *self.customers[number].held_since.get_or_insert(self.now);
        // The page says that it has the call after what it says of the call before.
        let waits = self.coverage.faults.contains_key(&FaultKind::AnswerLost);
        let unanswered = if waits { GIVEN_UP } else { 0 };
        let bound = if self.is_slow() { LOOKS } else { NOTICE + YOUNG + unanswered };
        if self.now - since > bound {
            let what = format!("customer {number} is on our hold, and the agent is there");
            self.broken(Rule::HeardAgain, what);
        }
    }
}
