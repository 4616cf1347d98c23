//! What earlier releases have stored is read, and the calls go on. `tests/stored` has a folder for each release with a file
//! for each state of a call, drawn from the machine of that release, and one with everything else that is stored. A
//! release adds its folder (see docs/server.md); an existing folder is never drawn again.

use super::cell::{cell, goes_on};
use super::events::groups;
use super::states::{STATES, State};
use crate::desk::*;
use rejoin_protocol::api::RecoveryView;
use rejoin_protocol::{ConferenceSid, Millis, TaskSid};
use rejoin_recovery::cells::state_of;
use rejoin_recovery::{Action, Call, Config, Effect, Format, Machine, Note, Timer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A call in one state, with everything that is stored of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    state: String,
    now: Millis,
    /// Sequence number of the last callback.
    sequence: u64,
    /// The calls as their rows have them.
    calls: Vec<Value>,
    timers: Vec<(ConferenceSid, Timer, Millis)>,
}

/// One value of each kind of everything else that is stored.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Others {
    actions: BTreeMap<String, Action>,
    notes: BTreeMap<String, Note>,
    views: BTreeMap<String, RecoveryView>,
}

impl Stored {
    fn of(state: &State) -> Self {
        let desk = (state.make)();
        let calls = (1..10).filter_map(|n| desk.machine.call(&conference(n)));
        let watched = desk.watch.iter().map(|(conference, at)| (conference.clone(), Timer::Watchdog, *at));
        let timers = desk.timers.iter().map(|((conference, timer), at)| (conference.clone(), *timer, *at));
        Self {
            state: state.name.to_owned(),
            now: desk.now,
            sequence: desk.sequence,
            calls: calls.map(|call| serde_json::to_value(call).unwrap()).collect(),
            timers: timers.chain(watched).collect(),
        }
    }

    /// A server that reads this from its store.
    fn found(&self) -> Result<Desk, serde_json::Error> {
        let calls: Result<Vec<Call>, _> =
            self.calls.iter().map(|call| Call::read(&call.to_string())).collect();
        let mut desk = Desk::with(Machine::new(Config::default(), calls?));
        (desk.now, desk.sequence) = (self.now, self.sequence);
        for (conference, timer, at) in self.timers.clone() {
            match timer {
                Timer::Watchdog => _ = desk.watch.insert(conference, at),
                timer => _ = desk.timers.insert((conference, timer), at),
            }
        }
        Ok(desk)
    }
}

impl Others {
    fn all() -> Self {
        let mut others = Self::default();
        for row in groups().iter().flat_map(|group| &group.rows) {
            for effect in STATES.iter().flat_map(|state| cell(state, row).1.effects) {
                match effect {
                    Effect::Act { action, .. } => {
                        _ = others.actions.entry(action.name().into()).or_insert(action);
                    }
                    Effect::Note { note, .. } => {
                        let name = serde_json::to_value(&note).unwrap()["what"].as_str().unwrap().to_owned();
                        others.notes.entry(name).or_insert(note);
                    }
                    Effect::Push { view, .. } => {
                        let name =
                            serde_json::to_value(&view.stage).unwrap()["name"].as_str().unwrap().to_owned();
                        others.views.entry(name).or_insert(view);
                    }
                    Effect::SetTimer { .. } | Effect::ClearTimer { .. } | Effect::Forget { .. } => {}
                }
            }
        }
        others
    }
}

const OTHERS: &str = "others.json";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored")
}

fn write(file: &Path, value: &impl Serialize) {
    fs::write(file, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
}

/// The files of each release.
fn releases() -> Vec<(String, Vec<PathBuf>)> {
    if let Ok(release) = std::env::var("REJOIN_WRITE_STORED") {
        let folder = folder().join(release);
        fs::create_dir(&folder).expect("a folder that is there is never drawn again");
        for state in STATES.iter().filter(|state| (state.make)().machine.call(&conference(1)).is_some()) {
            write(&folder.join(state.name.replace(' ', "-") + ".json"), &Stored::of(state));
        }
        write(&folder.join(OTHERS), &Others::all());
    }
    let entries = |of: &Path| {
        let mut entries: Vec<_> = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    };
    let release = |folder: PathBuf| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let is_call = |file: &PathBuf| !file.ends_with(OTHERS);
        (name, entries(&folder).into_iter().filter(is_call).collect())
    };
    entries(&folder()).into_iter().map(release).collect()
}

fn stored(file: &Path) -> Stored {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Fails when a new field has no default, or an old variant has lost its name.
#[test]
fn calls_stored_by_earlier_releases_are_read_and_go_on() {
    let releases = releases();
    assert!(!releases.is_empty());
    let mut wrong = vec![];
    for (release, files) in releases {
        assert!(files.len() > 20, "{release}: {files:?}");
        for stored in files.iter().map(|file| stored(file)) {
            let name = format!("{release}, {}", stored.state);
            let desk = match stored.found() {
                Ok(desk) => desk,
                Err(error) => {
                    wrong.push(format!("{name}: {error}"));
                    continue;
                }
            };
            let Some(state) = STATES.iter().find(|state| state.name == stored.state) else {
                wrong.push(format!("{name}: there is no such state any more: which one is it now?"));
                continue;
            };
            if state_of(desk.machine.call(&conference(1))) != state.code {
                wrong.push(format!("{name}: is taken for another state"));
            }
            for row in groups().iter().flat_map(|group| &group.rows) {
                let mut desk = stored.found().unwrap();
                (row.send)(&mut desk, state);
                if !goes_on(&desk) {
                    wrong.push(format!("{name}: {}: a recovery comes to a stop", row.name));
                }
            }
        }
        let others = fs::read_to_string(folder().join(&release).join(OTHERS)).unwrap();
        if let Err(error) = serde_json::from_str::<Others>(&others) {
            wrong.push(format!("{release}, jobs, lines and pushes: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Format 4 has new variants only, which no call of format 3 has.
#[test]
fn a_call_of_format_3_is_read_as_it_is() {
    for state in &STATES {
        for call in Stored::of(state).calls {
            let mut of_format_3 = call.clone();
            of_format_3["format"] = 3.into();
            let read = [of_format_3, call].map(|call| Call::read(&call.to_string()).unwrap());
            assert_eq!(read[0], read[1], "{}", state.name);
        }
    }
    assert!(Call::read("[3]").is_err());
}

/// What is read of it could mean something else by now.
#[test]
fn a_call_of_a_format_that_is_not_read_is_refused_with_its_version() {
    for state in &STATES {
        for mut call in Stored::of(state).calls {
            for format in [0, Format::OLDEST - 1, Format::CURRENT + 1] {
                call["format"] = format.into();
                let stored = call.to_string();
                assert!(Call::read(&stored).is_err(), "{}", state.name);
                assert_eq!(Format::unknown(&stored), Some(format));
            }
        }
    }
}

/// Rows of timers and jobs hold these names: a variant that is renamed keeps the text that is stored for it.
#[test]
fn timers_and_actions_are_stored_under_the_names_of_earlier_builds() {
    let timers = [
        "grace", "announce", "answer", "leave", "ping", "rejoin", "beside", "orphan", "learn", "owners",
        "watch", "missed", "forget",
    ];
    let named = |name: &str| serde_json::from_value::<Timer>(name.into()).unwrap();
    assert_eq!(timers.map(named), Timer::ALL);
    assert_eq!(Timer::ALL.map(|timer| timer.name()), timers);
    let (conference, leg, task) = (conference(1), leg(CUSTOMER), TaskSid::numbered(1));
    let actions = [
        (
            json!({"Look": {"conference": conference, "customer": null, "queued": null}}),
            Action::PollConference {
                conference: conference.clone(),
                customer: None,
                queued: None,
                handed_over: None,
            },
        ),
        (json!({"Learn": {"task": task}}), Action::LookUpTask { task: task.clone() }),
        (
            json!({"FindOwners": {"task": task, "conference": null}}),
            Action::ReadReservations { task: task.clone(), conference: None },
        ),
        (
            json!({"KeepConference": {"conference": conference, "leg": leg}}),
            Action::ClearExitFlag { conference: conference.clone(), leg: leg.clone() },
        ),
        (
            json!({"FreeCustomer": {"conference": conference, "customer": leg, "unhold": true}}),
            Action::ClearCustomerFlags {
                conference: conference.clone(),
                customer: leg.clone(),
                unhold: true,
            },
        ),
        (
            json!({"CoachInstead": {"conference": conference, "coach": leg, "before": leg, "now": leg}}),
            Action::RetargetCoach {
                conference: conference.clone(),
                coach: leg.clone(),
                before: leg.clone(),
                now: leg.clone(),
            },
        ),
    ];
    for (stored, action) in actions {
        assert_eq!(serde_json::from_value::<Action>(stored.clone()).unwrap(), action);
        let written = serde_json::to_value(&action).unwrap();
        let name = |value: &Value| value.as_object().unwrap().keys().next().cloned();
        assert_eq!(name(&written), name(&stored));
    }
}

/// While servers are replaced one by one, those of the release before read what the new ones write.
#[test]
fn unknown_fields_of_the_next_release_are_ignored() {
    for state in &STATES {
        let mut newer = Stored::of(state);
        let known = newer.found().unwrap();
        for call in &mut newer.calls {
            call["of_the_next_release"] = true.into();
            for part in ["/recovery", "/our_hold", "/poll", "/facts", "/facts/roster", "/facts/marks"] {
                if let Some(part) = call.pointer_mut(part).and_then(Value::as_object_mut) {
                    part.insert("of_the_next_release".into(), true.into());
                }
            }
            for many in ["/facts/roster/agents", "/facts/roster/participants", "/covered"] {
                let all = call.pointer_mut(many).and_then(Value::as_object_mut);
                for one in all.into_iter().flat_map(|all| all.values_mut()) {
                    one["of_the_next_release"] = true.into();
                }
            }
        }
        let read = newer.found().unwrap();
        for n in 1..10 {
            assert_eq!(
                read.machine.call(&conference(n)),
                known.machine.call(&conference(n)),
                "{}",
                state.name
            );
        }
    }
}
