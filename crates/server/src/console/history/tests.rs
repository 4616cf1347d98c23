use super::tables::{Value, tables};
use super::*;
use crate::console::{LANGUAGES, Role};
use crate::history::{Agent, Cell, Histogram, Mistake};
use proptest::prelude::*;
use rejoin_protocol::Millis;

fn asked() -> Asked {
    Asked::of(&[("last".into(), "1d".into())], Millis(1_795_707_600_000)).0
}

/// Sums in which each text of the database is this one.
fn sums(text: &str) -> Sums {
    let mut voice = Histogram::default();
    voice.add(Millis(700));
    let cell = |rung: &str, outcome: &str, count| Cell {
        start: asked().range.from,
        rung: rung.to_owned(),
        outcome: outcome.to_owned(),
        cause: text.to_owned(),
        count,
        took: Millis(700),
        voice,
        heard: voice,
    };
    Sums {
        cells: vec![cell(text, "failed", 3), cell("in-place", text, 1), cell("none", "rejoined", 1)],
        agents: vec![Agent { worker: text.to_owned(), losses: 2, lost: 1 }],
        workflows: vec![(text.to_owned(), 2)],
        queues: vec![(text.to_owned(), 2)],
        versions: vec![(text.to_owned(), 5)],
        uncounted: 1,
    }
}

#[test]
fn each_language_has_a_page_with_each_table_and_its_pictures() {
    for language in LANGUAGES {
        let shown = page(language, Role::Operator, &asked(), &[Mistake::Range], Some(&sums("x")));
        for id in [
            "results",
            "over-time",
            "success",
            "time-to-voice",
            "first-sound",
            "rungs",
            "causes",
            "agents",
            "versions",
        ] {
            assert!(shown.contains(&format!("<section id=\"{id}\"")), "{} {id}", language.tag());
        }
        assert_eq!(shown.matches("<svg class=\"chart\" role=\"img\" aria-label=").count(), 4);
        // A table for each picture, and for each that has none.
        assert_eq!(shown.matches("<table role=\"table\">").count(), 9);
        let unread = page(language, Role::Supervisor, &asked(), &[], None);
        assert!(unread.contains(language.texts().unread));
    }
}

#[test]
fn each_language_has_a_report_with_each_table_but_the_agents() {
    let page = crate::report_page::Page {
        asked: asked(),
        at: Millis(1_795_707_600_000),
        sums: sums("x"),
        silent: (3, 1),
        switches: vec![],
    };
    assert_eq!(crate::report_page::LANGUAGES, LANGUAGES.map(crate::console::Language::tag));
    for language in LANGUAGES {
        let shown = report(language, &page);
        assert!(shown.contains(&format!("<html lang=\"{}\">", language.tag())), "{shown}");
        assert_eq!(shown.matches("<section id=").count(), 10);
        assert!(!shown.contains("id=\"agents\""), "{shown}");
        // One is not counted yet, and the report says so.
        assert!(shown.contains("class=\"notice\""), "{shown}");
    }
}

#[test]
fn the_pictures_draw_what_the_tables_have() {
    let sums = sums("x");
    let shown = page(crate::console::Language::English, Role::Operator, &asked(), &[], Some(&sums));
    // Of the bars by time: one recovery with the same agent, four lost ones, and none of the others.
    let bars = shown.split("<svg").nth(1).and_then(|rest| rest.split("</svg>").next()).expect("a picture");
    let count = |class: &str| bars.matches(&format!("<rect class=\"{class}\"")).count();
    assert_eq!([count("same"), count("any"), count("lost"), count("unneeded")], [1, 0, 1, 0]);
    let all = tables(texts::of(crate::console::Language::English), &asked(), &sums);
    let over_time = all.iter().find(|table| table.id == "over-time").expect("there is one");
    assert_eq!(over_time.rows.len(), 25);
    let counts = [1, 2, 3, 4].map(|column| over_time.rows[0][column].clone());
    assert_eq!(counts, [5, 1, 0, 4].map(Value::Count));
    let results = csv(&all, Some("results")).expect("there is such a table");
    assert_eq!(
        results,
        "result,recoveries,percent\r\nsame-agent,1,20.0\r\nany-agent,0,0.0\r\nlost,4,80.0\r\nnot-needed,0,\r\n"
    );
    let voice = csv(&all, Some("time-to-voice")).expect("there is such a table");
    assert!(voice.contains("0.5,0,0.0\r\n1.0,3,100.0\r\n") && voice.ends_with("more,0,100.0\r\n"), "{voice}");
    let json = json(&asked(), &sums, &all);
    let rows = json["tables"][0]["rows"].clone();
    assert_eq!(
        rows,
        serde_json::json!([
            ["same-agent", 1, 20.0],
            ["any-agent", 0, 0.0],
            ["lost", 4, 80.0],
            ["not-needed", 0, null]
        ])
    );
}

#[test]
fn numbers_beside_a_picture_are_short() {
    let short = [0, 9_999, 10_000, 25_000, 400_000, 1_000_000, 2_500_000].map(super::chart::short);
    assert_eq!(short, ["0", "9999", "10k", "25k", "400k", "1M", "2.5M"]);
}

#[test]
fn nearly_all_is_not_all() {
    let share = |part, whole| super::page::permille(part, whole);
    assert_eq!(
        [share(99_999, 100_000), share(5, 5), share(0, 5), share(1, 3)],
        [Some(999), Some(1000), Some(0), Some(333)]
    );
    assert_eq!(share(0, 0), None);
}

/// The lines of a CSV file, field by field, as RFC 4180 has them.
fn parsed(csv: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut field) = (vec![], vec![], String::new());
    let mut letters = csv.chars().peekable();
    let mut is_quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => field.push(letters.next().expect("a quote")),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => line.push(std::mem::take(&mut field)),
            '\r' if !is_quoted && letters.peek() == Some(&'\n') => {
                letters.next();
                line.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut line));
            }
            letter => field.push(letter),
        }
    }
    assert!(!is_quoted && field.is_empty() && line.is_empty(), "{csv:?}");
    lines
}

fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "<script>",
        "</td>",
        "\"",
        "'",
        "&lt;",
        "&",
        ">",
        "]]>",
        "--",
        "=1+1",
        "@SUM(1)",
        "+",
        "-",
        "\t",
        "\r\n",
        "\n",
        ",",
        ";",
        "\0",
        "é",
        "\u{ff1d}x",
        "javascript:",
        " onload=",
        "%00",
        "{n}",
        "|calc",
    ]);
    prop_oneof![prop::collection::vec(parts, 1..8).prop_map(|parts| parts.concat()), ".{1,40}", "(?s).{1,40}"]
}

proptest! {
    #[test]
    fn hostile_texts_are_texts_in_the_page_and_in_files(text in hostile()) {
        // One that is found by nothing else, so that only its place counts.
        let text = format!("{text}~");
        let usual = page(crate::console::Language::English, Role::Operator, &asked(), &[], Some(&sums("x~")));
        let shown = page(crate::console::Language::English, Role::Operator, &asked(), &[], Some(&sums(&text)));
        for sign in ["<", ">", "\""] {
            prop_assert_eq!(shown.matches(sign).count(), usual.matches(sign).count(), "{} {}", sign, shown);
        }
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        prop_assert_eq!(shown.matches(&escaped).count(), usual.matches("x~").count());

        let sums = sums(&text);
        let all = tables_in(crate::console::Language::English, &asked(), &sums);
        for table in &all {
            let file = csv(&all, Some(table.id)).expect("there is such a table");
            let lines = parsed(&file);
            prop_assert!(lines.iter().all(|line| line.len() == table.columns.len()), "{:?}", lines);
            prop_assert_eq!(lines.len(), table.rows.len() + 1);
            for field in lines.iter().flatten() {
                let first = field.trim_start().chars().next();
                let is_formula = first.is_some_and(|first| "=+-@|%".contains(first));
                prop_assert!(!is_formula && !field.starts_with(['\t', '\r', '\n']), "{:?}", field);
            }
        }
        let json = json(&asked(), &sums, &all).to_string();
        let again: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let versions = &again["tables"].as_array().expect("a list")[8]["rows"];
        prop_assert_eq!(versions, &serde_json::json!([[text, 5, 100.0]]));
    }
}
