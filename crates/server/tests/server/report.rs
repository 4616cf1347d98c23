//! `rejoin report --html`: a month as a page.

use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::Millis;
use rejoin_server::history::{About, Asked, Recovered, Rung};
use rejoin_server::store::Store;
use sqlx::{AnyPool, AssertSqlSafe};
use std::path::Path;
use std::process::{Command, Output};

on_both!(
    a_page_shows_a_month_of_what_is_stored_and_names_nobody,
    texts_of_the_database_are_texts_in_the_page_of_a_report,
);

const DAY: Millis = Millis::seconds(24 * 3600);
const HOSTILE: &str = "</style><script src=//x.example></script>\"'&{n}";

fn report(database: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("report")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", database)
        .output()
        .unwrap()
}

/// The page that is written into a new file.
fn drawn(database: &Database, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let arguments = [&["--html", file.to_str().unwrap()], arguments].concat();
    let output = report(&database.url, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is written"), "{output:?}");
    std::fs::read_to_string(file).unwrap()
}

/// The text of the section with this id, without its picture and its tags.
fn section(page: &str, id: &str) -> String {
    let (_, rest) = page.split_once(&format!("<section id=\"{id}\"")).expect(id);
    let (section, _) = rest.split_once("</section>").expect("an end");
    let section = match (section.find("<svg"), section.find("</svg>")) {
        (Some(from), Some(to)) => format!("{}{}", &section[..from], &section[to..]),
        _ => section.to_owned(),
    };
    let parts = section.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first moment of October 2026 (UTC).
fn october() -> Millis {
    Asked::month("2026-10").unwrap().range.times().0
}

fn recovery(at: Millis, rung: Rung, outcome: &str, took: u64, heard: Option<u64>) -> Recovered {
    let about = About {
        worker: ada().to_string(),
        workflow: workflow().to_string(),
        cause: if outcome == "failed" { "nobody-took-it".to_owned() } else { String::new() },
        ..About::default()
    };
    Recovered {
        at,
        took: Millis(took),
        heard: heard.map(Millis),
        about,
        rung: rung.name().to_owned(),
        outcome: outcome.to_owned(),
    }
}

async fn execute(beside: &AnyPool, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(beside).await.unwrap();
}

async fn a_page_shows_a_month_of_what_is_stored_and_names_nobody(database: &Database) {
    let store = Store::open(&database.url).await.unwrap();
    let (begin, end) = (october(), october() + Millis(31 * DAY.0));
    let mut all = vec![
        // What is not of this month.
        recovery(begin - Millis(1), Rung::InPlace, "rejoined", 900, None),
        recovery(end, Rung::InPlace, "rejoined", 900, None),
        // A customer who was lost, one who got another agent, and one who missed nobody.
        recovery(begin, Rung::NextAgent, "failed", 70_000, Some(1_400)),
        recovery(end - Millis(1), Rung::NextAgent, "handed-over", 29_000, Some(1_400)),
        recovery(end - Millis(1), Rung::None, "graceful", 29_000, None),
    ];
    for number in 0..18 {
        let at = begin + Millis(number * DAY.0 + 5);
        all.push(recovery(at, Rung::InPlace, "rejoined", 3_500, Some(80)));
    }
    store.add_recoveries(&all).await.unwrap();
    let beside = database.beside().await;
    let first = begin.0 / DAY.0;
    for (day, cause, count, timed, took, calls) in [
        (first - 1, "host", 50, 50, 50_000, 50),
        (first, "host", 2, 1, 4_000, 7),
        (first + 30, "host", 1, 1, 5_000, 1),
        (first + 1, "timeline", 3, 0, 0, 0),
        (first + 31, "host", 50, 50, 50_000, 50),
    ] {
        execute(
            &beside,
            format!(
                "insert into switches (day, what, cause, count, timed, took, calls)
                 values ({day}, 'database', '{cause}', {count}, {timed}, {took}, {calls})"
            ),
        )
        .await;
    }
    for (day, outcome, count) in
        [(first, "page-silent", 8), (first + 1, "page-answered", 2), (first + 31, "page-silent", 30)]
    {
        execute(
            &beside,
            format!(
                "insert into figures (day, outcome, bound, count, took) values ({day}, '{outcome}', 1000, {count}, 0)"
            ),
        )
        .await;
    }
    beside.close().await;

    // Beside a server that has the database open.
    let page = drawn(database, &["--month", "2026-10"]);
    assert!(page.contains("From 2026-10-01 00:00 to 2026-11-01 00:00 UTC."), "{page}");
    assert_eq!(
        section(&page, "results"),
        "How it ended for the customers Not needed: the agent left on purpose, or the customer had another agent all the time. Shares \
         are of the others. How it ended for the customers Result Recoveries Share Same agent again 18 90.0 % Another agent 1 5.0 % \
         Lost: no agent 1 5.0 % Not needed 1 –"
    );
    for (id, wanted) in [
        ("over-time", "2026-10-01 2 1 0 1 0"),
        ("over-time", "2026-10-31 2 0 1 0 1"),
        ("success", "2026-10-31 0.0 % 100.0 %"),
        ("time-to-voice", "Half within 4 s, 90 % within 4 s, 99 % within 30 s."),
        ("time-to-voice", "4 s 18 94.7 %"),
        ("first-sound", "Half within 0.5 s, 90 % within 0.5 s, 99 % within 1.5 s."),
        ("rungs", "In place 18 18 0 0 100.0 %"),
        ("causes", "No agent took the call Next agent 1 100.0 %"),
        ("switches", "database host 3 4.5 s 8 database timeline 3 not known 0"),
        ("silent", "8 2 25.0 %"),
        ("versions", "None."),
    ] {
        let text = section(&page, id);
        assert!(text.contains(wanted), "{id}: {text}");
    }
    assert_eq!(page.matches("<svg class=\"chart\" role=\"img\"").count(), 4);
    assert_eq!(page.matches("<details>").count(), 4, "each picture has its table");
    for hidden in [ada().as_str(), workflow().as_str(), "id=\"agents\""] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    stands_alone(&page);

    // The same span by its days, and one without anything.
    let same = drawn(database, &["--from", "2026-10-01", "--to", "2026-10-31"]);
    assert_eq!(section(&same, "results"), section(&page, "results"));
    let none = drawn(database, &["--month", "2020-02", "--language", "de"]);
    assert!(
        none.contains("<html lang=\"de\">") && none.contains("Bericht über Wiederherstellungen"),
        "{none}"
    );
    assert!(none.contains("2020-02-01 00:00") && none.contains("2020-03-01 00:00"), "{none}");
    // A recovery that has ended and that no server has counted yet is not hidden.
    assert!(!page.contains("not counted yet"));
    store.close().await;
}

/// It asks for nothing, and its policy lets nothing run.
fn stands_alone(page: &str) {
    assert_eq!(page.matches("<style>").count(), 1, "{page}");
    for what in [
        "<script",
        "<link",
        "<img",
        "<a ",
        " src=",
        " href=",
        " style=",
        " onclick=",
        "url(",
        "@import",
        "http:",
    ] {
        assert!(!page.contains(what), "{what}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"), "{page}");
}

async fn texts_of_the_database_are_texts_in_the_page_of_a_report(database: &Database) {
    Store::open(&database.url).await.unwrap().close().await;
    let beside = database.beside().await;
    let day = october().0 / DAY.0;
    let add = |statement: &'static str| sqlx::query(statement).bind(HOSTILE).execute(&beside);
    let history = "insert into history (span, start, workflow, queue, rung, outcome, cause, n, took)
                   select 24, d * 24, $1, $1, $1, 'failed', $1, 1, 5 from (select max(day) as d from plugin_versions) as days";
    let version = format!("insert into plugin_versions (day, version, count) values ({day}, $1, 1)");
    sqlx::query(AssertSqlSafe(version)).bind(HOSTILE).execute(&beside).await.unwrap();
    add(history).await.unwrap();
    add("insert into switches (day, what, cause, count, timed, took, calls)
         select max(day), $1, $1, 1, 0, 0, 0 from plugin_versions")
    .await
    .unwrap();
    beside.close().await;
    let page = drawn(database, &["--month", "2026-10"]);
    let escaped = "&lt;/style&gt;&lt;script src=//x.example&gt;&lt;/script&gt;&quot;'&amp;{n}";
    // By rung; a cause and its rung; a version; a switch and its cause. Workflow and queue are not shown.
    assert_eq!(page.matches(escaped).count(), 6, "{page}");
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches("</style>").count(), 1, "the style ends where it should");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_what_there_cannot_be_then_report_refuses_and_writes_nothing() {
    let database = Database::sqlite();
    Store::open(&database.url).await.unwrap().close().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("kept"), "as it was").unwrap();
    let new = file("new");
    for (arguments, wanted) in [
        (vec!["--html", &*file("kept")], "nothing was changed"),
        (vec!["--html", &*file("no/such/folder")], "nothing was changed"),
        (vec!["--html", &*new, "--json"], "cannot be used with"),
        (vec!["--month", "2026-10"], "--html"),
        (vec!["--html", &*new, "--month", "2026-13"], "a month is a year and a number"),
        (vec!["--html", &*new, "--month", "2026-10-01"], "a month is a year and a number"),
        (vec!["--html", &*new, "--month", "2026-10", "--last", "7d"], "cannot be used with"),
        (vec!["--html", &*new, "--last", "31d"], "30d"),
        (vec!["--html", &*new, "--from", "2026-10-01"], "--to"),
        (vec!["--html", &*new, "--from", "2026-10-02", "--to", "2026-10-01"], "nothing was written"),
        (vec!["--html", &*new, "--from", "2020-10-02", "--to", "2026-10-01"], "nothing was written"),
        (vec!["--html", &*new, "--from", "<b>", "--to", "2026-10-01"], "nothing was written"),
        (vec!["--html", &*new, "--language", "xx"], "possible values"),
    ] {
        let output = report(&database.url, &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted) && output.stdout.is_empty(), "{arguments:?}: {told}");
    }
    assert_eq!(std::fs::read_to_string(file("kept")).unwrap(), "as it was");
    assert!(!Path::new(&new).exists());
    // No database is made where there is none.
    let nowhere = format!("sqlite:{}", file("nowhere"));
    assert!(!report(&nowhere, &["--html", &new]).status.success());
    assert!(!Path::new(&file("nowhere")).exists() && !Path::new(&new).exists());
}
