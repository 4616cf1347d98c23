//! The history of recoveries: each is counted once, whatever happens meanwhile, and views show sums of what is stored.

use crate::console::{Browser, world_on};
use crate::database::{Database, on_both};
use crate::support::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rejoin_protocol::Millis;
use rejoin_recovery::Note;
use rejoin_server::history::{About, Asked, Cell, DAY_HOURS, HOUR, Meaning, OUTCOMES, Recovered, Rung, Sums};
use rejoin_server::store::{Batch, Changes, Line, Store};
use serde_json::Value;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use std::collections::BTreeMap;

on_both!(
    a_recovery_is_in_the_history_with_all_that_the_engine_knew,
    what_an_older_version_has_stored_is_counted_once_and_what_nobody_can_read_blocks_nothing,
    a_batch_that_the_database_refuses_is_counted_as_a_whole_later,
    of_old_recoveries_the_sums_by_day_remain,
    views_show_the_sums_of_what_is_stored,
    pages_that_were_loaded_are_counted_by_version,
    texts_of_the_database_are_escaped_in_the_page_and_no_formulas_in_files,
);

const DAY: Millis = Millis::seconds(24 * 3600);

fn asked(query: &str) -> Asked {
    let (asked, mistakes) = Asked::of(&rejoin_twilio::webhook::form(query.as_bytes()), now());
    assert_eq!(mistakes, [], "{query}");
    asked
}

async fn counted(store: &Store) {
    let begun = std::time::Instant::now();
    loop {
        match store.keep_history().await {
            Ok(0) if store.history(&asked("last=1d")).await.unwrap().uncounted == 0 => return,
            // What a refused transaction had is free when the database has undone it.
            Ok(0) => {
                assert!(begun.elapsed() < PATIENCE, "what a refused transaction had stays locked");
                look_again().await;
            }
            Ok(_) => {}
            // A server tries again, too.
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
    }
}

async fn rows(beside: &AnyPool, table: &str) -> i64 {
    let count = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query(count).fetch_one(beside).await.unwrap().get(0)
}

async fn sum(beside: &AnyPool, of: &str) -> i64 {
    let sum = AssertSqlSafe(format!("select cast(coalesce(sum(n), 0) as bigint) from {of}"));
    sqlx::query(sum).fetch_one(beside).await.unwrap().get(0)
}

/// Waits until a server has written this many rows.
async fn wait_for(beside: &AnyPool, table: &str, wanted: i64) {
    until_so(&format!("{table} has {wanted} rows"), async || rows(beside, table).await >= wanted).await;
}

/// Writes lines as the engine of an older version does: without anything beside them.
async fn write(store: &Store, lines: &[Line]) {
    let decide = |_| {
        let mut changes = Changes::default();
        lines.iter().for_each(|line| changes.add_line(Some(customer()), line.clone()));
        Ok((changes, ()))
    };
    store.transact(&Batch::default(), decide).await.unwrap();
}

fn line(at: Millis, note: Note) -> Line {
    Line { at, conference: conference(), note }
}

fn ended(at: Millis, outcome: &str, after: Millis) -> Line {
    line(at, Note::Ended { outcome: outcome.to_owned(), after })
}

async fn a_recovery_is_in_the_history_with_all_that_the_engine_knew(database: &Database) {
    let world = world_on(database, |_| {}).await;
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    world.desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let leg = customer().to_string();
    assert_eq!(world.desk.callback(4, "participant-leave", &[("CallSid", &leg)]).await, 204);
    let path = format!("/twiml/after/{}", recovery());
    let left = [("CallSid", leg.as_str()), ("QueueResult", "hangup")];
    assert_eq!(world.desk.signed(&path, &left).await.status(), 200);

    let browser = Browser::signed_in(&world.desk.address).await;
    let query =
        format!("last=1d&workflow={}&agent={}&rung=same-agent&outcome=customer-left", workflow(), ada());
    let beside = database.beside().await;
    wait_for(&beside, "recoveries", 1).await;
    let json: Value =
        serde_json::from_str(&browser.page(&format!("/console/history.json?{query}")).await).unwrap();
    let page = browser.page(&format!("/console/history?{query}")).await;
    assert!(page.contains("The customer hung up"), "{page}");
    assert!(page.contains(ada().as_str()) && page.contains(workflow().as_str()), "{page}");
    assert_eq!(json["filters"]["agent"], ada().as_str());
    let table = |name: &str| {
        json["tables"].as_array().unwrap().iter().find(|table| table["table"] == name).unwrap()["rows"]
            .clone()
    };
    assert_eq!(table("results")[2], serde_json::json!(["lost", 1, 100.0]));
    assert_eq!(table("agents"), serde_json::json!([[ada(), 1, 1]]));
    assert_eq!(table("causes"), serde_json::json!([["customer-left", "same-agent", 1, 100.0]]));
    assert_eq!(table("first-sound").as_array().unwrap().len(), 21, "the announcement was requested");
    assert_eq!(table("time-to-voice"), serde_json::json!([]));
    // No person is in it.
    for hidden in ["Ada", "Tom", customer().as_str()] {
        assert!(!page.contains(hidden) && !json.to_string().contains(hidden), "{hidden}");
    }
    // Another agent, or another day, has nothing of it.
    let other = browser.page("/console/history?from=2020-01-01&to=2020-01-02").await;
    assert!(other.contains("No recovery has ended in this time."), "{other}");
    // It is counted once, and also after a restart.
    let mut world = world;
    world.restart().await;
    let World { server, .. } = world;
    server.unwrap().stop().await;
    let store = Store::open(&database.url).await.unwrap();
    counted(&store).await;
    store.close().await;
    assert_eq!((sum(&beside, "history where span = 24").await, rows(&beside, "recoveries").await), (1, 1));
    beside.close().await;
}

async fn what_an_older_version_has_stored_is_counted_once_and_what_nobody_can_read_blocks_nothing(
    database: &Database,
) {
    let store = Store::open(&database.url).await.unwrap();
    let at = |number: u64| now() - DAY + Millis(number * 60_000);
    let mut lines = vec![];
    for number in 0..250 {
        lines.push(line(at(number) - Millis(3_000), Note::JoiningInPlace));
        lines.push(ended(at(number), "rejoined", Millis(5_000)));
    }
    write(&store, &lines).await;
    let beside = database.beside().await;
    // Of a version to come, and of a damaged disk.
    for note in [
        r#"{"what":"ended","outcome":7}"#,
        r#"{"what":"ended","outcome":"sent-home","after":5,"more":[]}"#,
        r#"{"what":"ended"<"#,
    ] {
        let add = "insert into notes (at, conference, note) values ($1, 'CF1', $2)";
        let add = sqlx::query(add).bind(i64::try_from(at(0).0).unwrap()).bind(note);
        add.execute(&beside).await.unwrap();
    }
    for _ in 0..2 {
        counted(&store).await;
        let sums = store.history(&asked("last=7d")).await.unwrap();
        assert_eq!((sums.count(Meaning::Same), sums.count(Meaning::Lost), sums.uncounted), (250, 1, 0));
        assert!(sums.cells.iter().filter(|cell| cell.count == 250).all(|cell| cell.rung == "in-place"));
        assert_eq!(rows(&beside, "recoveries").await, 251);
    }
    assert_eq!(rows(&beside, "notes where counted = 2").await, 2);
    // The same lines again are other recoveries: a line is counted once, not an outcome.
    write(&store, &[ended(at(1), "rejoined", Millis(5_000))]).await;
    assert_eq!(store.history(&asked("last=7d")).await.unwrap().uncounted, 1);
    counted(&store).await;
    assert_eq!(store.history(&asked("last=7d")).await.unwrap().count(Meaning::Same), 251);
    beside.close().await;
    store.close().await;
}

async fn a_batch_that_the_database_refuses_is_counted_as_a_whole_later(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let lines: Vec<Line> =
        (0..30).map(|number| ended(now() - Millis(number), "failed", Millis(900))).collect();
    write(&store, &lines).await;
    let beside = database.beside().await;
    // The last table of the transaction: marks, recoveries and sums were written before.
    database.refuse("history_agents").await;
    for _ in 0..3 {
        // What the transaction before had is free when the database has undone it.
        until_so("it is refused", async || match store.keep_history().await {
            Ok(0) => false,
            answer => answer.map(|_| ()).map_err(drop) == Err(()),
        })
        .await;
        assert_eq!((rows(&beside, "recoveries").await, rows(&beside, "history").await), (0, 0));
        assert_eq!(store.history(&asked("last=1d")).await.unwrap().uncounted, 30);
    }
    database.accept("history_agents").await;
    counted(&store).await;
    let sums = store.history(&asked("last=1d")).await.unwrap();
    assert_eq!((sums.count(Meaning::Lost), sums.uncounted), (30, 0));
    assert_eq!((rows(&beside, "recoveries").await, sum(&beside, "history where span = 24").await), (30, 30));
    beside.close().await;
    store.close().await;
}

/// Several servers count the same lines at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_count_each_recovery_once() {
    let database = Database::postgres().await;
    let (first, second) =
        (Store::open(&database.url).await.unwrap(), Store::open(&database.url).await.unwrap());
    let lines: Vec<Line> =
        (0..1000).map(|number| ended(now() - Millis(number), "rejoined", Millis(900 + number))).collect();
    write(&first, &lines).await;
    tokio::join!(counted(&first), counted(&second), counted(&first), counted(&second));
    // What one server had skipped because another one had it is counted.
    counted(&first).await;
    let sums = second.history(&asked("last=1d")).await.unwrap();
    assert_eq!((sums.count(Meaning::Same), sums.uncounted), (1000, 0));
    let beside = database.beside().await;
    assert_eq!(rows(&beside, "recoveries").await, 1000);
    beside.close().await;
    first.close().await;
    second.close().await;
}

async fn of_old_recoveries_the_sums_by_day_remain(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let keep = Millis(DAY.0 * 30);
    let (old, young) = (now() - keep - Millis(DAY.0 * 2), now() - DAY);
    write(&store, &[ended(old, "rejoined", Millis(700)), ended(young, "rejoined", Millis(700))]).await;
    counted(&store).await;
    // Not counted when it expires.
    write(&store, &[ended(old, "failed", Millis(700))]).await;
    store.tidy(keep).await.unwrap();
    let beside = database.beside().await;
    for (rows_of, wanted) in [
        ("recoveries", 1),
        ("notes", 1),
        ("history where span = 1", 1),
        ("history where span = 24", 3),
        ("history_agents", 1),
    ] {
        assert_eq!(rows(&beside, rows_of).await, wanted, "{rows_of}");
    }
    let sums = store.history(&asked("last=90d")).await.unwrap();
    assert_eq!((sums.count(Meaning::Same), sums.count(Meaning::Lost)), (2, 1));
    beside.close().await;
    store.close().await;
}

const WORKERS: u64 = 4;

fn recovery_of(base: Millis) -> impl Strategy<Value = Recovered> {
    let numbers = (0..20u64 * 24 * 3_600_000, 0..700_000u64, 0..90_000u64, 0..WORKERS, 0..3u64, 0..3u64);
    (numbers, 0..Rung::ALL.len(), 0..OUTCOMES.len()).prop_map(move |(numbers, rung, outcome)| {
        let (ago, took, heard, worker, workflow, queue) = numbers;
        let outcome = OUTCOMES[outcome].to_owned();
        let sid = |prefix: &str, number: u64| match number {
            0 => String::new(),
            number => format!("{prefix}{number:032x}"),
        };
        let cause = if outcome == "failed" && took % 2 == 0 { "nobody-took-it" } else { "" };
        Recovered {
            at: base - Millis(ago),
            took: Millis(took),
            heard: (heard < 60_000).then_some(Millis(heard)),
            about: About {
                worker: sid("WK", worker),
                workflow: sid("WW", workflow),
                queue: sid("WQ", queue),
                is_covered: false,
                cause: cause.to_owned(),
            },
            rung: Rung::ALL[rung].name().to_owned(),
            outcome,
        }
    })
}

/// What a view must show, computed from all recoveries.
fn expected(all: &[Recovered], asked: &Asked) -> (Vec<Cell>, BTreeMap<String, (u64, u64)>) {
    let (from, to) = asked.range.times();
    let wanted = |it: &&Recovered| {
        let about = &it.about;
        (from..to).contains(&it.at)
            && asked.workflow.as_ref().is_none_or(|only| *only == about.workflow)
            && asked.queue.as_ref().is_none_or(|only| *only == about.queue)
            && asked.worker.as_ref().is_none_or(|only| *only == about.worker)
            && asked.rung.is_none_or(|only| only.name() == it.rung)
            && asked.outcome.is_none_or(|only| only == it.outcome)
    };
    let mut cells: BTreeMap<_, Cell> = BTreeMap::new();
    let mut agents: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for it in all.iter().filter(wanted) {
        let cell = Cell::of(it, asked.range.span);
        let key = (cell.start, cell.rung.clone(), cell.outcome.clone(), cell.cause.clone());
        cells.entry(key).and_modify(|sum| sum.add(it)).or_insert(cell);
        let agent = agents.entry(it.about.worker.clone()).or_default();
        agent.0 += u64::from(it.outcome != "graceful");
        agent.1 += u64::from(it.meaning() == Meaning::Lost);
    }
    agents.retain(|_, (losses, _)| *losses > 0);
    (cells.into_values().collect(), agents)
}

async fn views_show_the_sums_of_what_is_stored(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let mut runner = TestRunner::default();
    let recoveries = prop::collection::vec(recovery_of(now()), 1500);
    let all = recoveries.new_tree(&mut runner).unwrap().current();
    for part in all.chunks(400) {
        store.add_recoveries(part).await.unwrap();
    }
    let one = |prefix: &str| format!("{prefix}{:032x}", 1);
    let (workflow, queue, agent) = (one("WW"), one("WQ"), one("WK"));
    let filters = [
        String::new(),
        format!("&workflow={workflow}"),
        format!("&queue={queue}&rung=in-place"),
        format!("&workflow={workflow}&queue={queue}&outcome=failed"),
        format!("&agent={agent}"),
        format!("&agent={agent}&workflow={workflow}&rung=next-agent"),
        "&outcome=graceful".to_owned(),
        "&rung=covered&outcome=rejoined".to_owned(),
    ];
    let ago = |hours: u64| rejoin_server::history::minute(now() - Millis(hours * HOUR.0));
    let ranges = [
        "last=1d".to_owned(),
        "last=30d".to_owned(),
        format!("from={}&to={}", ago(100), ago(40)),
        format!("from={}&to={}", ago(300), ago(50)),
        format!("from={}&to={}", ago(50), ago(49)),
    ];
    let (mut shown, mut spans) = (0, vec![]);
    for range in &ranges {
        for filter in &filters {
            let query = format!("{range}{filter}");
            let asked = asked(&query);
            let sums: Sums = store.history(&asked).await.unwrap();
            let (cells, agents) = expected(&all, &asked);
            assert_eq!(sums.cells, cells, "{query}");
            let found = sums.agents.iter().map(|it| (it.worker.clone(), (it.losses, it.lost))).collect();
            assert_eq!(agents, found, "{query}");
            assert!(sums.agents.windows(2).all(|pair| pair[0].losses >= pair[1].losses));
            shown += sums.cells.iter().map(|cell| cell.count).sum::<u64>();
            spans.push(asked.range.span);
        }
    }
    assert!(shown > 1500 && spans.contains(&1) && spans.contains(&DAY_HOURS), "{shown}");
    store.close().await;
}

async fn pages_that_were_loaded_are_counted_by_version(database: &Database) {
    let world = world_on(database, |_| {}).await;
    world.desk.talking().await;
    for epoch in 2..5 {
        world.desk.hello(epoch).await;
    }
    let browser = Browser::signed_in(&world.desk.address).await;
    let beside = database.beside().await;
    wait_for(&beside, "plugin_versions where count >= 3", 1).await;
    beside.close().await;
    let table = browser.page("/console/history.csv?last=1d&table=versions").await;
    assert!(table.lines().count() == 2 && table.starts_with("version,pages,percent\r\n"), "{table}");
}

async fn texts_of_the_database_are_escaped_in_the_page_and_no_formulas_in_files(database: &Database) {
    let world = world_on(database, |_| {}).await;
    let beside = database.beside().await;
    let hostile = "=cmd|'/c calc'!A1<img src=x onerror=alert(1)>\",\r\n+1";
    let day = now().0 / DAY.0;
    let add = "insert into plugin_versions (day, version, count) values ($1, $2, 1)";
    let add = sqlx::query(add).bind(i64::try_from(day).unwrap()).bind(hostile);
    add.execute(&beside).await.unwrap();
    let add = "insert into recoveries (at, took, worker, workflow, queue, rung, outcome, cause)
               values ($1, 5, $2, $2, $2, $2, 'failed', $2)";
    let at = i64::try_from(now().0).unwrap();
    sqlx::query(add).bind(at).bind(hostile).execute(&beside).await.unwrap();
    let add = "insert into history (span, start, workflow, queue, rung, outcome, cause, n, took)
               values (1, $1, $2, $2, $2, 'failed', $2, 1, 5)";
    let hour = i64::try_from(now().0 / HOUR.0).unwrap();
    sqlx::query(add).bind(hour).bind(hostile).execute(&beside).await.unwrap();
    beside.close().await;

    let browser = Browser::signed_in(&world.desk.address).await;
    let page = browser.page("/console/history?last=1d").await;
    // Choices of workflow and queue, twice each; rungs, a cause and its rung, the agent, the version.
    assert!(page.matches("=cmd|'/c calc'!A1&lt;img src=x onerror=alert(1)&gt;&quot;").count() >= 8, "{page}");
    assert!(!page.contains("<img"), "{page}");
    let reply = browser.get("/console/history.csv?last=1d").await;
    assert_eq!(reply.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(reply.headers()["content-disposition"], "attachment; filename=\"rejoin-history.csv\"");
    let csv = reply.text().await.unwrap();
    assert!(csv.contains("\"'=cmd|'/c calc'!A1<img src=x onerror=alert(1)>\"\",\r\n+1\""), "{csv}");
    assert!(!csv.contains("\n=") && !csv.contains(",="), "{csv}");
    let table = browser.page("/console/history.csv?last=1d&table=results").await;
    assert!(table.starts_with("result,recoveries,percent\r\nsame-agent,0,"), "{table}");
    assert_eq!(browser.get("/console/history.csv?last=1d&table=%3Cb%3E").await.status(), 404);
}

#[tokio::test]
async fn an_address_that_asks_for_what_there_cannot_be_shows_the_usual_view() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world.desk.address).await;
    for (query, said) in [
        ("from=2026-11-20&to=2026-11-19", "The last seven days are shown."),
        ("last=%22%3E%3Cscript%3E", "The last seven days are shown."),
        ("agent=Ada%3Cb%3E", "It was left out."),
        ("rung=fourth", "It was left out."),
    ] {
        let page = browser.page(&format!("/console/history?{query}")).await;
        assert!(page.contains(said) && page.contains("id=\"over-time\""), "{query}: {page}");
        assert!(!page.contains("<b>") && !page.contains("<script>"), "{page}");
        // A file has no place for such a sentence.
        for file in ["csv", "json"] {
            assert_eq!(browser.get(&format!("/console/history.{file}?{query}")).await.status(), 404);
        }
    }
    let page = browser.page("/console/history").await;
    assert!(page.contains("href=\"/console/history\" aria-current=\"page\""), "{page}");
    // Nothing that the policy would block.
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="), "{page}");
}

/// A table that only the history waits for is locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_takes_too_long_is_not_shown_and_the_engine_goes_on() {
    let database = Database::postgres().await;
    let world = world_on(&database, |_| {}).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let beside = database.beside().await;
    let mut lock = beside.begin().await.unwrap();
    sqlx::query("lock table history in access exclusive mode").execute(&mut *lock).await.unwrap();
    // More of them than the history has connections.
    let views = (0..6).map(|_| browser.page("/console/history"));
    let views = futures_util::future::join_all(views);
    let engine = async {
        world.desk.lost().await;
        world.twilio.wait_for("POST Tasks", 1).await;
    };
    let (pages, ()) = tokio::join!(views, engine);
    for page in pages {
        assert!(page.contains("The database did not answer in time"), "{page}");
    }
    assert_eq!(browser.get("/console/history.json").await.status(), 503);
    lock.rollback().await.unwrap();
    let page = browser.page("/console/history").await;
    assert!(!page.contains("The database did not answer in time"), "{page}");
}
