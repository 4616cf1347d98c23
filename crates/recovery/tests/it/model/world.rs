//! The world: who is where, and what Twilio and the pages do. The server knows only the messages that reach it.

use super::Message;
use super::server::{Job, Server};
use crate::desk::{ADA, ADA_LEG, BO, CUSTOMER, EPOCH, conference, leg, reservation_of};
use rejoin_protocol::api::{
    DeliveryId, Goodbye, GracefulMark, GracefulReason, Hello, Holding, Registration, Stage,
};
use rejoin_protocol::attributes::LEFT;
use rejoin_protocol::{ConferenceSid, RecoveryId, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Absent, Action, Call, ConferenceEvent, ConferenceEventKind, Event, LeaveReason, Outcome,
    ParticipantFlags, PollAnswer, TaskState,
};
use std::collections::BTreeMap;

/// A task's attributes as long as no page has written there.
pub(super) const NOTHING_WRITTEN: &str = "{}";

/// What people and their browsers do. Agents: 0 is Ada, 1 is Bo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    /// The page says goodbye and goes away. Its leg stays.
    Goes(usize),
    /// A leg without a page hangs up.
    Falls(usize),
    /// The page marks a hang-up, and the agent hangs up.
    HangsUp(usize),
    /// The same, with a server that the page cannot reach: the page writes the mark into the task.
    HangsUpUnheard(usize),
    /// The next page loads and says hello with what it finds.
    Returns(usize),
    /// The page joins the same conference again, as the server has told it to.
    Joins(usize),
    /// The page accepts the reconnect task.
    Accepts(usize),
    /// The agent joins the call as a second one.
    Comes(usize),
    CustomerHangsUp,
}

/// Where the customer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Customer {
    In(u128),
    Queued(RecoveryId, Option<WorkerSid>),
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Agent {
    /// The epoch of the page that is there.
    pub(super) page: Option<u64>,
    /// The epoch of the newest page.
    epoch: u64,
    /// The leg, its conference, and whether a page has it: a leg that was left behind has none.
    pub(super) leg: Option<(u128, u128, bool)>,
    /// True while the reservation of the first task is accepted and not over.
    holds_first: bool,
    /// True once the agent has marked a leave.
    pub(super) hung_up: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) customer: Customer,
    pub(super) customer_hung_up: bool,
    pub(super) on_hold: bool,
    pub(super) agents: [Agent; 2],
    /// Conferences, with the sequence number of their last callback.
    rooms: BTreeMap<u128, u64>,
    legs: u128,
    /// The task into which a page has written a mark.
    written: Option<(TaskSid, String)>,
    /// Effects that Twilio has carried out.
    pub(super) seen: Vec<Action>,
    /// What was done to a customer who was talking.
    pub(super) stolen: Option<Action>,
}

fn worker(agent: usize) -> u128 {
    [ADA, BO][agent]
}

fn once(event: Event) -> Message {
    Message::new(event, false)
}

fn repeated(event: Event) -> Message {
    Message::new(event, true)
}

impl World {
    pub(super) fn talking() -> Self {
        let agent =
            |leg, holds_first| Agent { page: Some(EPOCH), epoch: EPOCH, leg, holds_first, hung_up: false };
        Self {
            customer: Customer::In(1),
            customer_hung_up: false,
            on_hold: false,
            agents: [agent(Some((1, ADA_LEG, true)), true), agent(None, false)],
            rooms: [(1, 100)].into(),
            legs: 0,
            written: None,
            seen: vec![],
            stolen: None,
        }
    }

    pub(super) fn may(&self, deed: &Deed, server: &Server) -> bool {
        let at = |agent: usize| &self.agents[agent];
        match deed {
            Deed::Goes(who) => at(*who).page.is_some() && at(*who).leg.is_some_and(|(.., has)| has),
            Deed::Falls(who) => at(*who).leg.is_some_and(|(.., has)| !has),
            Deed::HangsUp(who) | Deed::HangsUpUnheard(who) => {
                at(*who).page.is_some() && at(*who).leg.is_some_and(|(.., has)| has)
            }
            Deed::Returns(who) => at(*who).page.is_none(),
            Deed::Joins(who) => {
                let joins = |call: &Call, it: Absent<'_>| {
                    it.absence().agent.worker == WorkerSid::numbered(worker(*who))
                        && it.view(server.now, &call.task).stage == Stage::InPlace
                };
                let told = server.calls().any(|call| call.absences().any(|it| joins(call, it)));
                told && at(*who).page.is_some()
                    && at(*who).leg.is_some_and(|(room, _, has)| room == 1 && !has)
            }
            Deed::Accepts(who) => {
                let sent = match &self.customer {
                    Customer::Queued(_, Some(target)) => *target == WorkerSid::numbered(worker(*who)),
                    Customer::Queued(_, None) => true,
                    Customer::In(_) | Customer::Gone => false,
                };
                sent && at(*who).page.is_some() && at(*who).leg.is_none()
            }
            Deed::Comes(who) => {
                self.customer == Customer::In(1)
                    && at(*who).leg.is_none()
                    && at(*who).page.is_some()
                    && !at(*who).hung_up
            }
            Deed::CustomerHangsUp => self.customer != Customer::Gone,
        }
    }

    pub(super) fn person(&mut self, deed: &Deed) -> Vec<Message> {
        match *deed {
            Deed::Goes(who) => {
                let agent = &mut self.agents[who];
                agent.page = None;
                agent.leg = agent.leg.map(|(room, leg, _)| (room, leg, false));
                let goodbye = Goodbye { epoch: agent.epoch, tasks: vec![TaskSid::numbered(1)] };
                // A beacon, sent once.
                vec![once(Event::Goodbye { worker: WorkerSid::numbered(worker(who)), goodbye })]
            }
            Deed::Falls(who) => self.leaves(who, LeaveReason::HungUp),
            Deed::HangsUp(who) => {
                self.agents[who].hung_up = true;
                let mut news = vec![self.mark(who)];
                news.extend(self.leaves(who, LeaveReason::HungUp));
                news
            }
            Deed::HangsUpUnheard(who) => {
                self.agents[who].hung_up = true;
                let id = Some(DeliveryId { epoch: self.agents[who].epoch, number: 2 });
                let mark = GracefulMark { id, ..self.mark_of(who) };
                self.written = Some((mark.task.clone(), serde_json::json!({ LEFT: mark }).to_string()));
                self.leaves(who, LeaveReason::HungUp)
            }
            Deed::Returns(who) => {
                let agent = &mut self.agents[who];
                agent.epoch += 1;
                agent.page = Some(agent.epoch);
                let stands = agent.leg.is_some_and(|(room, ..)| room == 1);
                let holding = Holding {
                    task: TaskSid::numbered(1),
                    reservation: reservation_of(worker(who), 1),
                    wrapping: !stands,
                    can_join: stands,
                    other_browser: false,
                };
                let holdings = if agent.holds_first { vec![holding] } else { vec![] };
                let hello = Hello { epoch: agent.epoch, holdings, unavailable: false, accepts_ping: false };
                let worker = WorkerSid::numbered(worker(who));
                vec![repeated(Event::Hello { worker, hello, older_page_connected: false })]
            }
            Deed::Joins(who) => {
                let mut news = self.comes(who, 1);
                let old = self.agents[who].leg;
                if let Some((room, old, _)) = old.filter(|(_, leg, _)| *leg != self.legs) {
                    news.push(self.tell(room, left(old, LeaveReason::HungUp)));
                }
                self.agents[who].leg = Some((1, self.legs, true));
                news
            }
            Deed::Accepts(who) => {
                self.customer = Customer::In(2);
                let mut news = vec![self.tell(2, joined(CUSTOMER))];
                news.extend(self.comes(who, 2));
                self.agents[who].leg = Some((2, self.legs, true));
                news
            }
            Deed::Comes(who) => {
                let news = self.comes(who, 1);
                self.agents[who].leg = Some((1, self.legs, true));
                self.agents[who].holds_first = true;
                news
            }
            Deed::CustomerHangsUp => {
                self.customer_hung_up = true;
                self.customer_leaves(LeaveReason::HungUp)
            }
        }
    }

    /// Twilio carries out the action, or has done so already. Returns its answer and the callbacks.
    pub(super) fn carry_out(&mut self, server: &Server, job: &Job) -> (Outcome, Vec<Message>) {
        let machine = server.machine();
        let again = job.may_have_acted;
        let done = self.seen.contains(&job.action);
        // An action that may have taken effect already is checked first.
        match &job.action {
            Action::CreatePing { .. } if again && done => {
                return (Outcome::PingCreated(TaskSid::numbered(0x91)), vec![]);
            }
            Action::Requeue { .. } if again && done && self.room_of_customer(&job.conference).is_none() => {
                let outcome = if self.customer == Customer::Gone { Outcome::Gone } else { Outcome::Ok };
                return (outcome, vec![]);
            }
            _ => {}
        }
        if !machine.wants(&job.conference, &job.action) {
            return (Outcome::Overtaken, vec![]);
        }
        let (outcome, news) = self.does(server, &job.action);
        if outcome != Outcome::Gone {
            self.seen.push(job.action.clone());
        }
        (outcome, news)
    }

    fn does(&mut self, server: &Server, action: &Action) -> (Outcome, Vec<Message>) {
        let mut news = vec![];
        let outcome = match action {
            Action::HoldCustomer { conference: of, .. }
            | Action::EndHold { conference: of, .. }
            | Action::ClearCustomerFlags { conference: of, .. } => {
                let Some(room) = self.room_of_customer(of) else { return (Outcome::Gone, news) };
                let hold = matches!(action, Action::HoldCustomer { .. });
                if self.on_hold != hold {
                    self.on_hold = hold;
                    let flags = ParticipantFlags {
                        hold,
                        end_conference_on_exit: true,
                        ..ParticipantFlags::default()
                    };
                    news.push(self.tell(room, ConferenceEventKind::Modify { leg: leg(CUSTOMER), flags }));
                }
                Outcome::Ok
            }
            Action::CreatePing { .. } => Outcome::PingCreated(TaskSid::numbered(0x91)),
            Action::ReadTask { task } | Action::MarkTask { task, .. } => {
                Outcome::TaskRead { attributes: self.attributes(task), version: None, workflow: None }
            }
            Action::Requeue { recovery, target, .. } => {
                if self.customer == Customer::Gone {
                    return (Outcome::Gone, news);
                }
                if let Customer::In(room) = self.customer {
                    if self.is_known_to_talk(server, room) {
                        self.stolen = Some(action.clone());
                    }
                    news = self.customer_leaves(LeaveReason::UpdatedViaApi);
                }
                self.customer = Customer::Queued(recovery.clone(), target.clone());
                news.push(once(Event::EnteredQueue { recovery: recovery.clone(), customer: leg(CUSTOMER) }));
                Outcome::Ok
            }
            Action::RemoveLeg { leg: gone, .. } => {
                let of = |agent: &Agent| agent.leg.is_some_and(|(_, number, _)| leg(number) == *gone);
                let Some(who) = self.agents.iter().position(of) else { return (Outcome::Gone, news) };
                let with_customer = self.agents[who]
                    .leg
                    .is_some_and(|(room, _, has)| has && self.customer == Customer::In(room));
                if with_customer {
                    self.stolen = Some(action.clone());
                }
                news = self.leaves(who, LeaveReason::UpdatedViaApi);
                Outcome::Ok
            }
            Action::EndConference { conference: of } => {
                let Some(room) = self.room_of_customer(of) else { return (Outcome::Gone, news) };
                if self.agents.iter().any(|agent| agent.leg.is_some_and(|(other, ..)| other == room)) {
                    return (Outcome::Overtaken, news);
                }
                news = self.customer_leaves(LeaveReason::ConferenceEndedViaApi);
                Outcome::Ok
            }
            // An agent who left on purpose has completed the task by then.
            Action::PollConference { conference: of, handed_over: Some(_), .. } => {
                let Some(room) = self.room_of_customer(of) else { return (Outcome::Gone, news) };
                let legs = self.agents.iter().filter_map(|agent| agent.leg);
                let here = legs.filter(|(other, ..)| *other == room).map(|(_, number, _)| number);
                let flags = |who| (leg(who), ParticipantFlags::default());
                let seen = PollAnswer {
                    participants: here.chain([CUSTOMER]).map(flags).collect(),
                    on_line: Some(true),
                    task: Some(TaskState::Over),
                    ..PollAnswer::default()
                };
                Outcome::Polled(Box::new(seen))
            }
            // Not requested here: the page registers in time, and there is no watchdog and no allow list.
            Action::LookUpTask { .. }
            | Action::CheckNumber { .. }
            | Action::ReadReservations { .. }
            | Action::ReadActivity { .. }
            | Action::LendActivity { .. }
            | Action::ReturnActivity { .. }
            | Action::PollConference { .. }
            | Action::AskPage { .. }
            | Action::GiveUp { .. } => Outcome::Gone,
            Action::Announce { .. }
            | Action::ClearExitFlag { .. }
            | Action::EndPing { .. }
            | Action::CompleteReservation { .. }
            | Action::MoveParticipant { .. }
            | Action::HoldParticipant { .. }
            | Action::RetargetCoach { .. }
            | Action::Unhold { .. } => Outcome::Ok,
        };
        (outcome, news)
    }

    /// True if the server knows that an agent talks to the customer there.
    fn is_known_to_talk(&self, server: &Server, room: u128) -> bool {
        self.agents.iter().any(|agent| {
            let Some((_, number, true)) = agent.leg.filter(|(other, ..)| *other == room) else {
                return false;
            };
            server.call(room).is_some_and(|call| {
                call.facts.roster.agents.contains_key(&leg(number))
                    && call.facts.roster.is_reported_joined(&leg(number))
            })
        })
    }

    /// True if an agent is with the customer and they talk.
    pub(super) fn is_talking(&self) -> bool {
        let Customer::In(room) = self.customer else { return false };
        self.agents.iter().any(|agent| agent.leg.is_some_and(|(other, _, has)| has && other == room))
    }

    /// The conference, if the customer is in it.
    fn room_of_customer(&self, of: &ConferenceSid) -> Option<u128> {
        match self.customer {
            Customer::In(room) if conference(room) == *of => Some(room),
            Customer::In(_) | Customer::Queued(..) | Customer::Gone => None,
        }
    }

    fn tell(&mut self, room: u128, kind: ConferenceEventKind) -> Message {
        let sequence = self.rooms.entry(room).or_default();
        *sequence += 1;
        once(Event::Conference(ConferenceEvent::new(
            conference(room),
            Some(TaskSid::numbered(room)),
            *sequence,
            kind,
        )))
    }

    fn mark(&self, who: usize) -> Message {
        let mark = self.mark_of(who);
        repeated(Event::Graceful { worker: WorkerSid::numbered(worker(who)), mark })
    }

    fn mark_of(&self, who: usize) -> GracefulMark {
        let room = self.agents[who].leg.map_or(1, |(room, ..)| room);
        let reservation = reservation_of(worker(who), room);
        GracefulMark { id: None, task: TaskSid::numbered(room), reservation, reason: GracefulReason::HangUp }
    }

    fn attributes(&self, task: &TaskSid) -> String {
        let written = self.written.as_ref().filter(|(of, _)| of == task);
        written.map_or_else(|| NOTHING_WRITTEN.to_owned(), |(_, attributes)| attributes.clone())
    }

    /// A new leg joins, and its page registers.
    fn comes(&mut self, who: usize, room: u128) -> Vec<Message> {
        self.legs = self.legs.max(0x200) + 1;
        let number = self.legs;
        let join = self.tell(room, joined(number));
        let registration = Registration {
            id: None,
            epoch: self.agents[who].epoch,
            task: TaskSid::numbered(room),
            reservation: reservation_of(worker(who), room),
            workflow: WorkflowSid::numbered(1),
            queue: None,
            conference: conference(room),
            worker_leg: leg(number),
            customer_leg: leg(CUSTOMER),
            worker_name: "Ada".into(),
            answers_messages: true,
        };
        vec![join, repeated(Event::Registered { worker: WorkerSid::numbered(worker(who)), registration })]
    }

    fn leaves(&mut self, who: usize, reason: LeaveReason) -> Vec<Message> {
        let Some((room, number, _)) = self.agents[who].leg.take() else { return vec![] };
        let mut news = vec![self.tell(room, left(number, reason))];
        news.extend(self.ends(room));
        news
    }

    fn customer_leaves(&mut self, reason: LeaveReason) -> Vec<Message> {
        let mut news = vec![];
        match std::mem::replace(&mut self.customer, Customer::Gone) {
            Customer::In(room) => {
                self.on_hold = false;
                news.push(self.tell(room, left(CUSTOMER, reason)));
                // Flex has set the customer's `endConferenceOnExit`.
                for who in 0..2 {
                    if self.agents[who].leg.is_some_and(|(other, ..)| other == room) {
                        news.extend(self.leaves(who, LeaveReason::ModeratorEnded));
                    }
                }
                news.extend(self.ends(room));
            }
            Customer::Queued(recovery, _) => {
                let customer = leg(CUSTOMER);
                news.push(once(Event::LeftQueue {
                    recovery,
                    customer,
                    bridged: false,
                    hung_up: true,
                    token: None,
                }));
            }
            Customer::Gone => {}
        }
        news
    }

    /// A conference that all legs have left is over.
    fn ends(&mut self, room: u128) -> Option<Message> {
        let somebody = self.customer == Customer::In(room)
            || self.agents.iter().any(|agent| agent.leg.is_some_and(|(other, ..)| other == room));
        (!somebody).then(|| self.tell(room, ConferenceEventKind::End))
    }
}

fn joined(number: u128) -> ConferenceEventKind {
    ConferenceEventKind::Join { leg: leg(number), flags: ParticipantFlags::default() }
}

fn left(number: u128, reason: LeaveReason) -> ConferenceEventKind {
    ConferenceEventKind::Leave { leg: leg(number), reason }
}
