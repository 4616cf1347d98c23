//! Guarantees of a simulation's stores, beside those of all stores.

use crate::places::{Place, in_worlds};
use crate::support::*;
use rejoin_protocol::{ConferenceSid, Millis, TaskSid};
use rejoin_recovery::{Action, Timer};
use rejoin_server::Error;
use rejoin_server::pace::Crowd;
use rejoin_server::store::{Batch, Changes, NewJob, Store};
use rejoin_server::surroundings::Verdict;
use std::time::Duration;

in_worlds!(
    of_a_server_that_is_killed_what_was_committed_is_there_and_nothing_else,
    a_server_that_is_there_shares_with_nobody,
);

fn room(number: u128) -> ConferenceSid {
    ConferenceSid::numbered(number)
}

/// A timer and a job.
async fn write(store: &Store, number: u128) -> Result<(), Error> {
    let decide = |_| {
        let mut changes = Changes::default();
        changes.set_timer(room(number), Timer::Ping, Millis(number as u64));
        changes.add_job(NewJob {
            conference: room(number),
            action: Action::CompleteReservation {
                task: TaskSid::numbered(number),
                reservation: reservation(),
            },
            deadline: now(),
            mine: true,
        });
        Ok((changes, ()))
    };
    store.transact(&Batch::default(), decide).await.map(|_| ())
}

async fn of_a_server_that_is_killed_what_was_committed_is_there_and_nothing_else(place: &Place) {
    let fatal = |step: &'static str| {
        move |reached: &str| if reached == step { Verdict::Crash } else { Verdict::GoOn }
    };
    let store = place.open().await.unwrap();
    write(&store, 1).await.unwrap();
    store.surroundings().kill();
    // It is still in memory, like the surroundings of a server until its tasks have ended.
    for (number, step) in [(2, "written"), (3, "asking the store to transact")] {
        let killed = place.open_where(fatal(step)).await.unwrap();
        tokio::select! {
            biased;
            answer = write(&killed, number) => panic!("a server that was killed at {step:?} went on: {answer:?}"),
            () = killed.surroundings().killed() => {}
        }
    }
    let last = place.open().await.unwrap();
    assert_eq!(last.next_timers(10).await.unwrap(), [(room(1), Millis(1))]);
    let jobs = last.claim([], &Crowd::ALL, 10).await.unwrap();
    assert_eq!(jobs.iter().map(|job| &job.conference).collect::<Vec<_>>(), [&room(1)]);
    write(&last, 4).await.unwrap();
    drop(store);
    assert_eq!(
        last.next_timers(10).await.unwrap().len(),
        2,
        "nothing of what the first one ends with is seen"
    );
}

async fn a_server_that_is_there_shares_with_nobody(place: &Place) {
    let store = place.open().await.unwrap();
    assert!(matches!(place.open().await, Err(Error::InUse)));
    write(&store, 1).await.unwrap();
    store.close().await;
    let next = place.open().await.unwrap();
    assert_eq!(next.next_timers(10).await.unwrap().len(), 1);
}

/// However long the real answer takes, no time passes in the simulation: a paused clock advances only when nothing
/// has anything to do.
#[tokio::test(start_paused = true)]
async fn an_answer_of_the_disk_takes_no_time() {
    let place = Place::disk();
    let store = place.open().await.unwrap();
    let (begun, began_at) = (tokio::time::Instant::now(), store.now());
    let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
    for number in 1..=50 {
        write(&store, number).await.unwrap();
        assert_eq!(store.next_timers(100).await.unwrap().len(), number as usize);
    }
    assert_eq!((begun.elapsed(), store.now()), (Duration::ZERO, began_at));
    timer.await.unwrap();
    assert_eq!(store.now(), began_at + Millis(1));
}
