//! The answers as a service of Twilio's Functions and Assets (<https://www.twilio.com/docs/serverless/functions-assets>): the
//! documents that [`Rules`] makes, with placeholders, and a script that fills them in.

use super::answer::{Decision, KEPT, MOST, Queue, Rules, Said};
use super::context::{LONGEST, PURPOSE};
use super::endpoint::ALL;
use crate::audio::COMFORT_PATH;
use crate::texts::Phrase;
use rejoin_protocol::attributes::PRIORITY;
use rejoin_protocol::{RecoveryId, TaskSid, WorkflowSid, overrides};
use serde_json::{Map, Value, json};

/// Reads a request, and fills in a document.
const SCRIPT: &str = include_str!("functions/rejoin.js");

/// The priority that stands for the placeholder in a document.
const ANY_PRIORITY: u32 = u32::MAX;

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the bundle. `.protected.js`: only requests that Twilio has signed reach it; `.private.js`: none do
    /// (<https://www.twilio.com/docs/labs/serverless-toolkit/developing>).
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// The files of the service, without secrets: the auth token is in the service's environment. `comfort`: the audio. An empty
/// `rules.own` stands for the domain that Twilio gives the service.
pub fn bundle(rules: &Rules, comfort: &[u8]) -> Vec<File> {
    let text = |path: String, content: String| File { path, content: content.into_bytes() };
    let mut files = vec![
        text("package.json".into(), package()),
        text("functions/rejoin.private.js".into(), script(rules)),
        File { path: format!("assets{COMFORT_PATH}"), content: comfort.to_vec() },
    ];
    files.extend(ALL.iter().map(|row| {
        let name = row.name;
        text(
            format!("functions/twiml/{name}.protected.js"),
            format!(
                "exports.handler = require(Runtime.getFunctions()['rejoin'].path).handlerOf('{name}');\n"
            ),
        )
    }));
    files
}

/// The script with the rules that it needs.
pub fn script(rules: &Rules) -> String {
    let all = serde_json::to_string_pretty(&rules_of(rules)).unwrap_or_default();
    format!("// Written by `rejoin fallback export`.\nconst RULES = {all};\n\n{SCRIPT}")
}

fn package() -> String {
    let package = json!({ "name": "rejoin-fallback", "version": env!("CARGO_PKG_VERSION"), "private": true });
    format!("{package:#}\n")
}

fn rules_of(rules: &Rules) -> Value {
    let phrases = |phrase| {
        let all = rules.texts.all(phrase).into_iter();
        all.map(|(tag, text)| json!([tag, text])).collect::<Vec<_>>()
    };
    json!({
        "own": rules.own,
        "primary": rules.primary,
        "endedUrl": rules.ended_url,
        "workflow": rules.workflow,
        "overrides": rules.document_overrides,
        "back": overrides::BACK,
        "priority": PRIORITY,
        "kept": KEPT,
        "most": MOST,
        "purpose": PURPOSE,
        "longest": LONGEST,
        "recovery": RecoveryId::numbered(0).as_str().get(..2),
        "endPoints": ALL.map(|row| row.name),
        "language": rules.texts.language,
        "phrases": {
            "interrupted": phrases(Phrase::Interrupted),
            "again": phrases(Phrase::Again),
            "lost": phrases(Phrase::Lost),
        },
        "documents": documents(rules),
    })
}

/// Every document, by its name in the script.
fn documents(rules: &Rules) -> Map<String, Value> {
    let here = Rules { own: "{{own}}".into(), ..rules.clone() };
    let said = || Said { language: "{{language}}".into(), text: "{{text}}".into() };
    let back = || "{{back}}".to_owned();
    let (workflow, task) = (WorkflowSid::numbered(u128::MAX), TaskSid::numbered(u128::MAX));
    let queue = Box::new(Queue {
        workflow: workflow.clone(),
        priority: ANY_PRIORITY,
        attributes: "{{attributes}}".into(),
        wait: "{{wait}}".into(),
        after: "{{after}}".into(),
        back: back(),
    });
    let mut all = vec![
        ("words".to_owned(), Decision::Words(said())),
        ("hold".to_owned(), Decision::Hold(Some(said()))),
        ("hold-heard".to_owned(), Decision::Hold(None)),
        ("comfort".to_owned(), Decision::Comfort),
        ("wait".to_owned(), Decision::Wait),
        ("nothing".to_owned(), Decision::Nothing),
        ("over".to_owned(), Decision::Over("{{url}}".into())),
        ("queue".to_owned(), Decision::Queue { said: said(), queue }),
        ("keep-words".to_owned(), Decision::Keep { said: Some(said()), back: back() }),
        ("keep".to_owned(), Decision::Keep { said: None, back: back() }),
        ("hang-up".to_owned(), Decision::HangUp),
    ];
    for flags in 0..8 {
        let [muted, end, labelled] = [1, 2, 4].map(|flag| flags & flag != 0);
        let name = |is_set, name| if is_set { name } else { "" };
        let name = ["follow", name(muted, "-muted"), name(end, "-end"), name(labelled, "-label")].concat();
        let label = labelled.then(|| "{{label}}".to_owned());
        all.push((name, Decision::Follow { task: task.clone(), muted, end, label }));
    }
    let filled = |decision| {
        let text = here.document(decision).finish();
        text.replace(workflow.as_str(), "{{workflow}}")
            .replace(task.as_str(), "{{task}}")
            .replace(&format!("\"{ANY_PRIORITY}\""), "\"{{priority}}\"")
    };
    all.iter().map(|(name, decision)| (name.clone(), filled(decision).into())).collect()
}
