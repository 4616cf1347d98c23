//! The tasks by which agents are asked into the conversation.

use super::join::{Earliest, Join, Latest};
use rejoin_protocol::{Millis, TaskSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The number of ended tasks that are kept although no invite and no participant names them. We make one invite at a time.
const LAST_ENDED: usize = 4;

/// State of a task, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// TaskRouter looks for an agent: `pending` or `reserved`.
    Waiting,
    /// An agent has it: `assigned` or `wrapping`.
    Assigned,
    /// No agent gets it any more: `completed`, `canceled`, deleted, or its workflow timed out.
    Ended,
}

/// The tasks, each with its newest state. One that has ended stays so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tasks {
    states: BTreeMap<TaskSid, Task>,
    /// The newest task, and when it was named (point in time).
    newest: Option<Latest<(Millis, TaskSid)>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Task {
    ended: Option<Earliest<Millis>>,
    completed: Option<Earliest<Millis>>,
    seen: Option<Latest<(Millis, TaskState)>>,
}

impl Tasks {
    /// This task was in this state at this point in time.
    pub(crate) fn seen(at: Millis, task: TaskSid, state: TaskState) -> Self {
        let ended = (state == TaskState::Ended).then_some(Earliest(at));
        let seen = Some(Latest((at, state)));
        Self { states: [(task, Task { ended, completed: None, seen })].into(), newest: None }
    }

    /// This task was completed by this point in time.
    pub(crate) fn completed(at: Millis, task: TaskSid) -> Self {
        let completed = Some(Earliest(at));
        Self { states: [(task, Task { completed, ..Task::default() })].into(), newest: None }
    }

    /// At this point in time this task was the newest.
    pub(crate) fn named(at: Millis, task: TaskSid) -> Self {
        Self { states: BTreeMap::new(), newest: Some(Latest((at, task))) }
    }

    /// The newest task, by which an agent has the conversation or is looked for.
    pub fn newest(&self) -> Option<&TaskSid> {
        self.newest.as_ref().map(|Latest((_, task))| task)
    }

    /// When the newest task was last named as such (point in time).
    pub fn newest_at(&self) -> Option<Millis> {
        self.newest.as_ref().map(|Latest((at, _))| *at)
    }

    /// The newest state of a task; `None` if it is unknown.
    pub fn state(&self, task: &TaskSid) -> Option<TaskState> {
        let task = self.states.get(task)?;
        match task.ended {
            Some(_) => Some(TaskState::Ended),
            None => task.seen.map(|Latest((_, state))| state),
        }
    }

    /// When a task that looks for an agent was last seen doing so (point in time).
    pub fn waiting_at(&self, task: &TaskSid) -> Option<Millis> {
        let task = self.states.get(task).filter(|task| task.ended.is_none())?;
        task.seen.filter(|Latest((_, state))| *state == TaskState::Waiting).map(|Latest((at, _))| at)
    }

    /// When a task was first seen ended (point in time).
    pub fn ended_at(&self, task: &TaskSid) -> Option<Millis> {
        self.states.get(task)?.ended.map(|Earliest(at)| at)
    }

    /// True if a task was seen completed: an agent had it.
    pub fn is_completed(&self, task: &TaskSid) -> bool {
        self.completed_at(task).is_some()
    }

    /// When a task was first seen completed (point in time).
    pub fn completed_at(&self, task: &TaskSid) -> Option<Millis> {
        self.states.get(task)?.completed.map(|Earliest(at)| at)
    }

    /// Forgets the states of other tasks than these, the newest, and the [`LAST_ENDED`] that ended last.
    pub(crate) fn keep(&mut self, is_needed: impl Fn(&TaskSid) -> bool) {
        let newest = self.newest.as_ref().map(|Latest((_, task))| task);
        let is_needed = |task: &TaskSid| newest == Some(task) || is_needed(task);
        let others = self.states.iter().filter(|(task, _)| !is_needed(task));
        let ended = others.filter_map(|(task, it)| Some((it.ended.as_ref()?.0, task.clone())));
        let mut ended: Vec<_> = ended.collect();
        ended.sort();
        let last: BTreeSet<_> = ended.into_iter().rev().take(LAST_ENDED).map(|(_, task)| task).collect();
        self.states.retain(|task, _| is_needed(task) || last.contains(task));
    }

    /// All tasks whose state is known.
    pub fn all(&self) -> impl Iterator<Item = &TaskSid> {
        self.states.keys()
    }
}

impl Join for Task {
    fn join(&mut self, other: Self) {
        self.ended.join(other.ended);
        self.completed.join(other.completed);
        self.seen.join(other.seen);
    }
}

impl Join for Tasks {
    fn join(&mut self, other: Self) {
        self.states.join(other.states);
        self.newest.join(other.newest);
    }
}
