//! Carries out jobs: the machine's actions at Twilio, from the durable queue.
//!
//! A job begins as soon as it is committed. It is retried while that can help and still makes sense; a job that may
//! have had its effect is looked up before it is repeated, and one that was overtaken meanwhile is not done at all.
//! Its outcome is an event for the machine, committed together with the end of the job.
//!
//! The server that commits a job carries it out, if it has room. All other jobs are taken from the store: those that
//! found no room, and those of servers that are gone. A job that is no longer ours is dropped at once.

mod ended;
mod requests;

use self::ended::{alert, failed, report};
use self::requests::{Requests, told};
use crate::engine::Handle;
use crate::error::Error;
use crate::execute::{Before, Executor};
use crate::jobs::{ANSWERED_WITHIN, Inside, Job, Rooms};
use crate::lease::Ours;
use crate::pace::{Crowd, Turns};
use crate::retry::{self, Cure};
use crate::stopping::Stopping;
use crate::store::{JobId, Store};
use crate::story::Entry;
use crate::way::with_task;
use rejoin_protocol::Millis;
use rejoin_recovery::{Call, LostReply, Machine, Outcome, Policies};
use rejoin_twilio::Error as TwilioError;
use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinSet};
use tokio::time::MissedTickBehavior;
use tracing::Instrument as _;

/// Delay before the first retry; each retry doubles it, up to the longest.
const FIRST_PAUSE: Millis = Millis(200);
const LONGEST_PAUSE: Millis = Millis(5000);
/// The same where a customer's line may drop meanwhile, or the customer hears nothing.
const LONGEST_URGENT: Millis = Millis(2000);

/// Maximum number of jobs of each crowd that a server has at once, waiting for a retry or for their turn.
pub const HELD: usize = 4096;
/// How long after its commit a job begins without a check whether it is still wanted.
const FRESH: Millis = Millis(100);
/// How often free jobs are searched for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same while this server has none and no other one can leave any.
const LOOK_ALONE: Duration = Duration::from_secs(5);
/// How long jobs in progress may take when the server stops: others should continue within a second.
const LAST_ATTEMPTS: Duration = Duration::from_millis(500);

/// What jobs need.
struct Parts {
    executor: Executor,
    engine: Handle,
    store: Store,
    turns: Turns,
    rooms: Rooms,
}

/// Runs jobs until the server stops. Jobs in progress then get a moment to end; the others are in the store, for
/// other servers.
pub(crate) async fn run(
    wanted: Inside,
    executor: Executor,
    engine: Handle,
    store: Store,
    turns: Turns,
    stopping: Stopping,
) {
    let Inside { mut jobs, rooms } = wanted;
    let parts = Arc::new(Parts { executor, engine, store, turns, rooms });
    let mut running = JoinSet::new();
    let mut held: HashMap<task::Id, JobId> = HashMap::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_quiet = false;
    loop {
        let begin = tokio::select! {
            biased;
            () = stopping.said() => break,
            Some(ended) = running.join_next_with_id() => {
                let id = match &ended {
                    Ok((id, ())) => *id,
                    Err(error) => {
                        tracing::error!(%error, "a job panicked; it is retried shortly");
                        error.id()
                    }
                };
                held.remove(&id);
                vec![]
            }
            _ = look.tick() => {
                let claimed = claim(&parts, &held).await;
                let nothing = claimed.as_ref().is_some_and(Vec::is_empty);
                is_quiet = nothing && held.is_empty() && !parts.store.is_shared();
                if is_quiet {
                    look.reset_after(LOOK_ALONE);
                }
                claimed.unwrap_or_default()
            }
            job = jobs.recv() => match job {
                Some(job) => vec![job],
                None => break,
            },
        };
        if is_quiet && !begin.is_empty() {
            // From now on there may be jobs without room.
            is_quiet = false;
            look.reset_after(LOOK_EVERY);
        }
        for job in begin {
            report_loss(&parts.turns, &job);
            let (id, parts) = (job.claim.job, Arc::clone(&parts));
            let recovery = job.recovery.as_ref().map(|(recovery, _)| tracing::field::display(recovery));
            // At every level: each line about the job carries these fields.
            let span = tracing::error_span!("job", recovery);
            let surroundings = parts.store.surroundings().clone();
            let work = async move {
                let requests = Arc::new(Requests::new(parts.store.surroundings()));
                let outcome = carry_out(&parts, &job, &requests).await;
                let made = requests.take(&job);
                if let Some(outcome) = outcome {
                    report(&parts.engine, job, outcome, made).await;
                } else {
                    parts.engine.tell(made).await;
                    tracing::info!(job = job.claim.job.0, conference = %job.conference, "the job is left to whoever takes it");
                }
            };
            let task = running.spawn(surroundings.task(work.instrument(span)));
            held.insert(task.id(), id);
        }
    }
    // Later decisions are not for this server.
    drop(jobs);
    let last = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_ATTEMPTS, last).await.is_err() {
        tracing::info!(jobs = running.len(), "unfinished jobs are left to other servers");
    }
}

/// Reports a loss to the pace: a job that keeps a line, or makes an announcement, follows from one.
fn report_loss(turns: &Turns, job: &Job) {
    if let Some((recovery, _)) = &job.recovery
        && job.action.traits().shows_loss
    {
        turns.lost(recovery.clone());
    }
}

/// Takes free jobs, as far as there is room; `None`: not all of them can be read.
async fn claim(parts: &Parts, held: &HashMap<task::Id, JobId>) -> Option<Vec<Job>> {
    let free = |crowd| parts.rooms.free(crowd);
    // One query as long as there is room for everything.
    let (wide, narrow): (Vec<_>, Vec<_>) = Crowd::ALL.into_iter().partition(|crowd| free(*crowd) >= HELD / 2);
    let narrow = narrow.into_iter().map(|crowd| (vec![crowd], free(crowd)));
    let (mut claimed, mut is_read) = (vec![], true);
    for (crowds, room) in iter::once((wide, HELD / 2)).chain(narrow) {
        if crowds.is_empty() || room == 0 {
            continue;
        }
        match parts.store.claim(held.values().copied(), &crowds, room).await {
            Ok(more) => claimed.extend(more),
            Err(error) => {
                tracing::warn!(%error, "jobs cannot be read; retrying");
                is_read = false;
                break;
            }
        }
    }
    if claimed.is_empty() {
        return is_read.then(Vec::new);
    }
    tracing::info!(jobs = claimed.len(), "taking over jobs without an owner");
    let now = parts.store.now();
    let conferences = claimed.iter().map(|job| job.conference.clone());
    let with_calls = |machine: &Machine| {
        let taken = claimed.iter().map(|job| {
            let place = parts.rooms.place(&job.action);
            Job::new(machine.call(&job.conference), job.clone(), now, place)
        });
        taken.collect()
    };
    let jobs: Vec<Job> = match parts.engine.look_at_readable(conferences, with_calls).await {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::warn!(%error, "the calls of jobs cannot be read; retrying shortly");
            return None;
        }
    };
    let taken_up = |job: &Job| {
        let (id, action) = (job.claim.job.0, job.action.name().into());
        let entry = Entry::TakenUp { job: id, action, begun_before: job.begun_before };
        told(job, job.since, entry)
    };
    parts.engine.tell(jobs.iter().map(taken_up).collect()).await;
    Some(jobs)
}

/// From the first attempt to the outcome; `None`: another server has the job.
async fn carry_out(parts: &Parts, job: &Job, requests: &Arc<Requests>) -> Option<Outcome> {
    let mut begun = job.begun_before;
    let mut may_have_acted = job.begun_before;
    let mut backoff = FIRST_PAUSE;
    let mut last = None;
    loop {
        let error = match attempt(parts, job, begun, &mut may_have_acted, requests).await {
            Ok(Attempt::Ended(outcome)) => return Some(outcome),
            Ok(Attempt::TooLate) => return Some(failed(job, last.as_ref())),
            Ok(Attempt::Lost) | Err(TwilioError::Withheld) => return None,
            Ok(Attempt::Waits) => {
                if parts.store.now() >= job.deadline {
                    return Some(failed(job, last.as_ref()));
                }
                let pause = pause(backoff, parts.store.surroundings().number());
                backoff = Millis(backoff.0 * 2).min(LONGEST_URGENT);
                tokio::time::sleep(Duration::from_millis(pause.0)).await;
                continue;
            }
            Err(error) => error,
        };
        let (least, patient, alarm) = match retry::cure(&job.action, &error) {
            Cure::Again { pause, patient, alarm } => (pause, patient, alarm),
            Cure::Gone => return Some(Outcome::Gone),
            Cure::Never => {
                tracing::warn!(job = job.claim.job.0, conference = %job.conference, %error, "a request to Twilio is given up: it was refused for good; the recovery goes on with its next step (rejoin given-up)");
                return Some(failed(job, Some(&error)));
            }
        };
        if alarm {
            alert(&error, parts.store.now());
        }
        // A job that only waits for its turn has not begun.
        begun |= !patient;
        may_have_acted |= error.may_have_acted();
        let now = parts.store.now();
        let beyond = if patient { retry::PATIENT } else { Millis(0) };
        let look = if may_have_acted { job.action.traits().looked_up_for } else { Millis(0) };
        let until = job.deadline + beyond.max(look);
        if now >= until {
            return Some(failed(job, Some(&error)));
        }
        // A throttled job waits for its turn, where the pace keeps it.
        let waits = least > Millis(0);
        let pause = if waits {
            pause(backoff.max(least), parts.store.surroundings().number()).min(now.until(until))
        } else {
            Millis(0)
        };
        tracing::info!(job = job.claim.job.0, conference = %job.conference, %error, pause_ms = pause.0, "repeated later");
        let mut made = requests.take(job);
        let (id, action) = (job.claim.job.0, job.action.name().into());
        let entry = Entry::Again { job: id, action, error: error.to_string(), pause_ms: pause.0 };
        made.push(told(job, now, entry));
        parts.engine.tell(made).await;
        last = Some(error);
        if waits {
            let longest = if job.action.traits().rank.is_urgent() { LONGEST_URGENT } else { LONGEST_PAUSE };
            backoff = Millis(backoff.0 * 2).min(longest);
            tokio::time::sleep(Duration::from_millis(pause.0)).await;
        }
    }
}

/// The result of an attempt that Twilio did not refuse.
enum Attempt {
    Ended(Outcome),
    /// It no longer makes sense.
    TooLate,
    /// The store cannot say whether it is still wanted. Nothing was done.
    Waits,
    /// Another server has the job.
    Lost,
}

/// Whether a job should still be done.
enum Wanted {
    /// Yes, as far as is known. With its call, if that could be looked up.
    Yes(Option<Box<Call>>),
    /// No: it was overtaken.
    No,
    /// Not by us: another server has it.
    Lost,
    /// The store cannot say, and it must not be done without a check.
    Unknown,
}

/// One attempt.
async fn attempt(
    parts: &Parts,
    job: &Job,
    begun: bool,
    may_have_acted: &mut bool,
    requests: &Arc<Requests>,
) -> Result<Attempt, TwilioError> {
    let turns = parts.turns.of_attempt(&job.action, *may_have_acted, job.waits_since()).await;
    let executor = parts.executor.through(Arc::new(Ours::new(turns, parts.store.clone(), job)));
    let executor = executor.seen_by(Arc::clone(requests) as Arc<_>);
    if *may_have_acted {
        if let Some(outcome) = executor.look(job).await? {
            return Ok(Attempt::Ended(outcome));
        }
        *may_have_acted = job.action.traits().lost_reply == LostReply::RepeatOrUndo;
    }
    if begun && parts.store.now() >= job.deadline {
        return Ok(Attempt::TooLate);
    }
    let is_fresh = !begun && job.since.until(parts.store.now()) < FRESH;
    if is_fresh && !job.action.traits().needs_call {
        return request(parts, &executor, job, None).await; // it was wanted a moment ago
    }
    let mut wanted = is_wanted(parts, job).await;
    let mut read = None;
    if let Wanted::Yes(Some(call)) = &wanted {
        read = executor.read_before(job, call).await?;
    }
    if read.is_some() {
        wanted = is_wanted(parts, job).await; // an agent may have joined while the task was read
    }
    if let Wanted::Yes(Some(call)) = &wanted {
        match executor.ask_before(job, call).await? {
            Before::Ended(outcome) => return Ok(Attempt::Ended(outcome)),
            // While Twilio was asked, an event may have reported that the agent has the customer, or has lost them
            // again.
            Before::GoesOn => wanted = is_wanted(parts, job).await,
            Before::NotAsked => {}
        }
    }
    match wanted {
        Wanted::Yes(call) => {
            let with_task = |call: Box<Call>| match read {
                Some(task) => with_task(*call, task),
                None => *call,
            };
            request(parts, &executor, job, call.map(with_task)).await
        }
        Wanted::No if *may_have_acted => {
            let reason = "no longer wanted, and unknown whether it was done".into();
            Ok(Attempt::Ended(Outcome::Failed { reason }))
        }
        Wanted::No => Ok(Attempt::Ended(Outcome::Overtaken)),
        Wanted::Lost => Ok(Attempt::Lost),
        Wanted::Unknown => Ok(Attempt::Waits),
    }
}

async fn request(
    parts: &Parts,
    executor: &Executor,
    job: &Job,
    call: Option<Call>,
) -> Result<Attempt, TwilioError> {
    let surroundings = parts.store.surroundings();
    surroundings.reach(|| format!("request for {}", job.action.name())).await;
    let answer = executor.carry_out(job, call).await;
    surroundings.reach(|| format!("answer to {}", job.action.name())).await;
    answer.map(Attempt::Ended)
}

/// Whether the job is still wanted: it may have waited long for its turn, or for its retry.
async fn is_wanted(parts: &Parts, job: &Job) -> Wanted {
    let asked = tokio::time::timeout(ANSWERED_WITHIN, parts.store.call_of(job.claim)).await;
    match asked {
        Ok(Ok(Some(Some(call)))) => {
            let machine = Machine::new(Policies::default(), [call.clone()]);
            let is_wanted = machine.wants(&job.conference, &job.action);
            if is_wanted { Wanted::Yes(Some(Box::new(call))) } else { Wanted::No }
        }
        // The call is forgotten, and what the job tidies up still stands.
        Ok(Ok(Some(None))) if job.action.traits().tidies_up => Wanted::Yes(None),
        Ok(Ok(Some(None))) => Wanted::No,
        Ok(Ok(None)) => Wanted::Lost,
        // The job waits until its call is no longer held back.
        Ok(Err(Error::HeldBack)) => {
            parts.engine.set_job_aside(job.claim).await;
            Wanted::Lost
        }
        Ok(Err(_)) | Err(_) if job.action.traits().needs_store => Wanted::Unknown,
        // The store does not answer: the job is done as if still wanted.
        Ok(Err(_)) | Err(_) => Wanted::Yes(None),
    }
}

/// Exponential backoff with jitter, so that jobs do not all return at once.
fn pause(backoff: Millis, random: u64) -> Millis {
    Millis(backoff.0 / 2 + random % (backoff.0 / 2 + 1))
}
