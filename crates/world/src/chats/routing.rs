//! A model of TaskRouter for chats: tasks, reservations, and workers who are online.

use super::twilio::Seat;
use super::{ChatWorld, Coming, Way};
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{Event, TaskState};
use rejoin_protocol::{ReservationSid, TaskSid};
use std::collections::BTreeMap;

/// Maximum number of chats of an agent.
const CAPACITY: usize = 3;
/// How long after the end of their last socket Flex sets an agent offline.
pub(super) const OFFLINE_AFTER: u64 = 30_000;

/// A worker, as TaskRouter sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    pub(super) is_online: bool,
    /// True when the agent does not want work, or has signed out.
    pub(super) is_unavailable: bool,
    /// Counts how often the agent had no socket any more.
    pub(super) losses: u64,
}

impl Worker {
    /// True when TaskRouter may give them work.
    pub(super) fn is_available(&self) -> bool {
        self.is_online && !self.is_unavailable
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskStatus {
    Pending,
    Reserved,
    Assigned,
    Completed,
    Canceled,
}

/// A task that asks an agent into a chat.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) sid: TaskSid,
    pub(super) room: usize,
    /// Our key, if it is ours.
    pub(super) key: Option<String>,
    /// Whom the workflow tries first, and until when.
    pub(super) target: Option<(usize, u64)>,
    /// The only one who may get it.
    pub(super) only: Option<usize>,
    pub(super) status: TaskStatus,
    pub(super) made: u64,
    /// When each worker was asked last.
    asked: BTreeMap<usize, u64>,
}

impl Task {
    /// True while it looks for an agent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, TaskStatus::Pending | TaskStatus::Reserved)
    }

    /// Its state as a poll has it.
    pub(super) fn state(&self) -> TaskState {
        match self.status {
            TaskStatus::Pending | TaskStatus::Reserved => TaskState::Waiting,
            TaskStatus::Assigned => TaskState::Assigned,
            TaskStatus::Completed | TaskStatus::Canceled => TaskState::Ended,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferStatus {
    Pending,
    Accepted,
    Wrapping,
    Over,
}

/// A reservation.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) sid: ReservationSid,
    pub(super) task: usize,
    pub(super) agent: usize,
    pub(super) status: OfferStatus,
}

impl ChatWorld {
    pub(super) fn make_task(
        &mut self,
        room: usize,
        key: Option<String>,
        target: Option<usize>,
        only: Option<usize>,
        timeout: u64,
    ) -> usize {
        let sid = TaskSid::numbered(self.number());
        let tried_until = self.now + self.of.setup.known_agent;
        let task = self.tasks.len();
        self.note(Lane::Twilio, Some(Lane::Chat(room)), Kind::Does, || {
            let whose = if key.is_some() { "our invite" } else { "a task" };
            let first = target.map(|agent| format!(", agent {agent} first")).unwrap_or_default();
            format!("{whose} looks for an agent{first}: task {task}")
        });
        self.tasks.push(Task {
            sid,
            room,
            key,
            target: target.map(|agent| (agent, tried_until)),
            only,
            status: TaskStatus::Pending,
            made: self.now,
            asked: BTreeMap::new(),
        });
        self.put(timeout, Coming::TaskEnds(task));
        if target.is_some() {
            self.put_at(tried_until, Coming::Route);
        }
        task
    }

    fn load(&self, agent: usize) -> usize {
        self.offers.iter().filter(|it| it.agent == agent && it.status != OfferStatus::Over).count()
    }

    fn is_free(&self, agent: usize) -> bool {
        let worker = &self.workers[agent];
        worker.is_available() && self.load(agent) < CAPACITY
    }

    /// Offers waiting tasks to workers who are free, the oldest task first.
    pub(super) fn route(&mut self) {
        for task in 0..self.tasks.len() {
            if self.tasks[task].status != TaskStatus::Pending {
                continue;
            }
            let it = &self.tasks[task];
            let named = it.only.or(it.target.filter(|(_, until)| self.now < *until).map(|(agent, _)| agent));
            let free = (0..self.workers.len()).filter(|agent| named.is_none_or(|named| named == *agent));
            let free = free.filter(|agent| self.is_free(*agent));
            let next = free.min_by_key(|agent| (it.asked.get(agent).copied(), self.load(*agent), *agent));
            if let Some(agent) = next {
                self.offer(task, agent);
            }
        }
    }

    fn offer(&mut self, task: usize, agent: usize) {
        let sid = ReservationSid::numbered(self.number());
        let offer = self.offers.len();
        self.offers.push(Offer { sid, task, agent, status: OfferStatus::Pending });
        self.tasks[task].status = TaskStatus::Reserved;
        let now = self.now;
        self.tasks[task].asked.insert(agent, now);
        self.note(Lane::Twilio, Some(Lane::Agent(agent)), Kind::Does, || format!("task {task} is offered"));
        let lasts = self.of.setup.reservation;
        self.put(lasts, Coming::OfferEnds(offer));
        self.stir_agent(agent);
    }

    /// Nobody has answered a reservation in time: the task goes to others.
    pub(super) fn offer_times_out(&mut self, offer: usize) {
        if self.offers[offer].status == OfferStatus::Pending {
            self.offers[offer].status = OfferStatus::Over;
            let task = self.offers[offer].task;
            self.tasks[task].status = TaskStatus::Pending;
            self.stir_agent(self.offers[offer].agent);
            self.route();
        }
    }

    /// An agent takes an offer. False if it is not theirs any more.
    pub(super) fn accept(&mut self, offer: usize) -> bool {
        let Offer { task, agent, status, .. } = self.offers[offer].clone();
        if status != OfferStatus::Pending {
            return false;
        }
        self.offers[offer].status = OfferStatus::Accepted;
        self.tasks[task].status = TaskStatus::Assigned;
        let room = self.tasks[task].room;
        self.takes_a_seat(room, Seat { agent, task, offer });
        self.stir_agent(agent);
        true
    }

    pub(super) fn cancel_task(&mut self, task: usize, why: &str) {
        if !self.tasks[task].is_open() {
            return;
        }
        self.note(Lane::Twilio, None, Kind::Does, || format!("task {task} is canceled: {why}"));
        self.tasks[task].status = TaskStatus::Canceled;
        for offer in self.offers.iter_mut().filter(|it| it.task == task) {
            offer.status = OfferStatus::Over;
        }
        for agent in 0..self.workers.len() {
            self.stir_agent(agent);
        }
        if self.plan.setup.streams {
            let conversation = Some(self.rooms[self.tasks[task].room].conversation.clone());
            let event =
                Event::Task { conversation, task: self.tasks[task].sid.clone(), state: TaskState::Ended };
            let mut chance = self.chance(Way::Stream, 0);
            let after = Self::latency(&mut chance) + chance.between(0, 1_500);
            self.put(after, Coming::Hears(Box::new(event), true));
        }
        self.put(0, Coming::Route);
    }

    pub(super) fn task_times_out(&mut self, task: usize) {
        self.cancel_task(task, "no agent took it in time");
    }

    /// The agent's last socket has ended, or one is open again.
    pub(super) fn sockets_changed(&mut self, agent: usize) {
        if self.pages.iter().any(|page| page.agent == agent && page.has_socket) {
            self.workers[agent].losses += 1;
            if !self.workers[agent].is_online {
                let back = self.of.setup.back;
                self.put(back, Coming::ComesBack(agent));
            }
        } else {
            self.workers[agent].losses += 1;
            let number = self.workers[agent].losses;
            self.put(OFFLINE_AFTER, Coming::GoesOffline(agent, number));
        }
    }

    /// Flex sets an agent offline who has no socket.
    pub(super) fn goes_offline(&mut self, agent: usize, number: u64) {
        if self.workers[agent].losses == number && self.workers[agent].is_online {
            self.workers[agent].is_online = false;
            self.note(Lane::Twilio, Some(Lane::Agent(agent)), Kind::Does, || {
                "is offline for TaskRouter".into()
            });
        }
    }

    /// An agent who sees that they are offline becomes available.
    pub(super) fn comes_back(&mut self, agent: usize) {
        if self.pages.iter().any(|page| page.agent == agent && page.has_socket && page.is_connected()) {
            self.workers[agent].is_online = true;
            self.route();
        }
    }
}
