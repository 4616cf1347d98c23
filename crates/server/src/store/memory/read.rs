//! Reads outside of transactions, and retention.

use super::Server;
use crate::error::Error;
use crate::explain::{Explained, Subject};
use crate::given_up::{GivenUp, LISTED};
use crate::held_back::{Held, Listed};
use crate::store::held_back::HeldBack;
use crate::store::{CallCounts, LOOKS_APART, Line, Seen, Stored, TIMERS_OF_OTHERS};
use rejoin_protocol::{AccountSid, CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Call, EarlyMark, Key, Timer};
use std::cmp::Reverse;
use std::collections::BTreeSet;

impl Server {
    pub(in crate::store) async fn find(
        &self,
        keys: &BTreeSet<Key>,
    ) -> Result<(Vec<Call>, Vec<HeldBack>), Error> {
        let data = self.memory.data();
        let related = data.related(keys.iter().map(Key::as_str));
        let calls = related.iter().filter_map(|call| data.call(call)).collect();
        Ok((calls, related.iter().filter_map(|call| data.held_back(call)).collect()))
    }

    pub(in crate::store) async fn look_at(&self, keys: &BTreeSet<Key>) -> Result<(), Error> {
        let now = self.surroundings.now();
        let mut data = self.memory.data();
        for call in data.related(keys.iter().map(Key::as_str)) {
            if data.timers.of(&call).any(|(timer, _)| timer == Timer::Watchdog) {
                data.timers.set(&call, Timer::CatchUp, now, &self.name);
            }
        }
        Ok(())
    }

    /// Memory is not bound to an account: it ends with its world.
    pub(in crate::store) async fn account(&self, account: &AccountSid) -> Result<String, Error> {
        Ok(account.to_string())
    }

    pub(in crate::store) async fn stored(&self) -> Result<Stored, Error> {
        let data = self.memory.data();
        let calls = data.calls.keys().filter_map(|conference| data.call(conference));
        let (quarantined, calls): (Vec<_>, Vec<_>) = calls.partition(|call| call.quarantine.is_some());
        Ok(Stored { calls, held_back: data.unreadable.len() + quarantined.len() })
    }

    pub(in crate::store) async fn after_restore(&self) -> Result<(), Error> {
        let mut data = self.memory.data();
        let calls: Vec<ConferenceSid> = data.calls.keys().cloned().collect();
        for call in calls {
            data.timers.set(&call, Timer::CatchUp, Millis(0), &self.name);
        }
        let jobs = &mut data.jobs;
        for (_, job) in &jobs.open {
            if let Some(job) = jobs.all.get_mut(job) {
                job.fence = job.fence.max(1);
            }
        }
        Ok(())
    }

    pub(in crate::store) async fn held_back(&self) -> Result<Listed, Error> {
        let data = self.memory.data();
        let unreadable = data.unreadable.iter().filter_map(|(call, state)| Held::of(call, state));
        let quarantined = data.calls.values().filter_map(Held::quarantined);
        Ok(Listed { calls: unreadable.chain(quarantined).collect(), jobs: vec![] })
    }

    pub(in crate::store) async fn next_timers(
        &self,
        most: usize,
        without: &[ConferenceSid],
    ) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        let data = self.memory.data();
        let later = if self.is_shared() { TIMERS_OF_OTHERS } else { Millis(0) };
        let in_order = data.timers.in_order().filter(|(conference, ..)| !without.contains(conference));
        let next = in_order.take(most).map(|(conference, at, server)| {
            (conference.clone(), if server == self.name { at } else { at + later })
        });
        Ok(next.collect())
    }

    /// Schedules a poll of each watched call, one after the other.
    pub(in crate::store) async fn look_at_all(&self) -> Result<(), Error> {
        let now = self.surroundings.now();
        let mut data = self.memory.data();
        let mut watched: Vec<_> = data.timers.all(Timer::Watchdog).filter(|(_, at)| *at > now).collect();
        watched.sort_by_key(|(conference, at)| (Reverse(*at), conference.clone()));
        for (number, (conference, _)) in (0..).zip(watched) {
            if data.timers.of(&conference).all(|(timer, _)| timer != Timer::CatchUp) {
                data.timers.set(
                    &conference,
                    Timer::CatchUp,
                    now + Millis(LOOKS_APART.0 * number),
                    &self.name,
                );
            }
        }
        Ok(())
    }

    pub(in crate::store) async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        let data = self.memory.data();
        let is_own = |of: &Option<CallSid>| of.as_ref() == Some(customer);
        let own = data.lines.values().filter(|(of, _)| is_own(of));
        let rooms: BTreeSet<&ConferenceSid> = own.map(|(_, line)| &line.conference).collect();
        // Lines from before the customer's leg was known have none.
        let lines = data
            .lines
            .iter()
            .filter(|(_, (of, line))| is_own(of) || (of.is_none() && rooms.contains(&line.conference)));
        Ok(lines.map(|(number, (_, line))| (*number, line.clone())).collect())
    }

    pub(in crate::store) async fn count_calls(&self) -> Result<CallCounts, Error> {
        let data = self.memory.data();
        let calls =
            data.calls.keys().filter_map(|conference| data.call(conference)).filter(|call| !call.closed);
        let is_known = |call: &Call| call.keys().iter().any(|key| matches!(key, Key::Worker(_)));
        let (known, unknown): (Vec<_>, Vec<_>) = calls.partition(is_known);
        Ok(CallCounts { open: (known.len() + unknown.len()) as u64, unprotected: unknown.len() as u64 })
    }

    pub(in crate::store) async fn call_message_answered(&self) -> Result<Millis, Error> {
        Ok(self.memory.data().message_answered)
    }

    pub(in crate::store) async fn keep_call_message_answered(&self, at: Millis) -> Result<(), Error> {
        self.memory.data().message_answered = at;
        Ok(())
    }

    /// Simulations have no console.
    pub(in crate::store) async fn seen(&self, _most: usize) -> Result<Seen, Error> {
        Ok(Seen::default())
    }

    /// Of calls there is none, as above.
    pub(in crate::store) async fn explain(&self, subject: &Subject) -> Result<Option<Explained>, Error> {
        let Subject::Conversation(sid) = subject else { return Ok(None) };
        let story = self.memory.data().conversations.story(sid)?;
        Ok(story.map(Explained::Conversation))
    }

    pub(in crate::store) async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        let data = self.memory.data();
        let given_up = data.jobs.all.iter().filter_map(|(id, row)| {
            let (at, reason) = row.given_up.clone()?;
            let (conference, what) = (row.conference.clone(), row.action.name());
            Some(GivenUp { at, conference, job: id.0, what, reason })
        });
        let mut listed: Vec<GivenUp> = given_up.collect();
        listed.sort_by_key(|given_up| Reverse((given_up.at, given_up.job)));
        listed.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
        Ok(listed)
    }

    /// Simulations need no figures of deleted recoveries.
    pub(in crate::store) async fn tidy(&self, keep: Millis) -> Result<(), Error> {
        self.forget_pushes().await?;
        let before = self.surroundings.now() - keep;
        let mut data = self.memory.data();
        data.lines.retain(|_, (_, line)| line.at >= before);
        data.story.retain(|told| told.at >= before);
        data.conversations.stories.retain(|_, story| {
            story.retain(|(told, _)| told.at >= before);
            !story.is_empty()
        });
        let waits_since = self.surroundings.now() - EarlyMark::WAITS;
        data.early.retain(|_, early| early.at >= waits_since);
        let data = &mut *data;
        // An open call may request again what was done for it already.
        let (calls, once) = (&data.calls, &mut data.jobs.once);
        data.jobs.all.retain(|_, row| {
            let stays = !row.is_closed || row.deadline >= before || calls.contains_key(&row.conference);
            if let Some(name) = row.once.as_ref().filter(|_| !stays) {
                once.remove(&(row.conference.clone(), name.clone()));
            }
            stays
        });
        Ok(())
    }
}
