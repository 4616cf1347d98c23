//! Carries out the jobs: what the machine wants of Twilio, from the durable queue.
//!
//! A job begins as soon as it is committed. It is repeated while that can help and still makes sense; what may have
//! had its effect is looked up before it is repeated, and what was overtaken meanwhile is not done at all. How it ended
//! is an event for the machine, committed together with the end of the job.

use crate::engine::{self, Handle};
use crate::error::Error;
use crate::execute::Executor;
use crate::pace::Turns;
use crate::retry::{self, Cure};
use crate::store::JobId;
use rejoin_protocol::{ConferenceSid, Millis, RecoveryId};
use rejoin_recovery::{Action, Event, Machine, Outcome};
use rejoin_twilio::Error as TwilioError;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Pause before the first repetition; each one doubles it, up to the longest.
const FIRST_PAUSE: Millis = Millis(200);
const LONGEST_PAUSE: Millis = Millis(5000);
/// So long after its deadline it is still looked up what became of a job that may have had its effect.
const LOOK_AFTER: Millis = Millis::seconds(10);

/// So long the engine is waited for when it is asked whether a job is still wanted.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// Something to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number in the store.
    pub id: JobId,
    /// Of which call.
    pub conference: ConferenceSid,
    /// What to do.
    pub action: Action,
    /// When it no longer makes sense (point in time).
    pub deadline: Millis,
    /// Was it begun before, so that it may have had its effect?
    pub begun_before: bool,
    /// The call's recovery, and when the agent was lost.
    pub recovery: Option<(RecoveryId, Millis)>,
    /// Since when it is in the queue (point in time).
    pub since: Millis,
}

impl Job {
    /// A job, with what it needs to know of its call.
    pub(crate) fn new(
        machine: &Machine,
        id: JobId,
        conference: ConferenceSid,
        action: Action,
        deadline: Millis,
        begun_before: bool,
    ) -> Self {
        let recovery = machine.call(&conference).and_then(|call| call.recovery.as_ref());
        let recovery = recovery.map(|recovery| (recovery.id.clone(), recovery.lost_at));
        Self { id, conference, action, deadline, begun_before, recovery, since: engine::now() }
    }
}

/// Runs jobs until no more can come, or the task is aborted: what has not ended by then is in the store.
pub async fn run(mut jobs: mpsc::UnboundedReceiver<Job>, executor: Executor, engine: Handle, turns: Turns) {
    let shared = Arc::new((executor, engine, turns));
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => {
                    tell_loss(&shared.2, &job);
                    let shared = Arc::clone(&shared);
                    let recovery = job.recovery.as_ref().map(|(recovery, _)| tracing::field::display(recovery));
                    // At every level: each line about the job carries them.
                    let span = tracing::error_span!("job", recovery);
                    let work = async move {
                        let (executor, engine, turns) = &*shared;
                        let outcome = carry_out(executor, engine, turns, &job).await;
                        report(engine, job, outcome).await;
                    };
                    running.spawn(work.instrument(span));
                }
                None => break,
            },
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a job ended by a defect; it is taken up again at the next start");
                }
            }
        }
    }
    while running.join_next().await.is_some() {}
}

/// An agent who is lost makes the server keep a line, or tell a customer.
fn tell_loss(turns: &Turns, job: &Job) {
    if let Some((recovery, _)) = &job.recovery
        && matches!(job.action, Action::FreeCustomer { .. } | Action::Announce { .. })
    {
        turns.lost(recovery.clone());
    }
}

/// From the first attempt to the outcome.
async fn carry_out(executor: &Executor, engine: &Handle, turns: &Turns, job: &Job) -> Outcome {
    let mut begun = job.begun_before;
    let mut may_have_acted = job.begun_before;
    let mut backoff = FIRST_PAUSE;
    let mut last = None;
    loop {
        let error = match attempt(executor, engine, turns, job, begun, &mut may_have_acted).await {
            Ok(Some(outcome)) => return outcome,
            Ok(None) => return failed(job, last.as_ref()),
            Err(error) => error,
        };
        let (least, patient, alarm) = match retry::cure(&job.action, &error) {
            Cure::Again { pause, patient, alarm } => (pause, patient, alarm),
            Cure::Gone => return Outcome::Gone,
            Cure::Never => {
                tracing::warn!(job = job.id.0, conference = %job.conference, %error, "not repeated");
                return failed(job, Some(&error));
            }
        };
        if alarm {
            alert(&error);
        }
        // What only waits for its turn has not begun.
        begun |= !patient;
        may_have_acted |= error.may_have_acted();
        let now = engine::now();
        let beyond = if patient { retry::PATIENT } else { Millis(0) };
        let look = if may_have_acted { LOOK_AFTER } else { Millis(0) };
        let until = job.deadline + beyond.max(look);
        if now >= until {
            return failed(job, Some(&error));
        }
        // Whoever is throttled waits for its turn, where the pace keeps it.
        let waits = least > Millis(0);
        let pause = if waits { pause(backoff.max(least)).min(now.until(until)) } else { Millis(0) };
        tracing::info!(job = job.id.0, conference = %job.conference, %error, pause_ms = pause.0, "repeated later");
        last = Some(error);
        if waits {
            backoff = Millis(backoff.0 * 2).min(LONGEST_PAUSE);
            tokio::time::sleep(Duration::from_millis(pause.0)).await;
        }
    }
}

/// Our credentials were refused: told once a minute, however many jobs meet it.
fn alert(error: &TwilioError) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let (now, told) = (engine::now().0, TOLD.load(Ordering::Relaxed));
    if now.saturating_sub(told) >= Millis::seconds(60).0 {
        TOLD.store(now, Ordering::Relaxed);
        tracing::error!(%error, "customers are waiting for this");
    }
}

/// One attempt; `None` when it is too late for another one.
async fn attempt(
    executor: &Executor,
    engine: &Handle,
    turns: &Turns,
    job: &Job,
    begun: bool,
    may_have_acted: &mut bool,
) -> Result<Option<Outcome>, TwilioError> {
    let executor = executor.through(turns.of_job(job, *may_have_acted).await);
    if *may_have_acted {
        if let Some(outcome) = executor.look(job).await? {
            return Ok(Some(outcome));
        }
        *may_have_acted = false;
    }
    if begun && engine::now() >= job.deadline {
        return Ok(None);
    }
    if !is_wanted(engine, job).await {
        return Ok(Some(Outcome::Overtaken));
    }
    executor.carry_out(job).await.map(Some)
}

/// It may have waited long for its turn, or for its repetition.
async fn is_wanted(engine: &Handle, job: &Job) -> bool {
    let (conference, action) = (job.conference.clone(), job.action.clone());
    let asked = engine.read(move |machine| machine.wants(&conference, &action));
    // If the engine cannot say it now, the job is as good as it was.
    matches!(tokio::time::timeout(ANSWERED_WITHIN, asked).await, Err(_) | Ok(Err(_) | Ok(true)))
}

/// Doubles with each repetition, and differs from job to job, so that they do not all come back at once.
fn pause(backoff: Millis) -> Millis {
    let random = RandomState::new().build_hasher().finish() % (backoff.0 / 2 + 1);
    Millis(backoff.0 / 2 + random)
}

fn failed(job: &Job, error: Option<&TwilioError>) -> Outcome {
    let what = name(&job.action);
    let reason = match error {
        Some(error) => format!("{what} did not work: {error}"),
        None => format!("{what} was not done: it came too late"),
    };
    Outcome::Failed { reason }
}

/// What an action does, for timelines and logs.
pub(crate) fn name(action: &Action) -> &'static str {
    match action {
        Action::Announce { .. } => "announcing",
        Action::FreeCustomer { .. } => "keeping the conference when the customer leaves it",
        Action::KeepConference { .. } => "keeping the conference when the agent leaves it",
        Action::MarkTask { .. } => "marking the task",
        Action::CreatePing { .. } => "creating the ping",
        Action::EndPing { .. } => "ending the ping",
        Action::Requeue { .. } => "sending the customer to the queue",
        Action::CompleteReservation { .. } => "completing the old reservation",
        Action::RemoveLeg { .. } => "removing the dead leg",
        Action::MoveParticipant { .. } => "moving a participant",
        Action::Unhold { .. } => "ending a hold",
        Action::HoldParticipant { .. } => "holding a participant again",
        Action::EndConference { .. } => "ending the conference",
        Action::Learn { .. } => "looking up the task",
        Action::CheckNumber { .. } => "looking up the customer's number",
        Action::Look { .. } => "looking how the call stands",
        Action::GiveUp { .. } => "telling the customer that it did not work",
    }
}

/// Tells the engine. A commit that fails is tried again: the job stays open in the store until one comes through.
async fn report(engine: &Handle, job: Job, outcome: Outcome) {
    tracing::info!(job = job.id.0, conference = %job.conference, what = name(&job.action), outcome = shown(&outcome), "ended");
    let event = Event::Done { conference: job.conference, action: job.action, outcome };
    let mut backoff = FIRST_PAUSE;
    loop {
        match engine.done(job.id, event.clone()).await {
            Ok(()) | Err(Error::Stopping) => return,
            Err(error) => {
                tracing::warn!(job = job.id.0, %error, "the end of a job could not be stored, trying again");
            }
        }
        tokio::time::sleep(Duration::from_millis(backoff.0)).await;
        backoff = Millis(backoff.0 * 2).min(LONGEST_PAUSE);
    }
}

/// An outcome without what may be personal.
fn shown(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok
        | Outcome::PingCreated(_)
        | Outcome::TaskRead { .. }
        | Outcome::Learnt(_)
        | Outcome::Number { .. }
        | Outcome::Looked(_) => "done",
        Outcome::Gone => "gone",
        Outcome::Overtaken => "overtaken",
        Outcome::Failed { .. } => "failed",
    }
}
