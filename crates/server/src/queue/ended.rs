//! Outcomes of jobs, and how they are reported.

use super::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::engine::Handle;
use crate::error::Error;
use crate::figures;
use crate::jobs::Job;
use crate::story::Told;
use rejoin_protocol::Millis;
use rejoin_recovery::{Event, Outcome};
use rejoin_twilio::Error as TwilioError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reports refused credentials once a minute, however many jobs they affect.
pub(super) fn alert(error: &TwilioError, now: Millis) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let (now, told) = (now.0, TOLD.load(Ordering::Relaxed));
    if now.saturating_sub(told) >= Millis::seconds(60).0 {
        TOLD.store(now, Ordering::Relaxed);
        tracing::error!(%error, "Twilio refuses the credentials: nobody is brought back, and customers stay on the line without their agent; check TWILIO_AUTH_TOKEN, \
             and restart");
    }
}

/// Why a job was given up.
pub(super) fn failed(job: &Job, error: Option<&TwilioError>) -> Outcome {
    let what = job.action.name();
    let reason = match error {
        Some(error) => format!("{what} did not work: {error}"),
        None => format!("{what} was not done: its deadline passed"),
    };
    Outcome::Failed { reason }
}

/// Reports the outcome to the engine. A failed commit is retried: the job stays open in the store until one succeeds.
pub(super) async fn report(engine: &Handle, job: Job, outcome: Outcome, told: Vec<Told>) {
    tracing::info!(job = job.claim.job.0, conference = %job.conference, what = job.action.name(), outcome = shown(&outcome), "ended");
    let gave_up = matches!(outcome, Outcome::Failed { .. }).then(|| job.action.name());
    let event = Event::Done { conference: job.conference, action: job.action, outcome };
    let mut backoff = FIRST_PAUSE;
    loop {
        match engine.done(job.claim, event.clone(), told.clone()).await {
            Ok(()) => return gave_up.into_iter().for_each(figures::given_up),
            Err(Error::Stopping) => return,
            Err(Error::Lost) => {
                tracing::info!(job = job.claim.job.0, "another server owns the job and reports its result");
                return;
            }
            Err(Error::HeldBack | Error::Defect) => {
                tracing::warn!(job = job.claim.job.0, "a job's result is deferred: its call is held back");
                return engine.set_job_aside(job.claim).await;
            }
            Err(error) => {
                tracing::warn!(job = job.claim.job.0, %error, "a job's result could not be stored; retrying");
            }
        }
        tokio::time::sleep(Duration::from_millis(backoff.0)).await;
        backoff = Millis(backoff.0 * 2).min(LONGEST_PAUSE);
    }
}

/// An outcome without personal data.
fn shown(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok
        | Outcome::PingCreated(_)
        | Outcome::TaskRead { .. }
        | Outcome::TaskLookedUp(_)
        | Outcome::Number { .. }
        | Outcome::Polled(_)
        | Outcome::ReservationsRead { .. }
        | Outcome::Activity { .. } => "done",
        Outcome::Gone => "gone",
        Outcome::Overtaken | Outcome::AgentFound(_) => "overtaken",
        Outcome::Failed { .. } => "failed",
    }
}
