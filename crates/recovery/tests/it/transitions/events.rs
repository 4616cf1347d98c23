//! The rows: every event that the machine handles.

use super::states::{BO_LEG, State};
use crate::desk::*;
use crate::late_events::look_up_answer;
use crate::taskrouter_events::task_event;
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{ActivitySid, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Event, LeaveReason, Outcome, PollAnswer, Purpose, Reconnect,
    ReconnectState, TaskEventKind, Timer,
};

/// A leg that is not identified.
const STRANGER: u128 = 0x57;
const PING: u128 = 0x91;
const RECONNECT: u128 = 0x92;

type Tell = dyn Fn(&mut Desk, &State);

/// One row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) send: Box<Tell>,
}

/// Rows that belong together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) rows: Vec<Row>,
}

fn row(name: impl Into<String>, send: impl Fn(&mut Desk, &State) + 'static) -> Row {
    Row { name: name.into(), send: Box::new(send) }
}

fn leaves(name: &str, reason: LeaveReason) -> Row {
    row(name, move |desk, state| {
        desk.leave(1, state.leg, reason);
    })
}

fn customer_leaves(name: &str, reason: LeaveReason) -> Row {
    row(name, move |desk, _| {
        desk.leave(1, CUSTOMER, reason);
    })
}

fn done(name: &str, action: impl Fn() -> Action + 'static, outcome: impl Fn() -> Outcome + 'static) -> Row {
    row(name, move |desk, _| {
        // The answer is about what was asked for, if that was.
        let action = action();
        let call = desk.machine.call(&conference(1));
        let asked = call.and_then(|call| call.requests.in_flight().find(|it| it.name() == action.name()));
        let action = asked.cloned().unwrap_or(action);
        desk.finish(action, outcome());
    })
}

fn failed() -> Outcome {
    Outcome::Failed { reason: "refused".into() }
}

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group { name: "Callbacks of the conference", rows: conference_rows() },
        Group { name: "The next conference", rows: elsewhere() },
        Group { name: "Pages", rows: pages() },
        Group { name: "The queue's documents", rows: queue() },
        Group { name: "TaskRouter's events", rows: tasks() },
        Group { name: "Time", rows: timers() },
        Group { name: "Twilio's answers", rows: answers() },
        Group { name: "A database restored from a backup", rows: restored() },
    ]
}

fn conference_rows() -> Vec<Row> {
    vec![
        row("the conference starts", |desk, _| {
            desk.callback(1, ConferenceEventKind::Start);
        }),
        row("an unidentified leg joins", |desk, _| desk.join(1, STRANGER, false)),
        row("the customer's leg joins", |desk, _| desk.join(1, CUSTOMER, true)),
        leaves("the agent's leg leaves", LeaveReason::HungUp),
        leaves("the agent's leg is moved or removed through the API", LeaveReason::UpdatedViaApi),
        leaves("the agent's leg leaves for an unknown reason", LeaveReason::Unknown),
        row("the colleague's leg leaves", |desk, _| {
            desk.leave(1, BO_LEG, LeaveReason::HungUp);
        }),
        customer_leaves("the customer hangs up", LeaveReason::HungUp),
        customer_leaves("the customer's leg is moved", LeaveReason::UpdatedViaApi),
        customer_leaves("the conference ends under the customer", LeaveReason::ModeratorEnded),
        customer_leaves("the call is ended for all", LeaveReason::ConferenceEndedViaApi),
        row("the conference has ended", |desk, _| desk.end(1)),
        row("the exit flag is set on the agent's leg", |desk, state| {
            desk.modify(1, state.leg, true, false);
        }),
        row("the customer is on hold", |desk, _| desk.modify(1, CUSTOMER, false, true)),
        row("an announcement has ended", |desk, _| {
            desk.callback(1, ConferenceEventKind::AnnouncementEnd);
        }),
    ]
}

fn elsewhere() -> Vec<Row> {
    let taken = |worker| {
        move |desk: &mut Desk, _: &State| {
            desk.join(2, CUSTOMER, true);
            desk.register(2, worker, 0x2a, 3);
        }
    };
    vec![
        row("the same agent has the customer in the next conference", taken(ADA)),
        row("another agent has the customer in the next conference", taken(BO)),
        row("the customer hangs up in the next conference", |desk, _| {
            desk.join(2, CUSTOMER, true);
            desk.leave(2, CUSTOMER, LeaveReason::HungUp);
        }),
    ]
}

fn pages() -> Vec<Row> {
    vec![
        row("the agent's page registers a new leg", |desk, _| desk.register(1, ADA, 0x1a, 3)),
        row("another agent's page registers a leg", |desk, _| desk.register(1, BO, BO_LEG, EPOCH)),
        row("a graceful mark: the agent leaves", |desk, _| desk.graceful(GracefulReason::HangUp)),
        row("a graceful mark: the agent transfers the call", |desk, _| {
            desk.graceful(GracefulReason::ColdTransfer);
        }),
        row("a newer page finds the call accepted and can join", |desk, _| desk.hello_in_place(3)),
        row("a newer page finds the call accepted and cannot join", |desk, _| desk.hello(3, false, false)),
        row("a newer page finds the call accepted beside an older page", |desk, _| {
            desk.hello(3, false, true);
        }),
        row("a newer page finds the call wrapping", |desk, _| desk.hello(3, true, false)),
        row("the newest page says goodbye", |desk, _| desk.goodbye(ADA, 3)),
        row("the push channel of the agent's page is lost", |desk, _| desk.push_lost(ADA, EPOCH)),
        row("the push channel of the agent's page is back", |desk, _| {
            desk.handle(Event::PushBack { worker: WorkerSid::numbered(ADA), epoch: EPOCH });
        }),
        row("the agent's page answers a call message", |desk, _| {
            desk.handle(Event::PageAnswered { conference: conference(1), leg: leg(ADA_LEG) });
        }),
    ]
}

fn queue() -> Vec<Row> {
    let left = |bridged, hung_up| {
        move |desk: &mut Desk, _: &State| {
            desk.handle(Event::LeftQueue {
                recovery: recovery(),
                customer: leg(CUSTOMER),
                bridged,
                hung_up,
                token: None,
            });
        }
    };
    vec![
        row("Twilio fetches the waiting music", |desk, _| desk.entered_queue()),
        row("an agent takes the customer out of the queue", left(true, false)),
        row("the customer hangs up in the queue", left(false, true)),
        row("the customer leaves the queue without an agent", left(false, false)),
        row("Twilio asks what comes after the conference", |desk, _| {
            desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        }),
    ]
}

fn tasks() -> Vec<Row> {
    let ping = |name: &str, kind| {
        row(name, move |desk, _| {
            desk.handle(task_event(PING, Purpose::Ping { recovery: recovery() }, ADA, kind));
        })
    };
    let reconnect = |name: &str, target: Option<u128>, kind| {
        row(name, move |desk, _| {
            let target = target.map(WorkerSid::numbered);
            desk.handle(task_event(
                RECONNECT,
                Purpose::Reconnect { recovery: recovery(), target },
                ADA,
                kind,
            ));
        })
    };
    vec![
        ping("the ping is accepted", TaskEventKind::Accepted),
        ping("the ping is not taken", TaskEventKind::NotTaken),
        ping("the ping is withdrawn", TaskEventKind::TakenBack),
        ping("the ping is canceled", TaskEventKind::Canceled { hung_up: false }),
        reconnect("the reconnect task for the agent is in the queue", Some(ADA), TaskEventKind::EnteredQueue),
        reconnect("the agent does not take the reconnect task", Some(ADA), TaskEventKind::NotTaken),
        reconnect(
            "the reconnect task for the agent is canceled",
            Some(ADA),
            TaskEventKind::Canceled { hung_up: false },
        ),
        reconnect(
            "the reconnect task for the agent is canceled by a hang-up",
            Some(ADA),
            TaskEventKind::Canceled { hung_up: true },
        ),
        reconnect("the reconnect task for any agent is in the queue", None, TaskEventKind::EnteredQueue),
        reconnect("an agent does not take the reconnect task for any agent", None, TaskEventKind::NotTaken),
        reconnect(
            "the reconnect task for any agent is canceled",
            None,
            TaskEventKind::Canceled { hung_up: false },
        ),
        row("the agent's reservation is wrapping up", |desk, _| {
            desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
        }),
    ]
}

fn timers() -> Vec<Row> {
    let name = |timer: Timer| match timer {
        Timer::Grace => "no mark arrived in time",
        Timer::Announce => "the announcement is due",
        Timer::Answer => "the page has not answered in time",
        Timer::Leave => "the leave did not arrive",
        Timer::Ping => "the agent is not back in time",
        Timer::Rejoin => "the agent did not join, or take the call, in time",
        Timer::Covered => "a covered agent is not back in time",
        Timer::LeftAlone => "a customer left on purpose is alone for too long",
        Timer::LookUp => "no page registered in time",
        Timer::Owners => "the reservations' agents are not reported in time",
        Timer::Watchdog => "the watchdog is due",
        Timer::CatchUp => "callbacks may have been missed",
        Timer::Forget => "the call is to be forgotten",
    };
    let goes_off = |timer| {
        row(name(timer), move |desk, _| {
            if let Some(at) = desk.watch.remove(&conference(1)).filter(|_| timer == Timer::Watchdog) {
                desk.timers.insert((conference(1), timer), at);
            }
            if desk.timers.contains_key(&(conference(1), timer)) {
                desk.fire(1, timer);
            } else {
                desk.handle(Event::Timer { conference: conference(1), timer });
            }
        })
    };
    Timer::ALL.into_iter().map(goes_off).collect()
}

fn ask_page() -> Action {
    Action::AskPage { conference: conference(1), leg: leg(ADA_LEG) }
}

fn answers() -> Vec<Row> {
    let mut rows = vec![
        done("our hold: done", || hold(false, false), || Outcome::Ok),
        done("our hold: refused", || hold(false, false), failed),
        done("our hold: no longer wanted", || hold(false, false), || Outcome::Overtaken),
        done("our hold has ended", end_hold, || Outcome::Ok),
        done("the page is asked whether it lives", ask_page, || Outcome::Ok),
        done("the page cannot be asked", ask_page, failed),
        done("the customer's exit flag is cleared", || free(true), || Outcome::Ok),
        row("the task has a graceful mark", |desk, _| {
            desk.read(&marked_attributes(ADA, EPOCH, 2, GracefulReason::HangUp));
        }),
        done("the task is read", mark, || Outcome::TaskRead {
            attributes: "{}".into(),
            version: None,
            workflow: None,
        }),
        done("the task cannot be read", mark, failed),
        done("the ping is created", ping, || Outcome::PingCreated(TaskSid::numbered(PING))),
        done("the ping cannot be created", ping, failed),
        done("the dead leg is removed", remove, || Outcome::Ok),
        done("the dead leg cannot be removed", remove, failed),
    ];
    for (whose, target) in [("the agent", Some(ADA)), ("any agent", None)] {
        let sent = |name: &str, outcome: fn() -> Outcome| {
            done(&format!("requeue for {whose}: {name}"), move || requeue(target), outcome)
        };
        rows.push(sent("done", || Outcome::Ok));
        rows.push(sent("an agent came first", || Outcome::Overtaken));
        rows.push(sent("the customer's call is over", || Outcome::Gone));
        rows.push(sent("refused", failed));
    }
    rows.extend([
        done("the agent's exit flag is cleared", keep, || Outcome::Ok),
        done("the task is looked up", learn, look_up_answer),
        done("the task cannot be looked up", learn, failed),
        looked("no change", |desk, _| there(desk, &[])),
        looked("the agent's leg is gone", |desk, state| there(desk, &[state.leg])),
        looked("the customer is off the line", |desk, _| PollAnswer {
            on_line: Some(false),
            ..there(desk, &[CUSTOMER])
        }),
        looked("the reconnect task waits", |desk, _| task(desk, &ReconnectState::Waits)),
        looked("the reconnect task is over", |desk, _| task(desk, &ReconnectState::Over)),
        looked("an agent has the reconnect task", |desk, _| {
            let (worker, reservation) = (WorkerSid::numbered(BO), ReservationSid::numbered(7));
            task(desk, &ReconnectState::Taken { worker, name: "Bo".into(), reservation })
        }),
        done("Twilio reports the reservations' agents", || owners(1).0, || owners(1).1),
        done("giving up: the customer was told", give_up, || Outcome::Ok),
        done("giving up: the customer hung up first", give_up, || Outcome::Gone),
    ]);
    let check = || Action::CheckNumber { task: TaskSid::numbered(1) };
    rows.push(done("the number is on the allow list", check, || Outcome::Number { allowed: true }));
    for (name, action) in nothing_follows() {
        rows.push(done(name, move || action.clone(), || Outcome::Ok));
    }
    rows
}

fn restored() -> Vec<Row> {
    let of = |name: &str, seen: fn(&Desk, &State) -> PollAnswer| {
        row(format!("restored: {name}"), move |desk, state| {
            let seen = Box::new(seen(desk, state));
            desk.handle(Event::Restored { conference: conference(1), seen });
        })
    };
    vec![
        of("no change", |desk, _| there(desk, &[])),
        of("the agent's leg is gone", |desk, state| there(desk, &[state.leg])),
        of("the customer waits in the queue", |desk, _| task(desk, &ReconnectState::Waits)),
        of("an agent has the customer elsewhere", |desk, _| {
            let (worker, reservation) = (WorkerSid::numbered(BO), ReservationSid::numbered(7));
            task(desk, &ReconnectState::Taken { worker, name: "Bo".into(), reservation })
        }),
        of("the customer is elsewhere", |desk, _| there(desk, &[CUSTOMER])),
    ]
}

/// A poll shows this, and nothing was heard while it was in flight.
fn looked(name: &str, seen: impl Fn(&Desk, &State) -> PollAnswer + 'static) -> Row {
    row(format!("poll: {name}"), move |desk, state| {
        while desk.machine.call(&conference(1)).is_some_and(|call| call.poll.since.is_none()) {
            let Some(at) = desk.watch.remove(&conference(1)) else { break };
            desk.now = desk.now.max(at);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
        }
        desk.effects.clear();
        desk.finish(look(), Outcome::Polled(Box::new(seen(desk, state))));
    })
}

/// A poll that shows every leg that is known to be joined, without these.
fn there(desk: &Desk, without: &[u128]) -> PollAnswer {
    let roster = desk.machine.call(&conference(1)).map(|call| call.facts.roster.clone()).unwrap_or_default();
    let gone: Vec<_> = without.iter().map(|who| leg(*who)).collect();
    let joined =
        roster.participants.keys().filter(|leg| roster.is_reported_joined(leg) && !gone.contains(leg));
    let participants = joined.map(|leg| (leg.clone(), roster.flags(leg))).collect();
    PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() }
}

/// Reconnect tasks in this state, for the agent and for any agent: the machine uses the one that it waits for.
fn task(desk: &Desk, state: &ReconnectState) -> PollAnswer {
    let reconnect = |target: Option<u128>| Reconnect {
        task: TaskSid::numbered(2),
        target: target.map(WorkerSid::numbered),
        state: state.clone(),
        conference: None,
    };
    PollAnswer { reconnects: vec![reconnect(Some(ADA)), reconnect(None)], ..there(desk, &[CUSTOMER]) }
}

fn free(unhold: bool) -> Action {
    Action::ClearCustomerFlags { conference: conference(1), customer: leg(CUSTOMER), unhold }
}

fn mark() -> Action {
    Action::MarkTask { task: TaskSid::numbered(1), at: Default::default() }
}

fn ping() -> Action {
    Action::CreatePing {
        worker: WorkerSid::numbered(ADA),
        recovery: recovery(),
        task: TaskSid::numbered(1),
        reservation: ReservationSid::numbered(1),
        ttl: Default::default(),
    }
}

fn remove() -> Action {
    Action::RemoveLeg { conference: conference(1), leg: leg(ADA_LEG) }
}

fn keep() -> Action {
    Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) }
}

fn learn() -> Action {
    Action::LookUpTask { task: TaskSid::numbered(1) }
}

fn look() -> Action {
    Action::PollConference {
        conference: conference(1),
        customer: Some(leg(CUSTOMER)),
        queued: None,
        handed_over: None,
    }
}

fn give_up() -> Action {
    Action::GiveUp { recovery: recovery(), customer: leg(CUSTOMER) }
}

fn ada() -> WorkerSid {
    WorkerSid::numbered(ADA)
}

/// Actions whose outcomes nothing waits for.
fn nothing_follows() -> Vec<(&'static str, Action)> {
    let announce = Action::Announce { conference: conference(1), what: Announcement::Interrupted };
    let moved = Action::MoveParticipant {
        leg: leg(STRANGER),
        into: TaskSid::numbered(2),
        muted: false,
        end_on_exit: false,
        label: None,
        came_late: false,
    };
    let coached = Action::RetargetCoach {
        conference: conference(1),
        coach: leg(STRANGER),
        before: leg(ADA_LEG),
        now: leg(NEXT_LEG),
    };
    vec![
        ("an announcement is made", announce),
        ("the agent's activity is read", Action::ReadActivity { worker: ada() }),
        (
            "an activity is lent to the agent",
            Action::LendActivity { worker: ada(), before: ActivitySid::numbered(2) },
        ),
        (
            "the agent is back in their own activity",
            Action::ReturnActivity { worker: ada(), before: ActivitySid::numbered(2) },
        ),
        ("the ping is ended", end_ping()),
        ("the old reservation is completed", complete_old()),
        ("a bystander is moved", moved),
        ("a leg is on hold", Action::HoldParticipant { conference: conference(1), leg: leg(STRANGER) }),
        ("a supervisor coaches the new leg", coached),
        ("a leg is off hold", Action::Unhold { conference: conference(1), leg: leg(STRANGER) }),
        ("the conference is ended", Action::EndConference { conference: conference(1) }),
    ]
}
