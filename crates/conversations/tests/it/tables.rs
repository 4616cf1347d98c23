//! Documents that are drawn from the code: the decision table, the actions, and what each event does in each state.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::{Millis, ParticipantSid, TaskSid};
use std::path::{Path, PathBuf};

const ATTENDANCE_HEAD: &str = "\
# When a conversation is unattended

Whether a conversation has an agent. The table is drawn from `crates/conversations/src/diagnosis/attendance.rs`
(`REJOIN_WRITE_DOCS=1 cargo test -p rejoin-conversations --test it tables`) and read from top to bottom: the first row that holds
decides. It is read again with all news, and when a time is over. _Asked_ means that Twilio was asked who is on the conversation: nothing
is said or done by what webhooks alone have said.

";

const TRANSITIONS_HEAD: &str = "\
# What the machine of conversations does

Generated from the code: a test brings a conversation into each state, sends it each event, and writes down what the machine does. After
a change, `REJOIN_WRITE_DOCS=1 cargo test -p rejoin-conversations --test it tables` regenerates this page.
[conversations.md](conversations.md) has the times, [conversations-attendance.md](conversations-attendance.md) says when which state is
reached.

";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// A table as the formatter of the documents would write it.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let line = |cells: Vec<String>| {
        let cells = cells.iter().enumerate().map(|(n, cell)| format!("{cell:<0$}", width(n)));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = (0..head.len()).map(|column| "-".repeat(width(column))).collect();
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    [line(head), line(rule)].into_iter().chain(rows.iter().cloned().map(line)).collect()
}

fn held_to(name: &str, made: &str) {
    let file = docs(name);
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&file, made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/{name} is out of date: run this test with REJOIN_WRITE_DOCS=1");
}

#[test]
fn the_decision_table_is_drawn() {
    let rows = ATTENDANCE.iter().enumerate().map(|(n, row)| {
        let of = row.attendance;
        vec![(n + 1).to_string(), row.when.into(), of.name().into(), of.follows().into()]
    });
    let rows: Vec<_> = rows.collect();
    held_to(
        "conversations-attendance.md",
        &[ATTENDANCE_HEAD, &table(&["#", "when", "attendance", "what follows"], &rows)].concat(),
    );
}

#[test]
fn the_tests_that_the_document_names_exist() {
    let page = std::fs::read_to_string(docs("conversations.md")).unwrap();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["conversations/tests/it", "server/tests/server", "server/src/conversations"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(crates.join(folder)).unwrap());
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let code: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let (_, cases) = page.split_once("## Cases and their tests").unwrap();
    let (cases, _) = cases.split_once("\n## ").unwrap();
    let rows = cases.lines().filter(|line| line.starts_with("| ")).skip(1);
    let named: Vec<_> = rows.flat_map(|line| line.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(
            code.contains(&format!("fn {name}(")),
            "docs/conversations.md names {name}, which is no test"
        );
    }
}

/// A state: its name, what it is, and a conversation in it.
type State = (&'static str, &'static str, fn() -> Room);

const STATES: &[State] = &[
    ("unknown", "the server knows nothing of it", || Room::new(Policy::default())),
    ("waiting", "Flex's task looks for an agent", || {
        let mut room = Room::new(Policy::default());
        room.newest_task = Some(TaskSid::numbered(1));
        room.news(InteractionNews::Other);
        room.answer();
        room
    }),
    ("attended", "the agent's page is there", Room::chatting),
    ("two agents", "a colleague is on it, too", || {
        let mut room = Room::chatting();
        room.bo_takes(2);
        room
    }),
    ("unjudged", "the agent has no plugin", || {
        let mut room = Room::new(Policy::default());
        room.joins(agent(ADA, 1));
        room.answer();
        room
    }),
    ("awaited", "the agent's page is away, for less than its time", || {
        let mut room = Room::chatting();
        room.ada_goes();
        room.pass(10);
        room
    }),
    ("graceful", "the agent has said that they leave, and the page is away", || {
        let mut room = Room::chatting();
        room.handle(&Event::Leaving {
            worker: worker(ADA),
            conversation: conversation(),
            how: Leaving::Leave,
        });
        room.ada_goes();
        room
    }),
    ("paused", "the agent has paused it", || by_flex(ChannelState::Paused)),
    ("left", "the agent has left it by Flex's button", || by_flex(ChannelState::Inactive)),
    ("asked", "the agent's time is over, and Twilio is asked", || {
        let mut room = Room::chatting();
        room.ada_goes();
        room.fire();
        room
    }),
    ("invited", "the customer is told, and the invite is open", || {
        let mut room = Room::chatting();
        room.ada_goes();
        room.pass(70);
        room
    }),
    ("pause", "an invite has ended, and the next one is due later", || {
        let mut room = Room::chatting();
        room.ada_goes();
        room.pass(70);
        room.task(0x101, TaskState::Ended);
        room.answer();
        room
    }),
    ("parked", "it waits until the customer writes", parked),
    ("closed", "it is over", || by_flex(ChannelState::Closed)),
];

fn by_flex(state: ChannelState) -> Room {
    let mut room = Room::chatting();
    room.state = state;
    room.leaves(&agent(ADA, 1));
    room.news(InteractionNews::Status(state));
    room.pass(5);
    room
}

fn parked() -> Room {
    let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.ada_goes();
    room.pass(120);
    room
}

/// The state's name, from the conversation itself.
fn state_of(room: &Room) -> &'static str {
    let Some(it) = room.machine.conversation(&conversation()) else { return "unknown" };
    let attendance = room.attendance();
    match (attendance, it.absence()) {
        (_, Some(absence)) => {
            let invites = it.facts().invites();
            let newest = invites.newest_after(absence.after_invite).map(|(_, invite)| invite);
            let task = newest.and_then(Invite::task);
            match task.map(|task| it.facts().tasks().ended_at(task)) {
                Some(Some(_)) => "pause",
                _ => "invited",
            }
        }
        (Attendance::Attended, None) if it.facts().roster().agents().count() > 1 => "two agents",
        (Attendance::Undecided, None) => "asked",
        (attendance, None) => attendance.name(),
    }
}

type Tell = fn(&mut Room);

const EVENTS: &[(&str, Tell)] = &[
    ("the agent's page says goodbye", |room| room.page(ADA, PAGE, PageEvent::Goodbye)),
    ("the agent's push channel closes", |room| room.page(ADA, PAGE, PageEvent::PushClosed)),
    ("a page of the agent says hello", |room| room.page(ADA, PAGE + 1, PageEvent::Heard)),
    ("the agent says that they leave", |room| {
        room.handle(&Event::Leaving {
            worker: worker(ADA),
            conversation: conversation(),
            how: Leaving::Leave,
        });
    }),
    ("the agent's page claims it", |room| {
        room.handle(&Event::Claimed { worker: worker(ADA), conversation: conversation(), place: place() });
    }),
    ("another worker's page claims it", |room| {
        room.handle(&Event::Claimed { worker: worker(BO), conversation: conversation(), place: place() });
    }),
    ("the customer writes", |room| room.writes(CUSTOMER)),
    ("the agent writes", |room| room.writes(ADA)),
    ("another agent joins", |room| {
        room.page(BO, PAGE, PageEvent::PushOpened);
        room.joins(agent(BO, 0x101));
    }),
    ("the agent's participant leaves", |room| room.leaves(&agent(ADA, 1))),
    ("the customer leaves", |room| room.leaves(&customer())),
    ("the channel is paused", |room| status(room, ChannelState::Paused)),
    ("the channel is transferred", |room| status(room, ChannelState::Transferring)),
    ("the channel is inactive", |room| status(room, ChannelState::Inactive)),
    ("the channel is closed", |room| status(room, ChannelState::Closed)),
    ("the agent's task is canceled", |room| room.task(1, TaskState::Ended)),
    ("the invite's task times out", |room| room.task(0x101, TaskState::Ended)),
    ("the poll shows nobody and no task", |room| {
        let (there, task) = (vec![customer()], room.newest_task.take());
        room.there = there;
        answer_poll(room, None);
        room.newest_task = task;
    }),
    ("the poll is answered", |room| answer_poll(room, None)),
    ("Twilio knows no such channel", |room| answer_poll(room, Some(Outcome::NotFound))),
    ("Twilio refuses", |room| {
        for action in room.pending.clone() {
            room.finish(action, Outcome::Failed { reason: "refused".into() });
        }
    }),
    ("the timer is due", |room| {
        room.fire();
    }),
    ("the deadline is over", |room| {
        let absence = room.machine.conversation(&conversation()).and_then(Conversation::absence);
        if let Some(deadline) = absence.map(|absence| absence.deadline) {
            room.now = deadline + Millis(1);
            room.handle(&Event::Timer { conversation: conversation() });
        }
    }),
];

fn status(room: &mut Room, state: ChannelState) {
    room.state = state;
    room.news(InteractionNews::Status(state));
}

fn answer_poll(room: &mut Room, outcome: Option<Outcome>) {
    if let Some(poll) = room.pending.iter().find(|action| action.name() == "poll").cloned() {
        let truthful = room.outcome(&poll);
        room.finish(poll, outcome.unwrap_or(truthful));
    }
}

fn words(action: &Action) -> &'static str {
    match action {
        Action::Poll { .. } => "asks Twilio",
        Action::Tell { what: Telling::AgentGone { .. } } => "tells the customer that the agent is gone",
        Action::Tell { what: Telling::Parked { .. } } => "tells the customer that it is parked",
        Action::Tell { what: Telling::Idle { .. } } => "alerts the customer",
        Action::Invite { target: Some(_), .. } => "invites the last agent first",
        Action::Invite { target: None, .. } => "invites any agent",
        Action::CloseParticipant { .. } => "closes the lost agent's participant",
        Action::Park { .. } => "parks it",
        Action::Close { .. } => "closes it",
    }
}

/// What the machine does; empty: it ignores the event.
fn cell(make: fn() -> Room, tell: Tell) -> String {
    let mut room = make();
    let before_code = state_of(&room);
    let before = room.machine.conversation(&conversation()).map(|it| (it.facts().clone(), it.timer()));
    room.requested.clear();
    tell(&mut room);
    let after = room.machine.conversation(&conversation()).map(|it| (it.facts().clone(), it.timer()));
    let code = state_of(&room);
    let does: Vec<_> = room.requested.iter().map(words).collect();
    let next = (code != before_code).then(|| format!("→ **{code}**"));
    match (next, does.join(", ")) {
        (Some(next), does) if does.is_empty() => next,
        (Some(next), does) => format!("{next}: {does}"),
        (None, does) if !does.is_empty() => does,
        (None, _) if before != after => "noted".into(),
        (None, _) => String::new(),
    }
}

#[test]
fn each_state_is_reached() {
    for (name, _, make) in STATES {
        assert_eq!(state_of(&make()), *name);
    }
}

#[test]
fn the_states_and_events_are_drawn() {
    let states: Vec<_> =
        STATES.iter().map(|(name, what, _)| vec![(*name).to_owned(), (*what).to_owned()]).collect();
    let mut page = [TRANSITIONS_HEAD, "## States\n\n", &table(&["state", "what it is"], &states)].concat();
    for (event, tell) in EVENTS {
        let cells: Vec<_> = STATES
            .iter()
            .map(|(name, _, make)| vec![(*name).to_owned(), cell(*make, *tell)])
            .filter(|row| !row[1].is_empty())
            .collect();
        let mut heading = event.to_string();
        if let Some(first) = heading.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        page.push_str(&format!("\n## {heading}\n\n"));
        page.push_str(&match cells.len() {
            0 => "Ignored in all states.\n".to_owned(),
            _ => table(&["in state", "what the machine does"], &cells),
        });
    }
    held_to("conversations-transitions.md", &page);
}

#[test]
fn a_lost_reply_is_looked_up_where_a_repetition_would_show() {
    let tell = Action::Tell { what: Telling::AgentGone { absence: 1, began_at: Millis(7) } };
    let invite = Action::Invite {
        place: place(),
        number: 1,
        began_at: Millis(7),
        task: TaskSid::numbered(1),
        workflow: None,
        target: None,
        timeout: Millis::seconds(1),
    };
    let close = Action::CloseParticipant { place: place(), participant: ParticipantSid::numbered(1) };
    for (action, lost_reply, key) in [
        (tell, LostReply::FindMessage, Some("CH00000000000000000000000000000001 absence 1 7")),
        (invite, LostReply::FindInvite, Some("CH00000000000000000000000000000001 invite 1 7")),
        (close, LostReply::Repeat, None),
        (Action::Close { place: place(), silent_since: None }, LostReply::Repeat, None),
    ] {
        let traits = action.traits();
        assert_eq!(traits.lost_reply, lost_reply, "{action:?}");
        let text = traits.once.map(|once| once_text(&conversation(), &once));
        assert_eq!(text.as_deref(), key, "{action:?}");
    }
}
