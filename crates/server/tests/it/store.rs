//! The store and the engine on real files, with sudden ends.

use crate::support::*;
use rejoin_protocol::api::{GracefulMark, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEvent, ConferenceEventKind, Config, Event, LeaveReason, Note, Outcome,
    Timer,
};
use rejoin_server::Error;
use rejoin_server::engine::{Engine, Handle, Outlets, now};
use rejoin_server::push::Pushes;
use rejoin_server::queue::Job;
use rejoin_server::store::{Change, Line, Store};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("rejoin.db").display())
}

fn complete(number: u128) -> Action {
    Action::CompleteReservation {
        task: TaskSid::numbered(number),
        reservation: rejoin_protocol::ReservationSid::numbered(number),
    }
}

fn job(action: Action) -> Change {
    Change::AddJob { conference: conference(), action, deadline: Millis(50) }
}

#[tokio::test]
async fn what_may_be_done_once_is_stored_once_until_the_call_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&url(folder.path())).await.unwrap();
    let announce = Action::Announce { conference: conference(), what: Announcement::Comfort };
    let changes =
        [job(complete(1)), job(complete(1)), job(complete(2)), job(announce.clone()), job(announce)];
    let added = store.commit(Millis(1), &changes).await.unwrap();
    let known: Vec<bool> = added.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, true, true, true]);

    // A closed job counts, too, also after reopening.
    store.commit(Millis(2), &[Change::CloseJob(added[0].unwrap())]).await.unwrap();
    drop(store);
    let mut store = Store::open(&url(folder.path())).await.unwrap();
    assert_eq!(store.load().await.unwrap().jobs.len(), 3, "the open ones");
    assert_eq!(store.commit(Millis(3), &[job(complete(1))]).await.unwrap(), [None]);
    store.commit(Millis(4), &[Change::Forget(conference())]).await.unwrap();
    assert!(store.commit(Millis(5), &[job(complete(1))]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&url(folder.path())).await.unwrap();
    let set = |n: u128| Change::SetTimer {
        conference: ConferenceSid::numbered(n),
        timer: Timer::Ping,
        at: Millis(9),
    };
    store.commit(Millis(1), &[set(1)]).await.unwrap();
    let other = sqlx::SqlitePool::connect(&url(folder.path())).await.unwrap();
    sqlx::query("create trigger refuse before insert on notes begin select raise(abort, 'full'); end")
        .execute(&other)
        .await
        .unwrap();
    let line = Line { at: Millis(1), conference: conference(), note: Note::Connected };
    let refused = store.commit(Millis(2), &[set(2), Change::AddLine { customer: None, line }]).await;
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    let timers = store.load().await.unwrap().timers;
    assert_eq!(timers, [(ConferenceSid::numbered(1), Timer::Ping, Millis(9))]);
}

#[tokio::test]
async fn only_who_runs_the_server_can_read_what_it_stores() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&url(folder.path())).await.unwrap();
    let timer = Change::SetTimer { conference: conference(), timer: Timer::Ping, at: Millis(9) };
    store.commit(Millis(1), &[timer]).await.unwrap();
    for name in ["rejoin.db", "rejoin.db-wal"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url(folder.path())).await.unwrap();
    assert!(matches!(Store::open(&url(folder.path())).await, Err(Error::InUse)));
    drop(store);
    assert!(Store::open(&url(folder.path())).await.is_ok());
}

#[tokio::test]
async fn a_timeline_has_the_lines_from_before_the_customer_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&url(folder.path())).await.unwrap();
    let line = |at, conference, customer: Option<CallSid>, note| Change::AddLine {
        customer,
        line: Line { at: Millis(at), conference: ConferenceSid::numbered(conference), note },
    };
    let changes = [
        line(1, 1, None, Note::AgentLost),
        line(2, 2, None, Note::AgentLeft),
        line(3, 1, Some(customer()), Note::Connected),
        line(4, 3, Some(customer()), Note::Connected),
        line(5, 2, Some(CallSid::numbered(77)), Note::CallEnded),
    ];
    store.commit(Millis(1), &changes).await.unwrap();
    let lines = store.timelines().of(&customer()).await.unwrap();
    assert_eq!(lines.iter().map(|(_, line)| line.at.0).collect::<Vec<_>>(), [1, 3, 4]);
}

struct Running {
    handle: Handle,
    task: JoinHandle<Result<(), Error>>,
    jobs: mpsc::UnboundedReceiver<Job>,
}

impl Running {
    async fn start(folder: &Path) -> Self {
        Self::with_grace(folder, Millis(30)).await
    }

    async fn with_grace(folder: &Path, grace: Millis) -> Self {
        let (sender, jobs) = mpsc::unbounded_channel();
        let outlets = Outlets { pushes: Pushes::new(1), lines: broadcast::channel(64).0, jobs: sender };
        let store = Store::open(&url(folder)).await.unwrap();
        let config = Config { grace, ..Config::default() };
        let (handle, task) = Engine::start(config.into(), store, outlets).await.unwrap();
        Self { handle, task, jobs }
    }

    /// Ends it in the middle of whatever it does.
    async fn end_suddenly(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    async fn next_job(&mut self) -> Job {
        tokio::time::timeout(Duration::from_secs(20), self.jobs.recv()).await.expect("a job").unwrap()
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
        self.handle.event(Event::Registered { worker: ada(), registration }).await.unwrap();
        let kind = ConferenceEventKind::Leave { leg: ada_leg(), reason: LeaveReason::HungUp };
        let event =
            ConferenceEvent { conference: conference(), task: Some(task()), sequence: 3, label: None, kind };
        self.handle.event(Event::Conference(event)).await.unwrap();
    }

    async fn stage(&self) -> Option<String> {
        let views = self.handle.read(|machine| machine.views(now(), &ada())).await.unwrap();
        let stage = serde_json::to_value(&views.first()?.stage).unwrap();
        Some(stage["name"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_timer_that_became_due_while_nobody_ran_goes_off_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path()).await;
    first.lose_ada().await;
    first.end_suddenly().await;
    let mut second = Running::start(folder.path()).await;
    assert_eq!(second.stage().await.as_deref(), Some("interrupted"), "the call is known again");
    let job = second.next_job().await;
    assert!(matches!(job.action, Action::Announce { what: Announcement::Interrupted, .. }), "{job:?}");
    assert!(!job.begun_before, "the period of grace ended only now");
    assert_eq!(job.recovery.map(|(id, _)| id), Some(recovery()));
}

#[tokio::test]
async fn jobs_go_on_after_a_sudden_end_and_those_that_ended_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path()).await;
    first.lose_ada().await;
    let mut jobs = vec![];
    for _ in 0..4 {
        jobs.push(first.next_job().await);
    }
    let ended = jobs.iter().position(|job| matches!(job.action, Action::CreatePing { .. })).unwrap();
    let ended = jobs.remove(ended);
    let done = Event::Done {
        conference: ended.conference.clone(),
        action: ended.action.clone(),
        outcome: Outcome::PingCreated(ping()),
    };
    first.handle.done(ended.id, done).await.unwrap();
    first.end_suddenly().await;

    let mut second = Running::start(folder.path()).await;
    let mut again = vec![];
    for _ in 0..3 {
        again.push(second.next_job().await);
    }
    assert!(again.iter().all(|job| job.begun_before));
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&jobs));
    let read = second.handle.read(|machine| machine.call(&conference())?.recovery.clone()?.ping);
    let known = read.await.unwrap();
    assert_eq!(known, Some(ping()), "how the ended one ended is known");
    assert!(second.jobs.try_recv().is_err(), "and it is not begun again");
}

#[tokio::test]
async fn when_a_commit_fails_nothing_has_happened() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).await;
    let other = sqlx::SqlitePool::connect(&url(folder.path())).await.unwrap();
    let refuse = "create trigger refuse before insert on calls begin select raise(abort, 'full'); end";
    sqlx::query(refuse).execute(&other).await.unwrap();
    let kind = ConferenceEventKind::Join { leg: customer(), flags: Default::default() };
    let event =
        ConferenceEvent { conference: conference(), task: Some(task()), sequence: 1, label: None, kind };
    let refused = running.handle.event(Event::Conference(event.clone())).await;
    assert!(matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    assert!(running.handle.read(|machine| machine.call(&conference()).is_none()).await.unwrap());

    sqlx::query("drop trigger refuse").execute(&other).await.unwrap();
    running.handle.event(Event::Conference(event)).await.unwrap();
    assert!(running.handle.read(|machine| machine.call(&conference()).is_some()).await.unwrap());
    running.lose_ada().await;
    running.next_job().await;
}

#[tokio::test]
async fn a_mark_that_came_in_time_wins_however_long_it_had_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::with_grace(folder.path(), Millis(400)).await;
    let other = sqlx::SqlitePool::connect(&url(folder.path())).await.unwrap();
    running.lose_ada().await;
    // The engine has to pause for half a second.
    let refuse = "create trigger refuse before insert on calls begin select raise(abort, 'full'); end";
    sqlx::query(refuse).execute(&other).await.unwrap();
    let kind = ConferenceEventKind::Join { leg: CallSid::numbered(9), flags: Default::default() };
    let (conference, task_of) = (ConferenceSid::numbered(9), Some(TaskSid::numbered(9)));
    let event = ConferenceEvent { conference, task: task_of, sequence: 1, label: None, kind };
    let refused = running.handle.event(Event::Conference(event)).await;
    assert!(matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    sqlx::query("drop trigger refuse").execute(&other).await.unwrap();
    // Meanwhile the mark comes, and then its period of grace ends.
    let reason = rejoin_protocol::api::GracefulReason::HangUp;
    let mark = GracefulMark { id: None, task: task(), reservation: reservation(), reason };
    running.handle.event(Event::Graceful { worker: ada(), mark }).await.unwrap();
    assert_eq!(running.stage().await.as_deref(), Some("graceful"));
}

#[tokio::test]
async fn many_at_once_are_all_durable_when_they_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..500_u128 {
        let handle = running.handle.clone();
        waiting.spawn(async move {
            let kind =
                ConferenceEventKind::Join { leg: CallSid::numbered(number), flags: Default::default() };
            let conference = ConferenceSid::numbered(number + 10);
            let event = ConferenceEvent {
                conference,
                task: Some(TaskSid::numbered(number)),
                sequence: 1,
                label: None,
                kind,
            };
            handle.event(Event::Conference(event)).await
        });
    }
    while let Some(answer) = waiting.join_next().await {
        answer.unwrap().unwrap();
    }
    running.end_suddenly().await;
    let stored = Store::open(&url(folder.path())).await.unwrap().load().await.unwrap();
    assert_eq!(stored.calls.len(), 500);
    assert_eq!(stored.timers.len(), 2 * 500, "each is looked up, and watched");
}
