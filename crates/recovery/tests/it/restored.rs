//! The database was restored from a backup: the call is as it was then, and an earlier server went on with it since.

use crate::desk::*;
use crate::taskrouter_events::task_event;
use crate::transitions::desks;
use rejoin_protocol::api::Stage;
use rejoin_protocol::{CallSid, Millis, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Ending, Event, ParticipantFlags, Phase, PollAnswer, Purpose, Reconnect, ReconnectState,
    TaskEventKind, Timer,
};

/// Twilio's answer: these legs are in the conference, and the customer is on the line.
fn shows(legs: &[u128]) -> PollAnswer {
    let participants = legs.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
    PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() }
}

/// The customer is elsewhere, and this is the task that was to bring them back.
fn elsewhere(target: Option<u128>, state: ReconnectState) -> PollAnswer {
    let (task, target) = (TaskSid::numbered(2), target.map(WorkerSid::numbered));
    let reconnects = vec![Reconnect { task, target, state, conference: Some(conference(2)) }];
    PollAnswer { reconnects, ..shows(&[]) }
}

fn taken(worker: u128) -> ReconnectState {
    let (worker, reservation) = (WorkerSid::numbered(worker), ReservationSid::numbered(2));
    ReconnectState::Taken { worker, name: "Bo".into(), reservation }
}

fn left(worker: u128) -> ReconnectState {
    let (worker, reservation) = (WorkerSid::numbered(worker), ReservationSid::numbered(2));
    ReconnectState::Left { worker, name: "Bo".into(), reservation }
}

impl Desk {
    /// An hour later the database is restored, and Twilio shows this.
    fn restored(&mut self, seen: PollAnswer) {
        self.now = self.now + Millis::seconds(3600);
        self.handle(Event::Restored { conference: conference(1), seen: Box::new(seen) });
    }

    /// Fires all timers as they come due, for an hour.
    fn hour_passes(&mut self) {
        let end = self.now + Millis::seconds(3600);
        while let Some(((of, timer), at)) =
            self.timers.iter().min_by_key(|(_, at)| **at).map(|(it, at)| (it.clone(), *at))
        {
            if at > end || self.machine.call(&of).is_none() {
                break;
            }
            self.now = self.now.max(at);
            self.timers.remove(&(of.clone(), timer));
            self.handle(Event::Timer { conference: of, timer });
        }
    }
}

/// True if the action takes a customer's call somewhere.
fn moves(action: &Action, customer: &CallSid) -> bool {
    match action {
        Action::Requeue { .. } | Action::GiveUp { .. } | Action::EndConference { .. } => true,
        Action::RemoveLeg { leg, .. } | Action::MoveParticipant { leg, .. } => leg == customer,
        _ => false,
    }
}

/// Whatever the call was at the time of the backup.
#[test]
fn a_customer_who_has_an_agent_elsewhere_is_never_moved() {
    let answers = [
        shows(&[]),
        elsewhere(Some(ADA), taken(ADA)),
        elsewhere(Some(ADA), left(ADA)),
        elsewhere(None, taken(BO)),
        elsewhere(None, left(BO)),
        elsewhere(Some(ADA), ReconnectState::Over),
    ];
    for (name, make) in desks() {
        for (number, answer) in answers.iter().enumerate() {
            let mut desk = make();
            let jobs = desk.take_actions();
            desk.restored(answer.clone());
            // Before a job of the backup is carried out, the call is asked whether it still wants that.
            let wanted = jobs
                .into_iter()
                .find(|job| moves(job, &leg(CUSTOMER)) && desk.machine.wants(&conference(1), job));
            assert_eq!(wanted, None, "{name}: answer {number}");
            desk.hour_passes();
            let moved = desk.take_actions().into_iter().find(|action| moves(action, &leg(CUSTOMER)));
            assert_eq!(moved, None, "{}: answer {number}", name);
            let open = desk
                .machine
                .call(&conference(1))
                .is_some_and(|call| call.recovery.as_ref().is_some_and(rejoin_recovery::Recovery::is_open));
            assert!(!open, "{}: answer {number}", name);
        }
    }
}

#[test]
fn the_agent_who_took_the_customer_since_ends_the_recovery() {
    for (answer, wanted) in [
        (elsewhere(Some(ADA), taken(ADA)), Ending::Rejoined { into: Some(TaskSid::numbered(2)) }),
        (elsewhere(Some(ADA), left(ADA)), Ending::Rejoined { into: Some(TaskSid::numbered(2)) }),
        (
            elsewhere(None, taken(BO)),
            Ending::HandedOver { name: Some("Bo".into()), into: Some(TaskSid::numbered(2)) },
        ),
        (
            elsewhere(None, left(BO)),
            Ending::HandedOver { name: Some("Bo".into()), into: Some(TaskSid::numbered(2)) },
        ),
        (shows(&[]), Ending::Graceful),
    ] {
        let mut desk = Desk::holding();
        desk.restored(answer.clone());
        let recovery = desk.machine.call(&conference(1)).unwrap().recovery.clone().unwrap();
        assert_eq!(recovery.phase, Phase::Ended(wanted), "{answer:?}");
    }
}

/// The customer was sent to the queue after the backup, and waits there.
#[test]
fn a_customer_who_waits_in_the_queue_goes_on_waiting() {
    for (target, stage) in [(Some(ADA), Stage::Queued), (None, Stage::WaitingForOther)] {
        let mut desk = Desk::holding();
        desk.restored(elsewhere(target, ReconnectState::Waits));
        assert_eq!(desk.stage(), Some(stage));
        assert!(desk.take_actions().iter().all(|action| !moves(action, &leg(CUSTOMER))));
        desk.join(2, CUSTOMER, true);
        desk.register(2, ADA, 0x2a, 3);
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
    }
    // The agent does not come back: any agent, as without a restore.
    let mut desk = Desk::holding();
    desk.restored(elsewhere(Some(ADA), ReconnectState::Waits));
    desk.fire(1, Timer::Rejoin);
    let asked = desk.take_actions();
    assert!(asked.iter().any(|it| matches!(it, Action::Requeue { target: None, .. })), "{asked:?}");
}

#[test]
fn a_customer_who_is_still_here_is_recovered() {
    let mut desk = Desk::holding();
    desk.restored(shows(&[CUSTOMER]));
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "pages have time to connect again");
    desk.fire(1, Timer::Ping);
    assert!(desk.take_actions().iter().any(|it| matches!(it, Action::Requeue { target: None, .. })));
    // The agent was lost after the backup.
    let mut desk = Desk::talking();
    desk.restored(shows(&[CUSTOMER]));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Nothing has happened since.
    let mut desk = Desk::talking();
    desk.restored(shows(&[CUSTOMER, ADA_LEG]));
    assert_eq!((desk.stage(), desk.take_actions()), (None, vec![]));
}

#[test]
fn a_customer_who_has_hung_up_is_not_looked_for() {
    for make in [Desk::talking, Desk::holding] {
        let mut desk = make();
        desk.restored(PollAnswer { on_line: Some(false), ..shows(&[]) });
        desk.hour_passes();
        assert!(desk.take_actions().iter().all(|action| !moves(action, &leg(CUSTOMER))));
        assert!(desk.machine.call(&conference(1)).is_none(), "forgotten");
    }
}

/// The command that restores is repeated after it was cut off.
#[test]
fn the_same_answer_again_changes_nothing() {
    for answer in
        [shows(&[CUSTOMER]), elsewhere(Some(ADA), ReconnectState::Waits), elsewhere(None, taken(BO))]
    {
        let mut desk = Desk::holding();
        desk.restored(answer.clone());
        let stage = desk.stage();
        desk.take_actions();
        desk.handle(Event::Restored { conference: conference(1), seen: Box::new(answer) });
        assert_eq!((desk.stage(), desk.take_actions()), (stage, vec![]));
    }
}

/// A call that the database does not have.
#[test]
fn an_unknown_call_stays_unknown() {
    let mut desk = Desk::new();
    desk.restored(shows(&[CUSTOMER]));
    assert!(desk.machine.call(&conference(1)).is_none() && desk.take_actions().is_empty());
}

/// An earlier server has put the customer on hold since the backup: that hold is ours, and ends when the agent is back.
#[test]
fn a_hold_that_no_agent_can_have_set_is_ours() {
    let on_hold = |legs: &[u128]| {
        let mut seen = shows(legs);
        seen.participants
            .insert(leg(CUSTOMER), ParticipantFlags { hold: true, ..ParticipantFlags::default() });
        seen
    };
    let ends = |desk: &mut Desk| desk.take_actions().iter().any(|it| matches!(it, Action::EndHold { .. }));
    let mut desk = Desk::talking();
    desk.restored(on_hold(&[CUSTOMER]));
    desk.take_actions();
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert!(ends(&mut desk));
    // Ada may have set this one.
    let mut desk = Desk::talking();
    desk.restored(on_hold(&[CUSTOMER, ADA_LEG]));
    assert!(!ends(&mut desk) && desk.stage().is_none());
}

/// An earlier server has created a ping since the backup.
#[test]
fn each_ping_that_the_agent_accepts_is_ended() {
    let accepted = |desk: &mut Desk| {
        desk.handle(task_event(0x99, Purpose::Ping { recovery: recovery() }, ADA, TaskEventKind::Accepted));
    };
    let ends = |actions: Vec<Action>| {
        let is_end = |it: &Action| matches!(it, Action::EndPing { task, accepted: true } if *task == TaskSid::numbered(0x99));
        actions.iter().any(is_end)
    };
    let mut desk = Desk::holding();
    accepted(&mut desk);
    assert!(ends(desk.take_actions()), "the recovery has another one");
    // The recovery has none yet.
    let mut desk = Desk::talking();
    desk.restored(shows(&[CUSTOMER]));
    accepted(&mut desk);
    desk.fire(1, Timer::Grace);
    desk.hello(2, true, false);
    assert!((0..3).any(|_| ends(desk.finish_all())));
}

/// The agent took the customer after the backup, and was lost before the restore: the database does not have that call.
#[test]
fn the_call_of_an_agent_who_was_lost_since_is_looked_up() {
    for make in [Desk::talking, Desk::holding] {
        let mut desk = make();
        desk.restored(elsewhere(Some(ADA), left(ADA)));
        assert!(desk.machine.call(&conference(2)).is_some());
        let asked = desk.take_actions();
        let looks = |it: &Action| matches!(it, Action::LookUpTask { task } if *task == TaskSid::numbered(2));
        assert!(asked.iter().any(looks), "{asked:?}");
    }
}

/// Twilio fetches our action URL for the customer in their next call: that is not about this one.
#[test]
fn the_end_of_the_next_call_starts_no_recovery_of_this_one() {
    let mut desk = Desk::talking();
    desk.restored(elsewhere(Some(ADA), taken(ADA)));
    desk.now = desk.now + Millis::seconds(10);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    assert!(desk.machine.call(&conference(1)).is_some_and(|call| call.recovery.is_none()));
}
