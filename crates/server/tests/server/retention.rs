//! What remains of a call, and for how long.

use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::api::Push;
use rejoin_protocol::{ConferenceSid, Millis, TaskSid, WorkerSid};
use rejoin_recovery::{Action, Note, RequeueCause};
use rejoin_server::beside::report;
use rejoin_server::report::{Figure, NotBack};
use rejoin_server::store::{Batch, Changes, Line, NewJob, Store};
use rejoin_server::story::{Entry, Told};
use rejoin_server::{Config, Server};
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

on_both!(
    what_came_in_about_a_call_that_nobody_was_lost_from_goes_with_it,
    of_an_old_recovery_figures_remain_and_nothing_of_the_call,
    a_ping_is_ended_also_when_its_call_is_forgotten_by_then,
    what_is_not_old_stays,
    silent_pages_are_counted_before_and_after_their_lines_are_deleted,
    agents_who_were_back_late_are_counted_before_and_after_their_lines_are_deleted,
    however_much_is_old_all_of_it_goes,
    a_worker_who_was_told_nothing_for_long_is_forgotten,
);

const DAY: Millis = Millis::seconds(24 * 3600);
const KEEP: Millis = Millis(DAY.0 * 30);

/// The whole content of the database, as text.
async fn dump(database: &Database, beside: &AnyPool) -> String {
    let tables = if database.is_postgres() {
        "select table_name::text from information_schema.tables where table_schema = 'public'"
    } else {
        "select name from sqlite_master where type = 'table' and name not like '\\_sqlx%' escape '\\'"
    };
    let mut all = String::new();
    for table in sqlx::query(tables).fetch_all(beside).await.unwrap() {
        let table: String = table.get(0);
        let rows = if database.is_postgres() {
            format!("select t::text from \"{table}\" t")
        } else {
            let columns = sqlx::query("select name from pragma_table_info($1)").bind(table.clone());
            let columns = columns.fetch_all(beside).await.unwrap();
            let column = |row: &sqlx::any::AnyRow| {
                format!("coalesce(cast(\"{}\" as text), '')", row.get::<String, _>(0))
            };
            let columns: Vec<String> = columns.iter().map(column).collect();
            format!("select {} from \"{table}\"", columns.join(" || ' ' || "))
        };
        for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(beside).await.unwrap() {
            all += &format!("{table}: {}\n", row.get::<String, _>(0));
        }
    }
    all
}

async fn tell(beside: &AnyPool, statement: &'static str) {
    sqlx::query(statement).execute(beside).await.unwrap();
}

fn config_on(twilio: &Twilio, database: &Database) -> Config {
    use clap::Parser as _;
    let arguments = std::iter::once("rejoin".to_owned()).chain(arguments_on(twilio, &database.url));
    Config::try_parse_from(arguments).unwrap()
}

/// Lets ten minutes pass, so that ended calls are forgotten.
async fn forgotten(config: &Config, beside: &AnyPool) {
    tell(beside, "update timers set at = 0").await;
    let server = Server::start(config.clone()).await.unwrap();
    let open = "select conference from calls union all select conference from jobs where closed = 0";
    let is_forgotten = async || sqlx::query(open).fetch_optional(beside).await.unwrap().is_none();
    until_so("all is forgotten", is_forgotten).await;
    server.stop().await;
}

async fn what_came_in_about_a_call_that_nobody_was_lost_from_goes_with_it(database: &Database) {
    let twilio = Twilio::start().await;
    let config = config_on(&twilio, database);
    let server = Server::start(config.clone()).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    desk.talking().await;
    assert_eq!(desk.callback(3, "participant-leave", &[("CallSid", customer().as_str())]).await, 204);
    assert_eq!(desk.callback(4, "conference-end", &[]).await, 204);
    server.stop().await;
    let beside = database.beside().await;
    assert!(rows(&beside, "story").await >= 5);
    forgotten(&config, &beside).await;
    assert_eq!(rows(&beside, "story").await, 0);
    assert!(rows(&beside, "notes").await > 0, "its timeline is kept");
    beside.close().await;
}

/// Twilio has been out of order for that long. Found by the simulation (seed 53851 of `outages`).
async fn a_ping_is_ended_also_when_its_call_is_forgotten_by_then(database: &Database) {
    let twilio = Twilio::start().await;
    let config = config_on(&twilio, database);
    let end = format!("POST Tasks/{}", ping());
    let works = Arc::new(AtomicBool::new(false));
    twilio.script({
        let (end, works) = (end.clone(), Arc::clone(&works));
        move |asked, _| {
            let refused = asked.what == end && !works.load(Ordering::SeqCst);
            refused.then(|| (503, vec![], serde_json::json!({"code": 20503})))
        }
    });
    let server = Server::start(config.clone()).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(desk.callback(4, "participant-leave", &[("CallSid", customer().as_str())]).await, 204);
    assert_eq!(desk.callback(5, "conference-end", &[]).await, 204);
    twilio.wait_for(&end, 1).await;
    server.stop().await;

    let beside = database.beside().await;
    tell(&beside, "update timers set at = 0").await;
    let server = Server::start(config).await.unwrap();
    until_so("the call is forgotten", async || rows(&beside, "calls").await == 0).await;
    works.store(true, Ordering::SeqCst);
    let asked = twilio.asked(&end).len();
    twilio.wait_for(&end, asked + 1).await;
    until_so("no job is open", async || rows(&beside, "jobs where closed = 0").await == 0).await;
    server.stop().await;
    beside.close().await;
}

async fn of_an_old_recovery_figures_remain_and_nothing_of_the_call(database: &Database) {
    let twilio = Twilio::start().await;
    let config = config_on(&twilio, database);
    let server = Server::start(config.clone()).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let leg = customer().to_string();
    assert_eq!(desk.callback(4, "participant-leave", &[("CallSid", &leg)]).await, 204);
    let path = format!("/twiml/after/{}", recovery());
    let left = [("CallSid", leg.as_str()), ("QueueResult", "hangup")];
    assert_eq!(desk.signed(&path, &left).await.status(), 200);
    let path = format!("/operator/timeline/{leg}");
    let mut timeline = Events::open(&desk, &path, OPERATOR_TOKEN).await;
    while timeline.next().await.unwrap()["note"]["what"] != "ended" {}
    drop(timeline);
    assert_eq!(desk.callback(5, "conference-end", &[]).await, 204);
    server.stop().await;

    let beside = database.beside().await;
    let sids = [
        conference().to_string(),
        task().to_string(),
        leg,
        ada_leg().to_string(),
        reservation().to_string(),
        recovery().to_string(),
        ping().to_string(),
        workflow().to_string(),
    ];
    let personal: Vec<&str> = sids.iter().map(String::as_str).chain(["Ada", "Tom"]).collect();
    let before = dump(database, &beside).await;
    for marked in &personal {
        assert!(before.contains(marked), "{marked} was never there:\n{before}");
    }
    forgotten(&config, &beside).await;
    for age in [
        "update notes set at = 86400000",
        "update story set at = 86400000",
        "update jobs set deadline = 86400000",
        "update pushes set at = 86400000",
        // If it was counted already.
        "update recoveries set at = 86400000",
        "update history set start = 24",
        "update history_agents set start = 24",
    ] {
        tell(&beside, age).await;
    }
    let store = Store::open(&database.url).await.unwrap();
    store.tidy(KEEP).await.unwrap();
    store.close().await;
    let after = dump(database, &beside).await;
    beside.close().await;
    // Sums by day have the workflow, which is nobody's.
    let rest: Vec<&str> = after.lines().filter(|line| !line.starts_with("history: ")).collect();
    let sums: Vec<&str> = after.lines().filter(|line| line.starts_with("history: ")).collect();
    assert_eq!(sums.len(), 1, "{sums:?}");
    for marked in &personal {
        assert!(rest.iter().all(|line| !line.contains(marked)), "{marked} is still there:\n{after}");
        let is_of_sums = *marked == workflow().as_str();
        assert!(is_of_sums || !sums[0].contains(marked), "{marked} is still there: {sums:?}");
    }
    let figures = report(&database.url).await.unwrap().recoveries;
    let figures: Vec<_> = figures.iter().map(|f| (f.day.as_str(), f.outcome.as_str(), f.count)).collect();
    assert_eq!(figures, [("1970-01-02", "customer-left", 1)]);
    let output = Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("report")
        .env_clear()
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("1970-01-02  customer-left        1"), "{said}");
}

/// Writes without reading.
async fn write(store: &Store, change: impl Fn(&mut Changes)) -> Vec<Option<rejoin_server::store::StoredJob>> {
    let decide = |_| {
        let mut changes = Changes::default();
        change(&mut changes);
        Ok((changes, ()))
    };
    store.transact(&Batch::default(), decide).await.unwrap().0.jobs
}

fn ended(at: Millis, outcome: &str, after: Millis) -> Line {
    Line { at, conference: conference(), note: Note::Ended { outcome: outcome.to_owned(), after } }
}

fn told(at: Millis) -> Told {
    let entry = Entry::TakenUp { job: 1, action: "announcing".to_owned(), begun_before: false };
    Told { at, conference: conference(), recovery: None, entry }
}

async fn rows(beside: &AnyPool, table: &str) -> i64 {
    let count = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query(count).fetch_one(beside).await.unwrap().get(0)
}

async fn what_is_not_old_stays(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let now = crate::support::now();
    let (old, young) = (now - KEEP - DAY, now - KEEP + DAY);
    let complete = |number, deadline| NewJob {
        conference: ConferenceSid::numbered(number),
        action: Action::CompleteReservation { task: TaskSid::numbered(number), reservation: reservation() },
        deadline,
        mine: true,
    };
    write(&store, |changes| {
        for at in [old, young] {
            changes.add_line(Some(customer()), ended(at, "rejoined", Millis(4000)));
            changes.tell([told(at)]);
        }
    })
    .await;
    // Among the old jobs one has an open call, and one has not ended.
    let jobs = [complete(1, old), complete(2, old), complete(3, old), complete(4, young)];
    let stored = write(&store, |changes| jobs.iter().cloned().for_each(|job| changes.add_job(job))).await;
    for number in [0, 1, 3] {
        let job = stored[number].as_ref().unwrap().claim.job;
        write(&store, |changes| changes.close_job(job)).await;
    }
    let beside = database.beside().await;
    let open = format!("insert into calls (conference, state) values ('{}', '')", ConferenceSid::numbered(1));
    sqlx::query(AssertSqlSafe(open)).execute(&beside).await.unwrap();
    store.tidy(KEEP).await.unwrap();
    store.tidy(KEEP).await.unwrap();
    assert_eq!((rows(&beside, "notes").await, rows(&beside, "story").await), (1, 1));
    let again = write(&store, |changes| jobs.iter().cloned().for_each(|job| changes.add_job(job))).await;
    let known: Vec<bool> = again.iter().map(Option::is_none).collect();
    assert_eq!(known, [true, false, true, true], "only of an ended job without a call nothing is known");
    // Reduced recoveries are counted together with those still stored, each once.
    let figures = report(&database.url).await.unwrap().recoveries;
    let of = |at: Millis| figures.iter().filter(|figure| figure.day == day(at)).collect::<Vec<_>>();
    for at in [old, young] {
        let within_ms = vec![(Some(Millis(5000)), 1)];
        let (outcome, mean_ms) = ("rejoined".to_owned(), Millis(4000));
        assert_eq!(of(at), [&Figure { day: day(at), outcome, count: 1, mean_ms, within_ms }]);
    }
    beside.close().await;
}

async fn silent_pages_are_counted_before_and_after_their_lines_are_deleted(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let (first, second) = (DAY, DAY + DAY);
    let lines = [
        (first, Note::PageSilent),
        (first, Note::PageSilent),
        (first, Note::PageAnswered),
        (first, Note::AgentLost { by: None }),
        (second, Note::PageSilent),
    ];
    write(&store, |changes| {
        for (at, note) in lines.clone() {
            changes.add_line(Some(customer()), Line { at, conference: conference(), note });
        }
        changes.add_line(Some(customer()), ended(first, "rejoined", Millis(4000)));
    })
    .await;
    let silent = async || {
        let report = report(&database.url).await.unwrap();
        let recoveries: Vec<_> = report.recoveries.iter().map(|it| (it.outcome.clone(), it.count)).collect();
        assert_eq!(recoveries, [("rejoined".to_owned(), 1)], "a silent page is no recovery");
        report.silent.into_iter().map(|it| (it.day, it.count, it.answered)).collect::<Vec<_>>()
    };
    let expected = [(day(first), 2, 1), (day(second), 1, 0)];
    assert_eq!(silent().await, expected, "in full");
    store.tidy(KEEP).await.unwrap();
    let beside = database.beside().await;
    assert_eq!(rows(&beside, "notes").await, 0);
    beside.close().await;
    assert_eq!(silent().await, expected, "as figures");
}

async fn agents_who_were_back_late_are_counted_before_and_after_their_lines_are_deleted(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let (first, second) = (DAY, DAY + DAY);
    let went_on = |because| Note::Requeueing { same_agent: false, because: Some(because) };
    let lines = [
        (first, went_on(RequeueCause::AgentNotBack)),
        (first, went_on(RequeueCause::AgentNotBack)),
        (first, went_on(RequeueCause::NotTaken)),
        (first, Note::AgentBackLate { after: Millis(4000) }),
        (second, went_on(RequeueCause::AgentNotBack)),
        (second, Note::AgentBackLate { after: Millis(29_000) }),
        (second, Note::AgentBackLate { after: Millis(700) }),
    ];
    write(&store, |changes| {
        for (at, note) in lines.clone() {
            changes.add_line(Some(customer()), Line { at, conference: conference(), note });
        }
        changes.add_line(Some(customer()), ended(first, "rejoined", Millis(4000)));
    })
    .await;
    let not_back = async || {
        let report = report(&database.url).await.unwrap();
        let recoveries: Vec<_> = report.recoveries.iter().map(|it| (it.outcome.clone(), it.count)).collect();
        assert_eq!(recoveries, [("rejoined".to_owned(), 1)], "how it went on is no outcome");
        report.not_back
    };
    let expected = NotBack { count: 3, back_late: 3, half_within_ms: Some(Millis(5000)) };
    assert_eq!(not_back().await, expected, "in full");
    store.tidy(KEEP).await.unwrap();
    let beside = database.beside().await;
    assert_eq!(rows(&beside, "notes").await, 0);
    beside.close().await;
    assert_eq!(not_back().await, expected, "as figures");
}

/// Computed in another way than the report does.
fn day(at: Millis) -> String {
    let output =
        Command::new("date").args(["-u", "-d", &format!("@{}", at.0 / 1000), "+%F"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn however_much_is_old_all_of_it_goes(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    write(&store, |changes| {
        for number in 0..1200_u64 {
            let outcome = if number % 3 == 0 { "failed" } else { "rejoined" };
            changes.add_line(None, ended(Millis(number), outcome, Millis(number * 1000)));
            changes.tell([told(Millis(number))]);
        }
    })
    .await;
    store.tidy(KEEP).await.unwrap();
    let beside = database.beside().await;
    assert_eq!((rows(&beside, "notes").await, rows(&beside, "story").await), (0, 0));
    beside.close().await;
    let figures = report(&database.url).await.unwrap().recoveries;
    let counts: Vec<_> = figures.iter().map(|f| (f.outcome.as_str(), f.count, f.mean_ms)).collect();
    assert_eq!(counts, [("failed", 400, Millis(598_500)), ("rejoined", 800, Millis(600_000))]);
    let sums: Vec<u64> = figures.iter().map(|f| f.within_ms.iter().map(|(_, count)| count).sum()).collect();
    assert_eq!(sums, [400, 800]);
    assert_eq!(figures[0].within_ms[0], (Some(Millis(1000)), 1), "0 s");
    assert_eq!(figures[0].within_ms.last(), Some(&(None, 199)), "603 s to 1197 s");
}

async fn a_worker_who_was_told_nothing_for_long_is_forgotten(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let say = |worker: WorkerSid| {
        let store = &store;
        async move { write(store, |changes| changes.push(worker.clone(), Push::Ask)).await }
    };
    let (gone, here) = (WorkerSid::numbered(8), WorkerSid::numbered(9));
    for worker in [&gone, &here] {
        say(worker.clone()).await;
    }
    let beside = database.beside().await;
    tell(&beside, "update pushes set at = 0").await;
    tell(&beside, "update workers set at = 0").await;
    say(here.clone()).await;
    store.tidy(KEEP).await.unwrap();
    assert_eq!(rows(&beside, "workers").await, 1, "the one who was told something just now");
    assert_eq!(store.heard(&here, None).await.unwrap().position.number, 2);
    // Pushes to the page that is back are counted from the beginning, and nothing counts as known.
    say(gone.clone()).await;
    assert_eq!(store.heard(&gone, None).await.unwrap().position.number, 1);
    // A release that stores no time may run beside this one on PostgreSQL.
    tell(&beside, "insert into workers (worker, pushed) values ('WK', 1)").await;
    store.tidy(Millis::seconds(24 * 3600)).await.unwrap();
    assert_eq!(rows(&beside, "workers").await, if database.is_postgres() { 3 } else { 2 });
    beside.close().await;
}
