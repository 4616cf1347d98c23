//! Switches are counted, logged and reported: a page at another server, a caller who comes back from the fallback. Those of the
//! database are in `failover`.

use crate::crash::Process;
use crate::database::Database;
use crate::support::*;
use rejoin_server::beside::report;
use rejoin_server::switches::Cause;
use std::time::{Duration, Instant};

/// `what cause: count, calls` of each switch in the report, once this is there.
async fn reported(url: &str, wanted: &[&str]) {
    let begun = Instant::now();
    loop {
        let switches = report(url).await.unwrap().switches;
        let said: Vec<String> = switches
            .iter()
            .map(|it| format!("{} {}: {}, {} calls", it.what, it.cause, it.count, it.calls))
            .collect();
        if said == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "reported: {said:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A page's channel, once it is registered.
async fn page(desk: &Desk, epoch: u64) -> Events {
    let mut page = Events::open(desk, &format!("/v1/push?epoch={epoch}"), "ada").await;
    page.position().await;
    page
}

/// Waits until the database has this many connected pages.
async fn connected(database: &Database, pages: i64) {
    let beside = database.beside().await;
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>("select count(*) from sessions").fetch_one(&beside).await.unwrap()
        != pages
    {
        assert!(begun.elapsed() < PATIENCE, "{pages} pages are not connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    beside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_from_another_server_is_a_switch() {
    let database = Database::postgres().await;
    let on = |url: String| World::start_with(|config| config.storage.database_url = url);
    let (first, second) = (on(database.url.clone()).await, on(database.url.clone()).await);
    first.desk.talking().await;
    // The first connection of a page, and the next one at the same server, come from nowhere else.
    drop(page(&first.desk, 1).await);
    connected(&database, 0).await;
    let stays = page(&first.desk, 1).await;
    // The first server has not noticed that the page is gone.
    let moved = page(&second.desk, 1).await;
    reported(&database.url, &["server unnoticed: 1, 1 calls"]).await;
    drop((stays, moved));
    connected(&database, 0).await;
    // It stays at the second one.
    drop(page(&second.desk, 1).await);
    connected(&database, 0).await;
    // A page that was loaded anew does not come from a server.
    drop(page(&first.desk, 2).await);
    connected(&database, 0).await;
    drop(page(&second.desk, 2).await);
    reported(&database.url, &["server ended: 1, 1 calls", "server unnoticed: 1, 1 calls"]).await;
    let timed = report(&database.url).await.unwrap().switches;
    assert_eq!(timed.iter().map(|it| it.mean_ms.is_some()).collect::<Vec<_>>(), [true, false]);
}

/// What a page says cannot be a switch: another worker's page, a page without an epoch, and one that no other server knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_make_up_a_switch() {
    let database = Database::postgres().await;
    let on = |url: String| World::start_with(|config| config.storage.database_url = url);
    let (first, second) = (on(database.url.clone()).await, on(database.url.clone()).await);
    let mut open = vec![page(&first.desk, 0).await, page(&second.desk, 0).await, page(&first.desk, 7).await];
    for (token, epoch, since) in [("bo", 7, "1-1"), ("ada", 8, "1-1"), ("ada", 9, "' or 1=1")] {
        let path = format!("/v1/push?epoch={epoch}&hop=1&from=elsewhere");
        open.push(Events::resume(&second.desk, &path, token, Some(since)).await);
    }
    // What is counted is written with the lease: one more that counts comes after all of these.
    open.push(page(&second.desk, 7).await);
    reported(&database.url, &["server unnoticed: 1, 0 calls"]).await;
}

#[tokio::test]
async fn a_caller_who_comes_back_from_the_fallback_is_a_switch() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // A process of its own: metrics and log are shared by all servers of a process.
    let url = format!("sqlite:{}", folder.path().join("rejoin.db").display());
    let process = Process::telling(&twilio, &url, &log);
    let none = process.desk.figures().await;
    for (what, cause) in Cause::ALL.map(Cause::names) {
        let counter = format!("rejoin_switches_total{{what=\"{what}\",cause=\"{cause}\"}} 0");
        assert!(none.contains(&counter), "{counter} is missing: {none}");
    }
    let leg = customer().to_string();
    let over = [("CallSid", leg.as_str()), ("QueueResult", "bridged")];
    for path in ["/twiml/ended?asked=0&hop=1", "/twiml/ended?asked=0&hop=2", "/twiml/ended?asked=0"] {
        assert_eq!(process.desk.signed(path, &over).await.status(), 200);
    }
    let unsigned = process.desk.http.post(format!("{}/twiml/ended?asked=0&hop=1", process.desk.address));
    assert_eq!(unsigned.form(&over).send().await.unwrap().status(), 403);
    let figures = process.desk.figures().await;
    for counter in [
        "rejoin_switches_total{what=\"fallback\",cause=\"ended\"} 2",
        "rejoin_switch_calls_total{what=\"fallback\"} 2",
    ] {
        assert!(figures.contains(counter), "{counter} is missing: {figures}");
    }
    reported(&url, &["fallback ended: 2, 2 calls"]).await;
    let said = report(&url).await.unwrap().to_string();
    assert!(said.contains("  fallback  ended              2   not known          2"), "{said}");
    process.terminate();
    assert!(process.ended().success());
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        log.lines().filter(|line| line.contains("switched") && line.contains("fallback")).count(),
        2,
        "{log}"
    );
}
