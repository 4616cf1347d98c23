//! docs/guide.md, played from the first command to the last on an account without any set-up.

use crate::administrator::guide;
use crate::doctor::World;
use crate::test_call::{timeless, waiting_number};
use rejoin_twin::facts::Facts;

/// A command of the guide, and what the guide shows of its output.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The commands in the guide's `console` blocks.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), shown: vec![] }),
                None => steps.last_mut().unwrap().shown.push(line.to_owned()),
            }
        }
    }
    steps
}

/// The arguments of a command, with quotes as a shell takes them.
fn arguments(command: &str) -> Vec<&str> {
    let of = |(number, part): (usize, &'static str)| -> Vec<&'static str> {
        if number % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }
    };
    let command: &'static str = command.to_owned().leak();
    command.split('"').enumerate().flat_map(of).collect()
}

/// True when the lines are those of the guide, where `…` stands for any number of lines.
fn fits(shown: &[String], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((first, rest)) if first == "…" => (0..=said.len()).any(|from| fits(rest, &said[from..])),
        Some((first, rest)) => said.first() == Some(&first.as_str()) && fits(rest, &said[1..]),
    }
}

#[test]
fn an_ellipsis_stands_for_any_number_of_lines() {
    let shown: Vec<String> = ["a", "…", "d"].map(str::to_owned).into();
    assert!(fits(&shown, &["a", "d"]) && fits(&shown, &["a", "b", "c", "d"]));
    assert!(!fits(&shown, &["a", "b"]) && !fits(&shown, &["b", "d"]) && !fits(&shown, &["a", "d", "e"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_leads_from_nothing_to_a_healthy_account_and_back() {
    let mut world = World::with_lines("http", vec![waiting_number().await], Facts::default()).await;
    let bundle = world.folder.path().join("build");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::write(bundle.join("plugin-rejoin.js"), "x".repeat(154_699)).unwrap();
    std::fs::write(bundle.join("plugin-rejoin.js.map"), "x".repeat(195_493)).unwrap();
    let steps = steps(&guide("guide.md"));
    let mut played = vec![];
    for Step { command, shown } in &steps {
        let arguments = arguments(command);
        let (program, arguments) = arguments.split_first().unwrap();
        assert_eq!(*program, "rejoin", "{command}");
        played.push(arguments[0]);
        if arguments[0] == "serve" {
            world.serve(&[]);
            continue;
        }
        let output = world.command(arguments, &[]).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let said =
            String::from_utf8(output.stdout).unwrap().replace(&world.url, "https://rejoin.example.com");
        let said = if command.contains("--staging") { timeless(&said) } else { said };
        let lines: Vec<&str> = said.lines().collect();
        assert!(fits(shown, &lines), "docs/guide.md is to show this for `{command}`:\n{said}");
    }
    for command in ["provision", "check-config", "serve", "deploy", "doctor", "unprovision"] {
        assert!(played.contains(&command), "the guide has `rejoin {command}`");
    }
    assert!(
        steps.iter().any(|step| step.command.contains("--staging")),
        "the guide recovers a call by its commands alone"
    );
}
