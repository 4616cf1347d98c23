//! Guarantees of a store, on every database.

use crate::database::{Database, file, on_both};
use crate::places::{Place, on_all};
use crate::support::*;
use rejoin_protocol::api::{GracefulMark, GracefulReason};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};
use rejoin_recovery::{
    Action, Announcement, Call, ConferenceEvent, ConferenceEventKind, EarlyMark, Event, Key, Machine, Note,
    Policies, Quarantine, Timer,
};
use rejoin_server::Error;
use rejoin_server::explain::{Explained, Subject};
use rejoin_server::pace::Crowd;
use rejoin_server::store::{
    Batch, Changes, Claim, Committed, Found, JobId, LEASE, Line, NewJob, OpenJobs, Store, Why,
};
use serde_json::json;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Row as _, SqlSafeStr};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Barrier;

on_all!(
    what_may_be_done_once_is_stored_once,
    a_commit_is_all_or_nothing,
    a_timeline_has_the_lines_from_before_the_customer_was_known,
    calls_are_found_by_their_keys,
    calls_are_read_as_they_were_saved,
    the_other_calls_of_a_customer_are_found_with_his,
    a_call_that_is_forgotten_is_gone_with_its_timers,
    timers_come_in_the_order_in_which_they_are_due,
    calls_are_looked_at_one_after_the_other_when_a_server_is_started,
    a_job_is_taken_by_one_and_closed_by_who_has_it,
    a_server_without_a_lease_does_not_take_what_it_has,
    jobs_are_taken_the_most_important_first,
    what_a_server_had_is_free_when_it_stops,
    jobs_that_have_not_ended_are_counted,
    what_was_given_up_is_listed_the_last_one_first,
    what_is_old_goes_and_what_may_still_be_asked_for_stays,
    a_call_that_cannot_be_read_stays_as_it_is_and_does_not_keep_the_others,
    a_quarantined_call_is_held_back_and_can_be_looked_at,
    calls_of_which_something_could_not_be_stored_are_looked_at_now,
);

mod with_tables {
    use super::*;
    on_both!(
        calls_of_an_older_version_are_found,
        calls_that_cannot_be_read_keep_their_keys_when_keys_are_made_anew,
        a_job_of_another_version_is_left_to_a_server_that_reads_it,
        a_timer_of_another_version_is_left_to_a_server_that_knows_it,
        a_job_that_has_ended_has_no_label_of_a_third_party,
    );
}

fn complete(number: u128) -> Action {
    Action::CompleteReservation {
        task: TaskSid::numbered(number),
        reservation: rejoin_protocol::ReservationSid::numbered(number),
    }
}

fn job(action: Action) -> NewJob {
    NewJob { conference: conference(), action, deadline: now(), mine: true }
}

fn of(keys: impl IntoIterator<Item = Key>) -> Batch {
    Batch { keys: keys.into_iter().collect(), ..Batch::default() }
}

fn room(number: u128) -> Key {
    Key::Conference(ConferenceSid::numbered(number))
}

/// Writes without reading.
async fn write(store: &Store, change: impl Fn(&mut Changes)) -> Result<Committed, Error> {
    let decide = |_| {
        let mut changes = Changes::default();
        change(&mut changes);
        Ok((changes, ()))
    };
    store.transact(&Batch::default(), decide).await.map(|(committed, ())| committed)
}

async fn add(store: &Store, jobs: &[NewJob]) -> Vec<Option<Claim>> {
    let change = |changes: &mut Changes| jobs.iter().cloned().for_each(|job| changes.add_job(job));
    let committed = write(store, change).await.unwrap();
    committed.jobs.into_iter().map(|job| job.map(|job| job.claim)).collect()
}

/// What a batch finds, without a change.
async fn look(store: &Store, batch: &Batch) -> Found {
    store.transact(batch, |found| Ok((Changes::default(), found))).await.unwrap().1
}

/// A call with a customer.
fn call(number: u128, customer: &CallSid) -> Call {
    let mut machine = Machine::new(Policies::default(), []);
    let conference = ConferenceSid::numbered(number);
    let kind = ConferenceEventKind::Join { leg: customer.clone(), flags: Default::default() };
    let task = Some(TaskSid::numbered(number));
    let event = ConferenceEvent::new(conference.clone(), task, 1, kind);
    machine.handle(Millis(1), Event::Conference(event));
    let mut call = machine.call(&conference).unwrap().clone();
    call.facts.roster.customer = Some(customer.clone());
    call
}

async fn save(store: &Store, calls: &[Call]) {
    write(store, |changes| calls.iter().for_each(|call| changes.save(call))).await.unwrap();
}

async fn what_may_be_done_once_is_stored_once(database: &Place) {
    let store = database.open().await.unwrap();
    let announce = Action::Announce { conference: conference(), what: Announcement::Comfort };
    let jobs = [complete(1), complete(1), complete(2), announce.clone(), announce].map(job);
    let added = add(&store, &jobs).await;
    let known: Vec<bool> = added.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, true, true, true]);
    assert_eq!(added.iter().flatten().collect::<BTreeSet<_>>().len(), 4, "each has its own number");

    // A closed job counts, too, even after reopening, and when its call is forgotten.
    write(&store, |changes| changes.close_job(added[0].unwrap().job)).await.unwrap();
    write(&store, |changes| changes.forget(&conference())).await.unwrap();
    store.close().await;
    drop(store);
    let store = database.open().await.unwrap();
    assert_eq!(store.claim([], &Crowd::ALL, 10).await.unwrap().len(), 3, "the open ones");
    assert_eq!(add(&store, &[job(complete(1))]).await, [None]);
    let other = NewJob { conference: ConferenceSid::numbered(2), ..job(complete(1)) };
    assert!(add(&store, &[other]).await[0].is_some());
}

/// A label is what an agent or a plugin calls a third party.
async fn a_job_that_has_ended_has_no_label_of_a_third_party(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let moved = |number: u128, label: &str| Action::MoveParticipant {
        leg: CallSid::numbered(number),
        into: TaskSid::numbered(2),
        muted: true,
        end_on_exit: false,
        label: Some(label.to_owned()),
        came_late: false,
    };
    let jobs = [job(moved(1, "the lawyer")), job(moved(2, "the other one")), job(complete(3))];
    let added = add(&store, &jobs).await;
    let closed = [added[0].unwrap().job, added[2].unwrap().job];
    write(&store, |changes| closed.iter().for_each(|job| changes.close_job(*job))).await.unwrap();
    store.close().await;
    let beside = database.beside().await;
    let rows = sqlx::query("select action, closed from jobs order by id").fetch_all(&beside).await.unwrap();
    let read = |row: &sqlx::any::AnyRow| {
        let action: Action = serde_json::from_str(&row.get::<String, _>(0)).unwrap();
        (action, row.get::<i64, _>(1))
    };
    let mut unlabelled = moved(1, "");
    if let Action::MoveParticipant { label, .. } = &mut unlabelled {
        *label = None;
    }
    let wanted = [(unlabelled, 1), (moved(2, "the other one"), 0), (complete(3), 1)];
    assert_eq!(rows.iter().map(read).collect::<Vec<_>>(), wanted);
    beside.close().await;
}

async fn a_commit_is_all_or_nothing(database: &Place) {
    let store = database.open().await.unwrap();
    let set = |changes: &mut Changes, number| {
        changes.set_timer(ConferenceSid::numbered(number), Timer::Ping, Millis(9));
    };
    write(&store, |changes| set(changes, 1)).await.unwrap();
    database.refuse("notes").await;
    let line = Line { at: Millis(1), conference: conference(), note: Note::Connected };
    let refused = write(&store, |changes| {
        set(changes, 2);
        changes.add_line(None, line.clone());
    });
    let refused = refused.await;
    assert!(matches!(refused, Err(Error::Database(_) | Error::NotCommitted)), "{refused:?}");
    assert_eq!(store.next_timers(10).await.unwrap(), [(ConferenceSid::numbered(1), Millis(9))]);
    database.accept("notes").await;
    write(&store, |changes| changes.add_line(None, line.clone())).await.unwrap();
}

async fn a_timeline_has_the_lines_from_before_the_customer_was_known(database: &Place) {
    let store = database.open().await.unwrap();
    let line =
        |at, conference, note| Line { at: Millis(at), conference: ConferenceSid::numbered(conference), note };
    write(&store, |changes| {
        changes.add_line(None, line(1, 1, Note::AgentLost { by: None }));
        changes.add_line(None, line(2, 2, Note::AgentLeft));
        changes.add_line(Some(customer()), line(3, 1, Note::Connected));
        changes.add_line(Some(customer()), line(4, 3, Note::Connected));
        changes.add_line(Some(CallSid::numbered(77)), line(5, 2, Note::CallEnded));
    })
    .await
    .unwrap();
    let lines = store.timeline(&customer()).await.unwrap();
    assert_eq!(lines.iter().map(|(_, line)| line.at.0).collect::<Vec<_>>(), [1, 3, 4]);
}

async fn calls_are_found_by_their_keys(database: &Place) {
    let store = database.open().await.unwrap();
    let mut one = call(1, &CallSid::numbered(1));
    save(&store, &[one.clone(), call(2, &CallSid::numbered(2))]).await;
    for key in one.keys() {
        assert_eq!(look(&store, &of([key.clone()])).await.calls, [one.clone()], "{key:?}");
        assert_eq!(store.find(&[key].into()).await.unwrap(), [one.clone()]);
    }
    assert_eq!(look(&store, &of([room(3)])).await.calls, []);
    // Keys change with the call.
    one.facts.roster.customer = Some(CallSid::numbered(9));
    store
        .transact(&of([room(1)]), |_| {
            let mut changes = Changes::default();
            changes.save(&one);
            Ok((changes, ()))
        })
        .await
        .unwrap();
    assert_eq!(look(&store, &of([Key::Leg(CallSid::numbered(1))])).await.calls, []);
    assert_eq!(look(&store, &of([Key::Leg(CallSid::numbered(9))])).await.calls, [one]);
}

/// Texts of several bytes a character, in calls that one statement saves.
async fn calls_are_read_as_they_were_saved(database: &Place) {
    let store = database.open().await.unwrap();
    let calls: Vec<_> = ["", "Zoë, \"Ⅷ\"", "\\\n\u{1f98a}'", "x"]
        .iter()
        .zip(1..)
        .map(|(name, number)| {
            let mut call = serde_json::to_value(call(number, &CallSid::numbered(number))).unwrap();
            call["facts"]["task"]["attributes"] = json!({ "name": name }).to_string().into();
            serde_json::from_value::<Call>(call).unwrap()
        })
        .collect();
    save(&store, &calls).await;
    let saved = look(&store, &of((1..=4).map(room))).await.calls;
    assert_eq!(saved, calls);
}

async fn the_other_calls_of_a_customer_are_found_with_his(database: &Place) {
    let store = database.open().await.unwrap();
    let (old, new) = (call(1, &customer()), call(2, &customer()));
    save(&store, &[old, new, call(3, &CallSid::numbered(3))]).await;
    for batch in [of([room(1)]), of([room(2)]), of([Key::Task(TaskSid::numbered(1))])] {
        assert_eq!(look(&store, &batch).await.calls.len(), 2, "{batch:?}");
    }
    assert_eq!(look(&store, &of([room(1), room(3)])).await.calls.len(), 3);
}

async fn a_call_that_is_forgotten_is_gone_with_its_timers(database: &Place) {
    let store = database.open().await.unwrap();
    save(&store, &[call(1, &customer()), call(2, &customer())]).await;
    let (one, two) = (ConferenceSid::numbered(1), ConferenceSid::numbered(2));
    write(&store, |changes| {
        changes.set_timer(one.clone(), Timer::Ping, Millis(5));
        changes.set_timer(two.clone(), Timer::Ping, Millis(6));
    })
    .await
    .unwrap();
    write(&store, |changes| {
        changes.set_timer(one.clone(), Timer::Grace, Millis(7));
        changes.forget(&one);
    })
    .await
    .unwrap();
    let found = look(&store, &of([room(1), Key::Leg(customer())])).await;
    assert_eq!(found.calls.iter().map(|call| &call.conference).collect::<Vec<_>>(), [&two]);
    assert_eq!(found.timers, [(two, Timer::Ping, Millis(6))]);
    // The same conference may be reported again.
    save(&store, &[call(1, &customer())]).await;
    assert_eq!(look(&store, &of([Key::Task(TaskSid::numbered(1))])).await.calls.len(), 2);
}

async fn timers_come_in_the_order_in_which_they_are_due(database: &Place) {
    let store = database.open().await.unwrap();
    let (a, b) = (ConferenceSid::numbered(1), ConferenceSid::numbered(2));
    write(&store, |changes| {
        changes.set_timer(a.clone(), Timer::Ping, Millis(50));
        changes.set_timer(a.clone(), Timer::Ping, Millis(20));
        changes.set_timer(b.clone(), Timer::Grace, Millis(10));
        changes.set_timer(b.clone(), Timer::LookUp, Millis(5));
        changes.clear_timer(b.clone(), Timer::LookUp);
    })
    .await
    .unwrap();
    assert_eq!(store.next_timers(10).await.unwrap(), [(b.clone(), Millis(10)), (a.clone(), Millis(20))]);
    assert_eq!(store.next_timers(1).await.unwrap(), [(b.clone(), Millis(10))]);
    // Set again, and one of an unknown call.
    write(&store, |changes| {
        changes.set_timer(a.clone(), Timer::Ping, Millis(1));
        changes.clear_timer(b.clone(), Timer::Grace);
    })
    .await
    .unwrap();
    let found = look(&store, &of([room(1), room(2)])).await;
    assert_eq!(found.timers, [(a, Timer::Ping, Millis(1))]);
}

/// Callbacks from the time without a server are not repeated.
async fn calls_are_looked_at_one_after_the_other_when_a_server_is_started(database: &Place) {
    let store = database.open().await.unwrap();
    let rooms = [1, 2, 3, 4].map(ConferenceSid::numbered);
    let [old, new, due, unwatched] = rooms.clone();
    let watched = [(&old, now() + Millis(100_000)), (&new, now() + Millis(300_000)), (&due, Millis(1))];
    write(&store, |changes| {
        for (room, at) in &watched {
            changes.set_timer((*room).clone(), Timer::Watchdog, *at);
        }
        changes.set_timer(unwatched.clone(), Timer::Forget, now() + Millis(300_000));
    })
    .await
    .unwrap();
    assert!(store.catch_up().await.unwrap(), "no server was there before");
    assert!(!store.catch_up().await.unwrap(), "once");
    let missed = async |store: &Store| {
        let found = look(store, &of([room(1), room(2), room(3), room(4)])).await;
        let missed = found.timers.into_iter().filter(|(_, timer, _)| *timer == Timer::CatchUp);
        let mut missed: Vec<_> = missed.map(|(room, _, at)| (at, room)).collect();
        missed.sort();
        missed
    };
    let set = missed(&store).await;
    let [(sooner, first), (later, second)] = &set[..] else { panic!("{set:?}") };
    assert_eq!([first, second], [&new, &old], "the others are looked at anyway, or not at all");
    assert_eq!(later.0, sooner.0 + 100, "whose turn was far comes first");

    // Another server runs, and receives callbacks.
    if let Ok(other) = database.open().await {
        assert!(!other.catch_up().await.unwrap());
        assert_eq!(store.servers().await.unwrap(), 2);
        other.close().await;
        database.end_leases().await;
        store.renew().await.unwrap();
        store.servers().await.unwrap();
        assert!(store.catch_up().await.unwrap(), "what it was last notified of is unknown");
        assert_eq!(missed(&store).await, set, "who waits for a look keeps the turn");
    }
}

/// Of these, those that may be closed.
async fn held(store: &Store, claims: &[Claim]) -> Vec<JobId> {
    let batch = Batch { closes: claims.iter().copied().collect(), ..Batch::default() };
    look(store, &batch).await.held.into_iter().map(|claim| claim.job).collect()
}

async fn a_job_is_taken_by_one_and_closed_by_who_has_it(database: &Place) {
    let store = database.open().await.unwrap();
    let mine = add(&store, &[job(complete(1))]).await[0].unwrap();
    assert_eq!(store.claim([], &Crowd::ALL, 10).await.unwrap(), [], "it is being carried out already");
    let free = add(&store, &[NewJob { mine: false, ..job(complete(2)) }]).await[0].unwrap();
    assert_eq!(held(&store, &[mine, free]).await, [mine.job, free.job]);
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert!(!taken[0].begun_before(), "no server had it");
    assert_eq!((taken[0].claim.job, &taken[0].action), (free.job, &complete(2)));
    assert_eq!(held(&store, &[free]).await, [], "who had it before cannot close it");
    assert_eq!(held(&store, &[taken[0].claim]).await, [free.job]);
    assert!(store.call_of(free).await.unwrap().is_none());
    assert_eq!(store.call_of(taken[0].claim).await.unwrap(), Some(None), "its call is not known");
    save(&store, &[call(1, &customer())]).await;
    assert_eq!(store.call_of(mine).await.unwrap(), Some(Some(call(1, &customer()))));
    write(&store, |changes| changes.close_job(mine.job)).await.unwrap();
    assert_eq!(held(&store, &[mine]).await, []);
    assert!(store.call_of(mine).await.unwrap().is_none());
}

async fn a_server_without_a_lease_does_not_take_what_it_has(database: &Place) {
    let store = database.open().await.unwrap();
    let claim = add(&store, &[job(complete(1))]).await[0].unwrap();
    // The lease could not be renewed, as the database was too slow.
    database.end_leases().await;
    assert_eq!(store.claim([claim.job], &Crowd::ALL, 10).await.unwrap(), [], "it is under way here");
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!(taken.iter().map(|job| job.claim.fence).collect::<Vec<_>>(), [2], "an unowned job is taken");
}

async fn jobs_are_taken_the_most_important_first(database: &Place) {
    let store = database.open().await.unwrap();
    let keep = Action::ClearExitFlag { conference: conference(), leg: ada_leg() };
    let announce = Action::Announce { conference: conference(), what: Announcement::Interrupted };
    let jobs = [complete(1), announce.clone(), keep.clone()];
    add(&store, &jobs.map(|action| NewJob { mine: false, ..job(action) })).await;
    let first = store.claim([], &Crowd::ALL, 1).await.unwrap();
    assert_eq!(first[0].action, keep);
    let second = store.claim([first[0].claim.job], &Crowd::ALL, 1).await.unwrap();
    assert_eq!(second[0].action, announce);
}

async fn what_a_server_had_is_free_when_it_stops(database: &Place) {
    let store = database.open().await.unwrap();
    let had = add(&store, &[job(complete(1))]).await[0].unwrap();
    store.close().await;
    drop(store);
    let store = database.open().await.unwrap();
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!((taken.len(), taken[0].claim.job), (1, had.job));
    assert!(taken[0].begun_before(), "it may have had its effect");
}

async fn jobs_that_have_not_ended_are_counted(database: &Place) {
    let store = database.open().await.unwrap();
    assert_eq!(store.open_jobs().await.unwrap(), OpenJobs::default());
    let second = job(complete(2));
    let sooner = second.deadline;
    let first = NewJob { deadline: sooner + Millis::seconds(60), ..job(complete(1)) };
    let added = add(&store, &[first, second]).await;
    let open = store.open_jobs().await.unwrap();
    assert_eq!((open.count, open.first), (2, Some(sooner)));
    assert!(open.oldest.is_some());
    write(&store, |changes| changes.close_job(added[1].unwrap().job)).await.unwrap();
    let open = store.open_jobs().await.unwrap();
    assert_eq!((open.count, open.first), (1, Some(sooner + Millis::seconds(60))));
}

async fn what_was_given_up_is_listed_the_last_one_first(database: &Place) {
    let store = database.open().await.unwrap();
    let added = add(&store, &[1, 2, 3].map(complete).map(job)).await;
    let id = |number: usize| added[number].unwrap().job;
    write(&store, |changes| changes.give_up_job(id(0), "refused".into())).await.unwrap();
    write(&store, |changes| changes.close_job(id(1))).await.unwrap();
    write(&store, |changes| changes.give_up_job(id(2), "too late".into())).await.unwrap();
    let listed = store.given_up().await.unwrap();
    let said: Vec<_> = listed.iter().map(|job| (job.job, job.reason.as_str())).collect();
    assert_eq!(said, [(id(2).0, "too late"), (id(0).0, "refused")]);
    assert!(listed.iter().all(|job| job.conference == conference() && job.what == complete(1).name()));
    assert!(listed[0].at >= listed[1].at);
}

async fn what_is_old_goes_and_what_may_still_be_asked_for_stays(database: &Place) {
    const KEEP: Millis = Millis::seconds(3600);
    let store = database.open().await.unwrap();
    let (old, young) = (now() - KEEP - Millis::seconds(60), now() - KEEP + Millis::seconds(60));
    let mark = |number, at| {
        let mark = GracefulMark {
            reservation: rejoin_protocol::ReservationSid::numbered(number),
            task: TaskSid::numbered(number),
            id: None,
            reason: GracefulReason::HangUp,
        };
        EarlyMark { worker: ada(), mark, at }
    };
    // A store has its own clock, which may be a millisecond behind.
    let (late, fresh) = (mark(1, now() - EarlyMark::WAITS - Millis::seconds(1)), mark(2, now()));
    write(&store, |changes| {
        for at in [old, young] {
            changes.add_line(Some(customer()), Line { at, conference: conference(), note: Note::Connected });
        }
        changes.early_marks([&late, &fresh].map(|early| (early.key(), Some(early.clone()))));
    })
    .await
    .unwrap();
    // Among the old jobs one has an open call, and one has not ended.
    save(&store, &[call(1, &customer())]).await;
    let of = |number: u128, deadline| {
        let conference = ConferenceSid::numbered(number);
        NewJob { conference, deadline, ..job(complete(number)) }
    };
    let jobs = [of(1, old), of(2, old), of(3, old), of(4, young)];
    let added = add(&store, &jobs).await;
    for number in [0, 1, 3] {
        write(&store, |changes| changes.close_job(added[number].unwrap().job)).await.unwrap();
    }
    store.tidy(KEEP).await.unwrap();
    let lines = store.timeline(&customer()).await.unwrap();
    assert_eq!(lines.iter().map(|(_, line)| line.at).collect::<Vec<_>>(), [young]);
    assert_eq!(look(&store, &of_worker(&ada())).await.early, [fresh]);
    let known: Vec<bool> = add(&store, &jobs).await.iter().map(Option::is_none).collect();
    assert_eq!(known, [true, false, true, true], "only of an ended job without a call nothing is known");
}

fn of_worker(worker: &rejoin_protocol::WorkerSid) -> Batch {
    of([Key::Worker(worker.clone())])
}

/// A call in the format of a later release, which this one does not know.
const NEWER: &str = r#"{"format":99,"of":"another version"}"#;

/// A call in the format of a release long before, which this one no longer reads.
const OLD: &str = r#"{"format":1,"of":"an earlier version"}"#;

fn whys(found: &Found) -> Vec<&Why> {
    found.held_back.iter().map(|held| &held.why).collect()
}

async fn a_call_that_cannot_be_read_stays_as_it_is_and_does_not_keep_the_others(database: &Place) {
    let store = database.open().await.unwrap();
    let (one, two) = (call(1, &customer()), call(2, &customer()));
    save(&store, &[one.clone(), two.clone()]).await;
    let job = add(&store, &[job(complete(1))]).await[0].unwrap();
    let due = [1, 2].map(ConferenceSid::numbered);
    write(&store, |changes| {
        due.iter().for_each(|room| changes.set_timer(room.clone(), Timer::Ping, Millis(5)));
    })
    .await
    .unwrap();
    for (state, why) in [
        (NEWER, Why::AnotherVersion(99)),
        (OLD, Why::AnotherVersion(1)),
        ("{}", Why::Unreadable),
        ("\u{1}", Why::Unreadable),
    ] {
        database.put_state(&one.conference, state).await;
        // It is found by its keys as before.
        for key in one.keys() {
            let found = look(&store, &of([key.clone()])).await;
            assert_eq!(whys(&found), [&why], "{key:?}");
            assert_eq!(found.held_back[0].conference, one.conference);
            assert!(found.calls.is_empty() || found.calls == [two.clone()]);
        }
        assert_eq!(look(&store, &of([Key::Leg(customer())])).await.calls, std::slice::from_ref(&two));
        let asked = store.find(&[room(1)].into()).await;
        assert!(
            matches!(asked, Err(Error::HeldBack)),
            "it is not taken for one that there is not: {asked:?}"
        );
        assert_eq!(store.find(&[room(2)].into()).await.unwrap(), std::slice::from_ref(&two));
        // It is not overwritten, and its jobs and timers stay.
        for change in [
            |changes: &mut Changes, one: &Call| changes.save(one),
            |changes: &mut Changes, one: &Call| changes.forget(&one.conference),
        ] {
            let over = |_| {
                let mut changes = Changes::default();
                change(&mut changes, &one);
                Ok((changes, ()))
            };
            let begins = Batch { begins: [one.conference.clone()].into(), ..of([room(1)]) };
            let over = store.transact(&begins, over).await;
            assert!(matches!(over, Err(Error::HeldBack)), "{over:?}");
        }
        let of_job = store.call_of(job).await;
        assert!(matches!(of_job, Err(Error::HeldBack)), "its call is not forgotten: {of_job:?}");
        let next: Vec<_> = store.next_timers(10).await.unwrap().into_iter().map(|(room, _)| room).collect();
        assert_eq!(
            next,
            std::slice::from_ref(&two.conference),
            "a timer that no server may look at does not fire again and again"
        );
        let found = look(&store, &of([room(1)])).await;
        assert!(found.timers.contains(&(one.conference.clone(), Timer::Ping, Millis(5))));
        let listed = store.held_back().await.unwrap();
        assert_eq!(listed.calls.iter().map(|held| held.why).collect::<Vec<_>>(), [why.name()]);
    }
    // A server of the version that has stored it can read it.
    database.put_state(&one.conference, &serde_json::to_string(&one).unwrap()).await;
    let found = look(&store, &of([Key::Leg(customer())])).await;
    assert_eq!(found.calls, [one, two]);
    assert!(found.held_back.is_empty());
    assert_eq!(store.next_timers(10).await.unwrap().len(), 2);
    assert!(matches!(store.call_of(job).await, Ok(Some(Some(_)))));
    assert!(store.held_back().await.unwrap().calls.is_empty());
}

async fn a_quarantined_call_is_held_back_and_can_be_looked_at(database: &Place) {
    let store = database.open().await.unwrap();
    let quarantine = Quarantine { at: Millis(7), event: "hello".into() };
    let call = Call { quarantine: Some(quarantine.clone()), ..call(1, &customer()) };
    save(&store, std::slice::from_ref(&call)).await;
    let claim = add(&store, &[job(complete(1))]).await[0].unwrap();
    store.close().await;
    drop(store);
    let store = database.open().await.unwrap();
    for key in call.keys() {
        let found = look(&store, &of([key.clone()])).await;
        assert_eq!(
            (whys(&found), found.calls.len()),
            (vec![&Why::Quarantined(quarantine.clone())], 0),
            "{key:?}"
        );
    }
    assert_eq!(store.find(&[room(1)].into()).await.unwrap(), [call], "documents are made of it");
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!(taken.iter().map(|job| job.claim.job).collect::<Vec<_>>(), [claim.job]);
    assert!(matches!(store.call_of(taken[0].claim).await, Err(Error::HeldBack)));
    let listed = store.held_back().await.unwrap();
    assert_eq!((listed.calls[0].why, listed.calls[0].event.as_deref()), ("quarantined", Some("hello")));
}

async fn calls_of_which_something_could_not_be_stored_are_looked_at_now(database: &Place) {
    let store = database.open().await.unwrap();
    let calls = [1, 2, 3].map(|number| call(number, &CallSid::numbered(number)));
    save(&store, &calls).await;
    write(&store, |changes| {
        for watched in [1, 3] {
            changes.set_timer(ConferenceSid::numbered(watched), Timer::Watchdog, now() + Millis(300_000));
        }
        changes.set_timer(ConferenceSid::numbered(2), Timer::Forget, now() + Millis(300_000));
    })
    .await
    .unwrap();
    let asked = [Key::Leg(CallSid::numbered(1)), room(2), room(9)];
    store.look_at(&asked.into()).await.unwrap();
    let found = look(&store, &of([room(1), room(2), room(3)])).await;
    let missed: Vec<_> = found.timers.iter().filter(|(_, timer, _)| *timer == Timer::CatchUp).collect();
    assert_eq!(missed.len(), 1, "one that is not watched is not looked at: {missed:?}");
    assert_eq!(missed[0].0, ConferenceSid::numbered(1));
    assert!(missed[0].2 <= now());
}

async fn calls_that_cannot_be_read_keep_their_keys_when_keys_are_made_anew(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    save(&store, &[call(1, &customer()), call(2, &customer())]).await;
    store.close().await;
    drop(store);
    database.put_state(&ConferenceSid::numbered(1), NEWER).await;
    let beside = database.beside().await;
    sqlx::query("update meta set value = '0' where name = 'keys'").execute(&beside).await.unwrap();
    beside.close().await;
    let store = Store::open(&database.url).await.unwrap();
    let found = look(&store, &of([Key::Task(TaskSid::numbered(1))])).await;
    assert_eq!(whys(&found), [&Why::AnotherVersion(99)]);
    assert_eq!(found.calls.len(), 1, "the other one of this customer");
}

async fn a_job_of_another_version_is_left_to_a_server_that_reads_it(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let jobs = [complete(1), complete(2)].map(|action| NewJob { mine: false, ..job(action) });
    let added = add(&store, &jobs).await[0].unwrap();
    let beside = database.beside().await;
    let row = async || {
        let row = sqlx::query("select owner, fence, action from jobs where id = $1").bind(added.job.0);
        let row = row.fetch_one(&beside).await.unwrap();
        (row.get::<Option<String>, _>(0), row.get::<i64, _>(1), row.get::<String, _>(2))
    };
    let put = async |action: &str| {
        let put = sqlx::query("update jobs set action = $1 where id = $2").bind(action).bind(added.job.0);
        put.execute(&beside).await.unwrap();
    };
    let (_, _, action) = row().await;
    put(r#"{"OfTheNextRelease":{}}"#).await;
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!(taken.iter().map(|job| &job.action).collect::<Vec<_>>(), [&complete(2)]);
    let (owner, fence, _) = row().await;
    assert_eq!(owner, None, "it is free for a server that reads it");
    // It is not tried again and again.
    for _ in 0..3 {
        let _ = store.claim([taken[0].claim.job], &Crowd::ALL, 10).await.unwrap();
    }
    assert_eq!(row().await.1, fence);
    assert_eq!(store.held_back().await.unwrap().jobs[0].job, added.job.0);
    // Another build comes.
    store.close().await;
    drop(store);
    put(&action).await;
    let store = Store::open(&database.url).await.unwrap();
    let taken = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert!(taken.iter().any(|job| job.action == complete(1)), "{taken:?}");
    beside.close().await;
}

async fn a_timer_of_another_version_is_left_to_a_server_that_knows_it(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    save(&store, &[call(1, &customer())]).await;
    let beside = database.beside().await;
    let set = "insert into timers (conference, timer, at) values ($1, 'of-the-next-release', 1)";
    sqlx::query(set).bind(ConferenceSid::numbered(1).as_str()).execute(&beside).await.unwrap();
    assert_eq!(store.next_timers(10).await.unwrap(), [], "it would be due for ever");
    let left = sqlx::query("select count(*) from timers").fetch_one(&beside).await.unwrap();
    assert_eq!(left.get::<i64, _>(0), 1);
    beside.close().await;
}

async fn calls_of_an_older_version_are_found(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    save(&store, &[call(1, &customer())]).await;
    store.close().await;
    drop(store);
    let beside = database.beside().await;
    sqlx::query("delete from keys").execute(&beside).await.unwrap();
    sqlx::query("update meta set value = '0' where name = 'keys'").execute(&beside).await.unwrap();
    beside.close().await;
    let store = Store::open(&database.url).await.unwrap();
    assert_eq!(look(&store, &of([Key::Leg(customer())])).await.calls.len(), 1);
}

#[tokio::test]
async fn only_the_servers_user_can_read_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::sqlite();
    let store = Store::open(&database.url).await.unwrap();
    write(&store, |changes| changes.set_timer(conference(), Timer::Ping, Millis(9))).await.unwrap();
    let mut names = vec![file(&database)];
    names.push(names[0].with_file_name("rejoin.db-wal"));
    for name in names {
        let mode = name.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", name.display());
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_file() {
    let database = Database::sqlite();
    let store = Store::open(&database.url).await.unwrap();
    assert!(matches!(Store::open(&database.url).await, Err(Error::InUse)));
    drop(store);
    assert!(Store::open(&database.url).await.is_ok());
}

/// Tasks that are still ending hold the store, too.
#[tokio::test]
async fn a_file_is_free_when_its_server_has_closed_it() {
    let database = Database::sqlite();
    let store = Store::open(&database.url).await.unwrap();
    let still_ending = store.clone();
    store.close().await;
    assert!(Store::open(&database.url).await.is_ok());
    assert!(write(&still_ending, |changes| changes.forget(&conference())).await.is_err());
}

#[tokio::test]
async fn a_file_of_the_first_version_is_migrated() {
    let database = Database::sqlite();
    let beside = sqlx::SqlitePool::connect(&format!("{}?mode=rwc", database.url)).await.unwrap();
    let first = include_str!("../../migrations/sqlite/0001_start.sql");
    let only_first = Migration::new(1, "start".into(), MigrationType::Simple, first.into_sql_str(), false);
    Migrator::with_migrations(vec![only_first]).run(&beside).await.unwrap();
    let state = serde_json::to_string(&call(1, &customer())).unwrap();
    let insert = "insert into calls (conference, state) values ($1, $2)";
    sqlx::query(insert).bind(conference().as_str()).bind(state).execute(&beside).await.unwrap();
    let action = serde_json::to_string(&complete(1)).unwrap();
    let insert = "insert into jobs (conference, action, once, deadline) values ($1, $2, 'x', 5)";
    sqlx::query(insert).bind(conference().as_str()).bind(action).execute(&beside).await.unwrap();
    beside.close().await;
    let store = Store::open(&database.url).await.unwrap();
    assert_eq!(look(&store, &of([Key::Leg(customer())])).await.calls.len(), 1);
    let jobs = store.claim([], &Crowd::ALL, 10).await.unwrap();
    assert!(jobs.len() == 1 && jobs[0].begun_before(), "{jobs:?}");
}

/// PostgreSQL's planner takes a young table for a small one, and would read all of it for each batch.
#[tokio::test]
async fn no_batch_reads_a_whole_table() {
    let database = Database::postgres().await;
    let beside = database.beside().await;
    let read = || read_of(&beside, &["calls", "keys", "timers"]);
    let mut begins = vec![];
    for _ in 0..2 {
        Store::open(&database.url).await.unwrap().close().await;
        begins.push(read().await);
    }
    let at_a_start = begins[1].0 - begins[0].0;
    let store = Store::open(&database.url).await.unwrap();
    let calls: Vec<Call> = (0..500).map(|number| call(number, &CallSid::numbered(number))).collect();
    save(&store, &calls).await;
    for number in 0..10 {
        let found = look(&store, &of([room(number), Key::Leg(CallSid::numbered(number + 10))])).await;
        assert_eq!(found.calls.len(), 2);
    }
    store.close().await;
    let (scans, entries) = read().await;
    assert_eq!(scans - begins[1].0, at_a_start, "tables were read as a whole");
    // Each of the ten batches needs a few entries; the indexes have 2,000.
    let entries = entries - begins[1].1;
    assert!(entries < 1000, "{entries} entries of indexes were read");
    beside.close().await;
}

/// An operator reads one call while a million others are kept. SQLite's plans are read where the statements are.
#[tokio::test]
async fn the_story_of_a_call_is_found_without_reading_a_whole_table() {
    let database = Database::postgres().await;
    let beside = database.beside().await;
    let store = Store::open(&database.url).await.unwrap();
    let calls: Vec<Call> = (0..500).map(|number| call(number, &CallSid::numbered(number))).collect();
    save(&store, &calls).await;
    store.close().await;
    for columns in [
        "notes (conference, customer, at, note) select 'CF' || n, 'CA' || n, 1, '{}'",
        "story (conference, recovery, at, server, entry) select 'CF' || n, 'RJ' || n, 1, 'server', '{}'",
        "jobs (conference, action, deadline) select 'CF' || n, '{}', 1",
    ] {
        let numbers = "(select lpad(n::text, 32, '0') as n from generate_series(0, 499) as n) as numbers";
        let insert = sqlx::AssertSqlSafe(format!("insert into {columns} from {numbers}"));
        assert_eq!(sqlx::query(insert).execute(&beside).await.unwrap().rows_affected(), 500);
    }
    let stored = calls[3].conference.to_string();
    let read = || read_of(&beside, &["calls", "keys", "notes", "story", "jobs"]);
    let mut all = vec![];
    let (leg, lost) = (CallSid::numbered(7).to_string(), format!("RJ{:032}", 9));
    for subjects in [vec![], vec![], vec![stored, leg, lost]] {
        let begin = read().await;
        let store = Store::open(&database.url).await.unwrap();
        for subject in subjects {
            let found = store.explain(&Subject::parse(&subject).unwrap()).await.unwrap();
            let Some(Explained::Call(found)) = found else { panic!("{subject}: {found:?}") };
            assert_eq!(found.jobs.len(), 1, "{subject}");
        }
        store.close().await;
        let (scans, entries) = read().await;
        all.push((scans - begin.0, entries - begin.1));
    }
    assert_eq!(all[2].0, all[1].0, "tables were read as a whole");
    // Each table has 500 rows.
    let entries = all[2].1 - all[1].1;
    assert!(entries < 100, "{entries} entries of indexes were read");
    beside.close().await;
}

/// How often PostgreSQL has read one of these tables as a whole, and how many entries of their indexes it has read. A connection
/// tells what it has read when it ends, at the latest.
async fn read_of(beside: &AnyPool, tables: &[&str]) -> (i64, i64) {
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let are_gone = async || sqlx::query_scalar::<_, i64>(others).fetch_one(beside).await.unwrap() == 0;
    until_so("the other connections have ended", are_gone).await;
    let tables = format!(",{},", tables.join(","));
    let sum = async |what: &str, view: &str| {
        let sum =
            format!("select sum({what})::bigint from {view} where position(',' || relname || ',' in $1) > 0");
        let sum = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sum)).bind(&tables);
        sum.fetch_one(beside).await.unwrap()
    };
    (sum("seq_scan", "pg_stat_user_tables").await, sum("idx_tup_read", "pg_stat_user_indexes").await)
}

/// Ten servers start on an empty database, and all of them receive the same new call.
#[tokio::test(flavor = "multi_thread")]
async fn many_servers_may_start_and_receive_a_new_call_at_the_same_time() {
    let database = Database::postgres().await;
    let ready = Arc::new(Barrier::new(10));
    let servers = (0..10_u64).map(|number| {
        let (url, ready) = (database.url.clone(), Arc::clone(&ready));
        async move {
            let store = Store::open(&url).await.unwrap();
            ready.wait().await;
            for round in 0..10_u64 {
                let leg = CallSid::numbered(u128::from(number * 10 + round));
                let kind = ConferenceEventKind::Join { leg, flags: Default::default() };
                let sequence = number * 10 + round + 1;
                // Two calls in every batch, in both orders.
                let rooms = [1 + number % 2, 2 - number % 2].map(|n| ConferenceSid::numbered(n.into()));
                let events = rooms.map(|conference| {
                    let (task, kind) = (Some(task()), kind.clone());
                    Event::Conference(ConferenceEvent::new(conference, task, sequence, kind))
                });
                let mut batch = of(events.iter().flat_map(Event::keys));
                batch.begins.extend([1, 2].map(ConferenceSid::numbered));
                let decide = |found: Found| {
                    let mut machine = Machine::new(Policies::default(), found.calls);
                    for event in events.clone() {
                        machine.handle(Millis(1), event);
                    }
                    let mut changes = Changes::default();
                    for call in machine.take_dirty() {
                        changes.save(call);
                    }
                    Ok((changes, ()))
                };
                store.transact(&batch, decide).await.unwrap();
            }
            store.close().await;
        }
    });
    futures_util::future::join_all(servers).await;
    let store = Store::open(&database.url).await.unwrap();
    for call in look(&store, &of([room(1), room(2)])).await.calls {
        assert_eq!(
            (call.facts.received.callbacks().len(), call.facts.roster.participants.len()),
            (100, 100),
            "nothing was written over"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_begins_a_new_tenure_when_it_is_renewed() {
    fenced(&Place::Database(Database::postgres().await)).await;
}

#[tokio::test(start_paused = true)]
async fn so_it_is_in_a_memory() {
    fenced(&Place::memory(true)).await;
}

/// A server that is silent for longer than its lease has lost its jobs, and knows it.
async fn fenced(place: &Place) {
    let (slow, other) = (place.open().await.unwrap(), place.open().await.unwrap());
    let committed = write(&slow, |changes| changes.add_job(job(complete(1)))).await.unwrap();
    let had = committed.jobs[0].as_ref().unwrap();
    slow.renew().await.unwrap();
    assert_eq!(slow.leased(), Some(had.tenure), "renewed in time");
    // It stays silent until another one has taken its jobs.
    until_so("its jobs are taken", async || !other.claim([], &Crowd::ALL, 10).await.unwrap().is_empty())
        .await;
    assert_eq!(slow.leased(), None);
    slow.renew().await.unwrap();
    assert!(slow.leased().is_some_and(|tenure| tenure != had.tenure));
    assert_eq!(slow.call_of(had.claim).await.unwrap(), None);
    assert_eq!(held(&slow, &[had.claim]).await, []);
}

/// Two servers have a database whose clock is set by so much, in milliseconds. The first one has a job, and is gone then.
async fn taken_over_when_the_lease_has_ended_although_the_clock_is_set(by: i64) {
    let database = Database::postgres().await;
    let (first, second) =
        (Store::open(&database.url).await.unwrap(), Store::open(&database.url).await.unwrap());
    let had =
        write(&first, |changes| changes.add_job(job(complete(1)))).await.unwrap().jobs[0].clone().unwrap();
    let renewed = tokio::time::Instant::now();
    first.renew().await.unwrap();
    second.servers().await.unwrap();
    let beside = database.beside().await;
    // For the database this is the same, and its clock is that of other tests, too.
    sqlx::query("update servers set until = until - $1").bind(by).execute(&beside).await.unwrap();
    beside.close().await;
    let taken = async {
        loop {
            match &second.claim([], &Crowd::ALL, 10).await.unwrap()[..] {
                [] => look_again().await,
                [job] => break job.claim,
                more => panic!("{more:?}"),
            }
            second.servers().await.unwrap();
        }
    };
    let taken = tokio::time::timeout(std::time::Duration::from_secs(60), taken).await.unwrap();
    assert!(renewed.elapsed().as_millis() >= u128::from(LEASE.0), "{:?}", renewed.elapsed());
    assert_eq!(first.leased(), None, "it knew before");
    assert_eq!((taken.job, taken.fence), (had.claim.job, had.claim.fence + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_the_database_that_is_set_forward_frees_no_job() {
    taken_over_when_the_lease_has_ended_although_the_clock_is_set(3_600_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_the_database_that_is_set_back_keeps_no_job_of_a_server_that_is_gone() {
    taken_over_when_the_lease_has_ended_although_the_clock_is_set(-3_600_000).await;
}

/// The runtime does not count the time in which a machine is suspended, but its clock does.
#[tokio::test(start_paused = true)]
async fn a_machine_that_was_suspended_has_no_lease_until_it_is_renewed() {
    let store = Place::memory(true).open().await.unwrap();
    let had = store.leased().unwrap();
    store.surroundings().suspend(LEASE);
    assert_eq!(store.leased(), None);
    store.renew().await.unwrap();
    assert!(store.leased().is_some_and(|tenure| tenure != had), "others may have had its jobs");
    store.surroundings().set_clock(-3_600_000);
    assert!(store.leased().is_some(), "a clock that is set back says nothing");
}

/// A change is always on its way, so that no moment comes in which all of the log is in the file.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_file_does_not_grow_for_ever_under_constant_changes() {
    const CHANGES: u64 = 2_000;
    /// 40 MB of them.
    const BETWEEN: u64 = 400;
    let database = Database::sqlite();
    let store = Store::open(&database.url).await.unwrap();
    let made = Cell::new(0);
    let changes = async {
        for number in 0..CHANGES {
            let note = Note::Ended { outcome: format!("{number:04} ").repeat(20_000), after: Millis(0) };
            let decide = |_| {
                let mut changes = Changes::default();
                let note = note.clone();
                changes.add_line(None, Line { at: Millis(number), conference: conference(), note });
                Ok((changes, ()))
            };
            store.transact(&Batch::default(), decide).await.unwrap();
            made.set(number);
        }
    };
    let written_back = async {
        for number in 1.. {
            while made.get() < number * BETWEEN {
                look_again().await;
            }
            store.checkpoint().await.unwrap();
        }
    };
    tokio::select! { () = changes => {}, () = written_back => {} }
    let size = |path: PathBuf| std::fs::metadata(path).unwrap().len();
    let (written, log) = (size(file(&database)), size(file(&database).with_extension("db-wal")));
    assert!(written > 120_000_000, "{written} bytes are in the file");
    assert!(log < 150_000_000, "the log has {log} bytes");
    store.close().await;
}
