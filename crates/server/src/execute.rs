//! Carries out actions with Twilio's REST API, and checks whether one has been carried out.

mod poll;

use crate::allowed::{self, Number};
use crate::call_messages::CallMessages;
use crate::config::Config;
use crate::jobs::{Job, Read};
use crate::way::Way;
use rejoin_protocol::attributes as names;
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid,
};
use rejoin_recovery::{
    Action, Announcement, Call, LookUpAnswer, LostReply, Machine, Outcome, PollAnswer, Sent,
};
use rejoin_twilio::twiml::{Conference, Document, INLINE_LIMIT};
use rejoin_twilio::{
    CALL_NOT_IN_PROGRESS, Client, Error, Gate, NewTask, ParticipantChange, Task, TaskEnd, Witness, encoded,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How often a task or a worker is read again when others write it at the same time.
const CONFLICTS: u32 = 5;

/// Carries out actions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Executor {
    client: Client,
    config: Arc<Config>,
    /// `None`: no page is asked.
    messages: Option<CallMessages>,
}

/// Twilio's answer before a customer is sent on.
pub(crate) enum Before {
    /// No question was necessary.
    NotAsked,
    /// No agent has the customer.
    GoesOn,
    /// An agent has the customer.
    Ended(Outcome),
}

impl Executor {
    /// An executor with this client.
    pub fn new(client: Client, config: Arc<Config>) -> Self {
        Self { client, config, messages: None }
    }

    /// The same, which asks pages whether they live.
    #[must_use]
    pub(crate) fn asking(self, messages: CallMessages) -> Self {
        Self { messages: Some(messages), ..self }
    }

    /// The same, with requests that wait for their turn.
    #[must_use]
    pub fn through(&self, gate: Arc<dyn Gate>) -> Self {
        Self { client: self.client.through(gate), ..self.clone() }
    }

    /// The same, with a witness of its requests.
    #[must_use]
    pub fn seen_by(&self, witness: Arc<dyn Witness>) -> Self {
        Self { client: self.client.seen_by(witness), ..self.clone() }
    }

    /// Reads the task of a customer who should be sent on, if it has not been read before: only Twilio knows by which
    /// workflow the task came, and without the attributes the customer of an outbound call would come back by a
    /// workflow that matches no agent. If Twilio refuses the read, the customer is sent on without it.
    pub(crate) async fn read_before(&self, job: &Job, call: &Call) -> Result<Option<Task>, Error> {
        let is_read = !call.facts.task.attributes.is_empty() && call.facts.origin.workflow.is_some();
        if !matches!(job.action, Action::Requeue { .. }) || is_read {
            return Ok(None);
        }
        match self.client.fetch_task(&call.task).await {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_passing() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Asks Twilio whether an agent has the customer, if that is necessary before the customer is sent on.
    pub(crate) async fn ask_before(&self, job: &Job, call: &Call) -> Result<Before, Error> {
        let Action::Requeue { recovery, target, .. } = &job.action else { return Ok(Before::NotAsked) };
        let check = call.check_before_requeue(target.as_ref());
        let ended = |seen: &PollAnswer| call.ended_by_check(seen).map(Before::Ended);
        if check.reconnects
            && let Some(ended) = ended(&self.taken(recovery).await?)
        {
            return Ok(ended);
        }
        if check.holders
            && let Some(ended) = ended(&self.present_holders(call).await?)
        {
            return Ok(ended);
        }
        Ok(if check.is_needed() { Before::GoesOn } else { Before::NotAsked })
    }

    /// Carries out an action once. `call`: its state, if that was looked up. Errors are about Twilio; the queue
    /// decides what they mean for the job.
    pub async fn carry_out(&self, job: &Job, call: Option<Call>) -> Result<Outcome, Error> {
        match &job.action {
            Action::Announce { conference, what } => {
                // The callback about its end repeats the address, and so names the recovery.
                let url = match (what, &job.recovery) {
                    (Announcement::Interrupted, Some((recovery, _))) => format!("/twiml/announce/{recovery}"),
                    (Announcement::Interrupted, None) => "/twiml/announce/none".to_owned(),
                    (Announcement::Comfort, Some((recovery, _))) => {
                        format!("/twiml/comfort?recovery={recovery}")
                    }
                    (Announcement::Comfort, None) => "/twiml/comfort".to_owned(),
                };
                let url = self.config.document(&url);
                self.client.announce(conference, &url).await.map(ok)
            }
            Action::ClearCustomerFlags { conference, customer, unhold } => {
                if *unhold {
                    // While on hold the other flag has no effect, so it comes second.
                    self.unhold(conference, customer).await?;
                }
                self.stay(conference, customer).await.map(ok)
            }
            Action::AskPage { conference, leg } => self.ask_page(conference, leg).await,
            Action::ClearExitFlag { conference, leg } => self.stay(conference, leg).await.map(ok),
            Action::ReadTask { task } => {
                let read = self.client.fetch_task(task).await?;
                Ok(Outcome::TaskRead {
                    attributes: read.attributes.unwrap_or_default(),
                    version: read.etag,
                    workflow: read.workflow_sid,
                })
            }
            Action::MarkTask { task, at } => self.mark_task(task, *at, job.read.clone()).await,
            Action::CreatePing { worker, recovery, task, reservation, ttl } => {
                let lost_at = job.recovery.as_ref().map(|(_, lost_at)| *lost_at);
                let attributes = json!({
                    // What Flex shows in its list of tasks while the ping is there.
                    "name": names::RECOVERY_PING,
                    names::RECOVERY_ID: recovery,
                    names::DISCONNECTED_TASK_SID: task,
                    names::DISCONNECTED_WORKER_SID: worker,
                    names::DISCONNECTED_CONFERENCE_SID: job.conference,
                    names::DISCONNECTED_RESERVATION_SID: reservation,
                    names::DISCONNECTED_TIME: lost_at,
                });
                let ping = NewTask {
                    workflow: &self.config.ping_workflow,
                    channel: names::RECOVERY_PING_CHANNEL,
                    worker,
                    priority: names::PRIORITY,
                    timeout_seconds: ttl.0.div_ceil(1000).max(1),
                    attributes: &attributes.to_string(),
                };
                Ok(Outcome::PingCreated(self.client.create_task(&ping).await?.sid))
            }
            Action::EndPing { task, accepted } => self.end_ping(task, *accepted).await,
            Action::Requeue { recovery, customer, conference, target, free, resent: _ } => {
                if *free {
                    self.free(conference, customer).await?;
                }
                let way = call.and_then(|call| self.way(call, recovery, target.as_ref()));
                let carrying =
                    |path: String| way.as_ref().map_or_else(|| path.clone(), |way| way.carrying(&path));
                let url = self.config.document(&carrying(format!("/twiml/requeue/{recovery}")));
                // Twilio takes a fallback address only with an address
                // (<https://www.twilio.com/docs/voice/api/call-resource>): with a fallback on another host the document is
                // fetched, so that what follows in this call has one.
                match self.config.fallback(&carrying("/twiml/fallback".to_owned())) {
                    Some(elsewhere) => self.redirect(customer, None, &url, &elsewhere).await,
                    None => {
                        let fallback = self.config.document(&format!("/twiml/fallback/{recovery}"));
                        let document = way.map(|way| way.enqueued(&self.config, Document::new(), recovery));
                        self.redirect(customer, document, &url, &fallback).await
                    }
                }
            }
            Action::CompleteReservation { task, reservation } => self.complete(task, reservation).await,
            Action::RemoveLeg { conference, leg } => {
                self.stay(conference, leg).await?;
                self.client.remove_participant(conference, leg).await.map(ok)
            }
            Action::MoveParticipant { leg, into, muted, end_on_exit, label, came_late } => {
                if *came_late && self.client.fetch_call(leg).await?.is_client() {
                    return Ok(Outcome::Gone);
                }
                if *end_on_exit {
                    // The remaining participants must not be hung up on.
                    self.unhold(&job.conference, leg).await?;
                    self.stay(&job.conference, leg).await?;
                }
                let document = follow(&self.config, into, *muted, *end_on_exit, label.as_deref());
                let (muted, end) = (muted.to_string(), end_on_exit.to_string());
                let mut query = vec![("muted", muted.as_str()), ("end", end.as_str())];
                query.extend(label.as_deref().map(|label| ("label", label)));
                let url = self.config.document(&format!("/twiml/move/{into}?{}", encoded(&query)));
                query.push(("task", into.as_str()));
                // The URL is its own fallback if there is no other host: its document needs no database.
                let elsewhere = self.config.fallback(&format!("/twiml/move?{}", encoded(&query)));
                self.redirect(leg, Some(document), &url, elsewhere.as_ref().unwrap_or(&url)).await
            }
            Action::Unhold { conference, leg } | Action::EndHold { conference, customer: leg } => {
                self.unhold(conference, leg).await.map(ok)
            }
            Action::HoldCustomer { conference, customer, recovery, held, told, words_at } => {
                if *held {
                    // Unverified: whether the document of a hold can be replaced during the hold.
                    self.unhold(conference, customer).await?;
                }
                let at = words_at.map(|at| format!("&at={}", at.0)).unwrap_or_default();
                let url = self.config.document(&format!("/twiml/hold/{recovery}?told={told}{at}"));
                self.client.hold_with(conference, customer, &url).await.map(ok)
            }
            Action::HoldParticipant { conference, leg } => {
                let hold = ParticipantChange { hold: Some(true), ..ParticipantChange::default() };
                self.client.update_participant(conference, leg, hold).await.map(ok)
            }
            Action::RetargetCoach { conference, coach, before, now } => {
                self.coach_instead(conference, coach, before, now).await
            }
            Action::EndConference { conference } => {
                // The callback of a join may have been lost: an agent may be with the customer.
                if self.client.list_participants(conference).await?.len() > 1 {
                    return Ok(Outcome::Overtaken);
                }
                self.client.end_conference(conference).await.map(ok)
            }
            Action::LookUpTask { task } => self.look_up_task(task).await,
            Action::ReadActivity { worker } => {
                let found = self.client.fetch_worker(worker).await?;
                Ok(Outcome::Activity { activity: found.activity_sid, available: found.available })
            }
            Action::LendActivity { worker, before } => {
                let Some(ours) = &self.config.reconnecting_activity else { return Ok(Outcome::Overtaken) };
                self.change_activity(worker, before, ours).await
            }
            Action::ReturnActivity { worker, before } => {
                let Some(ours) = &self.config.reconnecting_activity else { return Ok(Outcome::Overtaken) };
                self.change_activity(worker, ours, before).await
            }
            Action::ReadReservations { task, conference } => {
                self.find_owners(task, conference.as_ref()).await
            }
            Action::CheckNumber { task } => self.check_number(task).await,
            Action::PollConference { conference, customer, queued, handed_over } => {
                let (customer, queued) = (customer.as_ref(), queued.as_ref());
                let seen = self.poll(conference, customer, queued, handed_over.as_ref()).await?;
                Ok(Outcome::Polled(Box::new(seen)))
            }
            Action::GiveUp { recovery, customer } => {
                let url = self.config.document(&format!("/twiml/lost/{recovery}"));
                let elsewhere = self.config.fallback("/twiml/lost");
                self.redirect(customer, None, &url, elsewhere.as_ref().unwrap_or(&url)).await
            }
        }
    }

    /// Checks whether an action that may have been carried out has been. `None`: it has not, or repeating it changes
    /// nothing.
    pub async fn look(&self, job: &Job) -> Result<Option<Outcome>, Error> {
        match job.action.traits().lost_reply {
            LostReply::Repeat | LostReply::RepeatOrUndo => Ok(None),
            LostReply::FindPing(recovery) => {
                let workflow = Some(&self.config.ping_workflow);
                let found = self.client.list_tasks(&of_recovery(recovery), workflow).await?;
                Ok(found.into_iter().next().map(|task| Outcome::PingCreated(task.sid)))
            }
            LostReply::FindCustomer(sent) => self.look_for_requeue(sent).await,
            // A leg that is gone was moved, or has hung up.
            LostReply::FindLeg(leg) => match self.client.fetch_participant(&job.conference, leg).await {
                Ok(_) => Ok(None),
                Err(Error::Gone) => Ok(Some(Outcome::Ok)),
                Err(error) => Err(error),
            },
        }
    }

    /// Asks the leg's page whether it lives.
    async fn ask_page(&self, conference: &ConferenceSid, leg: &CallSid) -> Result<Outcome, Error> {
        let Some(messages) = &self.messages else { return Ok(Outcome::Overtaken) };
        match messages.through(self.client.clone()).ask(conference, leg).await {
            Ok(true) => Ok(Outcome::Ok),
            Ok(false) => Ok(Outcome::Overtaken),
            Err(error) if error.is_passing() => Err(error),
            // Twilio refuses messages to this leg. What follows is as if there were none.
            Err(error) => {
                tracing::info!(%leg, %error, "a page that may be gone cannot be asked");
                Ok(Outcome::Overtaken)
            }
        }
    }

    /// Clears the leg's exit flag.
    async fn stay(&self, conference: &ConferenceSid, leg: &CallSid) -> Result<(), Error> {
        let change =
            ParticipantChange { end_conference_on_exit: Some(false), ..ParticipantChange::default() };
        self.client.update_participant(conference, leg, change).await
    }

    /// Takes the customer off hold, and clears the leg's exit flag. If Twilio refuses, the customer is moved nevertheless.
    async fn free(&self, conference: &ConferenceSid, customer: &CallSid) -> Result<(), Error> {
        let freed = match self.unhold(conference, customer).await {
            // While on hold the other flag has no effect, so it comes second.
            Ok(()) => self.stay(conference, customer).await,
            Err(error) => Err(error),
        };
        match freed {
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                tracing::warn!(%conference, %error, "Twilio refused to clear the customer's hold or exit flag: the customer is moved all the same, which may end the call for the others on it");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn unhold(&self, conference: &ConferenceSid, leg: &CallSid) -> Result<(), Error> {
        let change = ParticipantChange { hold: Some(false), ..ParticipantChange::default() };
        self.client.update_participant(conference, leg, change).await
    }

    /// Lets the supervisor coach the agent's new leg, unless they no longer coach the old one: callbacks do not report who
    /// is coached.
    async fn coach_instead(
        &self,
        conference: &ConferenceSid,
        coach: &CallSid,
        before: &CallSid,
        now: &CallSid,
    ) -> Result<Outcome, Error> {
        let seen = self.client.fetch_participant(conference, coach).await?;
        if !seen.coaching || seen.call_sid_to_coach.is_some_and(|coached| coached != *before) {
            return Ok(Outcome::Overtaken);
        }
        self.client.coach(conference, coach, now).await.map(ok)
    }

    /// Puts a worker from one activity into another. Their desktop may choose one at the same time, and that choice stands:
    /// `Overtaken`.
    async fn change_activity(
        &self,
        worker: &WorkerSid,
        from: &ActivitySid,
        to: &ActivitySid,
    ) -> Result<Outcome, Error> {
        let mut conflicts = 0;
        loop {
            let found = self.client.fetch_worker(worker).await?;
            if found.activity_sid == *to {
                return Ok(Outcome::Ok); // the answer to an earlier attempt was lost
            }
            if found.activity_sid != *from {
                return Ok(Outcome::Overtaken);
            }
            match self.client.set_activity(worker, to, found.etag.as_deref()).await {
                Err(Error::Conflict) if conflicts < CONFLICTS => conflicts += 1,
                result => return result.map(ok),
            }
        }
    }

    /// Marks the task: reads and merges its attributes, and writes them only if they are unchanged, because others write
    /// them, too. `read`: the result of an earlier read, with its version.
    async fn mark_task(&self, task: &TaskSid, at: Millis, mut read: Option<Read>) -> Result<Outcome, Error> {
        let mut conflicts = 0;
        loop {
            let (attributes, version, workflow) = match read.take() {
                Some((attributes, version)) => (attributes, Some(version), None),
                None => {
                    let read = self.client.fetch_task(task).await?;
                    (read.attributes.unwrap_or_default(), read.etag, read.workflow_sid)
                }
            };
            let outcome =
                Outcome::TaskRead { attributes: attributes.clone(), version: version.clone(), workflow };
            // Attributes that are not an object, or would become too long, are left as they are: the mark is for
            // reports only.
            let Some(marked) = marked(&attributes, at) else { return Ok(outcome) };
            match self.client.update_task_attributes(task, &marked, version.as_deref()).await {
                Err(Error::Conflict) if conflicts < CONFLICTS => conflicts += 1,
                Ok(()) | Err(Error::Conflict) => return Ok(outcome),
                // The requeue needs the attributes; a refused mark must not cost them.
                Err(Error::Refused { status, code, .. }) => {
                    tracing::warn!(%task, status, code, "the task could not be marked");
                    return Ok(outcome);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends a ping: an accepted one can only be completed, a pending one only canceled. `accepted` may be stale: after a
    /// refusal the other way is tried.
    async fn end_ping(&self, task: &TaskSid, accepted: bool) -> Result<Outcome, Error> {
        let reason = "rejoin: answered or over";
        let (first, second) = match accepted {
            true => (TaskEnd::Completed, TaskEnd::Canceled),
            false => (TaskEnd::Canceled, TaskEnd::Completed),
        };
        for end in [first, second] {
            match self.client.end_task(task, end, reason).await {
                Ok(()) | Err(Error::Gone) => return Ok(Outcome::Ok),
                Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Twilio refused both: the ping is over, or has just changed.
        match self.client.fetch_task(task).await {
            Err(Error::Gone) => Ok(Outcome::Ok),
            Ok(ping) if matches!(ping.assignment_status.as_str(), "canceled" | "completed") => {
                Ok(Outcome::Ok)
            }
            Ok(ping) => {
                // A task can be canceled until it is assigned (<https://www.twilio.com/docs/taskrouter/api/task>).
                let is_taken = matches!(ping.assignment_status.as_str(), "assigned" | "wrapping");
                let end = if is_taken { TaskEnd::Completed } else { TaskEnd::Canceled };
                self.client.end_task(task, end, reason).await.map(ok)
            }
            Err(error) => Err(error),
        }
    }

    /// Redirects a leg to another document. An inline document is best: a leg whose document is fetched is in no
    /// conference and no queue meanwhile, and is hung up on if this server dies then. One that is too long, or
    /// refused, is fetched.
    async fn redirect(
        &self,
        leg: &CallSid,
        document: Option<Document>,
        url: &str,
        fallback: &str,
    ) -> Result<Outcome, Error> {
        let inline = document.map(Document::finish).filter(|text| text.chars().count() <= INLINE_LIMIT);
        let sent = match inline {
            Some(text) => self.client.redirect_call_inline(leg, &text).await,
            None => self.client.redirect_call(leg, url, Some(fallback)).await,
        };
        let sent = match sent {
            Err(Error::Refused { status, code }) if code != CALL_NOT_IN_PROGRESS => {
                tracing::warn!(status, code, "Twilio refused inline TwiML; sending its URL instead");
                self.client.redirect_call(leg, url, Some(fallback)).await
            }
            sent => sent,
        };
        match sent {
            Ok(()) => Ok(Outcome::Ok),
            Err(Error::Refused { code: CALL_NOT_IN_PROGRESS, .. }) => Ok(Outcome::Gone),
            Err(error) => Err(error),
        }
    }

    /// How a customer goes into the queue.
    fn way(&self, call: Call, recovery: &RecoveryId, target: Option<&WorkerSid>) -> Option<Way> {
        let machine = Machine::new(self.config.policies(), [call]);
        Way::of(&self.config, machine.call_of_recovery(recovery)?, target, None)
    }

    async fn complete(&self, task: &TaskSid, reservation: &ReservationSid) -> Result<Outcome, Error> {
        let refused = match self.client.complete_reservation(task, reservation).await {
            Ok(()) => return Ok(Outcome::Ok),
            Err(refused @ Error::Refused { .. }) => refused,
            Err(error) => return Err(error),
        };
        // It may have been completed by others.
        let reservations = self.client.list_reservations(task).await?;
        let over = reservations.iter().any(|found| {
            &found.sid == reservation
                && !matches!(found.reservation_status.as_str(), "pending" | "accepted" | "wrapping")
        });
        if over { Ok(Outcome::Ok) } else { Err(refused) }
    }

    async fn look_up_task(&self, task: &TaskSid) -> Result<Outcome, Error> {
        let (found, reservations) =
            tokio::try_join!(self.client.fetch_task(task), self.client.list_reservations(task))?;
        let Some(workflow) = found.workflow_sid else {
            return Ok(Outcome::Failed { reason: "the task has no workflow to go back to".into() });
        };
        let in_state = |state| reservations.iter().find(|found| found.reservation_status == state);
        let is_over = matches!(found.assignment_status.as_str(), "completed" | "canceled");
        let completed = || in_state("completed").filter(|_| is_over);
        let reservation = in_state("accepted").or_else(|| in_state("wrapping")).or_else(completed);
        let text = found.attributes.unwrap_or_default();
        let attributes: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(Outcome::TaskLookedUp(Box::new(LookUpAnswer {
            workflow,
            queue: found.task_queue_sid,
            customer_leg: leg(&attributes, "customer", "call_sid"),
            worker_leg: leg(&attributes, "worker", "worker_call_sid"),
            reservation: reservation.map(|found| found.sid.clone()),
            is_accepted: reservation.is_some_and(|found| found.reservation_status == "accepted"),
            worker: reservation.map(|found| (found.worker_sid.clone(), found.worker_name.clone())),
            attributes: text,
        })))
    }

    async fn find_owners(
        &self,
        task: &TaskSid,
        conference: Option<&ConferenceSid>,
    ) -> Result<Outcome, Error> {
        let is_of_task = async {
            match conference {
                Some(conference) => self.is_conference_of(conference, task).await,
                None => Ok(true),
            }
        };
        let (is_of_task, found) = tokio::try_join!(is_of_task, self.client.list_reservations(task))?;
        let owners = found.into_iter().map(|found| (found.sid, found.worker_sid)).collect();
        Ok(Outcome::ReservationsRead { owners, is_of_task })
    }

    /// Flex names a conference after its task. The attributes of a task, which agents can write, are no proof.
    async fn is_conference_of(&self, conference: &ConferenceSid, task: &TaskSid) -> Result<bool, Error> {
        match self.client.fetch_conference(conference).await {
            Ok(found) => Ok(found.friendly_name == task.as_str()),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checks whether the customer's number is on the allow list. It is neither stored nor logged.
    async fn check_number(&self, task: &TaskSid) -> Result<Outcome, Error> {
        let attributes = self.client.fetch_task(task).await?.attributes.unwrap_or_default();
        let attributes: Value = serde_json::from_str(&attributes).unwrap_or_default();
        let number = match allowed::customers_number(&attributes) {
            Some(number) => Some(number),
            None => match leg(&attributes, "customer", "call_sid") {
                Some(leg) => self.client.fetch_call(&leg).await?.others_number().map(Number::from),
                None => None,
            },
        };
        let allowed = number.is_some_and(|number| self.config.allowed_numbers.contains(&number));
        Ok(Outcome::Number { allowed })
    }

    /// A customer who is on the line, but no longer in the conference, has been sent.
    async fn look_for_requeue(&self, sent: Sent<'_>) -> Result<Option<Outcome>, Error> {
        let Sent { recovery, customer, conference, target, resent } = sent;
        match self.client.fetch_participant(conference, customer).await {
            Ok(_) => return Ok(None),
            Err(Error::Gone) => {}
            Err(error) => return Err(error),
        }
        match self.client.fetch_call(customer).await {
            Ok(call) if call.is_in_progress() => {}
            Ok(_) | Err(Error::Gone) => return Ok(Some(Outcome::Gone)),
            Err(error) => return Err(error),
        }
        if target.is_some() {
            return Ok(Some(Outcome::Ok));
        }
        // An earlier requeue, for the lost agent, may have taken the customer out.
        for task in self.client.list_tasks(&of_recovery(recovery), None).await? {
            if !matches!(task.assignment_status.as_str(), "pending" | "reserved") {
                continue;
            }
            let attributes = match self.client.fetch_task(&task.sid).await {
                Ok(task) => task.attributes.unwrap_or_default(),
                Err(Error::Gone) => continue,
                Err(error) => return Err(error),
            };
            let attributes: Value = serde_json::from_str(&attributes).unwrap_or_default();
            if resent > 0 && attributes.get(names::SENT_AGAIN) == Some(&Value::from(resent)) {
                return Ok(Some(Outcome::Ok));
            }
            if attributes.get(names::TARGET_WORKER_SID).is_some_and(|target| !target.is_null()) {
                return Ok(None);
            }
        }
        // A customer who waited in silence was out of the conference before they were sent again.
        Ok((resent == 0).then_some(Outcome::Ok))
    }
}

/// The document with which a leg follows into a conference, with its flags and label.
pub(crate) fn follow(
    config: &Config,
    name: &TaskSid,
    muted: bool,
    end_on_exit: bool,
    label: Option<&str>,
) -> Document {
    let status_callback = &config.callback("/webhooks/conference");
    Document::new().conference(&Conference { name, muted, end_on_exit, label, status_callback })
}

/// A leg, from a task's attributes.
fn leg(attributes: &Value, participant: &str, key: &str) -> Option<CallSid> {
    let sid = attributes
        .pointer(&format!("/conference/participants/{participant}"))
        .filter(|sid| sid.is_string())
        .or_else(|| attributes.get(key))?;
    CallSid::parse(sid.as_str()?).ok()
}

fn ok((): ()) -> Outcome {
    Outcome::Ok
}

/// An expression for the tasks of a recovery. The id has letters and digits only.
fn of_recovery(recovery: &RecoveryId) -> String {
    format!("{} == '{recovery}'", names::RECOVERY_ID)
}

/// The attributes with the next agent and the time of the loss; `None` if they cannot, or need not, be written.
fn marked(attributes: &str, at: Millis) -> Option<String> {
    let mut object: Map<String, Value> = serde_json::from_str(attributes).ok()?;
    let conversations = object.entry("conversations").or_insert_with(|| json!({}));
    conversations.as_object_mut()?.insert("followed_by".into(), names::RECONNECT_AGENT.into());
    object.insert(names::DISCONNECTED_TIME.into(), at.0.into());
    let marked = Value::Object(object).to_string();
    (marked.encode_utf16().count() <= names::LIMIT && marked != attributes).then_some(marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_everything_else() {
        let marked =
            marked(r#"{"name":"é","conversations":{"queue":"a"},"n":[1]}"#, Millis(5)).expect("marked");
        let marked: Value = serde_json::from_str(&marked).expect("JSON");
        let wanted = json!({
            "name": "é", "n": [1], "disconnectedTime": 5,
            "conversations": {"queue": "a", "followed_by": "Reconnect Agent"},
        });
        assert_eq!(marked, wanted);
    }

    #[test]
    fn attributes_that_cannot_be_marked_are_left_alone() {
        let full = json!({ "x": "y".repeat(names::LIMIT - 20) }).to_string();
        for attributes in ["", "[]", "nonsense", r#"{"conversations":"text"}"#, &full] {
            assert_eq!(marked(attributes, Millis(5)), None, "{attributes:.40}");
        }
        let once = marked("{}", Millis(5)).expect("marked");
        assert_eq!(marked(&once, Millis(5)), None, "marked already");
    }
}
