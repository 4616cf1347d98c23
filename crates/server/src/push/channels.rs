//! The channels of this server, by worker.

use super::lost::{Lost, Page};
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Channels that a worker may have at once: more tabs than anybody works in.
const AT_ONCE: usize = 16;
/// Number of workers whose going is remembered before what is old is forgotten.
const GONE: usize = 10_000;
/// What is older than that: no call takes so long.
const GONE_FOR: Millis = Millis::seconds(24 * 3600);

/// Something that is said to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The push's number; `None`: it is not one of those that are kept.
    pub number: Option<u64>,
    /// What is said.
    pub push: Push,
}

impl From<(u64, Push)> for Said {
    fn from((number, push): (u64, Push)) -> Self {
        Self { number: Some(number), push }
    }
}

#[derive(Debug, Default)]
pub(super) struct Channels {
    of: BTreeMap<WorkerSid, Vec<Channel>>,
    /// Pages that have found a call while an older one was connected, which may have it: by their epoch.
    wait: BTreeMap<WorkerSid, u64>,
    /// When a page was last heard to go.
    gone: BTreeMap<WorkerSid, Millis>,
    /// Pages whose channel has ended.
    lost: Lost,
    /// How many were opened.
    opened: u64,
}

#[derive(Debug)]
struct Channel {
    id: u64,
    /// Of the page; 0 when it did not say.
    epoch: u64,
    /// Number of the last push that the page was told, or need not be told; `None` while that is being found out.
    told: Option<u64>,
    /// Its number among those of all servers, if there are others.
    session: Option<i64>,
    sender: mpsc::Sender<Said>,
}

impl Channel {
    /// Does the page take it?
    fn say(&self, number: Option<u64>, push: Push) -> bool {
        self.sender.try_send(Said { number, push }).is_ok()
    }
}

impl Channels {
    /// Opens a channel, which nothing is told yet. Another one of the same page is a connection that it has lost. `None`:
    /// the worker has as many as one may have.
    pub(super) fn open(&mut self, worker: &WorkerSid, epoch: u64, sender: mpsc::Sender<Said>) -> Option<u64> {
        self.keep(worker, |channel| channel.epoch == 0 || channel.epoch != epoch);
        if self.of.get(worker).is_some_and(|channels| channels.len() >= AT_ONCE) {
            return None;
        }
        self.lost.back(worker, epoch);
        self.opened += 1;
        let id = self.opened;
        let channel = Channel { id, epoch, told: None, session: None, sender };
        self.of.entry(worker.clone()).or_default().push(channel);
        Some(id)
    }

    /// Does a page listen, or has one gone since then?
    pub(super) fn was_there(&self, worker: &WorkerSid, since: Millis) -> bool {
        self.of.contains_key(worker) || self.gone.get(worker).is_some_and(|gone| *gone > since)
    }

    /// It is known now how far the page has heard.
    pub(super) fn opened(&mut self, worker: &WorkerSid, id: u64, number: u64, session: Option<i64>) {
        for channel in self.of.get_mut(worker).into_iter().flatten().filter(|channel| channel.id == id) {
            (channel.told, channel.session) = (Some(number), session);
        }
        self.ask_who_waits(worker);
    }

    /// The page does not listen any more. Is it waited for?
    pub(super) fn ended(&mut self, now: Millis, worker: &WorkerSid, epoch: u64, id: u64) -> bool {
        self.keep(worker, |channel| channel.id != id);
        if self.gone.len() >= GONE {
            self.gone.retain(|_, gone| *gone + GONE_FOR > now);
            let gone = &self.gone;
            self.wait.retain(|worker, _| gone.contains_key(worker));
        }
        self.gone.insert(worker.clone(), now);
        self.ask_who_waits(worker);
        // Another channel of the same page was opened before this one was seen to have ended.
        let waited_for = epoch != 0 && !self.epochs(worker).any(|open| open == epoch);
        if waited_for {
            self.lost.ended(Instant::now(), worker, epoch);
        }
        waited_for
    }

    /// A page that is not back in time, to be reported to the machine now, and when the next one will be due.
    pub(super) fn lost(&mut self, now: Instant) -> (Option<Page>, Option<Instant>) {
        (self.lost.take_due(now), self.lost.next())
    }

    /// Is a page connected here that is older than `epoch`? When it is not any more, the page of this epoch is to ask
    /// again.
    pub(super) fn waits_for_older(&mut self, worker: &WorkerSid, epoch: u64) -> bool {
        let older = self.has_older(worker, epoch);
        if older {
            self.wait.insert(worker.clone(), epoch);
        }
        older
    }

    pub(super) fn has_older(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.epochs(worker).any(|other| other != 0 && other < epoch)
    }

    /// The older pages are gone: what was left to them may be the waiting page's. One that does not listen yet is told when
    /// it does.
    fn ask_who_waits(&mut self, worker: &WorkerSid) {
        let Some(epoch) = self.wait.get(worker).copied() else { return };
        if self.has_older(worker, epoch) {
            return;
        }
        let mut asks = false;
        self.keep(worker, |channel| {
            let waits = channel.epoch == epoch && channel.told.is_some();
            asks |= waits;
            !waits || channel.say(None, Push::Ask)
        });
        if asks {
            self.wait.remove(worker);
        }
    }

    /// Says a push to the pages that have heard everything before it. Are there others?
    pub(super) fn tell(&mut self, worker: &WorkerSid, number: u64, push: &Push) -> bool {
        let mut behind = false;
        self.keep(worker, |channel| match channel.told {
            Some(told) if told + 1 == number => {
                channel.told = Some(number);
                channel.say(Some(number), push.clone())
            }
            Some(told) if told < number => {
                behind = true;
                true
            }
            // It was told, or finds it in the store.
            Some(_) | None => true,
        });
        behind
    }

    /// Says what the store has after the number that [`Self::behind`] has named.
    pub(super) fn tell_all(&mut self, worker: &WorkerSid, pushes: &[(u64, Push)]) {
        self.keep(worker, |channel| {
            pushes.iter().all(|(number, push)| match channel.told {
                Some(told) if told < *number => {
                    channel.told = Some(*number);
                    // What lies between is not kept any more.
                    let is_next = told + 1 == *number || channel.say(None, Push::Ask);
                    is_next && channel.say(Some(*number), push.clone())
                }
                Some(_) | None => true,
            })
        });
    }

    /// From which number on some page of the worker has to be told, if it was not told up to this one.
    pub(super) fn behind(&self, worker: &WorkerSid, number: u64) -> Option<u64> {
        let channels = self.of.get(worker)?;
        channels.iter().filter_map(|channel| channel.told).min().filter(|told| *told < number)
    }

    /// A page of this epoch acts: the older ones are told.
    pub(super) fn supersede(&mut self, worker: &WorkerSid, epoch: u64) {
        self.keep(worker, |channel| {
            let older = channel.epoch != 0 && channel.epoch < epoch;
            !older || channel.say(None, Push::Superseded)
        });
    }

    /// The same for a page that has connected to another server. If it is one that was connected here before, it has
    /// lost that connection.
    pub(super) fn connected_elsewhere(&mut self, worker: &WorkerSid, epoch: u64, session: i64) {
        self.keep(worker, |channel| {
            let earlier = channel.session.is_some_and(|earlier| earlier < session);
            !(earlier && channel.epoch == epoch && epoch != 0)
        });
        self.supersede(worker, epoch);
    }

    /// Epochs of the pages that are connected; 0: one that has not said its own.
    pub(super) fn epochs(&self, worker: &WorkerSid) -> impl Iterator<Item = u64> {
        let channels = self.of.get(worker).into_iter().flatten();
        channels.filter(|channel| !channel.sender.is_closed()).map(|channel| channel.epoch)
    }

    /// Workers who may have a page.
    pub(super) fn workers(&mut self) -> Vec<WorkerSid> {
        self.of.retain(|_, channels| channels.iter().any(|channel| !channel.sender.is_closed()));
        self.of.keys().cloned().collect()
    }

    /// How many pages are connected.
    pub(super) fn open_ones(&self) -> usize {
        self.of.values().flatten().filter(|channel| !channel.sender.is_closed()).count()
    }

    /// Closes channels of a worker: those that are said to end, and those that nobody reads.
    fn keep(&mut self, worker: &WorkerSid, mut stays: impl FnMut(&mut Channel) -> bool) {
        if let Some(channels) = self.of.get_mut(worker) {
            channels.retain_mut(|channel| !channel.sender.is_closed() && stays(channel));
            if channels.is_empty() {
                self.of.remove(worker);
            }
        }
    }
}
