//! The last agent first, then any, and nothing stuck.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::{Millis, ParticipantSid, TaskSid};

#[test]
fn an_agent_who_is_back_in_time_finds_everything_as_it_was() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(50);
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.pass(3000);
    assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Attended));
}

#[test]
fn the_customer_is_told_and_the_last_agent_invited_by_the_workflow() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "invite"]);
    assert!(matches!(room.told()[..], [Telling::AgentGone { absence: 1, .. }]));
    assert_eq!(room.invited(), [Some(worker(ADA))]);
    let Some(Action::Invite { task, timeout, .. }) = room.requested.last() else { panic!() };
    assert_eq!((task, *timeout), (&TaskSid::numbered(1), Millis::seconds(300)));
}

#[test]
fn nobody_is_invited_before_taskrouter_knows_that_the_lost_agent_is_offline() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.writes(CUSTOMER);
    room.pass(20);
    assert_eq!(room.acts(), ["tell"]);
    room.pass(14);
    assert_eq!(room.acts(), ["tell"]);
    room.pass(1);
    assert_eq!(room.acts(), ["tell", "invite"]);
}

#[test]
fn the_old_participant_is_closed_only_when_the_next_one_has_joined() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(200);
    assert!(!room.acts().contains(&"close-participant"));
    room.bo_takes(0x101);
    assert_eq!(room.acts(), ["tell", "invite", "close-participant"]);
    assert_eq!(room.endings(), [Ending::OtherAgent]);
    room.pass(600);
    assert_eq!(room.there, [customer(), agent(BO, 0x101)]);
    assert_eq!(room.acts(), ["tell", "invite", "close-participant"]);
}

#[test]
fn the_same_agent_gets_it_back_by_the_invite() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(100);
    // Back too late: the invite is out. Nothing more is requested while it may be taken.
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(room.endings(), [Ending::Back]);
    room.pass(5);
    room.joins(agent(ADA, 0x101));
    room.pass(600);
    assert_eq!(room.acts(), ["tell", "invite", "close-participant"]);
    assert_eq!(room.there, [customer(), agent(ADA, 0x101)]);
}

#[test]
fn the_invite_is_taken_by_an_agent_who_is_back_on_the_same_instant() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(100);
    room.joins(agent(ADA, 0x101));
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.pass(600);
    assert_eq!(room.there, [customer(), agent(ADA, 0x101)]);
    assert_eq!(room.told().len(), 1);
}

#[test]
fn an_agent_who_is_back_keeps_the_conversation_when_another_one_joins() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(100);
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.bo_takes(0x101);
    room.pass(600);
    assert_eq!(room.there, [customer(), agent(ADA, 1), agent(BO, 0x101)]);
}

#[test]
fn an_invite_that_nobody_takes_is_made_again_for_any_agent_with_growing_pauses() {
    let mut room = Room::chatting();
    room.ada_goes();
    let mut at = vec![];
    for _ in 0..1800 {
        let before = room.invited().len();
        room.pass(1);
        if room.invited().len() > before {
            at.push(room.now.0 / 1000);
        }
        // TaskRouter reports each end at once.
        let newest = room.newest_task.clone().unwrap();
        if room.tasks[&newest] == TaskState::Waiting
            && at.last().is_some_and(|at| room.now.0 / 1000 == at + 10)
        {
            room.tasks.insert(newest.clone(), TaskState::Ended);
            room.handle(&Event::Task { conversation: None, task: newest, state: TaskState::Ended });
        }
    }
    let pauses: Vec<_> = at.windows(2).map(|two| two[1] - two[0] - 10).collect();
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300, 300]);
    assert_eq!(room.invited()[0], Some(worker(ADA)));
    assert!(room.invited()[1..].iter().all(Option::is_none));
    assert_eq!(room.told().len(), 1);
    room.pass(200);
    assert_eq!((room.endings(), room.attendance()), (vec![Ending::Parked], Attendance::Parked));
}

#[test]
fn the_end_of_an_invite_that_no_event_reports_is_found_by_a_poll() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    room.tasks.insert(TaskSid::numbered(0x101), TaskState::Ended);
    room.pass(300 + 15);
    assert_eq!(room.invited().len(), 2);
}

#[test]
fn never_two_invites_at_a_time() {
    let mut room = Room::chatting();
    room.ada_goes();
    // The task still waits after its time: it is looked at, and no other one is made.
    room.pass(1700);
    assert_eq!(room.invited().len(), 1);
    room.pass(700);
    assert_eq!(room.endings(), [Ending::Parked]);
}

/// Twilio makes the first invite, and its answer is lost.
fn is_invited_unheard(room: &mut Room) {
    while room.invited().is_empty() {
        assert!(room.fire(), "stuck");
        while let Some(action) = room.pending.first().cloned() {
            let outcome = match (&action, room.outcome(&action)) {
                (Action::Invite { .. }, _) => Outcome::Failed { reason: "no answer in time".into() },
                (_, outcome) => outcome,
            };
            room.finish(action, outcome);
        }
    }
}

#[test]
fn an_invite_whose_answer_was_lost_is_found_and_no_other_one_is_made() {
    let mut room = Room::chatting();
    room.ada_goes();
    is_invited_unheard(&mut room);
    room.pass(290);
    assert_eq!((room.invited().len(), room.attendance()), (1, Attendance::Unattended));
    room.task(0x101, TaskState::Ended);
    room.pass(14);
    assert_eq!(room.invited().len(), 1, "the pause counts from its end");
    room.pass(1);
    assert_eq!(room.invited().len(), 2);
}

/// Twilio takes neither the words nor the invite, and the agent is back meanwhile.
#[test]
fn what_is_requested_because_nobody_is_there_is_not_wanted_once_somebody_is() {
    let mut room = Room::chatting();
    room.ada_goes();
    for _ in 0..20 {
        if !room.invited().is_empty() {
            break;
        }
        assert!(room.fire(), "stuck");
        let polls: Vec<_> = room.pending.iter().filter(|it| it.name() == "poll").cloned().collect();
        for poll in polls {
            let outcome = room.outcome(&poll);
            room.finish(poll, outcome);
        }
    }
    let wanted = |room: &Room| {
        let known = room.machine.conversation(&conversation()).expect("it is known");
        room.pending.iter().map(|action| (action.name(), known.wants(action))).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&room), [("tell", true), ("invite", true)]);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(wanted(&room), [("tell", false), ("invite", false)]);
}

#[test]
fn a_customer_counts_as_told_once_twilio_has_taken_the_words() {
    for is_taken in [true, false] {
        let mut room = Room::chatting();
        room.ada_goes();
        let tell = room.until_requested("tell");
        let outcome = match is_taken {
            true => room.outcome(&tell),
            false => Outcome::Failed { reason: "refused".into() },
        };
        room.finish(tell, outcome);
        let absence = room.machine.conversation(&conversation()).unwrap().absence().expect("it has nobody");
        assert_eq!(absence.told_at, is_taken.then_some(room.now));
        assert_eq!(room.notes.contains(&Note::Refused { action: "tell" }), !is_taken, "{:?}", room.notes);
    }
}

/// The console shows since when it is so.
#[test]
fn a_judgement_has_the_time_since_which_it_holds() {
    let mut room = Room::chatting();
    let judged = |room: &Room| {
        let (row, _, since) = room.machine.conversation(&conversation()).unwrap().judged().unwrap();
        (row.attendance, since)
    };
    let begun = room.now;
    room.pass(100);
    assert_eq!(judged(&room), (Attendance::Attended, begun - Millis::seconds(1)));
    room.ada_goes();
    let gone = room.now;
    room.pass(10);
    assert_eq!(judged(&room), (Attendance::Awaited, gone));
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(judged(&room), (Attendance::Attended, room.now));
}

/// A program has removed the agent, whose page is there.
#[test]
fn an_agent_who_was_not_lost_has_it_by_our_invite_as_the_same_agent() {
    let mut room = Room::chatting();
    room.leaves(&agent(ADA, 1));
    room.until_requested("invite");
    room.answer();
    assert_eq!(room.invited(), [Some(worker(ADA))]);
    room.joins(agent(ADA, 0x101));
    room.pass(5);
    assert_eq!(room.endings(), [Ending::SameAgent]);
}

/// Asked before each further attempt.
#[test]
fn what_ends_a_conversation_is_wanted_while_it_has_nobody() {
    let wants =
        |room: &Room, action: &Action| room.machine.conversation(&conversation()).unwrap().wants(action);
    let mut room = Room::chatting();
    let park = Action::Park { place: place(), after_message: None, after_invite: 0 };
    let close = Action::Close { place: place(), silent_since: None };
    assert!(!wants(&room, &park) && !wants(&room, &close), "Ada is there");
    room.ada_goes();
    room.pass(70);
    assert!(room.is_absent() && wants(&room, &park) && wants(&room, &close));
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert!(!wants(&room, &park) && !wants(&room, &close), "Ada is back");
    // The answer of an earlier attempt was lost.
    room.news(InteractionNews::Status(ChannelState::Inactive));
    assert!(wants(&room, &park) && !wants(&room, &close));
}

/// Closing a participant completes their task: without another agent nobody would have the conversation.
#[test]
fn the_participant_of_a_lost_agent_is_closed_while_another_agent_is_there() {
    let wants = |room: &Room, participant: &Seen| {
        let close = Action::CloseParticipant { place: place(), participant: participant.sid.clone() };
        room.machine.conversation(&conversation()).unwrap().wants(&close)
    };
    let (ada, bo) = (agent(ADA, 1), agent(BO, 0x101));
    let mut room = Room::chatting();
    assert!(!wants(&room, &ada));
    room.joins(bo.clone());
    assert!(wants(&room, &ada) && wants(&room, &bo));
    room.news(InteractionNews::Left(bo.clone()));
    assert!(!wants(&room, &ada) && wants(&room, &bo));
}

/// Twilio has carried it out, and its answer is lost: webhooks report the channel before the next attempt.
#[test]
fn a_parking_whose_answer_was_lost_is_confirmed() {
    let mut room = Room::chatting_with(Policy { when_unattended: WhenUnattended::Park, ..Policy::default() });
    room.ada_goes();
    let park = room.until_requested("park");
    let outcome = room.outcome(&park);
    room.news(InteractionNews::Left(agent(ADA, 1)));
    room.news(InteractionNews::Status(ChannelState::Inactive));
    let known = room.machine.conversation(&conversation()).expect("it is known");
    assert!(known.wants(&park));
    room.finish(park, outcome);
    room.pass(10);
    assert_eq!(room.attendance(), Attendance::Parked);
}

/// An agent has left the conversation long ago, so that it was forgotten, and the numbers begin anew.
#[test]
fn what_is_asked_of_twilio_once_has_another_name_when_the_conversation_was_forgotten() {
    let mut room = Room::chatting();
    let mut names = std::collections::BTreeSet::new();
    for task in [1, 2] {
        room.joins(agent(ADA, task));
        room.page(ADA, PAGE + u64::try_from(task).unwrap(), PageEvent::PushOpened);
        room.pass(5);
        room.page(ADA, PAGE + u64::try_from(task).unwrap(), PageEvent::PushClosed);
        room.page(ADA, PAGE, PageEvent::PushClosed);
        room.pass(70);
        let once = room.requested.iter().filter_map(|action| action.traits().once);
        names.extend(once.map(|once| once_text(&conversation(), &once)));
        room.there.retain(|it| it.role != Role::Agent);
        room.state = ChannelState::Inactive;
        let newest = room.newest_task.clone().unwrap();
        room.completed.insert(newest.clone());
        room.tasks.insert(newest, TaskState::Ended);
        room.news(InteractionNews::Status(ChannelState::Inactive));
        room.pass(100_000);
        assert!(room.machine.conversation(&conversation()).is_none(), "it is forgotten");
        room.requested.clear();
        room.state = ChannelState::Active;
    }
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn an_invite_whose_answer_was_lost_is_found_by_the_next_absence() {
    let mut room = Room::chatting();
    room.ada_goes();
    is_invited_unheard(&mut room);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(room.endings(), [Ending::Back]);
    room.pass(1);
    room.page(ADA, PAGE + 1, PageEvent::PushClosed);
    room.pass(120);
    assert!(room.is_absent());
    assert_eq!(room.invited().len(), 1, "that one is open yet");
    room.task(0x101, TaskState::Ended);
    room.pass(15);
    assert_eq!(room.invited().len(), 2);
}

#[test]
fn a_refused_invite_is_made_again_and_the_deadline_holds() {
    let policy = Policy { at_deadline: AtDeadline::Close, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.ada_goes();
    while room.state != ChannelState::Closed {
        assert!(room.fire(), "stuck");
        while let Some(action) = room.pending.first().cloned() {
            let outcome = match action {
                Action::Invite { .. } => Outcome::Failed { reason: "refused".into() },
                _ => room.outcome(&action),
            };
            room.finish(action, outcome);
        }
    }
    room.pass(10);
    assert!(room.invited().len() > 5, "{:?}", room.invited());
    assert_eq!((room.endings(), room.state), (vec![Ending::Closed], ChannelState::Closed));
}

#[test]
fn parking_wakes_with_the_customers_next_message_by_one_invite_for_a_burst() {
    let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.writes(CUSTOMER);
    room.writes(ADA);
    room.ada_goes();
    room.pass(70);
    assert_eq!((room.acts(), room.attendance()), (vec!["tell", "park"], Attendance::Parked));
    assert!(matches!(room.told()[..], [Telling::Parked { absence: 1, .. }]));
    room.pass(100_000);
    assert_eq!(room.acts(), ["tell", "park"]);
    room.state = ChannelState::Active;
    for _ in 0..5 {
        room.writes(CUSTOMER);
    }
    room.pass(10);
    assert_eq!(room.acts(), ["tell", "park", "invite"]);
    assert_eq!(room.invited(), [Some(worker(ADA))]);
    room.bo_takes(0x101);
    room.pass(1000);
    assert_eq!(room.endings(), [Ending::Parked, Ending::OtherAgent]);
    assert_eq!(room.acts(), ["tell", "park", "invite"]);
}

#[test]
fn a_message_on_the_way_while_parking_is_requested_wakes() {
    let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.ada_goes();
    room.fire();
    while !room.pending.iter().any(|action| action.name() == "park") {
        let action = room.pending.remove(0);
        let outcome = room.outcome(&action);
        room.finish(action, outcome);
    }
    room.writes(CUSTOMER);
    room.pass(30);
    assert_eq!(room.invited().len(), 1);
}

#[test]
fn a_customer_who_waits_for_an_answer_is_routed_and_not_parked() {
    let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.writes(CUSTOMER);
    room.ada_goes();
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "invite"]);
    assert!(matches!(room.told()[..], [Telling::AgentGone { absence: 1, .. }]));
}

#[test]
fn the_customer_is_told_once_per_absence() {
    let mut room = Room::chatting();
    room.page(ADA, PAGE, PageEvent::Goodbye);
    for absence in 1..=3 {
        let page = room.now.0;
        room.page(ADA, page, PageEvent::Heard);
        room.page(ADA, page, PageEvent::PushOpened);
        room.pass(600);
        room.page(ADA, page, PageEvent::Goodbye);
        room.pass(600);
        assert_eq!(room.told().len(), absence);
    }
    let mut quiet = Room::chatting_with(Policy { tell: false, ..Policy::default() });
    quiet.ada_goes();
    quiet.pass(600);
    assert_eq!(quiet.acts(), ["invite"]);
}

#[test]
fn while_twilio_does_not_answer_nothing_is_said_or_done() {
    let mut room = Room::chatting();
    room.ada_goes();
    for _ in 0..200 {
        assert!(room.fire(), "stuck");
        for action in std::mem::take(&mut room.pending) {
            assert_eq!(action.name(), "poll");
            room.finish(action, Outcome::Failed { reason: "no answer".into() });
        }
    }
    // With pauses of up to five minutes.
    assert!(room.now > Millis::seconds(1000 + 60 * 60), "{:?}", room.now);
    assert_eq!(room.row(), "The time of all pages is over, and Twilio was not asked since.");
    room.pass(300);
    assert_eq!(room.acts(), ["tell", "invite"]);
}

#[test]
fn an_agent_who_takes_the_invite_and_has_no_plugin_ends_the_absence() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    room.joins(agent(BO, 0x101));
    room.pass(600);
    assert_eq!(room.endings(), [Ending::OtherAgent]);
    assert_eq!(room.there, [customer(), agent(BO, 0x101)]);
}

#[test]
fn the_next_agent_may_be_lost_too() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    room.bo_takes(0x101);
    room.pass(60);
    room.page(BO, PAGE, PageEvent::Goodbye);
    room.pass(60);
    assert_eq!(room.invited(), [Some(worker(ADA)), Some(worker(BO))]);
    assert_eq!(room.told().len(), 2);
    let Some(Action::Invite { task, .. }) = room.requested.last() else { panic!() };
    assert_eq!(*task, TaskSid::numbered(0x101));
}

#[test]
fn a_participant_whose_closing_is_refused_is_closed_later() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    room.page(BO, PAGE, PageEvent::PushOpened);
    room.joins(agent(BO, 0x101));
    let close = room.pending.iter().find(|it| it.name() == "close-participant").cloned().unwrap();
    room.finish(close, Outcome::Failed { reason: "refused".into() });
    room.pass(4);
    assert!(room.there.iter().any(|it| it.sid == ParticipantSid::numbered(1)));
    room.pass(2);
    assert!(!room.there.iter().any(|it| it.sid == ParticipantSid::numbered(1)));
}

#[test]
fn a_woken_conversation_that_flex_routes_itself_gets_no_second_invite() {
    let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut room = Room::chatting_with(policy);
    room.ada_goes();
    room.pass(120);
    room.state = ChannelState::Active;
    room.writes(CUSTOMER);
    room.pass(1);
    let own = TaskSid::numbered(0x77);
    room.tasks.insert(own.clone(), TaskState::Waiting);
    room.newest_task = Some(own.clone());
    room.pass(600);
    assert_eq!((room.acts(), room.attendance()), (vec!["tell", "park"], Attendance::Waiting));
    // It comes to nothing: then it is ours.
    room.task(0x77, TaskState::Ended);
    room.pass(10);
    assert_eq!(room.acts(), ["tell", "park", "invite"]);
}

#[test]
fn without_any_webhook_the_polls_are_enough() {
    let mut room = Room::new(Policy { watch: Millis::seconds(120), ..Policy::default() });
    let silently_joins = |room: &mut Room, seen: rejoin_conversations::Seen| {
        room.tasks.insert(seen.task.clone().unwrap(), TaskState::Assigned);
        room.newest_task = seen.task.clone();
        room.there.push(seen);
    };
    room.page(ADA, PAGE, PageEvent::PushOpened);
    silently_joins(&mut room, agent(ADA, 1));
    room.handle(&Event::Claimed { worker: worker(ADA), conversation: conversation(), place: place() });
    room.pass(30);
    assert_eq!(room.attendance(), Attendance::Attended);
    room.ada_goes();
    room.writes_unreported(CUSTOMER);
    room.pass(70);
    assert_eq!(room.acts(), ["tell", "invite"]);
    room.page(BO, PAGE, PageEvent::PushOpened);
    silently_joins(&mut room, agent(BO, 0x101));
    // Found when the invite should be over.
    room.pass(400);
    assert_eq!(room.endings(), [Ending::OtherAgent]);
    assert_eq!(room.there, [customer(), agent(BO, 0x101)]);
}

#[test]
fn the_claim_of_the_next_agents_page_is_looked_into_at_once() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(70);
    room.page(BO, PAGE, PageEvent::PushOpened);
    room.there.push(agent(BO, 0x101));
    room.handle(&Event::Claimed { worker: worker(BO), conversation: conversation(), place: place() });
    room.pass(5);
    assert_eq!(room.endings(), [Ending::OtherAgent]);
}

#[test]
fn an_agent_who_is_back_before_their_participant_is_closed_keeps_it() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(60);
    room.page(BO, PAGE, PageEvent::PushOpened);
    room.joins(agent(BO, 0x101));
    let close = room.pending.iter().find(|it| it.name() == "close-participant").cloned().unwrap();
    room.finish(close, Outcome::Failed { reason: "refused".into() });
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.pass(600);
    assert_eq!(room.there, [customer(), agent(ADA, 1), agent(BO, 0x101)]);
}

/// TaskRouter cancels a task at once for which its workflow has nobody. Its report may be faster than the answer to the invite.
#[test]
fn an_invite_whose_task_ends_before_it_is_answered_is_over() {
    let mut room = Room::chatting();
    room.ada_goes();
    let invite = room.until_requested("invite");
    let outcome = room.outcome(&invite);
    let task = room.newest_task.clone().unwrap();
    room.tasks.insert(task.clone(), TaskState::Ended);
    let ended = |conversation, task| Event::Task { conversation, task, state: TaskState::Ended };
    room.handle(&ended(Some(conversation()), task));
    // Tasks of others name it, too: a worker may change the attributes of their own.
    for number in 0x900..0x903 {
        room.handle(&ended(Some(conversation()), TaskSid::numbered(number)));
    }
    let invited_at = room.now;
    room.finish(invite, outcome);
    while room.invited().len() < 2 {
        room.pass(1);
    }
    assert_eq!(room.now, invited_at + Millis::seconds(15), "as after any invite that came to nothing");
    let stored = serde_json::to_string(room.machine.conversation(&conversation()).unwrap()).unwrap();
    for number in 0x910..0x950 {
        room.handle(&ended(Some(conversation()), TaskSid::numbered(number)));
    }
    let later = serde_json::to_string(room.machine.conversation(&conversation()).unwrap()).unwrap();
    assert!(later.len() < stored.len() + 400, "{} after {}", later.len(), stored.len());
}

#[test]
fn told_once_however_long_the_absence_is() {
    let day = Millis::seconds(24 * 3600);
    let mut room = Room::chatting_with(Policy { deadline: day, ..Policy::default() });
    room.ada_goes();
    let end = room.now + day;
    while room.now < end && !room.timers.is_empty() {
        room.fire();
        while let Some(action) = room.pending.first().cloned() {
            let outcome = room.outcome(&action);
            // Each invite ends at once.
            room.tasks
                .values_mut()
                .filter(|it| **it == TaskState::Waiting)
                .for_each(|it| *it = TaskState::Ended);
            let task = room.newest_task.clone();
            room.finish(action, outcome);
            if let Some(task) = task.filter(|_| room.pending.is_empty()) {
                room.handle(&Event::Task { conversation: None, task, state: TaskState::Ended });
            }
        }
    }
    assert!(room.invited().len() > 100, "{}", room.invited().len());
    assert_eq!(room.told().len(), 1);
    let stored = serde_json::to_string(room.machine.conversation(&conversation()).unwrap()).unwrap();
    assert!(stored.len() < 8000, "{}", stored.len());
}

#[test]
fn a_conversation_that_an_agent_left_is_flexs_when_the_customer_writes() {
    for (has_own_task, acts) in [(true, vec![]), (false, vec!["invite"])] {
        let mut room = Room::chatting();
        room.state = ChannelState::Inactive;
        room.leaves(&agent(ADA, 1));
        room.news(InteractionNews::Status(ChannelState::Inactive));
        room.pass(300);
        assert_eq!(room.attendance(), Attendance::Left);
        // The state changes before the message is reported.
        room.state = ChannelState::Active;
        let message = room.writes_unreported(CUSTOMER);
        room.handle(&Event::State { conversation: conversation(), state: ChannelState::Active });
        room.answer();
        room.pass(1);
        if has_own_task {
            room.tasks.insert(TaskSid::numbered(0x77), TaskState::Waiting);
            room.newest_task = Some(TaskSid::numbered(0x77));
        }
        room.handle(&Event::Message { conversation: conversation(), message });
        room.pass(60);
        assert_eq!(room.acts(), acts);
    }
}

#[test]
fn a_left_conversation_whose_change_of_state_was_not_reported_is_looked_at() {
    let mut room = Room::chatting();
    room.state = ChannelState::Inactive;
    room.leaves(&agent(ADA, 1));
    room.news(InteractionNews::Status(ChannelState::Inactive));
    room.pass(300);
    room.state = ChannelState::Active;
    room.tasks.insert(TaskSid::numbered(0x77), TaskState::Waiting);
    room.newest_task = Some(TaskSid::numbered(0x77));
    room.writes(CUSTOMER);
    room.pass(10);
    assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Waiting));
}

#[test]
fn a_pause_whose_end_was_not_reported_is_found() {
    for (told_by, within) in [("claim", 5), ("join", 5), ("nothing", 600)] {
        let mut room = Room::chatting();
        room.state = ChannelState::Paused;
        room.leaves(&agent(ADA, 1));
        room.news(InteractionNews::Status(ChannelState::Paused));
        room.pass(60);
        assert_eq!(room.attendance(), Attendance::Paused);
        room.state = ChannelState::Active;
        room.there.push(agent(ADA, 2));
        match told_by {
            "claim" => room.handle(&Event::Claimed {
                worker: worker(ADA),
                conversation: conversation(),
                place: place(),
            }),
            "join" => room.news(InteractionNews::Joined(agent(ADA, 2))),
            _ => {}
        }
        room.pass(within);
        assert_eq!(room.attendance(), Attendance::Attended, "{told_by}");
    }
}

/// Ada transfers it by Flex's button, which makes task 2, and closes the tab. `stays`: Ada is a participant until the next agent has
/// joined; `told`: the channel's state is reported. Neither is documented.
fn transferred(stays: bool, told: bool) -> Room {
    let mut room = Room::chatting();
    room.state = ChannelState::Transferring;
    room.tasks.insert(TaskSid::numbered(2), TaskState::Waiting);
    room.newest_task = Some(TaskSid::numbered(2));
    if told {
        room.news(InteractionNews::Status(ChannelState::Transferring));
    }
    if !stays {
        room.leaves(&agent(ADA, 1));
    }
    room.ada_goes();
    room
}

#[test]
fn while_a_transfer_looks_for_the_next_agent_nothing_is_said_or_done() {
    for (stays, told) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut room = transferred(stays, told);
        room.pass(3600);
        assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Waiting), "{stays} {told}");
        room.state = ChannelState::Active;
        room.there.retain(|it| it.worker != Some(worker(ADA)));
        room.bo_takes(2);
        room.pass(600);
        assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Attended), "{stays} {told}");
    }
}

#[test]
fn a_transfer_that_nobody_takes_is_routed_and_not_to_the_agent_who_transferred_it() {
    for told in [false, true] {
        let mut room = transferred(false, told);
        room.pass(60);
        room.state = ChannelState::Active;
        room.task(2, TaskState::Ended);
        room.pass(40);
        assert_eq!((room.acts(), room.invited()), (vec!["invite"], vec![None]));
        // An agent who stays is lost as others are.
        let mut room = transferred(true, told);
        room.pass(70);
        room.task(2, TaskState::Ended);
        room.pass(10);
        assert_eq!(room.acts(), ["tell", "invite"]);
    }
}

#[test]
fn an_agent_lost_after_a_transfer_whose_end_was_not_reported_is_found() {
    let mut room = transferred(false, true);
    room.bo_takes(2);
    room.pass(60);
    assert_eq!(room.attendance(), Attendance::Attended);
    room.page(BO, PAGE, PageEvent::Goodbye);
    room.page(BO, PAGE, PageEvent::PushClosed);
    room.pass(120);
    assert_eq!((room.acts(), room.invited()), (vec!["tell", "invite"], vec![Some(worker(BO))]));
}

#[test]
fn nothing_is_parked_before_the_customer_is_told() {
    for (is_told, told) in [(true, Outcome::Ok), (false, Outcome::Failed { reason: "refused".into() })] {
        let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
        let mut room = Room::chatting_with(policy);
        room.ada_goes();
        room.fire();
        let poll = room.pending[0].clone();
        let outcome = room.outcome(&poll);
        room.finish(poll, outcome);
        // Twilio takes its time for the message.
        let names: Vec<_> = room.pending.iter().map(Action::name).collect();
        assert_eq!(names, ["tell"]);
        let tell = room.pending[0].clone();
        room.finish(tell, told);
        room.pass(30);
        assert_eq!((room.acts(), room.attendance()), (vec!["tell", "park"], Attendance::Parked), "{is_told}");
    }
}

#[test]
fn an_agent_whose_page_polls_is_not_back_because_the_customer_writes_again() {
    let mut room = Room::chatting();
    room.page(ADA, PAGE, PageEvent::PushClosed);
    room.pass(1);
    room.page(ADA, PAGE, PageEvent::Heard);
    room.writes(CUSTOMER);
    room.pass(25);
    assert_eq!(room.told().len(), 1, "the message is unanswered for 20 s");
    // 60 s after the last request of the page are not over, and the message that shortens them is a new one.
    room.writes(CUSTOMER);
    assert!(room.is_absent());
    room.pass(120);
    assert_eq!((room.told().len(), room.endings()), (1, vec![]));
    room.page(ADA, PAGE, PageEvent::Heard);
    assert_eq!(room.endings(), [Ending::Back]);
}

#[test]
fn an_agent_whose_page_polls_is_not_back_because_servers_were_away() {
    let mut room = Room::chatting();
    room.page(ADA, PAGE, PageEvent::PushClosed);
    room.pass(1);
    room.page(ADA, PAGE, PageEvent::Heard);
    room.pass(70);
    assert_eq!(room.told().len(), 1);
    let now = room.now;
    room.machine =
        std::mem::replace(&mut room.machine, Machine::new(Policy::default(), [], [])).listening_since(now);
    room.handle(&Event::Timer { conversation: conversation() });
    assert!(room.is_absent());
    room.pass(120);
    assert_eq!((room.told().len(), room.endings()), (1, vec![]));
}

/// The task of our invite that is open.
fn invited_by(room: &Room) -> TaskSid {
    let open = room.tasks.iter().find(|(_, state)| **state == TaskState::Waiting);
    open.map(|(task, _)| task.clone()).expect("an invite's task")
}

#[test]
fn an_agent_who_came_back_and_leaves_by_flexs_button_is_left_alone() {
    let mut room = Room::chatting_with(Policy { tell: false, ..Policy::default() });
    room.ada_goes();
    room.pass(70);
    let task = invited_by(&room);
    room.tasks.insert(task.clone(), TaskState::Ended);
    room.handle(&Event::Task { conversation: None, task, state: TaskState::Ended });
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(room.endings(), [Ending::Back]);
    let invited = room.invited().len();
    room.state = ChannelState::Inactive;
    room.leaves(&agent(ADA, 1));
    room.handle(&Event::State { conversation: conversation(), state: ChannelState::Inactive });
    room.pass(300);
    assert_eq!((room.attendance(), room.invited().len()), (Attendance::Left, invited));
}

/// Our server did not hear of it. An invite that nobody took is followed by another one.
#[test]
fn a_next_agent_who_came_and_left_by_flexs_button_meanwhile_is_left_alone() {
    for taken in [true, false] {
        let mut room = Room::chatting_with(Policy { tell: false, ..Policy::default() });
        room.writes(CUSTOMER);
        room.ada_goes();
        room.pass(70);
        let task = invited_by(&room);
        room.tasks.insert(task.clone(), TaskState::Ended);
        room.completed.extend(taken.then_some(task));
        room.there.retain(|it| it.role != Role::Agent);
        room.state = ChannelState::Inactive;
        room.pass(600);
        assert_eq!(room.invited().len() > 1, !taken);
        if taken {
            assert_eq!((room.attendance(), room.endings()), (Attendance::Left, vec![Ending::Graceful]));
        }
    }
}

/// Ada is gone and back, and nothing reports it: by Flex's button Ada leaves, or a program cancels Ada's task and makes the channel
/// inactive. Nobody takes our invite, and the customer waits for an answer.
#[test]
fn a_lost_agent_who_came_back_and_left_by_flexs_button_unreported_is_left_alone() {
    for left in [true, false] {
        let mut room = Room::chatting();
        room.writes(CUSTOMER);
        room.ada_goes();
        room.pass(70);
        let (own, invited) = (TaskSid::numbered(1), invited_by(&room));
        room.tasks.insert(own.clone(), TaskState::Ended);
        room.completed.extend(left.then_some(own));
        room.there.retain(|it| it.role != Role::Agent);
        room.state = ChannelState::Inactive;
        room.pass(350);
        room.tasks.insert(invited, TaskState::Ended);
        room.pass(600);
        assert_eq!(room.invited().len() > 1, !left);
        if left {
            assert_eq!((room.attendance(), room.endings()), (Attendance::Left, vec![Ending::Graceful]));
        }
    }
}

/// Twilio has made our invite, whose answer is lost; nothing reports that Bo takes it and leaves.
#[test]
fn a_next_agent_who_left_by_flexs_button_is_left_alone_though_the_answer_to_the_invite_was_lost() {
    for taken in [true, false] {
        let mut room = Room::chatting_with(Policy { tell: false, ..Policy::default() });
        room.writes(CUSTOMER);
        room.ada_goes();
        while !room.pending.iter().any(|it| it.name() == "invite") {
            let Some(action) = room.pending.first().cloned() else {
                room.fire();
                continue;
            };
            let outcome = room.outcome(&action);
            room.finish(action, outcome);
        }
        let invite = room.pending[0].clone();
        room.outcome(&invite);
        let task = invited_by(&room);
        room.tasks.insert(task.clone(), TaskState::Ended);
        room.completed.extend(taken.then_some(task));
        room.there.retain(|it| it.role != Role::Agent);
        room.state = ChannelState::Inactive;
        room.finish(invite, Outcome::Failed { reason: "no answer in time".into() });
        room.pass(600);
        assert_eq!(room.invited().len() > 1, !taken);
        if taken {
            assert_eq!((room.attendance(), room.endings()), (Attendance::Left, vec![Ending::Graceful]));
        }
    }
}

#[test]
fn an_agent_who_came_to_a_parked_chat_and_left_it_unreported_is_left_alone() {
    for taken in [true, false] {
        let mut room =
            Room::chatting_with(Policy { when_unattended: WhenUnattended::Park, ..Policy::default() });
        room.ada_goes();
        room.pass(70);
        assert_eq!(room.attendance(), Attendance::Parked);
        // Flex's own task, which Bo has completed, or a program has canceled.
        let task = TaskSid::numbered(0x50);
        room.newest_task = Some(task.clone());
        room.tasks.insert(task.clone(), TaskState::Ended);
        room.completed.extend(taken.then_some(task));
        room.writes(CUSTOMER);
        room.pass(60);
        assert_eq!(room.invited().len(), usize::from(!taken));
        assert_eq!(room.attendance() == Attendance::Left, taken);
    }
}

/// Ada is gone, and by our invite's task back in the conversation with a new page; no webhook reports it.
fn ada_is_back_unreported(room: &mut Room) {
    room.ada_goes();
    room.pass(70);
    let task = invited_by(room);
    room.tasks.insert(task.clone(), TaskState::Assigned);
    room.there.retain(|it| it.role != Role::Agent);
    room.news(InteractionNews::Left(agent(ADA, 1)));
    room.there.push(Seen { sid: ParticipantSid::numbered(2), task: Some(task), ..agent(ADA, 1) });
}

#[test]
fn a_claim_of_the_lost_agent_who_took_the_invite_is_asked_about() {
    let mut room = Room::chatting();
    ada_is_back_unreported(&mut room);
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.handle(&Event::Claimed { worker: worker(ADA), conversation: conversation(), place: place() });
    room.pass(10);
    assert_eq!(room.endings(), [Ending::SameAgent]);
}

#[test]
fn at_the_deadline_twilio_is_asked_before_anything_is_parked() {
    let deadline = Millis::seconds(120);
    let mut room = Room::chatting_with(Policy { deadline, ..Policy::default() });
    ada_is_back_unreported(&mut room);
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.pass(300);
    assert_eq!((room.state, room.endings()), (ChannelState::Active, vec![Ending::SameAgent]));
}
