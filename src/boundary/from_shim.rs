//! Events of the shim, in JavaScript `{taskChanged: {…}}` and so on.

use super::{Fields, Unfit, Value};
use crate::agent::{
    Activity, Attributes, ConferenceFacts, FromDesktop, Leg, LegKind, RequestId, ReservationStatus, TaskFacts,
};
use rejoin_protocol::Millis;
use rejoin_protocol::call_message::LONGEST;

impl FromDesktop {
    /// Parses the event with this name from these fields.
    ///
    /// # Errors
    /// When there is no such event, or the fields do not fit.
    pub fn said(name: &str, said: Fields) -> Result<Self, Unfit> {
        Self::try_from(Value::Object(Fields::default().with(name, Value::Object(said))))
    }
}

impl TryFrom<Value> for FromDesktop {
    type Error = Unfit;

    fn try_from(said: Value) -> Result<Self, Unfit> {
        let (name, said) = said.fields("event")?.only("event")?;
        let mut said = said.fields("event")?;
        let said = &mut said;
        Ok(match name.as_str() {
            "started" => Self::Started {
                worker: said.parsed("worker")?,
                worker_name: said.text("workerName")?,
                phone_registered: said.flag("phoneRegistered")?,
                tasks: each(said, "tasks", task)?,
                waits: said.flag("waits").unwrap_or_default(),
            },
            "taskChanged" => Self::TaskChanged(task(said)?),
            "conferenceChanged" => Self::ConferenceChanged(ConferenceFacts {
                reservation: said.parsed("reservation")?,
                conference: said.parsed("conference").ok(),
                legs: each(said, "legs", leg)?,
            }),
            "beforeAccept" => Self::BeforeAccept {
                request: request(said)?,
                task: task(&mut said.fields("task")?)?,
                callback: said.text("callback").ok(),
            },
            "beforeLeave" => Self::BeforeLeave {
                request: request(said)?,
                reservation: said.parsed("reservation").ok(),
                reason: said.parsed("reason")?,
            },
            "beforeComplete" => {
                Self::BeforeComplete { request: request(said)?, reservation: said.parsed("reservation")? }
            }
            "phoneChanged" => Self::PhoneChanged { registered: said.flag("registered")? },
            "measured" => {
                Self::Measured { took: said.list("took")?.iter().map(round_trip).collect::<Result<_, _>>()? }
            }
            "soundChanged" => Self::SoundChanged { blocked: said.flag("blocked")? },
            "activityChanged" => Self::ActivityChanged(Activity {
                sid: said.parsed("sid")?,
                offline: said.flag("offline")?,
                unavailable: said.flag("unavailable")?,
            }),
            "asked" => {
                let question = said.text("question")?;
                if question.chars().count() > LONGEST {
                    return Err(Unfit { field: "question" });
                }
                Self::Asked { leg: said.parsed("leg")?, question }
            }
            "pageHide" => Self::PageHide { may_return: said.flag("mayReturn").unwrap_or_default() },
            _ => return Err(Unfit { field: "event" }),
        })
    }
}

/// Fractions are dropped.
fn round_trip(said: &Value) -> Result<Option<Millis>, Unfit> {
    match said {
        Value::Number(ms) => Ok(Some(Millis(*ms as u64))),
        Value::Nothing => Ok(None),
        _ => Err(Unfit { field: "took" }),
    }
}

fn request(said: &mut Fields) -> Result<RequestId, Unfit> {
    said.small("request").map(RequestId)
}

fn each<T>(
    said: &mut Fields,
    name: &'static str,
    read: fn(&mut Fields) -> Result<T, Unfit>,
) -> Result<Vec<T>, Unfit> {
    said.list(name)?.into_iter().map(|item| read(&mut item.fields(name)?)).collect()
}

fn task(said: &mut Fields) -> Result<TaskFacts, Unfit> {
    // Anybody may write attributes: what does not fit counts as absent.
    let mut attributes = said.fields("attributes").unwrap_or_default();
    let conference = attributes.fields("conference").and_then(|mut said| said.fields("participants"));
    let customer = conference.and_then(|mut said| said.parsed("customer"));
    Ok(TaskFacts {
        task: said.parsed("task")?,
        reservation: said.parsed("reservation")?,
        status: said.text("status").map(ReservationStatus::from)?,
        voice: said.flag("voice")?,
        workflow: said.parsed("workflow").ok(),
        queue: said.parsed("queue").ok(),
        contact_uri: said.text("contactUri").ok(),
        live_call: said.flag("liveCall")?,
        own_leg: said.parsed("ownLeg").ok(),
        answers_messages: said.flag("answersMessages").unwrap_or_default(),
        muted: said.flag("muted").unwrap_or_default(),
        joinable: said.flag("joinable").unwrap_or_default(),
        keepable: said.flag("keepable").unwrap_or_default(),
        attributes: Attributes {
            is_reconnect: attributes.flag("isReconnect").ok(),
            rejoin_recovery_id: attributes.parsed("rejoinRecoveryId").ok(),
            target_worker_sid: attributes.parsed("targetWorkerSid").ok(),
            disconnected_worker_sid: attributes.parsed("disconnectedWorkerSid").ok(),
            disconnected_worker_name: attributes.text("disconnectedWorkerName").ok(),
            disconnected_time: attributes.whole("disconnectedTime").ok(),
            customer_leg: customer.or_else(|_| attributes.parsed("call_sid")).ok(),
        },
    })
}

fn leg(said: &mut Fields) -> Result<Leg, Unfit> {
    Ok(Leg {
        call: said.parsed("call").ok(),
        kind: said.text("kind").map(LegKind::from)?,
        mine: said.flag("mine")?,
        joined: said.flag("joined")?,
        sequence: said.whole("sequence").ok(),
    })
}
