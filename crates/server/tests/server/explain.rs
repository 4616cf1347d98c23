//! `rejoin explain`, beside a running server.

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, TaskSid};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    explain_on(&format!("sqlite:{}", folder.join("rejoin.db").display()), arguments)
}

pub(crate) fn explain_on(database: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("explain")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", database)
        .output()
        .expect("the program starts")
}

/// Checks that the text contains these in this order.
pub(crate) fn in_order(said: &str, wanted: &[&str]) {
    let mut rest = said;
    for wanted in wanted {
        let Some((_, after)) = rest.split_once(wanted) else {
            panic!("{wanted} is not where it should be: {said}")
        };
        rest = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_a_recovery_is_read_from_the_store() {
    let world = World::start().await;
    world.desk.lost().await;
    // An agent who is back before that is not pinged.
    world.twilio.wait_for("POST Tasks", 1).await;
    world.desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let (id, leg, conference) = (recovery().to_string(), customer().to_string(), conference().to_string());
    for subject in [&id, &leg, &conference] {
        let output = explain(world.folder.path(), &[subject]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{subject}: {}", String::from_utf8_lossy(&output.stderr));
        let order = [
            leg.as_str(),
            &conference,
            "connected",
            "agent-lost",
            "holding-the-line",
            "agent-back",
            "creating the ping",
            &id,
        ];
        in_order(&said, &order);
        for personal in ["Ada", "Tom"] {
            assert!(!said.contains(personal), "{personal} is in {said}");
        }
    }
    let output = explain(world.folder.path(), &["--json", &leg]);
    let story: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(story["customer"], leg.as_str());
    assert_eq!(story["lines"][0]["note"]["what"], "connected");
    assert_eq!(story["calls"][0]["recovery"][0], id.as_str());

    let unknown = rejoin_protocol::CallSid::numbered(0x999).to_string();
    for (arguments, wanted) in
        [(&[unknown.as_str()][..], "nothing about that"), (&["CAnonsense"], "is wanted")]
    {
        let output = explain(world.folder.path(), arguments);
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted) && !told.contains('\x1b'), "{told:?}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(!explain(empty.path(), &[&leg]).status.success());
    assert!(!empty.path().join("rejoin.db").exists(), "nothing is made where nothing is");
}

/// In the conference of the task that brings the customer back.
async fn together_again(desk: &Desk) {
    let (room, task, leg) = (ConferenceSid::numbered(2), TaskSid::numbered(2), CallSid::numbered(0xa2));
    for (sequence, leg) in [("1", &customer()), ("2", &leg)] {
        let params = [
            ("StatusCallbackEvent", "participant-join"),
            ("ConferenceSid", room.as_str()),
            ("FriendlyName", task.as_str()),
            ("SequenceNumber", sequence),
            ("CallSid", leg.as_str()),
            ("EndConferenceOnExit", "false"),
            ("Hold", "false"),
            ("Muted", "false"),
        ];
        assert_eq!(desk.signed("/webhooks/conference", &params).await.status(), 204);
    }
    desk.register_again(&leg).await;
}

/// Waits until a customer who was sent to the queue would be sent once more, and kills the server: its request had
/// its effect, and the answer was lost. The next server, and the number of requests before it.
async fn killed_while_requeueing(twilio: &Twilio, database: &Database) -> (Process, usize) {
    let redirect = format!("POST Calls/{}.json", customer());
    let participant = format!("GET Conferences/{}/Participants/{}.json", conference(), customer());
    let call = format!("GET Calls/{}.json", customer());
    let killed = Arc::new(AtomicBool::new(false));
    let (seen, wanted) = (Arc::clone(&killed), redirect.clone());
    twilio.script(move |asked, _| {
        let over = seen.load(Ordering::SeqCst);
        let numbered = |status, body| Some((status, vec![("twilio-request-id", "RQ5".to_owned())], body));
        match asked.what.as_str() {
            what if what == wanted && !over => numbered(503, json!({"code": 20503})),
            what if what == participant && !over => numbered(503, json!({})),
            what if what == participant => numbered(404, json!({"code": 20404})),
            what if what == call => numbered(200, json!({"sid": customer(), "status": "in-progress"})),
            _ => None,
        }
    });
    let first = Process::on(twilio, &database.url);
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    first.desk.hello(2).await;
    twilio.wait_for(&redirect, 1).await;
    twilio.wait_for(&participant_of_customer(), 2).await;
    first.kill();
    killed.store(true, Ordering::SeqCst);
    let before = kinds_asked(twilio).len();
    (Process::on(twilio, &database.url), before)
}

/// The requests so far, without those that check tokens.
fn kinds_asked(twilio: &Twilio) -> Vec<String> {
    twilio.all().into_iter().map(|asked| asked.what).filter(|what| !what.contains("Tokens/")).collect()
}

/// True if the requests of `these` are among `those`, each as often or more often.
fn are_among(these: &[String], those: &[String]) -> bool {
    let often = |what, all: &[String]| all.iter().filter(|other| *other == what).count();
    these.iter().all(|what| often(what, these) <= often(what, those))
}

fn participant_of_customer() -> String {
    format!("GET Conferences/{}/Participants/{}.json", conference(), customer())
}

on_both!(
    a_recovery_with_a_kill_in_it_is_explained_from_its_beginning_to_its_end,
    given_entries_of_another_version_then_explain_shows_the_rest_and_says_so,
);

async fn a_recovery_with_a_kill_in_it_is_explained_from_its_beginning_to_its_end(database: &Database) {
    let twilio = Twilio::start().await;
    let (second, before) = killed_while_requeueing(&twilio, database).await;
    let call = format!("GET Calls/{}.json", customer());
    twilio.wait_for(&call, 1).await;
    let wait = format!("/twiml/wait/{}", recovery());
    assert_eq!(second.desk.signed(&wait, &[("CallSid", customer().as_str())]).await.status(), 200);
    twilio.wait_for(&format!("POST Tasks/{}/Reservations/{}", task(), reservation()), 1).await;
    together_again(&second.desk).await;
    let beside = database.beside().await;
    let open = "select id from jobs where closed = 0";
    let is_done = async || sqlx::query(open).fetch_optional(&beside).await.unwrap().is_none();
    until_so("no job is open", is_done).await;
    beside.close().await;
    let answered = kinds_asked(&twilio);

    let output = explain_on(&database.url, &[recovery().as_str()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let (sent, looked) =
        (format!("> POST Calls/{}.json: 503 (unavailable)", customer()), format!("> {call}: 200 in "));
    in_order(
        &said,
        &[
            "(server ",
            "< callback: participant-join (#1)",
            "< plugin: registration",
            "= connected",
            "< callback: participant-leave (#3)",
            "-> timer Grace in 0.020 s",
            "-> the desktop is told: interrupted",
            "= agent-lost",
            "< timer: grace",
            "-> telling the customer on hold, within",
            "-> creating the ping, within",
            "= holding-the-line",
            "< plugin: hello (epoch 2)",
            "-> sending the customer to the queue, within",
            &sent,
            ", RQ5",
            "is tried again after",
            "(from here on server ",
            "is taken up, which an earlier attempt may have carried out: sending the customer to the queue",
            "< document asked for: waiting-music",
            "= queued",
            "< job ended: completing the old reservation",
            "= ended  after: ",
            "outcome: rejoined",
            "ended  sending the customer to the queue, taken 2 times",
        ],
    );
    in_order(&said, &["< plugin: hello", "= agent-back", "is taken up"]);
    // Twilio requests the music while the answer to the look-up is still in flight.
    in_order(
        &said,
        &["is taken up", &looked, "< job ended: sending the customer to the queue  outcome: done"],
    );
    for personal in ["Ada", "Tom"] {
        assert!(!said.contains(personal), "{personal} is in {said}");
    }

    let folder = tempfile::tempdir().unwrap();
    let page = drawn(&database.url, recovery().as_str(), &folder.path().join("call.html"));
    for wanted in [
        "The recovery ended after ",
        "<option value=\"0\">customer</option><option value=\"1\">agent 1</option><option value=\"2\">server</option>",
        "server 2 (",
        "talks to agent 1",
        "hears nothing",
        "hears the announcement",
        "hears the waiting music of the queue",
        "503 (unavailable) in ",
        ", RQ5, to ",
        "takes up job ",
        "which an earlier attempt may have carried out: sending the customer to the queue",
        "server 1 is gone",
        "sending the customer to the queue fails",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    for personal in ["Ada", "Tom"] {
        assert!(!page.contains(personal), "{personal} is in {page}");
    }

    // All requests to Twilio for a job are there: for the second server each request that was answered before, for the first
    // one each kind. The call is polled on.
    let output = explain_on(&database.url, &["--json", recovery().as_str()]);
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    let asked = kinds_asked(&twilio);
    let entries = story["entries"].as_array().unwrap();
    let told: Vec<(&str, String)> = entries
        .iter()
        .filter(|found| found["entry"]["what"] == "asked")
        .map(|found| {
            let request = found["entry"]["request"].as_str().unwrap();
            (found["server"].as_str().unwrap(), request.to_owned())
        })
        .collect();
    let kinds: BTreeSet<&String> = told.iter().map(|(_, request)| request).collect();
    assert!(kinds.is_superset(&answered.iter().collect()), "{kinds:#?} {answered:#?}");
    let last = entries.iter().rev().find_map(|found| found["server"].as_str()).unwrap();
    let of_second: Vec<String> =
        told.iter().filter(|(server, _)| *server == last).map(|(_, request)| request.clone()).collect();
    assert!(are_among(&answered[before..], &of_second), "{answered:#?} {of_second:#?}");
    assert!(are_among(&of_second, &asked[before..]), "{of_second:#?} {asked:#?}");
}

/// The page that is written into a new file.
fn drawn(database: &str, subject: &str, file: &Path) -> String {
    let output = explain_on(database, &[subject, "--html", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is written"), "{output:?}");
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_file_that_cannot_be_new_then_explain_refuses_and_changes_nothing() {
    let world = World::start().await;
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let (leg, folder) = (customer().to_string(), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("kept"), "as it was").unwrap();
    std::os::unix::fs::symlink(file("elsewhere"), file("link")).unwrap();
    let unknown = CallSid::numbered(0x999).to_string();
    for (arguments, wanted) in [
        (vec![&*leg, "--html", &file("kept")], "nothing was changed"),
        (vec![&*leg, "--html", &file("no/such/folder")], "nothing was changed"),
        (vec![&*leg, "--html", &file("link")], "nothing was changed"),
        (vec![&*leg, "--html", folder.path().to_str().unwrap()], "nothing was changed"),
        (vec![&*unknown, "--html", &file("of-nothing")], "nothing about that"),
        (vec![&*leg, "--json", "--html", &file("both")], "cannot be used with"),
    ] {
        let output = explain(world.folder.path(), &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted) && output.stdout.is_empty(), "{arguments:?}: {told}");
    }
    assert_eq!(std::fs::read_to_string(file("kept")).unwrap(), "as it was");
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kept", "link"]);
    let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    assert!(drawn(&url, &leg, Path::new(&file("new"))).contains("agent-lost"));
}

/// A server of another release has written on the same database, or rows are damaged.
async fn given_entries_of_another_version_then_explain_shows_the_rest_and_says_so(database: &Database) {
    let twilio = Twilio::start().await;
    let server = Process::on(&twilio, &database.url);
    server.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    let beside = database.beside().await;
    let markup = "<script>alert(1)</script>";
    let stored = [
        json!({"what": "guessed", "by": markup, "at": [1, 2]}).to_string(),
        json!({"what": "input", "from": "a-new-source", "kind": "k"}).to_string(),
        "{not JSON <script>".to_owned(),
        "7".to_owned(),
    ];
    let (conference, leg) = (conference().to_string(), customer().to_string());
    for text in &stored {
        let notes = "insert into notes (at, conference, customer, note) values (1, $1, $2, $3)";
        sqlx::query(notes).bind(&conference).bind(&leg).bind(text).execute(&beside).await.unwrap();
        let story = "insert into story (at, conference, server, entry) values (2, $1, 'newer', $2)";
        sqlx::query(story).bind(&conference).bind(text).execute(&beside).await.unwrap();
    }
    let job = json!({"Teleport": {"customer": leg}}).to_string();
    sqlx::query("update jobs set action = $1 where id = (select min(id) from jobs)")
        .bind(job)
        .execute(&beside)
        .await
        .unwrap();
    beside.close().await;
    let output = explain_on(&database.url, &[&leg]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    in_order(
        &said,
        &["? of another version of Rejoin: guessed", "= agent-lost", "another version of Rejoin: Teleport"],
    );
    let output = explain_on(&database.url, &["--json", &leg]);
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(story["unread"].as_array().map(Vec::len), Some(8));
    let folder = tempfile::tempdir().unwrap();
    let page = drawn(&database.url, &leg, &folder.path().join("call.html"));
    for wanted in [
        "that another version of Rejoin stored: guessed",
        "agent-lost",
        "another version of Rejoin: Teleport",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(!page.contains(markup) && page.contains("alert(1)"), "{page}");
}
