//! The engine on real databases, with sudden ends.

use crate::database::Database;
use crate::places::{Place, on_all};
use crate::support::*;
use rejoin_protocol::api::{GracefulMark, GracefulReason, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Config, EarlyMark, Event, Key, LeaveReason, Machine,
    Outcome, ParticipantFlags,
};
use rejoin_server::Error;
use rejoin_server::engine::{Engine, Handle, Outlets};
use rejoin_server::jobs::{Door, Inside, Job};
use rejoin_server::pace::Crowd;
use rejoin_server::push::Pushes;
use rejoin_server::store::{Batch, Changes, Found, Store, StoredJob};
use rejoin_server::surroundings::Verdict;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    an_event_about_a_call_that_cannot_be_read_is_refused_and_others_are_taken,
);

/// A started server polls what it may have missed.
fn looks(action: &Action) -> bool {
    matches!(action, Action::PollConference { .. })
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

    /// Ends the engine in the middle of whatever it does.
    async fn end_suddenly(self) {
        self.task.abort();
        // What had begun may have ended, and nothing more begins.
        let _ = self.task.await;
    }

    /// Takes over jobs of a server that ended suddenly, as soon as its lease is over.
    async fn taken_over(&self, jobs: usize) -> Vec<StoredJob> {
        let mut taken = vec![];
        let are_taken = async {
            while taken.len() < jobs {
                taken.extend(self.store.claim([], &Crowd::ALL, 100).await.unwrap());
                taken.retain(|job| !looks(&job.action));
                look_again().await;
            }
        };
        in_time("they are taken over", are_taken).await;
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

    /// True when there is nothing more to do.
    fn is_idle(&mut self) -> bool {
        let mut rest = std::iter::from_fn(|| self.jobs.jobs.try_recv().ok());
        rest.all(|job| looks(&job.action))
    }

    async fn lose_ada(&self) {
        self.ada_talks().await;
        let kind = ConferenceEventKind::Leave { leg: ada_leg(), reason: LeaveReason::HungUp };
        let event = ConferenceEvent::new(conference(), Some(task()), 3, kind);
        self.handle.event(Event::Conference(event)).await.unwrap();
    }

    async fn ada_talks(&self) {
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
            answers_messages: false,
        };
        for (sequence, leg) in [(1, customer()), (2, ada_leg())] {
            let flags = ParticipantFlags::default();
            let joins = ConferenceEvent {
                owner: Some((reservation(), ada())),
                ..ConferenceEvent::new(
                    conference(),
                    Some(task()),
                    sequence,
                    ConferenceEventKind::Join { leg, flags },
                )
            };
            self.handle.event(Event::Conference(joins)).await.unwrap();
        }
        self.handle.event(Event::Registered { worker: ada(), registration }).await.unwrap();
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
    Event::Conference(ConferenceEvent::new(conference, task, 1, kind))
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
    let outcome =
        Outcome::TaskRead { attributes: r#"{"language":"de"}"#.into(), version: None, workflow: None };
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

/// The next job that changes something at Twilio.
async fn next_deed(running: &mut Running) -> Job {
    loop {
        let job = running.next_job().await;
        if !matches!(job.action, Action::ReadReservations { .. } | Action::ReadTask { .. }) {
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
    assert!(matches!(job.action, Action::EndConference { .. }), "no agent was lost: {job:?}");
    assert_eq!(second.stage().await, None);
}

async fn a_mark_that_was_taken_while_another_server_began_the_call_counts(database: &Place) {
    let mut running = Running::with(database, Millis::seconds(600), 64).await;
    running.lose_ada().await;
    assert_eq!(running.stage().await.as_deref(), Some("interrupted"));
    // The other server did not know the call when it accepted the mark.
    let early = EarlyMark { worker: ada(), mark: hangs_up(), at: now() };
    let keep = |_: Found| {
        let mut changes = Changes::default();
        changes.early_marks([(early.key(), Some(early.clone()))]);
        Ok((changes, ()))
    };
    running.store.transact(&Batch::default(), keep).await.unwrap();
    let kind = ConferenceEventKind::Start;
    let event = ConferenceEvent::new(conference(), Some(task()), 4, kind);
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
    let known = second.handle.look([Key::Conference(conference())], |machine| {
        machine.call(&conference())?.recovery.clone()?.ping.task
    });
    assert_eq!(known.await.unwrap(), Some(ping()), "how the ended one ended is known");
    assert!(second.is_idle(), "and it is not begun again");
    // The server that had a job before can do nothing with it any more.
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
    let crowd = |action: &Action| Crowd::of(action);
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

/// The engine waits while another transaction writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_came_in_time_wins_however_long_it_had_to_wait() {
    let database = Database::sqlite();
    let running = Running::on(Store::open(&database.url).await.unwrap(), Millis(400), 64);
    running.lose_ada().await;
    let beside = sqlx::SqlitePool::connect(&database.url).await.unwrap();
    let writing = beside.begin_with("begin immediate").await.unwrap();
    // An unrelated event is being written, then the mark arrives, and then its grace period ends.
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

/// A callback is missed while the store refuses everything for three seconds. The engine checks four times a second
/// whether the store accepts writes again: one without a pause would never come to the end of those seconds.
#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_is_retried_with_pauses() {
    const AT_MOST: u64 = 100;
    let refuses = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let verdict = {
        let (refuses, asked) = (Arc::clone(&refuses), Arc::clone(&asked));
        move |step: &str| {
            let is_refused = refuses.load(Ordering::Relaxed) && step.starts_with("asking the store");
            // The test ends, however often the store is asked.
            let refused = is_refused && asked.fetch_add(1, Ordering::Relaxed) < 10 * AT_MOST;
            if refused { Verdict::Refuse } else { Verdict::GoOn }
        }
    };
    let store = Place::memory(false).open_where(verdict).await.unwrap();
    let running = Running::on(store, Millis(500), 64);
    running.lose_ada().await; // a timer is due while the store refuses
    refuses.store(true, Ordering::Relaxed);
    running.handle.event(leaves()).await.expect_err("it is refused");
    tokio::time::sleep(Duration::from_secs(3)).await;
    refuses.store(false, Ordering::Relaxed);
    let asked = asked.load(Ordering::Relaxed);
    assert!((6..AT_MOST).contains(&asked), "asked {asked} times in three seconds");
}

/// The engine reads the clock while it is wrong, and would sleep for as long as that says.
#[tokio::test(start_paused = true)]
async fn a_timer_goes_off_in_time_after_the_clock_is_corrected() {
    let mut running = Running::with(&Place::memory(false), Millis(2_000), 64).await;
    running.lose_ada().await;
    let clock = running.store.surroundings().clone();
    clock.set_clock(-60_000);
    running.handle.settled().await.unwrap();
    clock.set_clock(60_000);
    let job = next_deed(&mut running).await;
    assert!(matches!(job.action, Action::HoldCustomer { .. }), "{job:?}");
}

fn leaves() -> Event {
    let kind = ConferenceEventKind::Leave { leg: ada_leg(), reason: LeaveReason::HungUp };
    let (task, sequence) = (Some(task()), 9);
    Event::Conference(ConferenceEvent::new(conference(), task, sequence, kind))
}

async fn an_event_about_a_call_that_cannot_be_read_is_refused_and_others_are_taken(database: &Place) {
    let mut running = Running::with(database, Millis(30), 64).await;
    running.lose_ada().await;
    let pinging = loop {
        let job = running.next_job().await;
        if matches!(job.action, Action::CreatePing { .. }) {
            break job;
        }
    };
    let state = running.store.find(&[Key::Conference(conference())].into()).await.unwrap();
    let state = serde_json::to_string(&state[0]).unwrap();
    database.put_state(&conference(), r#"{"format":99}"#).await;
    let (about_it, other) = tokio::join!(running.handle.event(leaves()), running.handle.event(joins(9)));
    assert!(matches!(about_it, Err(Error::HeldBack)), "{about_it:?}");
    other.unwrap();
    let outcome = Outcome::PingCreated(ping());
    let done = Event::Done { conference: conference(), action: pinging.action, outcome };
    let done = || running.handle.done(pinging.claim, done.clone(), vec![]);
    assert!(matches!(done().await, Err(Error::HeldBack)));
    // A page reports several calls, and the others count.
    let holding = |number| rejoin_protocol::api::Holding {
        task: TaskSid::numbered(number),
        reservation: rejoin_protocol::ReservationSid::numbered(number),
        wrapping: true,
        can_join: false,
        other_browser: false,
    };
    let hello = |holdings: &[u128]| {
        let holdings = holdings.iter().map(|number| holding(*number)).collect();
        let hello =
            rejoin_protocol::api::Hello { epoch: 2, holdings, unavailable: false, accepts_ping: false };
        running.handle.event(Event::Hello { worker: ada(), hello, older_page_connected: false })
    };
    assert!(matches!(hello(&[1]).await, Err(Error::HeldBack)));
    hello(&[1, 9]).await.unwrap();
    hello(&[]).await.unwrap();
    // Nothing of it was lost.
    database.put_state(&conference(), &state).await;
    done().await.unwrap();
    running.handle.event(leaves()).await.unwrap();
    assert_eq!(running.stage().await.as_deref(), Some("interrupted"));
}

mod with_defects {
    use super::*;
    use crate::places::in_worlds;
    use rejoin_recovery::Timer;
    use rejoin_server::surroundings::Listener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    in_worlds!(
        an_event_that_panics_stops_its_call_alone_until_it_is_released,
        a_timer_that_panics_does_not_go_off_again_and_again,
        an_event_is_committed_although_a_timer_that_it_sets_panics,
        an_event_that_panics_without_a_call_changes_nothing,
    );

    /// Handling this event panics. Returns how often it happened.
    fn defect(is_met: impl Fn(&Event) -> bool + Send + Sync + 'static) -> (Listener, Arc<AtomicU32>) {
        let met = Arc::<AtomicU32>::default();
        let count = Arc::clone(&met);
        let listener: Listener = Arc::new(move |_, event, _| {
            if is_met(event) {
                count.fetch_add(1, Ordering::Relaxed);
                panic!("put in");
            }
        });
        (listener, met)
    }

    async fn an_event_that_panics_stops_its_call_alone_until_it_is_released(place: &Place) {
        let (listener, met) = defect(|event| *event == leaves());
        let first = Running::on(place.open_heard_by(listener).await.unwrap(), Millis::seconds(600), 64);
        first.lose_ada().await;
        first.handle.event(joins(8)).await.unwrap();
        let (before, guilty, after) = tokio::join!(
            first.handle.event(joins(7)),
            first.handle.event(leaves()),
            first.handle.event(joins(9))
        );
        assert!(matches!(guilty, Err(Error::Defect)), "{guilty:?}");
        before.unwrap();
        after.unwrap();
        let times = met.load(Ordering::Relaxed);
        let again = first.handle.event(leaves()).await;
        assert!(matches!(again, Err(Error::HeldBack)), "{again:?}");
        assert_eq!(met.load(Ordering::Relaxed), times, "it is not met again");
        first.store.surroundings().kill();
        first.end_suddenly().await;

        let second = Running::on(place.open().await.unwrap(), Millis(30), 64);
        let again = second.handle.event(leaves()).await;
        assert!(matches!(again, Err(Error::HeldBack)), "{again:?}");
        assert_eq!(second.stage().await.as_deref(), Some("interrupted"), "it is as it was");
        let other = ConferenceSid::numbered(9);
        assert!(!second.handle.release(other).await.unwrap(), "that one goes on");
        assert!(second.handle.release(conference()).await.unwrap());
        second.handle.event(leaves()).await.unwrap();
        assert!(second.store.held_back().await.unwrap().calls.is_empty());
    }

    async fn a_timer_that_panics_does_not_go_off_again_and_again(place: &Place) {
        let is_met = |event: &Event| matches!(event, Event::Timer { timer: Timer::Grace, .. });
        let (listener, met) = defect(is_met);
        let running = Running::on(place.open_heard_by(listener).await.unwrap(), Millis(1), 64);
        running.lose_ada().await;
        let is_held_back = async || !running.store.held_back().await.unwrap().calls.is_empty();
        until_so("the call is held back", is_held_back).await;
        let times = met.load(Ordering::Relaxed);
        for number in 7..17 {
            running.handle.event(joins(number)).await.unwrap();
        }
        let held_back = running.handle.event(leaves()).await;
        assert!(matches!(held_back, Err(Error::HeldBack)), "{held_back:?}");
        assert_eq!(met.load(Ordering::Relaxed), times);
        let room = Batch { keys: [Key::Conference(conference())].into(), ..Batch::default() };
        let kept = running.store.transact(&room, |found| Ok((Changes::default(), found.timers)));
        let (_, kept) = kept.await.unwrap();
        assert!(kept.iter().any(|(_, timer, _)| *timer == Timer::Grace), "{kept:?}");
    }

    async fn an_event_is_committed_although_a_timer_that_it_sets_panics(place: &Place) {
        let (listener, met) = defect(|event| matches!(event, Event::Timer { timer: Timer::Grace, .. }));
        let running = Running::on(place.open_heard_by(listener).await.unwrap(), Millis(1), 64);
        running.ada_talks().await;
        // The machine is slow: when the engine takes the loss, its grace period is over.
        let slow = async { std::thread::sleep(Duration::from_millis(50)) };
        let (lost, ()) = tokio::join!(running.handle.event(leaves()), slow);
        lost.unwrap();
        let is_held_back = async || !running.store.held_back().await.unwrap().calls.is_empty();
        until_so("the call is held back", is_held_back).await;
        assert!(met.load(Ordering::Relaxed) > 1, "with the loss, and alone");
        assert_eq!(running.stage().await.as_deref(), Some("interrupted"), "the loss is stored");
    }

    async fn an_event_that_panics_without_a_call_changes_nothing(place: &Place) {
        let (listener, _) = defect(|event| *event == joins(7));
        let running = Running::on(place.open_heard_by(listener).await.unwrap(), Millis(30), 64);
        for _ in 0..2 {
            let (guilty, other) =
                tokio::join!(running.handle.event(joins(7)), running.handle.event(joins(8)));
            assert!(matches!(guilty, Err(Error::Defect)), "{guilty:?}");
            other.unwrap();
        }
        assert!(running.store.held_back().await.unwrap().calls.is_empty());
    }
}
