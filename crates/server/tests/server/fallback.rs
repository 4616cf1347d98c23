//! The fallback: what it answers when the server does not, that a forged request gets nothing, that the export answers the same, and
//! a customer whom it keeps while the server is down.

use crate::floor::{Floor, Running, Talk, read};
use crate::support::*;
use rejoin_protocol::{RecoveryId, TaskSid, WorkflowSid};
use rejoin_server::fallback::{Asked, Context, Rules, endpoint, export};
use rejoin_server::{AnswerSettings, Config};
use rejoin_twilio::signature;
use rejoin_twin::flex::agent::Agent;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const OWN: &str = "https://fallback.test";

fn rules(change: impl FnOnce(&mut AnswerSettings)) -> Rules {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        answers: AnswerSettings,
    }
    let arguments = ["x", "--fallback-url", OWN, "--public-url", PUBLIC];
    let mut answers = <Only as clap::Parser>::try_parse_from(arguments).unwrap().answers;
    change(&mut answers);
    answers.rules(vec![AUTH_TOKEN.into()]).unwrap()
}

fn context(language: Option<&str>) -> Context {
    Context {
        workflow: workflow(),
        priority: 1000,
        language: language.map(str::to_owned),
        recovery: Some(recovery()),
        attributes: json!({"rejoinRecoveryId": recovery(), "note": "<\"&'"}).to_string(),
    }
}

fn sealed(language: Option<&str>) -> String {
    context(language).sealed(&AUTH_TOKEN.into())
}

/// A request for this path and query, for a document that failed at this address.
fn ask(rules: &Rules, path_and_query: &str, form: &[(&str, &str)]) -> Option<String> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let query = rejoin_twilio::webhook::form(query.as_bytes());
    let form: Vec<_> = form.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    rules.answer(Asked { path, query: &query, form: &form })
}

#[test]
fn every_end_point_is_in_the_table_and_the_table_in_docs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let routes = std::fs::read_to_string(folder.join("src/http/mod.rs")).unwrap();
    let name = |rest: &str| rest.split(['/', '"']).next().unwrap().to_owned();
    let served: BTreeSet<String> = routes.split(".route(\"/twiml/").skip(1).map(name).collect();
    let known: BTreeSet<String> = endpoint::ALL.iter().map(|row| row.name.to_owned()).collect();
    assert!(served.len() > 5);
    assert_eq!(served, known, "an end point that the fallback has no answer for, or no end point");

    let docs = std::fs::read_to_string(folder.join("../../docs/fallback.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>().join("|");
    let docs: BTreeSet<String> = docs.lines().map(cells).collect();
    for row in endpoint::ALL {
        let line =
            format!("|`/twiml/{}`|{}|{}|{}|{}|", row.name, row.asked_by, row.fallback, row.means, row.answer);
        assert!(docs.contains(&line), "docs/fallback.md does not have {line}");
    }
}

#[test]
fn a_customer_who_should_be_queued_is_queued_with_the_recoverys_id() {
    let rules = rules(|_| {});
    let failed = format!("{PUBLIC}/twiml/requeue/{}?{}", recovery(), sealed(Some("de-AT")));
    for (path, form) in [
        (format!("/twiml/requeue/{}?{}", recovery(), sealed(Some("de-AT"))), vec![]),
        (format!("/twiml/fallback?{}", sealed(Some("de-AT"))), vec![]),
        ("/twiml/fallback".to_owned(), vec![("ErrorUrl", failed.as_str()), ("ErrorCode", "11200")]),
    ] {
        let xml = ask(&rules, &path, &form).unwrap();
        assert!(xml.contains("<Say language=\"de-DE\">Danke, dass Sie gewartet haben."), "{xml}");
        assert!(xml.contains(&format!("<Enqueue workflowSid=\"{}\"", workflow())), "{xml}");
        assert!(xml.contains(&format!("\"rejoinRecoveryId\":\"{}\"", recovery())), "{xml}");
        let after = format!("action=\"{PUBLIC}/twiml/after/{}?c=", recovery());
        assert!(xml.contains(&after) && xml.contains(&format!("waitUrl=\"{OWN}/twiml/wait#")), "{xml}");
        let back = format!("<Redirect method=\"POST\">{PUBLIC}/twiml/fallback/{}?hop=1&amp;c=", recovery());
        assert!(xml.contains(&back) && xml.ends_with("rc=0</Redirect></Response>"), "{xml}");
    }
}

#[test]
fn a_customer_whose_call_ended_is_sent_back_a_few_times_and_then_queued() {
    let rules = rules(|answers| answers.fallback_workflow = Some(WorkflowSid::numbered(7)));
    let failed = |hop: u32| format!("{PUBLIC}/twiml/ended?asked=0&hop={hop}#ct=1000");
    let mut said = vec![];
    for hop in 0..5 {
        let xml = ask(&rules, "/twiml/fallback", &[("ErrorUrl", &failed(hop))]).unwrap();
        let back = format!("{PUBLIC}/twiml/ended?asked=0&amp;hop={}#", hop + 1);
        assert!(xml.contains(&back) && xml.contains(&format!("<Play>{OWN}/audio")), "{xml}");
        said.push(xml.contains("<Say"));
    }
    assert_eq!(said, [true, false, false, false, false], "words are said once");
    let xml = ask(&rules, "/twiml/fallback", &[("ErrorUrl", &failed(5))]).unwrap();
    assert!(xml.contains(&format!("<Enqueue workflowSid=\"{}\"", WorkflowSid::numbered(7))), "{xml}");
    let xml = ask(&rules, "/twiml/fallback", &[("ErrorUrl", &failed(60))]).unwrap();
    assert!(xml.contains("could not reconnect you") && !xml.contains("<Redirect"), "it ends at last: {xml}");
}

#[test]
fn without_a_workflow_a_customer_is_kept_until_the_first_server_answers() {
    let rules = rules(|_| {});
    for (failed, back) in [
        (format!("{PUBLIC}/twiml/after/{}", recovery()), "/twiml/ended?asked=0&amp;hop=1#".to_owned()),
        (format!("{PUBLIC}/twiml/requeue/{}", recovery()), format!("/twiml/fallback/{}?hop=1#", recovery())),
        ("https://elsewhere.test/flow".to_owned(), "/twiml/ended?asked=0&amp;hop=1#".to_owned()),
    ] {
        let xml = ask(&rules, "/twiml/fallback", &[("ErrorUrl", &failed)]).unwrap();
        assert!(xml.contains(&format!("{PUBLIC}{back}")) && !xml.contains("<Enqueue"), "{failed}: {xml}");
    }
}

#[test]
fn a_context_of_somebody_else_counts_for_nothing() {
    let rules = rules(|_| {});
    let forged = context(None).sealed(&"another token".into());
    let xml = ask(&rules, &format!("/twiml/fallback?{forged}"), &[]).unwrap();
    assert!(!xml.contains("<Enqueue") && !xml.contains("&amp;c="), "{xml}");
    // An address that only begins like the first server's.
    let failed = format!("{PUBLIC}.evil/twiml/lost/{}", recovery());
    let xml = ask(&rules, &format!("/twiml/fallback?{}", sealed(None)), &[("ErrorUrl", &failed)]).unwrap();
    assert!(xml.contains("<Enqueue"), "{xml}");
}

#[test]
fn a_customer_on_hold_hears_words_at_once_unless_they_were_heard() {
    let rules = rules(|_| {});
    let comfort = format!("<Play loop=\"0\">{OWN}/audio/comfort.wav</Play></Response>");
    // The server says the words when they are due (`at`). A server that is away is reason enough to say them now.
    for (query, has_words) in [
        ("told=false", true),
        ("told=false&at=1790000000000", true),
        ("", true),
        ("told=true", false),
        ("told=true&at=1790000000000", false),
    ] {
        let xml = ask(&rules, &format!("/twiml/hold/{}?{query}", recovery()), &[]).unwrap();
        assert_eq!(xml.contains("<Say"), has_words, "{query}: {xml}");
        assert!(xml.ends_with(&comfort), "{query}: {xml}");
    }
}

/// Requests of every kind: path, query and form.
fn requests() -> Vec<(String, String, BTreeMap<&'static str, String>)> {
    let task = TaskSid::numbered(0xabc);
    let mut queries = vec![
        String::new(),
        "told=true".into(),
        "told=false&at=1790000000000".into(),
        "hop=0".into(),
        "workflow=nonsense".into(),
        format!("workflow={}", WorkflowSid::numbered(3)),
        format!("task={task}&muted=true&end=true&label=%22Tom+%26+Jerry%27s%22+%3Cb%3E%00%F0%9F%99%82"),
        format!("task={task}&end=true"),
        context(None).sealed(&"another token".into()),
        "c=&m=".into(),
    ];
    for language in [None, Some("de-AT"), Some(" JA "), Some("xx"), Some("pt_BR")] {
        for hop in ["", "&hop=4", "&hop=5", "&hop=60", "&hop=4294967295", "&hop=-1", "&hop=x", "&hop=%2B7"] {
            queries.push(format!("{}{hop}", sealed(language)));
        }
    }
    let mut all = vec![];
    for row in endpoint::ALL {
        let ids = ["".to_owned(), format!("/{}", recovery()), format!("/{task}"), "/x".into(), "/".into()];
        for id in &ids {
            let path = format!("/twiml/{}{id}", row.name);
            for query in &queries {
                for result in ["", "bridged", "hangup", "leave", "redirected", "something-new"] {
                    let form = (!result.is_empty()).then(|| ("QueueResult", result.to_owned()));
                    all.push((path.clone(), query.clone(), form.into_iter().collect()));
                }
                let failed = format!("{PUBLIC}{path}?{query}#rc=0");
                all.push(("/twiml/fallback".into(), String::new(), [("ErrorUrl", failed)].into()));
            }
        }
    }
    for (path, error) in [
        ("/twiml/fallback", "https://elsewhere.test/x"),
        ("/twiml/fallback", ""),
        ("/twiml/fallback", "https://rejoin.test.evil/twiml/lost"),
        ("/twiml/nonsense", ""),
        ("/twiml/", ""),
    ] {
        all.push((path.into(), sealed(None), [("ErrorUrl", error.to_owned())].into()));
    }
    all
}

#[test]
fn the_export_answers_every_request_as_the_program_does() {
    for (name, rules) in [
        ("plain", rules(|_| {})),
        (
            "all",
            rules(|answers| {
                answers.ended_url = Some("https://flow.test/a?b=1&c='2'".into());
                answers.fallback_workflow = Some(WorkflowSid::numbered(7));
                answers.texts.language = "fr-CA".into();
                answers.texts.interrupted = Some("Un <moment> & \"merci\".".into());
                answers.other_public_urls = vec!["https://other.test".into()];
            }),
        ),
        ("without overrides", rules(|answers| answers.twiml_overrides = String::new())),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("rejoin.js");
        std::fs::write(&script, export::script(&rules)).unwrap();
        let run = format!(
            "const {{ answer }} = require({script:?}); const lines = require('fs').readFileSync(0, 'utf8').trim().split('\\n');
             const parsed = (text) => Object.fromEntries(new URLSearchParams(text));
             for (const line of lines) {{ const [path, query, form] = JSON.parse(line);
               console.log(JSON.stringify(answer({OWN:?}, {{ path, query: parsed(query), form }}, [{AUTH_TOKEN:?}, undefined]) ?? null)); }}"
        );
        let mut node = std::process::Command::new("node")
            .args(["-e", &run])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let requests = requests();
        let mut input = node.stdin.take().unwrap();
        let lines: String = requests.iter().map(|request| json!(request).to_string() + "\n").collect();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = node.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        let answers = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<Option<String>> =
            answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), requests.len());
        let mut different: BTreeSet<&str> = BTreeSet::new();
        for ((path, query, form), theirs) in requests.iter().zip(&answers) {
            let pairs: Vec<_> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let ours = ask(&rules, &format!("{path}?{query}"), &pairs);
            assert_eq!(&ours, theirs, "{name}: {path}?{query} {form:?}");
            different.extend(theirs.as_deref());
        }
        assert!(different.len() > 40, "{} answers", different.len());
    }
}

#[tokio::test]
async fn a_forged_request_gets_nothing_and_a_signed_one_a_document() {
    let (fallback, address) =
        fallback_program(&[("REJOIN_FALLBACK_URL", OWN), ("REJOIN_PUBLIC_URL", PUBLIC)]).await;
    let http = reqwest::Client::new();
    let path = format!("/twiml/fallback?{}", sealed(None));
    let form = vec![("CallSid".to_owned(), customer().to_string()), ("ErrorCode".into(), "11200".into())];
    let signed = |url: &str| signature::sign(AUTH_TOKEN, url, &form);
    for (signature, body, status) in [
        (Some(signed(&format!("{OWN}{path}"))), &form[..], 200),
        // The first server's name, when that leads here.
        (Some(signed(&format!("{PUBLIC}{path}"))), &form, 200),
        (None, &form, 403),
        (Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()), &form, 403),
        (Some(signature::sign("another token", &format!("{OWN}{path}"), &form)), &form, 403),
        (Some(signed(&format!("https://elsewhere.test{path}"))), &form, 403),
        // Another form than the signed one.
        (Some(signed(&format!("{OWN}{path}"))), &form[..1], 403),
    ] {
        let mut request = http.post(format!("{address}{path}")).form(body);
        if let Some(signature) = &signature {
            request = request.header(signature::HEADER, signature);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), status, "{signature:?}");
        let text = reply.text().await.unwrap();
        assert_eq!(text.contains("<Enqueue"), status == 200, "{text}");
    }
    let unknown = "/twiml/nothing";
    let signature = signature::sign(AUTH_TOKEN, &format!("{OWN}{unknown}"), &[]);
    let reply = http.get(format!("{address}{unknown}")).header(signature::HEADER, signature).send().await;
    assert_eq!(reply.unwrap().status(), 404);
    let audio = http.get(format!("{address}/audio/comfort.wav")).send().await.unwrap();
    assert_eq!(
        (audio.status().as_u16(), &audio.headers()["content-type"]),
        (200, &"audio/wav".parse().unwrap())
    );
    drop(fallback);
}

/// Starts the program, and waits until it listens.
async fn program(command: &str, arguments: &[String], environment: &[(&str, &str)]) -> (Child, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    program.arg(command).args(arguments).envs(environment.iter().copied()).env("REJOIN_LOG", "warn");
    let mut child = program.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it listens");
    (child, line.strip_prefix("listening on ").unwrap().to_owned())
}

async fn fallback_program(environment: &[(&str, &str)]) -> (Child, String) {
    let arguments = ["--twilio-auth-token", AUTH_TOKEN];
    let mut environment = environment.to_vec();
    if !environment.iter().any(|(name, _)| *name == "REJOIN_LISTEN") {
        environment.push(("REJOIN_LISTEN", "127.0.0.1:0"));
    }
    let (child, address) = program("fallback", &arguments.map(str::to_owned), &environment).await;
    (child, format!("http://{address}"))
}

/// The server dies as Twilio fetches the document that sends a customer to the queue: the fallback sends them. It comes back, and the
/// customer gets an agent, once. It dies again while they talk, and the conference ends with the agent's leg: the fallback keeps
/// the customer until the server answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_servers_customers_are_kept_by_the_fallback_until_it_is_back() {
    let (elsewhere, server) = (free(), free());
    let fallback_url = format!("http://{elsewhere}");
    let settings =
        ["--fallback-url", &fallback_url, "--listen", &server.to_string(), "--ping-ttl-ms", "3000"]
            .map(str::to_owned);
    let mut started = None;
    let floor = Floor::start(|mut arguments| {
        let at = arguments.iter().position(|argument| argument == "--listen").unwrap();
        arguments.drain(at..at + 2);
        arguments.extend(settings);
        let started = &mut started;
        async move {
            let config: Config = read(&arguments);
            let dies = [("REJOIN_FAILPOINT", "asked for twiml/requeue #1")];
            let (child, address) = program("serve", &arguments, &dies).await;
            *started = Some((child, arguments));
            (config, address.parse().unwrap(), Running::Elsewhere)
        }
    })
    .await;
    let (mut first, arguments) = started.unwrap();
    let public = floor.desk.address.clone();
    let listen = elsewhere.to_string();
    let (_fallback, _) = fallback_program(&[
        ("REJOIN_FALLBACK_URL", &fallback_url),
        ("REJOIN_PUBLIC_URL", &public),
        ("REJOIN_LISTEN", &listen),
    ])
    .await;

    let talk = floor.talk().await;
    floor.ada_goes().await;
    floor.lose(&talk);
    let died = tokio::time::timeout(PATIENCE, first.wait()).await.expect("it dies at the document").unwrap();
    assert!(!died.success());
    queued(&floor, &talk).await;
    assert_eq!(tasks_of_recovery(&floor, &talk, &WAITING).await, 1);

    let (mut second, _) = program("serve", &arguments, &[]).await;
    floor.comes(Agent::Bo).await;
    let again = floor.meet(&talk.customer, Some(&talk)).await;
    assert_eq!(tasks_of_recovery(&floor, &talk, &WAITING).await, 0, "nobody is queued twice");
    assert_ne!(again.conference, talk.conference);
    floor.ended(&talk.customer).await;
    assert_eq!(tasks_of_recovery(&floor, &talk, &[]).await, 1, "one task in all, of whatever status");

    // The conference ends with the agent's leg, and the server is not there to say what comes next.
    floor.ends_with(&again).await;
    second.kill().await.unwrap();
    floor.lose(&again);
    let is_kept = |state: &Value| {
        let calls = state["calls"].as_array()?;
        let of = |call: &&Value| call["sid"] == talk.customer.as_str() && call["doing"] == "playing";
        calls.iter().find(of).map(|_| ())
    };
    floor.until("the fallback keeps the customer", is_kept).await;
    let (_third, _) = program("serve", &arguments, &[]).await;
    let third = floor.meet(&talk.customer, Some(&again)).await;
    assert_ne!(third.conference, again.conference);
}

async fn queued(floor: &Floor, talk: &Talk) {
    floor
        .until("the fallback has sent the customer into the queue", |state| {
            let calls = state["calls"].as_array()?;
            let of = |call: &&Value| call["sid"] == talk.customer.as_str() && call["doing"] == "queued";
            calls.iter().find(of).map(|_| ())
        })
        .await;
}

/// Statuses of a task that waits for an agent.
const WAITING: [&str; 2] = ["pending", "reserved"];

/// Number of tasks by which the recovery has queued the customer, in one of these statuses; in any, if none is named.
async fn tasks_of_recovery(floor: &Floor, talk: &Talk, statuses: &[&str]) -> usize {
    let recovery = RecoveryId::of(&talk.ada);
    let state = floor.twin.snapshot().await;
    let tasks = state["tasks"].as_array().expect("tasks");
    let counts = |task: &&Value| {
        let attributes = task["attributes"].to_string();
        let status = task["status"].as_str().expect("a status");
        (statuses.is_empty() || statuses.contains(&status))
            && attributes.contains("isReconnect")
            && attributes.contains(recovery.as_str())
    };
    tasks.iter().filter(counts).count()
}
