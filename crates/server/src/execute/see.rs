//! How a call stands: Twilio is asked for the watchdog.

use super::{Executor, of_recovery};
use rejoin_protocol::attributes as names;
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, TaskSid, WorkerSid};
use rejoin_recovery::{HandedOver, ParticipantFlags, Reconnect, ReconnectState, Seen};
use rejoin_twilio::{Error, Participant};
use serde_json::Value;

impl Executor {
    pub(super) async fn see(
        &self,
        conference: &ConferenceSid,
        customer: Option<&CallSid>,
        queued: Option<&RecoveryId>,
        handed_over: Option<&TaskSid>,
    ) -> Result<Seen, Error> {
        let participants = match self.client.list_participants(conference).await {
            Ok(participants) => participants,
            Err(Error::Gone) => vec![],
            Err(error) => return Err(error),
        };
        let flags = |participant: &Participant| ParticipantFlags {
            end_conference_on_exit: participant.end_conference_on_exit,
            hold: participant.hold,
            muted: participant.muted,
            coaching: participant.coaching,
        };
        let participants: std::collections::BTreeMap<_, _> =
            participants.into_iter().map(|there| (there.call_sid.clone(), flags(&there))).collect();
        let on_line = match customer {
            Some(customer) if participants.contains_key(customer) => Some(true),
            Some(customer) => Some(self.is_on_line(customer).await?),
            None => None,
        };
        let reconnects = match queued {
            Some(recovery) => self.reconnects(recovery).await?,
            None => vec![],
        };
        let task = match handed_over {
            Some(task) => Some(self.handed_over(task).await?),
            None => None,
        };
        Ok(Seen { participants, on_line, reconnects, task })
    }

    /// How a task stands that its agent has handed over.
    async fn handed_over(&self, task: &TaskSid) -> Result<HandedOver, Error> {
        match self.client.fetch_task(task).await {
            Ok(found) if matches!(found.assignment_status.as_str(), "completed" | "canceled") => {
                return Ok(HandedOver::Over);
            }
            Ok(found) if found.assignment_status == "wrapping" => {}
            Ok(_) => return Ok(HandedOver::Waits),
            Err(Error::Gone) => return Ok(HandedOver::Over),
            Err(error) => return Err(error),
        }
        let reservations = self.client.list_reservations(task).await?;
        let asked = |status: &str| matches!(status, "pending" | "accepted");
        let waits = reservations.iter().any(|found| asked(&found.reservation_status));
        Ok(if waits { HandedOver::Waits } else { HandedOver::Wraps })
    }

    async fn is_on_line(&self, customer: &CallSid) -> Result<bool, Error> {
        match self.client.fetch_call(customer).await {
            Ok(call) => Ok(call.is_in_progress()),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The tasks that are to bring the customer back. The ping has the same recovery, and is none.
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
                "assigned" => self.taker(&found.sid).await?,
                _ => ReconnectState::Over,
            };
            reconnects.push(Reconnect { task: found.sid, target, state });
        }
        Ok(reconnects)
    }

    /// Who has the task.
    async fn taker(&self, task: &TaskSid) -> Result<ReconnectState, Error> {
        let reservations = self.client.list_reservations(task).await?;
        let accepted = reservations.into_iter().find(|found| found.reservation_status == "accepted");
        Ok(accepted.map_or(ReconnectState::Waits, |taken| ReconnectState::Taken {
            worker: taken.worker_sid,
            name: taken.worker_name,
            reservation: taken.sid,
        }))
    }
}
