//! Routing: which worker is offered which task (<https://www.twilio.com/docs/taskrouter/workflow-configuration>).

use super::{
    Model,
    expression::{Expression, lookup},
    set_up::EVERYONE,
    state::{Due, Task, TaskStatus, Worker},
};
use rejoin_protocol::{Millis, TaskSid, WorkerSid};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Number of reservations per worker and channel.
type Used<'a> = BTreeMap<(&'a WorkerSid, usize), u32>;

/// A worker who can be offered tasks.
struct Candidate<'a> {
    sid: &'a WorkerSid,
    worker: &'a Worker,
    /// Per channel, true when there is room for one more. Empty when the worker is not available.
    has_room: Vec<bool>,
}

impl Model {
    /// Begins the first of the remaining steps. `from`: when the step before ended.
    pub(super) fn enter_target(&mut self, sid: &TaskSid, from: Millis) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(sid) else { return };
        let Some(target) = task.targets.front() else { return };
        let entered = task.queue.as_ref() != Some(&target.queue);
        if entered {
            task.queue = Some(target.queue.clone());
            task.queue_entered = Some(now);
        }
        task.priority = target.priority.unwrap_or(task.priority);
        task.rejected_by.clear();
        task.target_ends = target.timeout.map(|timeout| from + timeout);
        if let Some(ends) = task.target_ends {
            self.timer(now.until(ends), Due::Target(sid.clone()));
        }
        if entered {
            self.stream_task(sid, "task-queue.entered");
        }
    }

    /// Offers waiting tasks to workers until no more can be offered. Called after every event.
    pub(super) fn route(&mut self) {
        self.offer_transfers();
        self.pass_targets();
        // Each round offers one task, because that changes who is free.
        while let Some((task, worker)) = self.next_match() {
            self.reserve(&task, &worker, None);
        }
    }

    /// Moves tasks whose step is over to the next step.
    fn pass_targets(&mut self) {
        let pending: Vec<TaskSid> = self.waiting().into_iter().map(|(_, _, sid)| sid).collect();
        for sid in pending {
            while let Some(task) = self.tasks.get(&sid) {
                if task.routing_target.is_some() || task.status != TaskStatus::Pending {
                    break;
                }
                let Some(target) = task.targets.front() else {
                    self.cancel_task(&sid, "Workflow has no step left");
                    break;
                };
                let over = task.target_ends.filter(|ends| *ends <= self.now);
                let nobody = || self.choose(task, &self.candidates()).is_none();
                let skip = target.skip_if.is_some() && nobody() && self.is_skipped(task);
                let from = match over {
                    Some(ends) => ends,
                    None if skip => self.now,
                    None => break,
                };
                if let Some(task) = self.tasks.get_mut(&sid) {
                    task.targets.pop_front();
                }
                self.enter_target(&sid, from);
            }
        }
    }

    fn is_skipped(&self, task: &Task) -> bool {
        let available = self.workers.values().filter(|worker| self.is_available(worker)).count();
        task.targets.front().and_then(|target| target.skip_if.as_ref()).is_some_and(|skip| {
            skip.holds(&|path| match path {
                "workers.available" => Value::from(available),
                _ => Value::Null,
            })
        })
    }

    /// Tasks without a reservation: highest priority first, then the oldest.
    fn waiting(&self) -> Vec<(Reverse<u32>, Millis, TaskSid)> {
        let mut waiting: Vec<_> = self
            .tasks
            .iter()
            .filter(|(sid, task)| task.status == TaskStatus::Pending && !self.is_handed_to_queue(sid))
            .map(|(sid, task)| (Reverse(task.priority), task.created, sid.clone()))
            .collect();
        waiting.sort();
        waiting
    }

    fn next_match(&self) -> Option<(TaskSid, WorkerSid)> {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return None;
        }
        // The same for all of them: computed once, as there may be many tasks, workers and reservations.
        let mut candidates = self.candidates();
        let needs_room = |sid| self.tasks.get(sid).is_some_and(|task: &Task| !task.ignore_capacity);
        if waiting.iter().all(|(_, _, sid)| needs_room(sid)) {
            candidates.retain(|it| it.has_room.contains(&true));
        }
        if candidates.is_empty() {
            return None;
        }
        waiting.into_iter().find_map(|(_, _, sid)| {
            let worker = self.choose(self.tasks.get(&sid)?, &candidates)?;
            Some((sid, worker))
        })
    }

    /// The worker who is offered the task now: among those who may have it, the one idle for longest.
    fn choose(&self, task: &Task, candidates: &[Candidate<'_>]) -> Option<WorkerSid> {
        let target = task.targets.front();
        let known = target.and_then(|target| target.known_worker.as_deref());
        let known = known.map(|path| lookup(&task.attributes, path));
        let may = |sid: &WorkerSid, worker: &Worker| match &task.routing_target {
            Some(wanted) => wanted == sid,
            None => {
                let Some(target) = target else { return false };
                let right = known.as_ref().is_none_or(|known| known == sid.as_str());
                let fits = target.expression.as_ref().is_none_or(|expression| {
                    expression.holds(&|path| match path.strip_prefix("task.") {
                        Some(path) => lookup(&task.attributes, path),
                        None => lookup(&worker.attributes, path.strip_prefix("worker.").unwrap_or(path)),
                    })
                });
                right && fits
            }
        };
        candidates
            .iter()
            .filter(|it| task.ignore_capacity || it.has_room.get(task.channel) == Some(&true))
            .filter(|it| {
                may(it.sid, it.worker)
                    && self.is_in_queue(task, it.worker)
                    && !task.rejected_by.contains(it.sid)
            })
            .min_by_key(|it| (it.worker.last_reserved, it.sid))
            .map(|it| it.sid.clone())
    }

    /// True when the worker satisfies the queue's `TargetWorkers`. A task with a `RoutingTarget` goes to its worker whatever
    /// the queue (*assumed*).
    fn is_in_queue(&self, task: &Task, worker: &Worker) -> bool {
        let queue = task.targets.front().map(|target| &target.queue);
        let setup = self.account.queues.iter().find(|it| Some(&it.sid) == queue);
        let Some(target) = setup.map(|it| it.target_workers.as_str()) else { return true };
        task.routing_target.is_some()
            || target == EVERYONE
            || Expression::parse(target)
                .is_ok_and(|target| target.holds(&|path| lookup(&worker.attributes, path)))
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let used = self.used();
        let candidate = |(sid, worker)| {
            let worker: &Worker = worker;
            let used = |channel| used.get(&(sid, channel)).copied().unwrap_or_default();
            let capacity: &[u32] = if self.is_available(worker) { &worker.capacity } else { &[] };
            let has_room = capacity.iter().enumerate().map(|(channel, most)| *most > used(channel));
            Candidate { sid, worker, has_room: has_room.collect() }
        };
        self.workers.iter().map(candidate).collect()
    }

    pub(super) fn is_available(&self, worker: &Worker) -> bool {
        self.account.activities.iter().any(|known| known.sid == worker.activity && known.available)
    }

    /// Pending, accepted and wrapping reservations of each worker on each channel.
    fn used(&self) -> Used<'_> {
        let mut used = Used::new();
        for reservation in self.reservations.values().filter(|reservation| reservation.status.is_active()) {
            if let Some(task) = self.tasks.get(&reservation.task) {
                *used.entry((&reservation.worker, task.channel)).or_default() += 1;
            }
        }
        used
    }

    /// The worker's reservations on this channel.
    pub(super) fn used_capacity(&self, worker: &WorkerSid, channel: usize) -> u32 {
        let used = self
            .reservations
            .values()
            .filter(|reservation| reservation.worker == *worker && reservation.status.is_active())
            .filter(|reservation| {
                self.tasks.get(&reservation.task).is_some_and(|task| task.channel == channel)
            })
            .count();
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    pub(super) fn free_capacity(&self, sid: &WorkerSid, channel: usize) -> u32 {
        let capacity = self.workers.get(sid).and_then(|worker| worker.capacity.get(channel));
        capacity.copied().unwrap_or_default().saturating_sub(self.used_capacity(sid, channel))
    }
}
