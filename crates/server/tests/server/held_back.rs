//! One call that cannot be read, handled or written must not harm other calls, nor the next server.

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, TaskSid};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::process::{Command, Output};
use std::time::Instant;

on_both!(
    a_call_of_another_version_is_refused_and_left_untouched,
    an_event_that_panics_stops_its_call_alone,
    of_many_events_only_the_one_that_the_database_refuses_is_refused,
    a_leave_that_could_not_be_stored_is_asked_for_when_the_database_is_back,
);

/// A callback about another call, whose leg has this label.
async fn other(desk: &Desk, number: u128, label: &str) -> u16 {
    let (conference, task) = (ConferenceSid::numbered(number), TaskSid::numbered(number));
    let leg = CallSid::numbered(number);
    let params = [
        ("StatusCallbackEvent", "participant-join"),
        ("ConferenceSid", conference.as_str()),
        ("FriendlyName", task.as_str()),
        ("SequenceNumber", "1"),
        ("CallSid", leg.as_str()),
        ("ParticipantLabel", label),
        ("EndConferenceOnExit", "false"),
        ("Hold", "false"),
        ("Muted", "false"),
    ];
    desk.signed("/webhooks/conference", &params).await.status().as_u16()
}

fn rejoin(database: &Database, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .args(arguments)
        .env("DATABASE_URL", &database.url)
        .output()
        .expect("the program starts")
}

fn listed(database: &Database) -> Value {
    serde_json::from_slice(&rejoin(database, &["held-back", "--json"]).stdout).unwrap()
}

/// Everything stored about the first call, except when it is polled.
async fn rows(database: &Database) -> Vec<String> {
    let beside = database.beside().await;
    let mut all = vec![];
    for sql in [
        "select state from calls where conference = $1",
        "select key from keys where conference = $1 order by key",
        "select timer from timers where conference = $1 and timer <> 'missed' order by timer",
        "select action from jobs where conference = $1 and closed = 0 order by id",
    ] {
        let rows = sqlx::query(sql).bind(conference().as_str()).fetch_all(&beside).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    beside.close().await;
    all
}

async fn a_call_of_another_version_is_refused_and_left_untouched(database: &Database) {
    let twilio = Twilio::start().await;
    let first = Process::on(&twilio, &database.url);
    first.desk.talking().await;
    first.kill();
    let state = rows(database).await.remove(0);
    let mut newer: Value = serde_json::from_str(&state).unwrap();
    newer["format"] = 99.into();
    newer["agents"] = "as nobody knows them yet".into();
    database.put_state(&conference(), &newer.to_string()).await;
    let stored = rows(database).await;
    let second = Process::on(&twilio, &database.url);
    let desk = &second.desk;
    assert_eq!(desk.leave(3, &ada_leg()).await, 503, "a server of that version may be asked next");
    assert_eq!(other(desk, 9, "agent").await, 204);
    let hello =
        json!({"epoch": 2, "holdings": [{"task": task(), "reservation": reservation(), "wrapping": true}]});
    assert_eq!(desk.plugin("/v1/hello", "ada", hello).await.status(), 503);
    assert_eq!(rows(database).await, stored, "nothing of it has changed");
    let held = listed(database);
    assert_eq!(held["calls"].as_array().unwrap().len(), 1, "{held}");
    assert_eq!(
        (&held["calls"][0]["why"], &held["calls"][0]["format"]),
        (&json!("another-version"), &json!(99))
    );
    let figures = desk.figures().await;
    assert!(figures.contains("rejoin_calls_held_back{why=\"another-version\"} 1"), "{figures}");
    assert!(!rejoin(database, &["release", conference().as_str()]).status.success(), "it cannot be released");
    // A server of that version writes it in a format that this one knows.
    database.put_state(&conference(), &state).await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    twilio.wait_for("POST Tasks", 1).await;
}

async fn an_event_that_panics_stops_its_call_alone(database: &Database) {
    let twilio = Twilio::start().await;
    let defect = format!("handling callback participant-leave {}", conference());
    let defective =
        || Process::spawn(Process::program(&twilio, &database.url).env("REJOIN_FAILPOINT_PANIC", &defect));
    let first = defective();
    first.desk.talking().await;
    // In one batch with others, as far as they arrive together.
    let leg = ada_leg();
    let (guilty, others) = tokio::join!(
        first.desk.leave(3, &leg),
        futures_util::future::join_all((20..60).map(|number| other(&first.desk, number, "agent")))
    );
    assert_eq!(guilty, 503);
    assert_eq!(others, [204; 40]);
    assert_eq!(first.desk.leave(3, &ada_leg()).await, 503);
    assert_eq!(other(&first.desk, 9, "agent").await, 204, "other calls go on");
    first.kill();
    // The same for each further server.
    let second = defective();
    assert_eq!(second.desk.leave(3, &ada_leg()).await, 503);
    assert_eq!(other(&second.desk, 10, "agent").await, 204);
    second.kill();
    let third = Process::on(&twilio, &database.url);
    assert_eq!(third.desk.leave(3, &ada_leg()).await, 503, "also for one that could handle it");
    let operator = format!("{}/operator/held-back", third.desk.address);
    assert_eq!(third.desk.http.get(&operator).send().await.unwrap().status(), 401);
    let shown = third.desk.http.get(&operator).bearer_auth(OPERATOR_TOKEN).send().await.unwrap();
    assert_eq!(shown.json::<Value>().await.unwrap(), listed(database));
    let printed = String::from_utf8(rejoin(database, &["held-back"]).stdout).unwrap();
    for wanted in [conference().as_str(), "quarantined", "participant-leave", "rejoin release"] {
        assert!(printed.contains(wanted), "{wanted} is not in {printed}");
    }
    let story = String::from_utf8(rejoin(database, &["explain", conference().as_str()]).stdout).unwrap();
    assert!(story.contains("until an operator releases it"), "{story}");
    assert_eq!(twilio.asked("POST Tasks").len(), 0, "nothing is done about it");
    // It goes on when it is released.
    let released = rejoin(database, &["release", conference().as_str()]);
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    assert_eq!(listed(database)["calls"], json!([]));
    assert_eq!(third.desk.leave(3, &ada_leg()).await, 204);
    twilio.wait_for("POST Tasks", 1).await;
}

async fn of_many_events_only_the_one_that_the_database_refuses_is_refused(database: &Database) {
    let twilio = Twilio::start().await;
    let process = Process::on(&twilio, &database.url);
    let beside = database.beside().await;
    let refuse: &[&str] = if database.is_postgres() {
        &["alter table calls add constraint poison check (state not like '%poison%')"]
    } else {
        &["create trigger poison before insert on calls when new.state like '%poison%'
           begin select raise(abort, 'poison'); end"]
    };
    for statement in refuse {
        sqlx::query(*statement).execute(&beside).await.unwrap();
    }
    let sent =
        (100..300).map(|number| other(&process.desk, number, if number == 200 { "poison" } else { "agent" }));
    let answers = futures_util::future::join_all(sent).await;
    let refused: Vec<_> = (100..300).zip(&answers).filter(|(_, answer)| **answer != 204).collect();
    assert_eq!(refused, [(200, &503)]);
    let stored =
        sqlx::query("select count(*) from calls where state <> ''").fetch_one(&beside).await.unwrap();
    assert_eq!(stored.get::<i64, _>(0), 199);
    beside.close().await;
}

/// Ada's leg is gone, as Twilio reports when it is asked.
fn only_the_customer_is_there(twilio: &Twilio) -> String {
    let participants = format!("GET Conferences/{}/Participants.json", conference());
    let what = participants.clone();
    twilio.script(move |asked, _| {
        let customer = json!({
            "call_sid": customer(), "conference_sid": conference(), "hold": false, "muted": false,
            "end_conference_on_exit": false, "coaching": false, "status": "connected", "label": null,
        });
        (asked.what == what).then(|| (200, vec![], json!({"participants": [customer]})))
    });
    participants
}

/// The database refuses calls and timers, as if its disk were full: on PostgreSQL for one server only.
async fn refuse(database: &Database) {
    let beside = database.beside().await;
    if database.is_postgres() {
        let refuse = "create function refuse() returns trigger language plpgsql as $$ begin
            if current_setting('application_name') = 'refused' then
                raise exception 'full' using errcode = '53100';
            end if;
            return new;
        end $$";
        sqlx::query(refuse).execute(&beside).await.unwrap();
    }
    for table in TABLES {
        let refuse = match database.is_postgres() {
            true => format!(
                "create trigger refuse_{table} before insert on {table} for each row execute function refuse()"
            ),
            false => format!(
                "create trigger refuse_{table} before insert on {table} begin select raise(abort, 'full'); end"
            ),
        };
        sqlx::query(sqlx::AssertSqlSafe(refuse)).execute(&beside).await.unwrap();
    }
    beside.close().await;
}

/// The database accepts them again.
async fn accept(database: &Database) {
    let beside = database.beside().await;
    for table in TABLES {
        let on = if database.is_postgres() { format!(" on {table}") } else { String::new() };
        let accept = format!("drop trigger refuse_{table}{on}");
        sqlx::query(sqlx::AssertSqlSafe(accept)).execute(&beside).await.unwrap();
    }
    beside.close().await;
}

const TABLES: [&str; 2] = ["calls", "timers"];

fn refused_at_times(twilio: &Twilio, database: &Database) -> Process {
    let name = if database.is_postgres() { "&application_name=refused" } else { "" };
    Process::on(twilio, &format!("{}{name}", database.url))
}

async fn a_leave_that_could_not_be_stored_is_asked_for_when_the_database_is_back(database: &Database) {
    let twilio = Twilio::start().await;
    let process = refused_at_times(&twilio, database);
    process.desk.talking().await;
    missed_while_refused(database, &twilio, &process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_leave_is_polled_also_beside_another_running_server() {
    let database = Database::postgres().await;
    let twilio = Twilio::start().await;
    let other = Process::on(&twilio, &database.url);
    let process = refused_at_times(&twilio, &database);
    other.desk.talking().await;
    missed_while_refused(&database, &twilio, &process).await;
}

/// A leave arrives while the database refuses this server.
async fn missed_while_refused(database: &Database, twilio: &Twilio, process: &Process) {
    let participants = only_the_customer_is_there(twilio);
    refuse(database).await;
    assert_eq!(process.desk.leave(3, &ada_leg()).await, 503, "and Twilio does not say it again");
    let before = twilio.asked(&participants).len();
    accept(database).await;
    let back = Instant::now();
    twilio.wait_for(&participants, before + 1).await;
    println!("Twilio was asked {:?} after the database was back", back.elapsed());
    twilio.wait_for("POST Tasks", 1).await;
}
