//! The task: where it came from, and its attributes.

use rejoin_protocol::{TaskQueueSid, WorkflowSid};
use serde::{Deserialize, Serialize};

/// The workflow and the queue that the task came by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The workflow that a page names. It selects durations until Twilio has named one, and is used for nothing else.
    pub claimed_workflow: Option<WorkflowSid>,
    /// The workflow that Twilio names, once the task was read. A requeue goes there, and nowhere else.
    pub workflow: Option<WorkflowSid>,
    /// The queue that the agent received the task from.
    pub queue: Option<TaskQueueSid>,
}

impl Origin {
    /// The workflow that selects the durations.
    pub fn workflow_for_durations(&self) -> Option<&WorkflowSid> {
        self.workflow.as_ref().or(self.claimed_workflow.as_ref())
    }
}

/// The task's attributes as they were last read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskCopy {
    /// JSON text; empty when never read.
    pub attributes: String,
    /// The task's `ETag`, if the task was read to look for a graceful mark. `None` when it was read otherwise, or written.
    pub version: Option<String>,
}
