//! The engine on real databases, with sudden ends.

use crate::database::Database;
use crate::places::{Place, on_all};
use crate::support::*;
use rejoin_protocol::api::{GracefulMark, GracefulReason, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Config, EarlyMark, Event, Key, LeaveReason, Machine,
    Outcome,
};
use rejoin_server::Error;
use rejoin_server::engine::{Engine, Handle, Outlets};
use rejoin_server::pace::{Crowd, rank};
use rejoin_server::push::Pushes;
use rejoin_server::queue::{Door, Inside, Job};
use rejoin_server::store::{Batch, Changes, Found, Store, StoredJob};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

on_all!(
    a_timer_that_became_due_while_nobody_ran_goes_off_at_the_start,
    jobs_go_on_after_a_sudden_end_and_those_that_ended_do_not,
    when_a_commit_fails_nothing_has_happened,
    many_at_once_are_all_durable_when_they_are_answered,
    jobs_for_which_there_is_no_room_are_for_others,
    a_task_that_was_read_is_told_when_it_is_committed,
    a_mark_that_comes_before_the_first_callback_survives_and_counts,
    a_mark_that_was_taken_while_another_server_began_the_call_counts,
);

/// Whoever is started looks after what it was not told meanwhile.
fn looks(action: &Action) -> bool {
    matches!(action, Action::Look { .. })
}

struct Running {
    handle: Handle,
    task: JoinHandle<()>,
    store: Store,
    jobs: Inside,
}

impl Running {
    async fn start(database: &Place) -> Self {
        Self::with(database, Millis(30), 64).await
    }

    async fn with(place: &Place, grace: Millis, room: usize) -> Self {
        Self::on(place.open().await.unwrap(), grace, room)
    }

    fn on(store: Store, grace: Millis, room: usize) -> Self {
        let (sender, jobs) = Door::new(room);
        let pushes = Pushes::new(store.clone());
        let outlets = Outlets { pushes, lines: broadcast::channel(64).0, jobs: sender };
        let config = Config { grace, ..Config::default() };
        let (handle, task) = Engine::start(config.into(), store.clone(), outlets);
        Self { handle, task, store, jobs }
    }

    /// Ends it in the middle of whatever it does.
    async fn end_suddenly(self) {
        self.task.abort();
        // What had begun may have ended, and nothing more begins.
        let _ = self.task.await;
    }

    /// Jobs of a server that ended suddenly, as soon as its lease is over.
    async fn taken_over(&self, jobs: usize) -> Vec<StoredJob> {
        let mut taken = vec![];
        while taken.len() < jobs {
            taken.extend(self.store.claim([], &Crowd::ALL, 100).await.unwrap());
            taken.retain(|job| !looks(&job.action));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        taken
    }

    async fn next_job(&mut self) -> Job {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.jobs.jobs.recv()).await;
            let job = next.expect("a job").unwrap();
            if !looks(&job.action) {
                return job;
            }
        }
    }

    /// Has it nothing more to do?
    fn is_idle(&mut self) -> bool {
        let mut rest = std::iter::from_fn(|| self.jobs.jobs.try_recv().ok());
        rest.all(|job| looks(&job.action))
    }

    async fn lose_ada(&self) {
        let registration = Registration {
            id: None,
            epoch: 1,
            task: task(),
            reservation: reservation(),
            workflow: workflow(),
            queue: None,
            conference: conference(),
            worker_leg: ada_leg(),
            customer_leg: customer(),
            worker_name: "Ada".into(),
        };
        let (sequence, kind) = (1, ConferenceEventKind::Start);
        let (of, owner) = (Some(task()), Some((reservation(), ada())));
        let begins =
            ConferenceEvent { conference: conference(), task: of, sequence, label: None, owner, kind };
        self.handle.event(Event::Conference(begins)).await.unwrap();
        self.handle.event(Event::Registered { worker: ada(), registration }).await.unwrap();
        let kind = ConferenceEventKind::Leave { leg: ada_leg(), reason: LeaveReason::HungUp };
        let event = ConferenceEvent {
            conference: conference(),
            task: Some(task()),
            sequence: 3,
            label: None,
            owner: None,
            kind,
        };
        self.handle.event(Event::Conference(event)).await.unwrap();
    }

    async fn stage(&self) -> Option<String> {
        let views = self.handle.look([Key::Worker(ada())], |machine| machine.views(now(), &ada())).await;
        let stage = serde_json::to_value(&views.unwrap().first()?.stage).unwrap();
        Some(stage["name"].as_str().unwrap().to_owned())
    }

    async fn is_known(&self) -> bool {
        let known = self
            .handle
            .look([Key::Conference(conference())], |machine| machine.call(&conference()).is_some());
        known.await.unwrap()
    }
}

fn joins(number: u128) -> Event {
    let kind = ConferenceEventKind::Join { leg: CallSid::numbered(number), flags: Default::default() };
    let (conference, task) = (ConferenceSid::numbered(number), Some(TaskSid::numbered(number)));
    Event::Conference(ConferenceEvent { conference, task, sequence: 1, label: None, owner: None, kind })
}

async fn a_task_that_was_read_is_told_when_it_is_committed(database: &Place) {
    let mut running = Running::with(database, Millis(0), 64).await;
    let mut tasks_read = running.handle.tasks_read();
    running.lose_ada().await;
    let marking = loop {
        let job = running.next_job().await;
        if matches!(job.action, Action::MarkTask { .. }) {
            break job;
        }
    };
    let is_awaited = async || {
        let look = |machine: &Machine| machine.call(&conference()).unwrap().is_task_awaited();
        running.handle.look([Key::Conference(conference())], look).await.unwrap()
    };
    assert!(is_awaited().await);
    let outcome = Outcome::TaskRead { attributes: r#"{"language":"de"}"#.into(), version: None };
    let read = Event::Done { conference: conference(), action: marking.action, outcome };
    running.handle.done(marking.claim, read, vec![]).await.unwrap();
    assert_eq!(tasks_read.recv().await, Ok(conference()));
    assert!(!is_awaited().await);
}

fn hangs_up() -> GracefulMark {
    GracefulMark { id: None, task: task(), reservation: reservation(), reason: GracefulReason::HangUp }
}

async fn early_marks(running: &Running) -> usize {
    let of_task = Batch { keys: [Key::Task(task())].into(), ..Batch::default() };
    let count = |found: Found| Ok((Changes::default(), found.early.len()));
    running.store.transact(&of_task, count).await.unwrap().1
}

/// The next job that is more than a question to Twilio.
async fn next_deed(running: &mut Running) -> Job {
    loop {
        let job = running.next_job().await;
        if !matches!(job.action, Action::FindOwners { .. } | Action::ReadTask { .. }) {
            return job;
        }
    }
}

async fn a_mark_that_comes_before_the_first_callback_survives_and_counts(database: &Place) {
    let first = Running::start(database).await;
    first.handle.event(Event::Graceful { worker: ada(), mark: hangs_up() }).await.unwrap();
    first.end_suddenly().await;
    let mut second = Running::start(database).await;
    assert_eq!(early_marks(&second).await, 1);
    second.lose_ada().await;
    assert_eq!(early_marks(&second).await, 0);
    let job = next_deed(&mut second).await;
    assert!(matches!(job.action, Action::EndConference { .. }), "nobody was lost: {job:?}");
    assert_eq!(second.stage().await, None);
}

async fn a_mark_that_was_taken_while_another_server_began_the_call_counts(database: &Place) {
    let mut running = Running::with(database, Millis::seconds(600), 64).await;
    running.lose_ada().await;
    assert_eq!(running.stage().await.as_deref(), Some("interrupted"));
    // The other one had not seen the call when it took the mark.
    let early = EarlyMark { worker: ada(), mark: hangs_up(), at: now() };
    let keep = |_: Found| {
        let mut changes = Changes::default();
        changes.early_marks([(early.key(), Some(early.clone()))]);
        Ok((changes, ()))
    };
    running.store.transact(&Batch::default(), keep).await.unwrap();
    let kind = ConferenceEventKind::Start;
    let event = ConferenceEvent {
        conference: conference(),
        task: Some(task()),
        sequence: 4,
        label: None,
        owner: None,
        kind,
    };
    running.handle.event(Event::Conference(event)).await.unwrap();
    assert_eq!(running.stage().await.as_deref(), Some("graceful"));
    let job = next_deed(&mut running).await;
    assert!(matches!(job.action, Action::EndConference { .. }), "{job:?}");
}

async fn a_timer_that_became_due_while_nobody_ran_goes_off_at_the_start(database: &Place) {
    let first = Running::start(database).await;
    first.lose_ada().await;
    first.end_suddenly().await;
    let mut second = Running::start(database).await;
    let job = second.next_job().await;
    assert!(matches!(job.action, Action::HoldCustomer { .. }), "{job:?}");
    assert!(!job.begun_before, "the period of grace ended only now");
    assert_eq!(job.recovery.map(|(id, _)| id), Some(recovery()));
    assert_eq!(second.stage().await.as_deref(), Some("interrupted"), "the call is known again");
}

async fn jobs_go_on_after_a_sudden_end_and_those_that_ended_do_not(database: &Place) {
    let mut first = Running::start(database).await;
    first.lose_ada().await;
    let mut jobs = vec![];
    for _ in 0..4 {
        jobs.push(first.next_job().await);
    }
    let ended = jobs.iter().position(|job| matches!(job.action, Action::CreatePing { .. })).unwrap();
    let ended = jobs.remove(ended);
    let done = || Event::Done {
        conference: ended.conference.clone(),
        action: ended.action.clone(),
        outcome: Outcome::PingCreated(ping()),
    };
    first.handle.done(ended.claim, done(), vec![]).await.unwrap();
    let again = first.handle.done(ended.claim, done(), vec![]).await;
    assert!(matches!(again, Err(Error::Lost)), "{again:?}");
    first.end_suddenly().await;

    let mut second = Running::start(database).await;
    let again = second.taken_over(3).await;
    assert!(again.iter().all(StoredJob::begun_before));
    let numbers = |claims: Vec<_>| claims.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(
        numbers(again.iter().map(|job| job.claim.job).collect()),
        numbers(jobs.iter().map(|job| job.claim.job).collect()),
        "all that had not ended, and not the one that had"
    );
    let known = second
        .handle
        .look([Key::Conference(conference())], |machine| machine.call(&conference())?.recovery.clone()?.ping);
    assert_eq!(known.await.unwrap(), Some(ping()), "how the ended one ended is known");
    assert!(second.is_idle(), "and it is not begun again");
    // Who had a job before can do nothing with it any more.
    let late = second.handle.done(jobs[0].claim, done(), vec![]).await;
    assert!(matches!(late, Err(Error::Lost)), "{late:?}");
}

async fn when_a_commit_fails_nothing_has_happened(database: &Place) {
    let mut running = Running::start(database).await;
    database.refuse("timers").await;
    let refused = running.handle.event(joins(1)).await;
    assert!(matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    assert!(!running.is_known().await);
    database.accept("timers").await;
    running.handle.event(joins(1)).await.unwrap();
    assert!(running.is_known().await);
    running.lose_ada().await;
    running.next_job().await;
}

async fn many_at_once_are_all_durable_when_they_are_answered(database: &Place) {
    let running = Running::start(database).await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..500_u128 {
        let handle = running.handle.clone();
        waiting.spawn(async move { handle.event(joins(number + 10)).await });
    }
    while let Some(answer) = waiting.join_next().await {
        answer.unwrap().unwrap();
    }
    running.end_suddenly().await;
    let store = database.open().await.unwrap();
    let keys = (0..500).map(|number| Key::Conference(ConferenceSid::numbered(number + 10))).collect();
    assert_eq!(store.find(&keys).await.unwrap().len(), 500);
    assert_eq!(store.next_timers(2000).await.unwrap().len(), 2 * 500, "each is looked up, and watched");
}

async fn jobs_for_which_there_is_no_room_are_for_others(database: &Place) {
    let mut running = Running::with(database, Millis(30), 1).await;
    running.lose_ada().await;
    let crowd = |action: &Action| rank(action).crowd();
    let mut mine = vec![];
    while !mine.iter().any(|job: &Job| matches!(job.action, Action::CreatePing { .. })) {
        mine.push(running.jobs.jobs.recv().await.unwrap());
    }
    let rest = running.taken_over(1).await;
    assert!(rest.iter().all(|job| crowd(&job.action) == Crowd::Others && !job.begun_before()), "{rest:?}");
    assert!(mine.iter().all(|job| rest.iter().all(|other| other.claim != job.claim)));
    let mut crowds: Vec<_> = mine.iter().map(|job| crowd(&job.action)).collect();
    crowds.sort_unstable();
    assert_eq!(crowds, [Crowd::Urgent, Crowd::KeptBack, Crowd::Others], "none keeps the others out");
}

/// While somebody else writes, the engine waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_came_in_time_wins_however_long_it_had_to_wait() {
    let database = Database::sqlite();
    let running = Running::on(Store::open(&database.url).await.unwrap(), Millis(400), 64);
    running.lose_ada().await;
    let beside = sqlx::SqlitePool::connect(&database.url).await.unwrap();
    let writing = beside.begin_with("begin immediate").await.unwrap();
    // Something else is on the way to the database, then the mark comes, and then its period of grace ends.
    let handle = running.handle.clone();
    let other = tokio::spawn(async move { handle.event(joins(9)).await });
    let reason = rejoin_protocol::api::GracefulReason::HangUp;
    let mark = GracefulMark { id: None, task: task(), reservation: reservation(), reason };
    let handle = running.handle.clone();
    let marked = tokio::spawn(async move { handle.event(Event::Graceful { worker: ada(), mark }).await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    writing.rollback().await.unwrap();
    other.await.unwrap().unwrap();
    marked.await.unwrap().unwrap();
    assert_eq!(running.stage().await.as_deref(), Some("graceful"));
}

/// The engine looks at the clock while it is wrong, and would sleep for as long as that says.
#[tokio::test(start_paused = true)]
async fn a_timer_goes_off_in_time_when_the_clock_is_set_right_again() {
    let mut running = Running::with(&Place::memory(false), Millis(2_000), 64).await;
    running.lose_ada().await;
    let clock = running.store.surroundings().clone();
    clock.set_clock(-60_000);
    running.handle.settled().await.unwrap();
    clock.set_clock(60_000);
    let job = next_deed(&mut running).await;
    assert!(matches!(job.action, Action::HoldCustomer { .. }), "{job:?}");
}
