//! A page has found a call of which nobody has told: no server was there when it began, or callbacks are lost, and the page
//! before had no time to register. Twilio is asked what that page would have said.

use super::App;
use crate::error::Error;
use rejoin_protocol::api::{Hello, Holding, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, WorkerSid};
use rejoin_recovery::{Event, Key, Untold};
use serde_json::Value;
use std::sync::Arc;

/// Looks for those calls of this hello that are not known.
pub(super) async fn look(app: Arc<App>, worker: WorkerSid, hello: Hello) {
    for holding in &hello.holdings {
        if let Err(error) = register(&app, &worker, holding).await {
            tracing::warn!(%error, task = %holding.task, "a call that a page has found is not known");
        }
    }
}

async fn register(app: &App, worker: &WorkerSid, holding: &Holding) -> Result<(), Error> {
    let keys = [Key::Task(holding.task.clone())];
    if app.engine.look(keys, |machine| machine.knows(&holding.task)).await? {
        return Ok(());
    }
    if let Some(registration) = ask(app, worker, holding).await? {
        app.engine.event(Event::Registered { worker: worker.clone(), registration }).await?;
    }
    Ok(())
}

/// As the page before would have registered it, if the call is left to her.
async fn ask(app: &App, worker: &WorkerSid, holding: &Holding) -> Result<Option<Registration>, Error> {
    let client = &app.client;
    let (task, reservations) =
        tokio::try_join!(client.fetch_task(&holding.task), client.list_reservations(&holding.task))?;
    let open = |status: &str| matches!(status, "pending" | "accepted" | "wrapping");
    let open: Vec<_> = reservations.into_iter().filter(|found| open(&found.reservation_status)).collect();
    let attributes: Value = serde_json::from_str(&task.attributes.unwrap_or_default()).unwrap_or_default();
    let text = |pointer: &str| attributes.pointer(pointer).and_then(Value::as_str);
    let leg = |who: &str| CallSid::parse(text(&format!("/conference/participants/{who}"))?).ok();
    let conference = text("/conference/sid").and_then(|sid| ConferenceSid::parse(sid).ok());
    let (Some(conference), Some(customer_leg), Some(worker_leg), Some(workflow)) =
        (conference, leg("customer"), leg("worker"), task.workflow_sid)
    else {
        return Ok(None);
    };
    let there = client.list_participants(&conference).await?;
    let untold = Untold {
        open: open.iter().map(|found| (found.sid.clone(), found.worker_sid.clone())).collect(),
        there: there.into_iter().map(|it| it.call_sid).collect(),
    };
    let is_left = untold.is_left_to((&holding.reservation, worker), &customer_leg, &worker_leg);
    let own = open.into_iter().find(|found| found.sid == holding.reservation).filter(|_| is_left);
    Ok(own.map(|own| Registration {
        id: None,
        epoch: 0,
        reservation: holding.reservation.clone(),
        task: holding.task.clone(),
        workflow,
        queue: task.task_queue_sid,
        conference,
        worker_leg,
        customer_leg,
        worker_name: own.worker_name,
    }))
}
