//! The channels of this server, by worker.

use super::lost::{Lost, Page};
use crate::store::PushId;
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Maximum number of channels of a worker: more tabs than an agent works in.
const AT_ONCE: usize = 16;
/// Number of remembered departures of workers before old ones are forgotten.
const GONE: usize = 10_000;
/// Age from which they are old: no call lasts so long.
const GONE_FOR: Millis = Millis::seconds(24 * 3600);

/// Number of workers who may lose a page at the same time by chance.
const FEW: usize = 3;

/// A message to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The push's number; `None` for a message that is not stored.
    pub number: Option<u64>,
    /// The message.
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
    /// Epochs of pages that have found a call while an older page, which may have it, was connected.
    wait: BTreeMap<WorkerSid, u64>,
    /// When a page of each worker was last seen to go.
    gone: BTreeMap<WorkerSid, Millis>,
    /// Pages whose channel has ended.
    lost: Lost,
    /// Number of channels opened so far.
    opened: u64,
}

#[derive(Debug)]
struct Channel {
    id: u64,
    /// Epoch of the page; 0 when it names none.
    epoch: u64,
    /// Number of the last push that the page has received, or need not receive; `None` while that is being found out.
    told: Option<u64>,
    /// Identifies the database that the number is of.
    instance: Option<i64>,
    /// Number of its session in the store, if there are other servers.
    session: Option<i64>,
    sender: mpsc::Sender<Said>,
}

impl Channel {
    /// What names the channel to all servers: that of its session, or its own, if there are no other servers. `None`: it is being
    /// opened.
    fn number(&self) -> Option<i64> {
        self.told.map(|_| self.session.unwrap_or(self.id.cast_signed()))
    }

    /// Sends a message; true when the page accepts it.
    fn say(&self, number: Option<u64>, push: Push) -> bool {
        self.sender.try_send(Said { number, push }).is_ok()
    }
}

impl Channels {
    /// Opens a channel, which receives nothing yet. Another channel of the same page is a connection that it has
    /// lost. `None`: the worker has the maximum number of channels.
    pub(super) fn open(&mut self, worker: &WorkerSid, epoch: u64, sender: mpsc::Sender<Said>) -> Option<u64> {
        self.keep(worker, |channel| channel.epoch == 0 || channel.epoch != epoch);
        if self.of.get(worker).is_some_and(|channels| channels.len() >= AT_ONCE) {
            return None;
        }
        self.lost.back(worker, epoch);
        self.opened += 1;
        let id = self.opened;
        let channel = Channel { id, epoch, told: None, instance: None, session: None, sender };
        self.of.entry(worker.clone()).or_default().push(channel);
        Some(id)
    }

    /// True when a page is connected, or has gone since then.
    pub(super) fn was_there(&self, worker: &WorkerSid, since: Millis) -> bool {
        self.of.contains_key(worker) || self.gone.get(worker).is_some_and(|gone| *gone > since)
    }

    /// Sets the page's position.
    pub(super) fn opened(&mut self, worker: &WorkerSid, id: u64, position: PushId, session: Option<i64>) {
        for channel in self.of.get_mut(worker).into_iter().flatten().filter(|channel| channel.id == id) {
            (channel.told, channel.session) = (Some(position.number), session);
            channel.instance = Some(position.instance);
        }
        self.ask_who_waits(worker);
    }

    /// True while the channel with this number is open.
    pub(super) fn is_open(&self, worker: &WorkerSid, number: i64) -> bool {
        let channels = self.of.get(worker).into_iter().flatten();
        channels.filter(|channel| !channel.sender.is_closed()).any(|channel| channel.number() == Some(number))
    }

    /// Closes the channel with this number: its page does not answer. True if there was one.
    pub(super) fn silent(&mut self, worker: &WorkerSid, number: i64) -> bool {
        let is_open = self.is_open(worker, number);
        self.keep(worker, |channel| channel.number() != Some(number));
        is_open
    }

    /// The channel has ended. Returns whether the page's return is awaited.
    pub(super) fn ended(&mut self, now: Millis, worker: &WorkerSid, epoch: u64, id: u64) -> bool {
        self.keep(worker, |channel| channel.id != id);
        if self.gone.len() >= GONE {
            self.gone.retain(|_, gone| *gone + GONE_FOR > now);
            let gone = &self.gone;
            self.wait.retain(|worker, _| gone.contains_key(worker));
        }
        self.gone.insert(worker.clone(), now);
        self.ask_who_waits(worker);
        // Another channel of the same page was opened before this one was seen to end.
        let waited_for = epoch != 0 && !self.epochs(worker).any(|open| open == epoch);
        if waited_for {
            self.lost.ended(Instant::now(), worker, epoch);
        }
        waited_for
    }

    /// A page has sent a request: it is not lost.
    pub(super) fn heard(&mut self, worker: &WorkerSid, epoch: u64) {
        self.lost.back(worker, epoch);
    }

    /// A page that is not back in time and is due to be reported to the machine now, and when the next one will be
    /// due.
    pub(super) fn lost(&mut self, now: Instant) -> (Option<Page>, Option<Instant>) {
        (self.lost.take_due(now), self.lost.next())
    }

    /// True if many of the workers have lost a page lately.
    pub(super) fn are_many_lost(&self, now: Instant) -> bool {
        self.lost.lately(now) > FEW.max(self.open_ones() / 10)
    }

    /// True when a page that is older than `epoch` is connected here. Once it is not, the page of this epoch is asked
    /// to repeat its hello.
    pub(super) fn waits_for_older(&mut self, worker: &WorkerSid, epoch: u64) -> bool {
        let older = self.has_older(worker, epoch);
        if older {
            self.wait.insert(worker.clone(), epoch);
        }
        older
    }

    /// Asks this page to repeat its hello: more is known now of what it said. One without a channel yet is asked when it has one.
    pub(super) fn ask_again(&mut self, worker: &WorkerSid, epoch: u64) {
        if epoch != 0 {
            let waits = self.wait.entry(worker.clone()).or_default();
            *waits = epoch.max(*waits);
            self.ask_who_waits(worker);
        }
    }

    /// Asks the pages that are newer than this lost one to repeat their hello.
    pub(super) fn ask_newer(&mut self, worker: &WorkerSid, epoch: u64) {
        self.keep(worker, |channel| {
            let is_newer = channel.epoch > epoch && channel.told.is_some();
            !is_newer || channel.say(None, Push::Ask)
        });
    }

    pub(super) fn has_older(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.epochs(worker).any(|other| other != 0 && other < epoch)
    }

    /// Asks a waiting page to repeat its hello once the older pages are gone: their call may be its own. One without a
    /// channel yet is asked when it has one.
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

    /// Sends a push to the pages that have received all earlier ones. True when there are others.
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
            // It has received it, or will find it in the store.
            Some(_) | None => true,
        });
        behind
    }

    /// Sends what the store has after the number that [`Self::behind`] has named.
    pub(super) fn tell_all(&mut self, worker: &WorkerSid, pushes: &[(u64, Push)]) {
        self.keep(worker, |channel| {
            pushes.iter().all(|(number, push)| match channel.told {
                Some(told) if told < *number => {
                    channel.told = Some(*number);
                    // Pushes in between are no longer stored.
                    let is_next = told + 1 == *number || channel.say(None, Push::Ask);
                    is_next && channel.say(Some(*number), push.clone())
                }
                Some(_) | None => true,
            })
        });
    }

    /// The number after which some page of the worker has received nothing, if that is before this number.
    pub(super) fn behind(&self, worker: &WorkerSid, number: u64) -> Option<u64> {
        let channels = self.of.get(worker)?;
        channels.iter().filter_map(|channel| channel.told).min().filter(|told| *told < number)
    }

    /// A page of this epoch acts: older pages get a message.
    pub(super) fn supersede(&mut self, worker: &WorkerSid, epoch: u64) {
        self.keep(worker, |channel| {
            let older = channel.epoch != 0 && channel.epoch < epoch;
            !older || channel.say(None, Push::Superseded)
        });
    }

    /// The same for a page that has connected to another server. If it was connected here before, it has lost that
    /// connection.
    pub(super) fn connected_elsewhere(&mut self, worker: &WorkerSid, epoch: u64, session: i64) {
        self.keep(worker, |channel| {
            let earlier = channel.session.is_some_and(|earlier| earlier < session);
            !(earlier && channel.epoch == epoch && epoch != 0)
        });
        self.supersede(worker, epoch);
    }

    /// Epochs of the connected pages; 0 for a page that names none.
    pub(super) fn epochs(&self, worker: &WorkerSid) -> impl Iterator<Item = u64> {
        let channels = self.of.get(worker).into_iter().flatten();
        channels.filter(|channel| !channel.sender.is_closed()).map(|channel| channel.epoch)
    }

    /// The connected pages that name their epoch.
    pub(super) fn pages(&self) -> Vec<(WorkerSid, u64)> {
        let all = self.of.keys().flat_map(|worker| self.epochs(worker).map(|epoch| (worker.clone(), epoch)));
        all.filter(|(_, epoch)| *epoch != 0).collect()
    }

    /// Workers who may have a page.
    pub(super) fn workers(&mut self) -> Vec<WorkerSid> {
        self.of.retain(|_, channels| channels.iter().any(|channel| !channel.sender.is_closed()));
        self.of.keys().cloned().collect()
    }

    /// Closes the channels whose numbers are of another database than this one: the pages connect again, and ask. Returns
    /// how many there were.
    pub(super) fn close_others(&mut self, instance: i64) -> usize {
        let before = self.open_ones();
        self.of.retain(|_, channels| {
            channels.retain(|channel| channel.instance.is_none_or(|of| of == instance));
            !channels.is_empty()
        });
        before.saturating_sub(self.open_ones())
    }

    /// Number of connected pages.
    pub(super) fn open_ones(&self) -> usize {
        self.connected().count()
    }

    /// True if a page is connected.
    pub(super) fn has_open_ones(&self) -> bool {
        self.connected().next().is_some()
    }

    fn connected(&self) -> impl Iterator<Item = &Channel> {
        self.of.values().flatten().filter(|channel| !channel.sender.is_closed())
    }

    /// Closes channels of a worker: those for which `stays` is false, and those that are not read.
    fn keep(&mut self, worker: &WorkerSid, mut stays: impl FnMut(&mut Channel) -> bool) {
        if let Some(channels) = self.of.get_mut(worker) {
            channels.retain_mut(|channel| !channel.sender.is_closed() && stays(channel));
            if channels.is_empty() {
                self.of.remove(worker);
            }
        }
    }
}
