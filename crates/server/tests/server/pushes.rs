//! Pushes to pages, with one server or several.

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::places::{Place, on_all};
use crate::support::*;
use rejoin_protocol::api::{Push, RecoveryView, Stage};
use rejoin_protocol::{Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use rejoin_server::push::{Pushes, Said, Subscription};
use rejoin_server::store::{Batch, Changes, Store};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;

on_all!(
    every_page_of_the_worker_hears_it_and_nobody_else,
    an_older_page_counts_as_long_as_it_is_connected,
    an_older_page_counts_that_is_not_back_yet_after_a_start,
    a_page_that_has_left_a_call_to_an_older_one_asks_when_that_is_gone,
    the_newest_page_acts_and_the_others_are_told,
    a_page_has_one_connection,
    a_page_was_there_until_it_went,
    a_page_that_comes_back_is_told_what_it_missed,
    a_page_that_missed_very_much_is_to_ask,
    a_page_that_does_not_listen_is_dropped,
);

on_both!(what_is_not_known_any_more_is_to_be_asked_for,);

fn push(number: u128) -> Push {
    Push::Recovery {
        recovery: RecoveryView {
            id: RecoveryId::numbered(number),
            task: TaskSid::numbered(1),
            reservation: ReservationSid::numbered(1),
            stage: Stage::Queued,
            remaining_ms: None,
            too_often: false,
        },
    }
}

fn bo() -> WorkerSid {
    WorkerSid::numbered(0xb0)
}

/// A server's store and its channels.
struct Half {
    store: Store,
    pages: Pushes,
}

impl Half {
    async fn on(place: &Place) -> Self {
        Self::of(place.open().await.unwrap())
    }

    async fn one_of(database: &Database) -> Self {
        Self::of(Store::open(&database.url).await.unwrap())
    }

    fn of(store: Store) -> Self {
        Self { pages: Pushes::new(store.clone()), store }
    }

    async fn open(&self, worker: &WorkerSid, epoch: u64, since: Option<&str>) -> Subscription {
        self.pages.subscribe(worker, epoch, since).await.unwrap()
    }

    /// Stores pushes in one transaction, and publishes them as the engine does.
    async fn say(&self, worker: &WorkerSid, numbers: impl IntoIterator<Item = u128> + Clone) {
        let decide = |_| {
            let mut changes = Changes::default();
            for number in numbers.clone() {
                changes.push(worker.clone(), push(number));
            }
            Ok((changes, ()))
        };
        let (committed, ()) = self.store.transact(&Batch::default(), decide).await.unwrap();
        for (worker, number, push) in committed.pushes {
            self.pages.publish(&worker, number, &push);
        }
    }
}

fn said(subscription: &mut Subscription) -> Vec<Push> {
    std::iter::from_fn(|| subscription.receiver.try_recv().ok()).map(|said| said.push).collect()
}

fn first(subscription: &Subscription) -> Vec<Push> {
    subscription.first.iter().map(|said| said.push.clone()).collect()
}

async fn every_page_of_the_worker_hears_it_and_nobody_else(database: &Place) {
    let server = Half::on(database).await;
    let mut one = server.open(&ada(), 0, None).await;
    let mut two = server.open(&ada(), 0, None).await;
    let mut other = server.open(&bo(), 1, None).await;
    server.say(&ada(), [1]).await;
    assert_eq!((said(&mut one), said(&mut two)), (vec![push(1)], vec![push(1)]));
    assert_eq!(said(&mut other), []);
}

async fn an_older_page_counts_as_long_as_it_is_connected(database: &Place) {
    let server = Half::on(database).await;
    let (old, _silent) = (server.open(&ada(), 5, None).await, server.open(&ada(), 0, None).await);
    assert!(server.pages.older_page_connected(&ada(), 6).await);
    assert!(!server.pages.older_page_connected(&ada(), 5).await, "itself");
    assert!(!server.pages.older_page_connected(&bo(), 6).await);
    drop(old);
    assert!(!server.pages.older_page_connected(&ada(), 6).await);
}

async fn an_older_page_counts_that_is_not_back_yet_after_a_start(place: &Place) {
    let server = Half::on(place).await;
    let ada = ada();
    let comes_back = async {
        tokio::task::yield_now().await; // its channel was requested before
        server.open(&ada, 5, None).await
    };
    let (may_have_it, old) = tokio::join!(server.pages.older_page_back(&ada, 6), comes_back);
    assert!(may_have_it);
    drop(old);
    assert!(!server.pages.older_page_back(&ada, 6).await, "no older page asks any more");
}

async fn a_page_that_has_left_a_call_to_an_older_one_asks_when_that_is_gone(place: &Place) {
    let server = Half::on(place).await;
    let (oldest, older) = (server.open(&ada(), 4, None).await, server.open(&ada(), 5, None).await);
    let mut page = server.open(&ada(), 6, None).await;
    assert!(server.pages.older_page_back(&ada(), 6).await);
    drop(oldest);
    assert_eq!(said(&mut page), [], "one is still there");
    drop(older);
    assert_eq!(said(&mut page), [Push::Ask]);
    drop(server.open(&ada(), 5, None).await);
    assert_eq!(said(&mut page), [], "it does not wait any more");
    // Its channel can open only after that.
    let older = server.open(&bo(), 5, None).await;
    assert!(server.pages.older_page_back(&bo(), 6).await);
    drop(older);
    assert_eq!(said(&mut server.open(&bo(), 6, None).await), [Push::Ask]);
}

async fn the_newest_page_acts_and_the_others_are_told(database: &Place) {
    let server = Half::on(database).await;
    let mut old = server.open(&ada(), 5, None).await;
    let mut silent = server.open(&ada(), 0, None).await;
    let mut of_bo = server.open(&bo(), 1, None).await;
    let mut new = server.open(&ada(), 6, None).await;
    assert_eq!(said(&mut old), [Push::Superseded]);
    assert_eq!((said(&mut new), said(&mut silent), said(&mut of_bo)), (vec![], vec![], vec![]));
    let newer = async |worker: &WorkerSid, epoch| server.pages.newer_page_connected(worker, epoch).await;
    assert!(newer(&ada(), 5).await && !newer(&ada(), 6).await);
    assert!(!newer(&bo(), 1).await && !newer(&ada(), 0).await);
    let late = server.open(&ada(), 4, None).await;
    assert_eq!(first(&late), [Push::Superseded], "one that comes late, too");
    server.pages.supersede(&ada(), 6).await;
    assert_eq!((said(&mut old), said(&mut new)), (vec![Push::Superseded], vec![]));
    drop(new);
    assert!(!newer(&ada(), 5).await);
    assert_eq!(first(&server.open(&ada(), 5, None).await), []);
}

async fn a_page_has_one_connection(database: &Place) {
    let server = Half::on(database).await;
    let mut lost = server.open(&ada(), 5, None).await;
    let mut new = server.open(&ada(), 5, None).await;
    server.say(&ada(), [1]).await;
    assert_eq!(lost.receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(said(&mut new), [push(1)]);
    assert_eq!(server.pages.sessions(), 1);
}

async fn a_page_was_there_until_it_went(database: &Place) {
    let server = Half::on(database).await;
    let there = async |since| server.pages.was_there(&ada(), since).await.unwrap();
    let now = || server.store.surroundings().now();
    let begin = now();
    assert!(!there(Millis(0)).await, "the agent is not known");
    let page = server.open(&ada(), 1, None).await;
    assert!(there(begin).await && there(begin + Millis::seconds(60)).await, "the agent is there");
    assert!(!server.pages.was_there(&bo(), Millis(0)).await.unwrap());
    drop(page);
    assert!(there(Millis(0)).await && !there(now()).await, "not any more");
}

async fn a_page_that_comes_back_is_told_what_it_missed(database: &Place) {
    let server = Half::on(database).await;
    let begin = server.open(&ada(), 1, None).await.position;
    for (number, worker) in [(1, ada()), (2, bo()), (3, ada())] {
        server.say(&worker, [number]).await;
    }
    let all = server.open(&ada(), 1, Some(&begin.to_string())).await;
    assert_eq!(first(&all), [push(1), push(3)]);
    let numbers: Vec<_> = all.first.iter().filter_map(|said| said.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(first(&server.open(&ada(), 1, Some(&begin.at(1).to_string())).await), [push(3)]);
    // Even over another server, or over this one after a restart.
    server.store.close().await;
    drop(server);
    let server = Half::on(database).await;
    assert_eq!(first(&server.open(&ada(), 1, Some(&begin.to_string())).await), [push(1), push(3)]);
    let rest = server.open(&ada(), 1, Some(&all.position.to_string())).await;
    assert_eq!(first(&rest), []);
}

async fn what_is_not_known_any_more_is_to_be_asked_for(database: &Database) {
    let server = Half::one_of(database).await;
    let begin = server.open(&ada(), 1, None).await.position;
    let instance = begin.to_string().trim_end_matches("-0").to_owned();
    let asked = async |id: &str| first(&server.open(&ada(), 1, Some(id)).await);
    for id in ["6-0", &format!("{instance}-1"), &instance, "", "x-0", &format!("{instance}--1")] {
        assert_eq!(asked(id).await, [Push::Ask], "{id:?}");
    }
    server.say(&ada(), [1]).await;
    server.say(&ada(), [2]).await;
    let beside = database.beside().await;
    sqlx::query("update pushes set at = 0 where number = 1").execute(&beside).await.unwrap();
    beside.close().await;
    server.store.forget_pushes().await.unwrap();
    assert_eq!(asked(&begin.to_string()).await, [Push::Ask]);
    assert_eq!(asked(&begin.at(1).to_string()).await, [push(2)]);
}

async fn a_page_that_missed_very_much_is_to_ask(database: &Place) {
    let server = Half::on(database).await;
    let begin = server.open(&ada(), 1, None).await.position;
    server.say(&ada(), 1..=257).await;
    assert_eq!(first(&server.open(&ada(), 1, Some(&begin.to_string())).await), [Push::Ask]);
    assert_eq!(first(&server.open(&ada(), 1, Some(&begin.at(1).to_string())).await).len(), 256);
}

async fn a_page_that_does_not_listen_is_dropped(database: &Place) {
    let server = Half::on(database).await;
    let mut deaf = server.open(&ada(), 1, None).await;
    server.say(&ada(), 0..65).await;
    for _ in 0..64 {
        assert!(deaf.receiver.try_recv().is_ok());
    }
    assert_eq!(deaf.receiver.try_recv(), Err(TryRecvError::Disconnected));
}

/// The next message to a page whose server reads it from the store.
async fn next(subscription: &mut Subscription) -> Said {
    let waited = tokio::time::timeout(Duration::from_secs(20), subscription.receiver.recv()).await;
    waited.expect("nothing was said").expect("it goes on")
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_of_several_servers_arrive_in_order() {
    let database = Database::postgres().await;
    let (here, there) = (Half::one_of(&database).await, Half::one_of(&database).await);
    let mut page = here.open(&ada(), 1, None).await;
    there.say(&ada(), [1]).await;
    here.say(&ada(), [2]).await;
    let heard = [next(&mut page).await, next(&mut page).await];
    assert_eq!(heard.map(|said| (said.number, said.push)), [(Some(1), push(1)), (Some(2), push(2))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_missed_pushes_are_deleted_has_to_ask() {
    let database = Database::postgres().await;
    let (here, there) = (Half::one_of(&database).await, Half::one_of(&database).await);
    let mut page = here.open(&ada(), 1, None).await;
    there.say(&ada(), [1]).await;
    let beside = database.beside().await;
    sqlx::query("delete from pushes").execute(&beside).await.unwrap();
    beside.close().await;
    here.say(&ada(), [2]).await;
    assert_eq!(next(&mut page).await.push, Push::Ask);
    assert_eq!(next(&mut page).await.push, push(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_another_server_is_known_until_it_or_the_server_is_gone() {
    let database = Database::postgres().await;
    let (here, there) = (Half::one_of(&database).await, Half::one_of(&database).await);
    let page = there.open(&ada(), 5, None).await;
    let older = async |epoch| here.pages.older_page_connected(&ada(), epoch).await;
    let newer = async |epoch| here.pages.newer_page_connected(&ada(), epoch).await;
    assert!(older(6).await && !older(5).await && newer(4).await && !newer(5).await);
    let was_there = async |worker| here.pages.was_there(&worker, Millis(0)).await.unwrap();
    assert!(was_there(ada()).await && !was_there(bo()).await);
    drop(page);
    until_so("the page is gone", async || !older(6).await).await;
    let _page = there.open(&ada(), 5, None).await;
    assert!(older(6).await);
    there.store.close().await;
    assert!(!older(6).await, "a server that stops ends its sessions");
    let again = Half::one_of(&database).await;
    let _page = again.open(&ada(), 5, None).await;
    assert!(older(6).await);
    let beside = database.beside().await;
    sqlx::query("update servers set until = 0").execute(&beside).await.unwrap();
    assert!(!older(6).await, "one that was killed has no lease any more");
    beside.close().await;
    // It is not known: there may be one.
    here.store.close().await;
    assert!(older(6).await);
}

/// Two servers on one PostgreSQL, with Ada on a call.
async fn two() -> (Database, Twilio, Process, Process) {
    let database = Database::postgres().await;
    let twilio = Twilio::start().await;
    let (first, second) = (Process::on(&twilio, &database.url), Process::on(&twilio, &database.url));
    first.desk.talking().await;
    (database, twilio, first, second)
}

async fn until(page: &mut Events, stage: &str) {
    while page.next().await.expect("it goes on")["recovery"]["stage"]["name"] != stage {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_receives_what_another_server_has_decided() {
    let (database, _twilio, first, second) = two().await;
    let mut listener = PgListener::connect(&database.url).await.unwrap();
    listener.listen("rejoin").await.unwrap();
    let mut page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    assert_eq!(second.desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(page.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
    // No server has to poll for it: the database's notification names the page's worker and nothing else.
    loop {
        let told: Value = serde_json::from_str(listener.recv().await.unwrap().payload()).unwrap();
        if told["what"] == "said" {
            let server = told["server"].clone();
            assert_eq!(told, json!({"server": server, "what": "said", "worker": ada(), "number": 1}));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reconnects_to_another_server_gets_what_it_missed() {
    let (_database, _twilio, first, second) = two().await;
    let mut page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    let begin = page.position().await;
    drop(page);
    assert_eq!(first.desk.leave(3, &ada_leg()).await, 204);
    let gone = [("CallSid", customer().to_string())];
    let gone = gone.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(second.desk.callback(4, "participant-leave", &gone).await, 204);
    // It is over before the page is back: a list of open recoveries would not name it.
    let mut page = Events::resume(&second.desk, "/v1/push?epoch=1", "ada", Some(&begin)).await;
    assert_eq!(page.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
    until(&mut page, "customerLeft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_page_on_another_server_acts() {
    let (_database, _twilio, first, second) = two().await;
    let mut old = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    old.position().await;
    let mut new = Events::open(&second.desk, "/v1/push?epoch=2", "ada").await;
    assert_eq!(old.next().await.unwrap(), json!({"push": "superseded"}));
    assert_eq!(first.desk.hello(1).await["superseded"], json!(true));
    assert_eq!(first.desk.hello(2).await["superseded"], json!(false));
    // The newer page's network changes: what is left of its first connection ends.
    new.position().await;
    let _again = Events::open(&first.desk, "/v1/push?epoch=2", "ada").await;
    while new.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_is_not_orphaned_while_another_server_has_its_page() {
    let (_database, _twilio, first, second) = two().await;
    let page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    let holding = json!({"task": task(), "reservation": reservation(), "wrapping": false, "canJoin": true});
    let hello = json!({"epoch": 2, "holdings": [holding]});
    let reply = second.desk.plugin("/v1/hello", "ada", hello.clone()).await;
    assert_eq!(reply.json::<Value>().await.unwrap()["recoveries"], json!([]), "the older page has the call");
    drop(page);
    // Its end is noticed when something is sent.
    let is_missed = async || {
        let reply = second.desk.plugin("/v1/hello", "ada", hello.clone()).await;
        assert_eq!(reply.status(), 200);
        reply.json::<Value>().await.unwrap()["recoveries"] != json!([])
    };
    until_so("the older page is gone", is_missed).await;
}

/// The page with the call crashes, and another tab says hello in that instant, while the older page still counts as connected.
/// Behind a balancer, a page's hello and its channel may be at different servers.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_left_a_call_to_an_older_one_at_another_server_is_asked_when_that_is_gone() {
    let (_database, _twilio, first, second) = two().await;
    for (at, epoch) in [(&second, 2), (&first, 3)] {
        let page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
        let mut newer = Events::open(&at.desk, &format!("/v1/push?epoch={epoch}"), "ada").await;
        newer.position().await;
        let holding =
            json!({"task": task(), "reservation": reservation(), "wrapping": false, "canJoin": true});
        let hello = json!({"epoch": epoch, "holdings": [holding]});
        let reply = second.desk.plugin("/v1/hello", "ada", hello).await;
        assert_eq!(reply.json::<Value>().await.unwrap()["recoveries"], json!([]));
        drop(page);
        let asked = tokio::time::timeout(PATIENCE, newer.next()).await.expect("it is asked");
        assert_eq!(asked.unwrap(), json!({"push": "ask"}), "page {epoch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_arrives_although_the_notifying_connection_was_cut() {
    let (database, _twilio, first, second) = two().await;
    let mut page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    let beside = database.beside().await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and query ilike 'listen%'";
    let mut cuts = 0;
    while cuts < 2 {
        // Each server listens as soon as it can.
        let row = sqlx::query(cut).fetch_one(&beside).await.unwrap();
        cuts += row.get::<i64, _>(0);
    }
    beside.close().await;
    assert_eq!(second.desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(page.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_read_lines_of_another_server() {
    let (_database, _twilio, first, second) = two().await;
    let path = format!("/operator/timeline/{}", customer());
    let mut timeline = Events::open(&first.desk, &path, OPERATOR_TOKEN).await;
    assert_eq!(timeline.next().await.unwrap()["note"]["what"], "connected");
    assert_eq!(second.desk.leave(3, &ada_leg()).await, 204);
    while timeline.next().await.unwrap()["note"]["what"] != "agent-lost" {}
}
