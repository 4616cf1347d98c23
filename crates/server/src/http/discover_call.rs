//! Discovers a call that was never reported: no server was up when it began, or callbacks are lost, and the page had
//! no time to register, or could not. Once another page has found it, its agent leaves, or the caller's conference
//! has ended, the server asks Twilio for what that page would have registered.

use super::App;
use super::look_ups::{Claim, LookUp};
use crate::error::Error;
use crate::pace::Rank;
use rejoin_protocol::api::Registration;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{Event, Key, UnreportedCall};
use rejoin_twilio::{Error as TwilioError, Reservation, Task};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A call that this worker's page names: by its task and the worker's reservation.
pub(super) type Named = (TaskSid, ReservationSid);

/// Pause before a look-up is repeated that Twilio did not answer; it doubles.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest of these pauses, after which the look-up is given up: 30 s in all.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// Looks up those of these calls that are not known, in the background, one after the other. The page that names one that becomes known
/// is asked to repeat what it said of it: it may be back at a call that its agent is lost from.
pub(super) fn look_up(app: &Arc<App>, (worker, epoch): (&WorkerSid, u64), named: Vec<Named>) {
    let (app, worker) = (Arc::clone(app), worker.clone());
    let surroundings = app.store.surroundings().clone();
    tokio::spawn(surroundings.task(async move {
        let mut left = vec![];
        for (task, reservation) in named {
            match is_known(&app, &task).await {
                Ok(true) => {}
                Ok(false) => {
                    let now = app.store.surroundings().now();
                    left.extend(app.look_ups.begin((worker.clone(), task, reservation), now));
                }
                Err(error) => cannot(&error, &task),
            }
        }
        let mut pause = PAUSE;
        loop {
            left = unanswered(&app, epoch, left).await;
            if left.is_empty() {
                return;
            }
            if pause > LONGEST_PAUSE {
                return tracing::warn!(
                    calls = left.len(),
                    "Twilio did not answer about calls that a page named: they are not protected until a page names them again"
                );
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }));
}

fn cannot(error: &Error, task: &TaskSid) {
    tracing::warn!(%error, %task, "a call that a page named could not be looked up");
}

async fn is_known(app: &App, task: &TaskSid) -> Result<bool, Error> {
    app.engine.look([Key::Task(task.clone())], |machine| machine.knows(task)).await
}

/// Looks up these calls. Returns those about which Twilio did not answer.
async fn unanswered<'a>(app: &App, epoch: u64, left: Vec<LookUp<'a>>) -> Vec<LookUp<'a>> {
    let mut unanswered = vec![];
    for look_up in left {
        match register(app, &look_up).await {
            Ok(true) => app.pushes.ask_again(&look_up.claim.0, epoch),
            Ok(false) => {}
            Err(Error::Twilio(error)) if error.is_passing() => unanswered.push(look_up),
            Err(error) => cannot(&error, &look_up.claim.1),
        }
    }
    unanswered
}

/// True if the call has become known.
async fn register(app: &App, look_up: &LookUp<'_>) -> Result<bool, Error> {
    let _place = look_up.place().await;
    let (worker, task, _) = &look_up.claim;
    // Its agent's page may have registered it meanwhile.
    if is_known(app, task).await? {
        return Ok(false);
    }
    let registration = match ask(app, &look_up.claim).await {
        Ok(Answer::Left(registration)) => *registration,
        Ok(Answer::NotLeft) => return Ok(false),
        Ok(Answer::Unfounded) | Err(TwilioError::Gone) => {
            look_up.is_unfounded(app.store.surroundings().now());
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    app.engine.event(Event::Registered { worker: worker.clone(), registration }).await?;
    Ok(true)
}

/// Twilio's answer about a call that a page has named.
enum Answer {
    /// The worker has the call: the registration that the worker's page would have made.
    Left(Box<Registration>),
    /// Others are with the customer, or TaskRouter has not completed the task yet.
    NotLeft,
    /// The worker has no such open reservation.
    Unfounded,
}

async fn ask(app: &App, (worker, task, reservation): &Claim) -> Result<Answer, TwilioError> {
    let client = app.twilio(Rank::LookUp, app.store.surroundings().now());
    // The reservations alone at first: for a call that is not the worker's, one request is enough.
    let reservations = client.list_reservations(task).await?;
    let open = |status: &str| matches!(status, "pending" | "accepted" | "wrapping");
    let open: Vec<_> = reservations.into_iter().filter(|found| open(&found.reservation_status)).collect();
    let mut call = UnreportedCall {
        open: open.iter().map(|found| (found.sid.clone(), found.worker_sid.clone())).collect(),
        there: vec![],
    };
    let own = open.into_iter().find(|found| found.sid == *reservation && found.worker_sid == *worker);
    let Some(own) = own else { return Ok(Answer::Unfounded) };
    let task = client.fetch_task(task).await?;
    let Some(registration) = registration(task, own) else { return Ok(Answer::NotLeft) };
    let there = client.list_participants(&registration.conference).await?;
    call.there = there.into_iter().map(|it| it.call_sid).collect();
    let is_left =
        call.is_left_to((reservation, worker), &registration.customer_leg, &registration.worker_leg);
    Ok(if is_left { Answer::Left(Box::new(registration)) } else { Answer::NotLeft })
}

/// Looks up the call of a caller whose conference has ended: it is known from now on if an agent had it in the
/// browser, and a page of that agent has listened since the call began, which proves the plugin. What the agent has
/// marked, or not, counts as for any other call. The task of a call that was put into a queue names it as `call_sid`
/// (<https://www.twilio.com/docs/voice/twiml/enqueue>).
pub(super) async fn find(app: &App, customer: &CallSid, now: Millis) -> Result<(), Error> {
    let client = app.twilio(Rank::Bookkeeping, now);
    for found in client.list_tasks(&format!("call_sid == '{customer}'"), None).await? {
        let (task, mut had) =
            tokio::try_join!(client.fetch_task(&found.sid), client.list_reservations(&found.sid))?;
        had.retain(|it| matches!(it.reservation_status.as_str(), "accepted" | "wrapping"));
        let only = if had.len() == 1 { had.pop() } else { None };
        let since = Millis(now.0.saturating_sub(Millis::seconds(task.age.unwrap_or(0)).0));
        let Some(own) = only else { continue };
        let worker = own.worker_sid.clone();
        // While Twilio does not answer for the tokens that pages come with, one of them may be this agent's.
        if !app.tokens.is_unanswered_since(since) && !app.pushes.was_there(&worker, since).await? {
            continue;
        }
        let Some(registration) = registration(task, own).filter(|it| it.customer_leg == *customer) else {
            continue;
        };
        // A call at another phone does not depend on the page: it ends as usual.
        if !client.fetch_call(&registration.worker_leg).await?.is_client() {
            continue;
        }
        tracing::info!(%worker, task = %registration.task, "the conference of an unreported customer has ended");
        app.engine.event(Event::Registered { worker, registration }).await?;
    }
    Ok(())
}

/// The registration from Twilio's data. `None`: TaskRouter has not completed the task.
fn registration(task: Task, own: Reservation) -> Option<Registration> {
    let attributes: Value = serde_json::from_str(&task.attributes.unwrap_or_default()).unwrap_or_default();
    let text = |pointer: &str| attributes.pointer(pointer).and_then(Value::as_str);
    let leg = |who: &str| CallSid::parse(text(&format!("/conference/participants/{who}"))?).ok();
    Some(Registration {
        id: None,
        epoch: 0,
        reservation: own.sid,
        task: task.sid,
        workflow: task.workflow_sid?,
        queue: task.task_queue_sid,
        conference: ConferenceSid::parse(text("/conference/sid")?).ok()?,
        worker_leg: leg("worker")?,
        customer_leg: leg("customer")?,
        worker_name: own.worker_name,
        answers_messages: false,
    })
}
