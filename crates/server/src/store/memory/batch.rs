//! One batch, one transaction.

use super::Server;
use super::data::{Data, Row};
use crate::error::Error;
use crate::pace;
use crate::store::change::Saved;
use crate::store::heard::Hint;
use crate::store::{Batch, Changes, Claim, Committed, Found, JobId, NewJob, Pushed, StoredJob, Tenure};
use rejoin_protocol::{ConferenceSid, WorkerSid};
use rejoin_recovery::{Call, EarlyMark, Key};
use std::collections::{BTreeMap, BTreeSet};

impl Server {
    pub(in crate::store) async fn transact<T>(
        &self,
        batch: &Batch,
        mut decide: impl FnMut(Found) -> Result<(Changes, T), Error>,
        tenure: Tenure,
    ) -> Result<(Committed, T), Error> {
        let _turn = self.memory.0.turn.lock().await;
        let found = found(&self.memory.data(), batch, self.is_fenced());
        let unreadable: BTreeSet<_> = found.unreadable().cloned().collect();
        let (changes, told) = decide(found)?;
        if changes.saved.keys().chain(&changes.forgotten).any(|call| unreadable.contains(call)) {
            return Err(Error::HeldBack);
        }
        if changes.is_empty() {
            return Ok((Committed::default(), told));
        }
        if self.surroundings.reach(|| "written".to_owned()).await {
            return Err(Error::NotCommitted);
        }
        let committed = self.write(changes, tenure);
        if self.surroundings.pass(|| "acknowledged".to_owned()).await {
            return Err(Error::Unsettled(sqlx::Error::PoolTimedOut));
        }
        Ok((committed, told))
    }

    fn write(&self, changes: Changes, tenure: Tenure) -> Committed {
        let now = self.memory.now();
        let mut data = self.memory.data();
        let Changes { saved, forgotten, timers, jobs, early, closed, lines, pushes, told, untold } = changes;
        for conference in &forgotten {
            data.forget(conference);
        }
        data.story.retain(|told| !untold.contains(&told.conference));
        for Saved { call, keys } in saved.into_values() {
            data.save(call, &keys);
        }
        for ((conference, timer), at) in timers {
            match at {
                Some(at) => data.timers.set(&conference, timer, at, &self.name),
                None => data.timers.clear(&conference, timer),
            }
        }
        for (key, mark) in early {
            match mark {
                Some(mark) => _ = data.early.insert(key, mark),
                None => _ = data.early.remove(&key),
            }
        }
        for (job, given_up) in closed {
            if let Some(row) = data.jobs.all.get_mut(&job) {
                (row.is_closed, row.owner) = (true, None);
                row.given_up = given_up.map(|why| (now, why));
                let open = (row.priority, job);
                data.jobs.open.remove(&open);
            }
        }
        // The history of recoveries is in databases only.
        for (customer, line, _) in lines {
            let number = data.number();
            data.lines.insert(number, (customer, line));
        }
        data.story.extend(told);
        let jobs = jobs.into_iter().map(|job| self.add_job(&mut data, job, tenure)).collect();
        let mut last: BTreeMap<WorkerSid, u64> = BTreeMap::new();
        let mut stored: Vec<Pushed> = vec![];
        for (worker, push) in pushes {
            let number = data.workers.entry(worker.clone()).or_default();
            *number += 1;
            let number = *number;
            data.pushes.insert((worker.clone(), number), (self.surroundings.now(), push.clone()));
            last.insert(worker.clone(), number);
            stored.push((worker, number, push));
        }
        drop(data);
        for (worker, number) in last {
            self.tell_others(Hint::Said { worker, number });
        }
        Committed { jobs, pushes: stored }
    }

    fn add_job(&self, data: &mut Data, job: NewJob, tenure: Tenure) -> Option<StoredJob> {
        let NewJob { conference, action, deadline, mine } = job;
        let once = action.traits().once.map(|once| once.to_string());
        if let Some(once) = &once
            && !data.jobs.once.insert((conference.clone(), once.clone()))
        {
            return None;
        }
        let id = JobId(data.number());
        let (owner, fence) = if mine { (Some(self.name.clone()), 1) } else { (None, 0) };
        let row = Row {
            conference: conference.clone(),
            action: action.clone(),
            once,
            deadline,
            priority: pace::priority(&action),
            owner,
            since: self.memory.now(),
            fence,
            is_closed: false,
            given_up: None,
        };
        data.jobs.open.insert((row.priority, id));
        data.jobs.all.insert(id, row);
        Some(StoredJob { claim: Claim { job: id, fence }, conference, action, deadline, tenure })
    }
}

fn found(data: &Data, batch: &Batch, is_fenced: bool) -> Found {
    let related = data.related(batch.keys.iter().map(Key::as_str));
    let mut rooms: BTreeSet<ConferenceSid> = related.clone();
    rooms.extend(batch.keys.iter().filter_map(|key| match key {
        Key::Conference(conference) => Some(conference.clone()),
        _ => None,
    }));
    let timers = rooms.into_iter().flat_map(|room| {
        let of_call: Vec<_> = data.timers.of(&room).collect();
        of_call.into_iter().map(move |(timer, at)| (room.clone(), timer, at))
    });
    let is_held = |claim: &&Claim| {
        let row = data.jobs.all.get(&claim.job);
        row.is_some_and(|row| !is_fenced || (!row.is_closed && row.fence == claim.fence))
    };
    let calls: Vec<Call> = related.iter().filter_map(|call| data.call(call)).collect();
    let is_about = |early: &&EarlyMark| {
        let (task, worker) = (Key::Task(early.mark.task.clone()), Key::Worker(early.worker.clone()));
        let is_named = batch.keys.contains(&task) || batch.keys.contains(&worker);
        is_named || calls.iter().any(|call| call.task == early.mark.task)
    };
    let mut found = Found {
        timers: timers.collect(),
        early: data.early.values().filter(is_about).cloned().collect(),
        calls: vec![],
        held_back: related.iter().filter_map(|call| data.held_back(call)).collect(),
        held: batch.closes.iter().filter(is_held).copied().collect(),
    };
    calls.into_iter().for_each(|call| found.add(call));
    found
}
