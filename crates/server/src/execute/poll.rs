//! Polls a call's state at Twilio, for the watchdog.

use super::{Executor, of_recovery};
use rejoin_protocol::attributes as names;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Call, Holder, Logged, LoggedWhat, ParticipantFlags, PollAnswer, Reconnect, ReconnectState,
    TaskState,
};
use rejoin_twilio::{Error, Event, Participant, Reservation};
use serde_json::Value;
use std::collections::BTreeMap;

impl Executor {
    pub(super) async fn poll(
        &self,
        conference: &ConferenceSid,
        customer: Option<&CallSid>,
        queued: Option<&RecoveryId>,
        handed_over: Option<&TaskSid>,
    ) -> Result<PollAnswer, Error> {
        let participants = self.participants(conference).await?;
        let on_line = match customer {
            Some(customer) if participants.contains_key(customer) => Some(true),
            Some(customer) => Some(self.is_on_line(customer).await?),
            None => None,
        };
        let reconnects = match queued {
            Some(recovery) => self.reconnects(recovery).await?,
            None => vec![],
        };
        let asked = match handed_over {
            Some(task) => self.task_state(task).await?,
            None => PollAnswer::default(),
        };
        Ok(PollAnswer { participants, on_line, reconnects, ..asked })
    }

    /// The answer for a call that was restored from a backup.
    pub(crate) async fn poll_after_restore(&self, call: &Call) -> Result<PollAnswer, Error> {
        let Action::PollConference { conference, customer, queued, handed_over } = call.poll_after_restore()
        else {
            return Ok(PollAnswer::default());
        };
        self.poll(&conference, customer.as_ref(), queued.as_ref(), handed_over.as_ref()).await
    }

    /// The participants of a conference; none when it is over.
    async fn participants(
        &self,
        conference: &ConferenceSid,
    ) -> Result<BTreeMap<CallSid, ParticipantFlags>, Error> {
        let flags = |participant: &Participant| ParticipantFlags {
            end_conference_on_exit: participant.end_conference_on_exit,
            hold: participant.hold,
            muted: participant.muted,
            coaching: participant.coaching,
        };
        match self.client.list_participants(conference).await {
            Ok(there) => Ok(there.into_iter().map(|one| (one.call_sid.clone(), flags(&one))).collect()),
            Err(Error::Gone) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// The agents who have accepted the task, and the conference's participants if there are such agents.
    pub(super) async fn present_holders(&self, call: &Call) -> Result<PollAnswer, Error> {
        let accepted = self.holders(&call.task, "accepted").await?;
        let participants =
            if accepted.is_empty() { BTreeMap::new() } else { self.participants(&call.conference).await? };
        Ok(PollAnswer { accepted, participants, ..PollAnswer::default() })
    }

    /// The workers whose reservations of the task have this status; none when the task is gone: Twilio keeps it for
    /// five minutes after its end.
    async fn holders(&self, task: &TaskSid, status: &str) -> Result<Vec<Holder>, Error> {
        let mut reservations = match self.client.list_reservations_in(task, status).await {
            Err(Error::Gone) => vec![],
            found => found?,
        };
        reservations.retain(|found| found.reservation_status == status);
        Ok(reservations.into_iter().map(holder).collect())
    }

    /// The state of a task, its attributes, and who has it or wraps it up.
    async fn task_state(&self, task: &TaskSid) -> Result<PollAnswer, Error> {
        let found = match self.client.fetch_task(task).await {
            Ok(found) => found,
            Err(Error::Gone) => {
                return Ok(PollAnswer { task: Some(TaskState::Over), ..PollAnswer::default() });
            }
            Err(error) => return Err(error),
        };
        let (mut accepted, mut wrapping, mut log) = (vec![], vec![], vec![]);
        let stands = match found.assignment_status.as_str() {
            "completed" | "canceled" => {
                wrapping = self.holders(task, "completed").await?;
                TaskState::Over
            }
            "wrapping" => {
                let mut reservations = self.client.list_reservations(task).await?;
                let asked = |status: &str| matches!(status, "pending" | "accepted");
                let waits = reservations.iter().any(|found| asked(&found.reservation_status));
                reservations.retain(|found| found.reservation_status == "wrapping");
                wrapping.extend(reservations.into_iter().map(holder));
                if waits {
                    TaskState::Open
                } else {
                    log = self.log(task).await?;
                    TaskState::Wraps
                }
            }
            "assigned" => {
                accepted = self.holders(task, "accepted").await?;
                TaskState::Open
            }
            _ => TaskState::Open,
        };
        let (task, attributes) = (Some(stands), found.attributes);
        Ok(PollAnswer { task, attributes, wrapping, accepted, log, ..PollAnswer::default() })
    }

    /// TaskRouter's log of a task. Empty when Twilio does not return it, so that other answers are not lost with it.
    async fn log(&self, task: &TaskSid) -> Result<Vec<Logged>, Error> {
        match self.client.list_events(task).await {
            Err(error @ (Error::Gone | Error::Refused { .. } | Error::Unreadable { .. })) => {
                tracing::warn!(%task, %error, "unknown whether a transfer was refused: TaskRouter's event log cannot be read");
                Ok(vec![])
            }
            log => Ok(log?.iter().filter_map(logged).collect()),
        }
    }

    async fn is_on_line(&self, customer: &CallSid) -> Result<bool, Error> {
        match self.client.fetch_call(customer).await {
            Ok(call) => Ok(call.is_in_progress()),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The tasks that are to bring the customer back.
    pub(super) async fn taken(&self, recovery: &RecoveryId) -> Result<PollAnswer, Error> {
        Ok(PollAnswer { reconnects: self.reconnects(recovery).await?, ..PollAnswer::default() })
    }

    /// The tasks that bring the customer back, without the ping, which has the same recovery.
    async fn reconnects(&self, recovery: &RecoveryId) -> Result<Vec<Reconnect>, Error> {
        let mut reconnects = vec![];
        for found in self.client.list_tasks(&of_recovery(recovery), None).await? {
            let task = match self.client.fetch_task(&found.sid).await {
                Ok(task) => task,
                Err(Error::Gone) => continue,
                Err(error) => return Err(error),
            };
            let attributes: Value =
                serde_json::from_str(&task.attributes.unwrap_or_default()).unwrap_or_default();
            if attributes[names::IS_RECONNECT] != true {
                continue;
            }
            let target =
                attributes[names::TARGET_WORKER_SID].as_str().and_then(|sid| WorkerSid::parse(sid).ok());
            let state = match task.assignment_status.as_str() {
                "pending" | "reserved" => ReconnectState::Waits,
                "assigned" => match self.whose(&found.sid, &["accepted"]).await? {
                    Some((worker, name, reservation)) => ReconnectState::Taken { worker, name, reservation },
                    None => ReconnectState::Waits,
                },
                "wrapping" | "completed" => match self.whose(&found.sid, &["wrapping", "completed"]).await? {
                    Some((worker, name, reservation)) => ReconnectState::Left { worker, name, reservation },
                    None => ReconnectState::Over,
                },
                _ => ReconnectState::Over,
            };
            let named =
                attributes["conference"]["sid"].as_str().and_then(|sid| ConferenceSid::parse(sid).ok());
            let conference = match named.filter(|_| state.was_taken()) {
                Some(named) => self.is_conference_of(&named, &found.sid).await?.then_some(named),
                None => None,
            };
            reconnects.push(Reconnect { task: found.sid, target, state, conference });
        }
        Ok(reconnects)
    }

    /// The agents who have or had the task, by reservations with one of these statuses.
    async fn whose(
        &self,
        task: &TaskSid,
        by: &[&str],
    ) -> Result<Option<(WorkerSid, String, ReservationSid)>, Error> {
        let reservations = self.client.list_reservations(task).await?;
        let found = reservations.into_iter().find(|found| by.contains(&found.reservation_status.as_str()));
        Ok(found.map(|found| (found.worker_sid, found.worker_name, found.sid)))
    }
}

/// The relevant part of a log entry.
fn logged(event: &Event) -> Option<Logged> {
    let reservation = || ReservationSid::parse(event.resource_sid.as_deref()?).ok();
    let what = match event.event_type.as_str() {
        "reservation.accepted" => LoggedWhat::Accepted(reservation()?),
        "reservation.wrapup" => LoggedWhat::Wraps(reservation()?),
        "task.transfer-initiated" => LoggedWhat::Transferred,
        _ => return None,
    };
    Some(Logged { what, at: event.at.map(Millis) })
}

fn holder(found: Reservation) -> Holder {
    Holder { worker: found.worker_sid, name: found.worker_name, reservation: found.sid }
}
