//! Requests of a script that plays a call: it places calls, and has a worker, a queue and a workflow of its own.
//!
//! Only `rejoin doctor --staging` and `--live` send these: a recovery places no call.

use super::{API, Client};
use crate::account::{ListedWorker, Offer, WorkerChannel};
use crate::error::Error;
use crate::gate::Family;
use crate::resource::{Call, Task, TaskQueue};
use http::Method;
use rejoin_protocol::{ActivitySid, CallSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};

/// A call to be placed (<https://www.twilio.com/docs/voice/api/call-resource#create-a-call>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall<'a> {
    /// `To`: a number.
    pub to: &'a str,
    /// `From`: a number of the account.
    pub from: &'a str,
    /// `Twiml`: the document, of [`INLINE_LIMIT`](crate::twiml::INLINE_LIMIT) characters at most.
    pub document: &'a str,
    /// `Timeout`: how long the phone rings, in seconds. 1 to 600.
    pub rings_seconds: u64,
    /// `TimeLimit`: when Twilio ends the call, in seconds after it was answered. 1 to 86,400.
    pub limit_seconds: u64,
}

/// How a worker's phone is connected with the customer
/// (<https://www.twilio.com/docs/taskrouter/api/reservations#conference>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceInstruction<'a> {
    /// `To`: the worker's phone.
    pub to: &'a str,
    /// `From`: a number of the account.
    pub from: &'a str,
    /// `ConferenceStatusCallback`, requested with `POST`.
    pub status_callback: &'a str,
    /// `ConferenceStatusCallbackEvent`: `start`, `end`, `join`, …
    pub events: &'a [&'a str],
}

impl Client {
    /// Places a call. Not idempotent.
    pub async fn place_call(&self, call: &NewCall<'_>) -> Result<Call, Error> {
        let (rings, limit) = (call.rings_seconds.to_string(), call.limit_seconds.to_string());
        let form = [
            ("To", call.to),
            ("From", call.from),
            ("Twiml", call.document),
            ("Timeout", &rings),
            ("TimeLimit", &limit),
        ];
        self.voice(Method::POST, "Calls.json").json(&form).await
    }

    /// Ends a call, whether it rings or is in progress.
    pub async fn end_call(&self, call: &CallSid) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Calls/{call}.json")).done(&[("Status", "completed")]).await
    }

    /// Lists the calls between two numbers that have this status, such as `in-progress`.
    pub async fn list_calls(&self, from: &str, to: &str, status: &str) -> Result<Vec<Call>, Error> {
        let query = super::encoded(&[("From", from), ("To", to), ("Status", status), ("PageSize", "100")]);
        self.list(API, &self.account(), &format!("Calls.json?{query}"), Some(Family::Voice)).await
    }

    /// Lists the workspace's workers.
    pub async fn list_workers(&self) -> Result<Vec<ListedWorker>, Error> {
        self.taskrouter_list("Workers?PageSize=1000").await
    }

    /// Creates a worker. `attributes`: JSON text.
    pub async fn create_worker(
        &self,
        name: &str,
        activity: &ActivitySid,
        attributes: &str,
    ) -> Result<ListedWorker, Error> {
        let form = [("FriendlyName", name), ("ActivitySid", activity.as_str()), ("Attributes", attributes)];
        self.taskrouter(Method::POST, "Workers").json(&form).await
    }

    /// Deletes a worker.
    pub async fn delete_worker(&self, worker: &WorkerSid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("Workers/{worker}")).done(&[]).await
    }

    /// Sets how many tasks of a channel a worker may have at once. `channel`: `WC…`.
    pub async fn set_capacity(&self, worker: &WorkerSid, channel: &str, capacity: u32) -> Result<(), Error> {
        let capacity = capacity.to_string();
        let path = format!("Workers/{worker}/Channels/{channel}");
        let _: WorkerChannel =
            self.taskrouter(Method::POST, &path).json(&[("Capacity", capacity.as_str())]).await?;
        Ok(())
    }

    /// Puts a worker into an activity; what is offered to them is rejected, so that it goes to the next worker.
    pub async fn withdraw(&self, worker: &WorkerSid, activity: &ActivitySid) -> Result<(), Error> {
        let form = [("ActivitySid", activity.as_str()), ("RejectPendingReservations", "true")];
        self.taskrouter(Method::POST, &format!("Workers/{worker}")).done(&form).await
    }

    /// Creates a queue of the workers that satisfy an expression
    /// (<https://www.twilio.com/docs/taskrouter/api/task-queue#target-workers>).
    pub async fn create_queue_of(&self, name: &str, target_workers: &str) -> Result<TaskQueue, Error> {
        let form = [("FriendlyName", name), ("TargetWorkers", target_workers)];
        self.taskrouter(Method::POST, "TaskQueues").json(&form).await
    }

    /// Lists the tasks of a workflow, without their attributes.
    pub async fn list_tasks_of(&self, workflow: &WorkflowSid) -> Result<Vec<Task>, Error> {
        self.taskrouter_list(&format!("Tasks?WorkflowSid={workflow}&PageSize=50")).await
    }

    /// Deletes a task, whatever its state.
    pub async fn delete_task(&self, task: &TaskSid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("Tasks/{task}")).done(&[]).await
    }

    /// Lists a worker's reservations with one status
    /// (<https://www.twilio.com/docs/taskrouter/api/worker-reservation>).
    pub async fn offers(&self, worker: &WorkerSid, status: &str) -> Result<Vec<Offer>, Error> {
        let query = super::encoded(&[("ReservationStatus", status), ("PageSize", "50")]);
        self.taskrouter_list(&format!("Workers/{worker}/Reservations?{query}")).await
    }

    /// Fetches a reservation of a worker.
    pub async fn fetch_offer(
        &self,
        worker: &WorkerSid,
        reservation: &ReservationSid,
    ) -> Result<Offer, Error> {
        self.taskrouter(Method::GET, &format!("Workers/{worker}/Reservations/{reservation}")).json(&[]).await
    }

    /// Accepts, rejects or completes a worker's reservation.
    pub async fn answer_offer(
        &self,
        worker: &WorkerSid,
        reservation: &ReservationSid,
        status: &str,
    ) -> Result<(), Error> {
        self.taskrouter(Method::POST, &format!("Workers/{worker}/Reservations/{reservation}"))
            .done(&[("ReservationStatus", status)])
            .await
    }

    /// Accepts a worker's reservation by a conference of the customer and the worker's phone. As Flex has it, the conference
    /// ends when the customer leaves, and goes on when the worker does.
    pub async fn connect_offer(
        &self,
        worker: &WorkerSid,
        reservation: &ReservationSid,
        instruction: &ConferenceInstruction<'_>,
    ) -> Result<(), Error> {
        let mut form = vec![
            ("Instruction", "conference"),
            ("To", instruction.to),
            ("From", instruction.from),
            ("EndConferenceOnExit", "false"),
            ("EndConferenceOnCustomerExit", "true"),
            ("ConferenceStatusCallback", instruction.status_callback),
            ("ConferenceStatusCallbackMethod", "POST"),
        ];
        form.extend(instruction.events.iter().map(|event| ("ConferenceStatusCallbackEvent", *event)));
        self.taskrouter(Method::POST, &format!("Workers/{worker}/Reservations/{reservation}"))
            .done(&form)
            .await
    }
}
