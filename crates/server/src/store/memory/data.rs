//! The stored data, in place of a database's tables.

use crate::store::JobId;
use crate::store::Line;
use crate::store::held_back::{self, HeldBack};
use crate::story::Told;
use crate::surroundings::Surroundings;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use rejoin_recovery::{Action, Call, EarlyMark, EarlyMarkKey, Key, Timer};
use std::collections::{BTreeMap, BTreeSet};

/// How long after the end of its lease a server is forgotten.
const LONG_GONE: Millis = Millis::seconds(60);

#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// In memory as they were saved. The next server parses them from JSON, like rows of a database.
    pub(super) calls: BTreeMap<ConferenceSid, Call>,
    /// The stored state of calls that cannot be read.
    pub(super) unreadable: BTreeMap<ConferenceSid, String>,
    keys: BTreeMap<String, BTreeSet<ConferenceSid>>,
    keys_of: BTreeMap<ConferenceSid, BTreeSet<String>>,
    pub(super) timers: Timers,
    pub(super) jobs: Jobs,
    pub(super) early: BTreeMap<EarlyMarkKey, EarlyMark>,
    pub(super) lines: BTreeMap<i64, (Option<CallSid>, Line)>,
    pub(super) story: Vec<Told>,
    /// The end of each server's lease.
    pub(super) servers: BTreeMap<String, Millis>,
    /// The server that has it, unless it is shared.
    pub(super) holder: Option<(String, Surroundings)>,
    /// Number of pushes to each worker.
    pub(super) workers: BTreeMap<WorkerSid, u64>,
    pub(super) pushes: BTreeMap<(WorkerSid, u64), (Millis, Push)>,
    /// Server, worker and epoch.
    pub(super) sessions: BTreeMap<i64, (String, WorkerSid, u64)>,
    /// When a page last answered a call message.
    pub(super) message_answered: Millis,
    pub(super) conversations: super::conversations::Conversations,
    numbers: i64,
}

/// All timers, also in the order in which they are due.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    /// With the server that set it.
    set: BTreeMap<ConferenceSid, BTreeMap<Timer, (Millis, String)>>,
    order: BTreeSet<(Millis, ConferenceSid, Timer)>,
}

/// All jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    pub(super) all: BTreeMap<JobId, Row>,
    /// Open jobs by priority.
    pub(super) open: BTreeSet<(i64, JobId)>,
    /// Jobs that may be done only once.
    pub(super) once: BTreeSet<(ConferenceSid, String)>,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) conference: ConferenceSid,
    pub(super) action: Action,
    pub(super) once: Option<String>,
    pub(super) deadline: Millis,
    pub(super) priority: i64,
    pub(super) owner: Option<String>,
    pub(super) since: Millis,
    pub(super) fence: i64,
    pub(super) is_closed: bool,
    /// When it was given up, and why.
    pub(super) given_up: Option<(Millis, String)>,
}

impl Data {
    /// A new number.
    pub(super) fn number(&mut self) -> i64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn forget_servers(&mut self, now: Millis) {
        self.servers.retain(|_, until| *until + LONG_GONE >= now);
        let servers = &self.servers;
        self.sessions.retain(|_, (server, _, _)| servers.contains_key(server));
    }

    /// The calls that share one of these keys, with the other calls of their customers, in order.
    pub(super) fn related<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> BTreeSet<ConferenceSid> {
        let mut found = BTreeSet::new();
        for key in keys {
            found.extend(self.keys.get(key).into_iter().flatten().cloned());
            found.extend(ConferenceSid::parse(key).ok().filter(|call| self.is_stored(call)));
        }
        let legs = found.iter().filter_map(|call| self.keys_of.get(call)).flatten();
        let others = legs.filter(|key| key.starts_with("CA")).filter_map(|leg| self.keys.get(leg)).flatten();
        let others: Vec<ConferenceSid> = others.cloned().collect();
        found.extend(others);
        found.retain(|call| self.is_stored(call));
        found
    }

    fn is_stored(&self, conference: &ConferenceSid) -> bool {
        self.calls.contains_key(conference) || self.unreadable.contains_key(conference)
    }

    pub(super) fn call(&self, conference: &ConferenceSid) -> Option<Call> {
        self.calls.get(conference).cloned()
    }

    /// Why a stored call cannot be read, with its keys.
    pub(super) fn held_back(&self, conference: &ConferenceSid) -> Option<HeldBack> {
        let why = held_back::read(self.unreadable.get(conference)?).err()?;
        let keys = self.keys_of.get(conference).cloned().unwrap_or_default();
        Some(HeldBack { conference: conference.clone(), keys, why, call: None })
    }

    /// Overwrites a call's state, as another version or a damaged disk would.
    pub(super) fn put_state(&mut self, conference: &ConferenceSid, state: &str) {
        match held_back::read(state) {
            Ok(call) => {
                self.unreadable.remove(conference);
                let keys = call.keys();
                self.save(call, &keys);
            }
            Err(_) => {
                self.calls.remove(conference);
                self.unreadable.insert(conference.clone(), state.to_owned());
            }
        }
    }

    /// Saves a call.
    pub(super) fn save(&mut self, call: Call, keys: &BTreeSet<Key>) {
        debug_assert_eq!(Ok(&call), read_again(&call).as_ref(), "this call is another one when it is read");
        let conference = &call.conference.clone();
        // A call is found by its conference without a key for it.
        let others = || keys.iter().filter(|key| !matches!(key, Key::Conference(_))).map(Key::as_str);
        let is_same = |known: &BTreeSet<String>| {
            known.len() == others().count() && others().all(|key| known.contains(key))
        };
        // Usually its keys have not changed.
        if !self.keys_of.get(conference).is_some_and(is_same) {
            self.forget_keys(conference);
            let keys: BTreeSet<String> = others().map(str::to_owned).collect();
            for key in &keys {
                self.keys.entry(key.clone()).or_default().insert(conference.clone());
            }
            self.keys_of.insert(conference.clone(), keys);
        }
        self.calls.insert(conference.clone(), call);
    }

    /// Converts all calls as the next server would read them.
    pub(super) fn read_again(&mut self) {
        for (conference, call) in std::mem::take(&mut self.calls) {
            match read_again(&call) {
                Ok(call) => _ = self.calls.insert(conference, call),
                Err(state) => _ = self.unreadable.insert(conference, state),
            }
        }
    }

    /// Forgets a call, its keys and its timers.
    pub(super) fn forget(&mut self, conference: &ConferenceSid) {
        self.calls.remove(conference);
        self.forget_keys(conference);
        self.timers.clear_all(conference);
    }

    fn forget_keys(&mut self, conference: &ConferenceSid) {
        for key in self.keys_of.remove(conference).into_iter().flatten() {
            if let Some(calls) = self.keys.get_mut(&key) {
                calls.remove(conference);
                if calls.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }
}

/// A call, serialised and parsed again; or its text, if that fails.
fn read_again(call: &Call) -> Result<Call, String> {
    let state = serde_json::to_string(call).unwrap_or_default();
    held_back::read(&state).map_err(|_| state)
}

impl Timers {
    pub(super) fn set(&mut self, conference: &ConferenceSid, timer: Timer, at: Millis, server: &str) {
        self.clear(conference, timer);
        self.order.insert((at, conference.clone(), timer));
        self.set.entry(conference.clone()).or_default().insert(timer, (at, server.to_owned()));
    }

    pub(super) fn clear(&mut self, conference: &ConferenceSid, timer: Timer) {
        let Some(of_call) = self.set.get_mut(conference) else { return };
        if let Some((at, _)) = of_call.remove(&timer) {
            self.order.remove(&(at, conference.clone(), timer));
        }
        if of_call.is_empty() {
            self.set.remove(conference);
        }
    }

    fn clear_all(&mut self, conference: &ConferenceSid) {
        for (timer, (at, _)) in self.set.remove(conference).into_iter().flatten() {
            self.order.remove(&(at, conference.clone(), timer));
        }
    }

    pub(super) fn of(&self, conference: &ConferenceSid) -> impl Iterator<Item = (Timer, Millis)> {
        self.set.get(conference).into_iter().flatten().map(|(timer, (at, _))| (*timer, *at))
    }

    /// All timers of one kind.
    pub(super) fn all(&self, timer: Timer) -> impl Iterator<Item = (ConferenceSid, Millis)> {
        let of_kind = self.order.iter().filter(move |(_, _, kind)| *kind == timer);
        of_kind.map(|(at, conference, _)| (conference.clone(), *at))
    }

    /// All timers in the order in which they are due, each with the server that set it.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&ConferenceSid, Millis, &str)> {
        self.order.iter().filter_map(|(at, conference, timer)| {
            let (_, server) = self.set.get(conference)?.get(timer)?;
            Some((conference, *at, server.as_str()))
        })
    }
}
