//! Each row of the decision table decides somewhere.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::{Millis, TaskSid};
use std::collections::BTreeSet;

/// All rows that decide while this is played, at each step.
fn rows(room: &mut Room, steps: &[fn(&mut Room)]) -> BTreeSet<&'static str> {
    let mut rows = BTreeSet::new();
    for step in steps {
        step(room);
        let mut seen = |room: &Room| {
            rows.extend(room.machine.row(room.now, &conversation()).map(|row| row.when));
        };
        seen(room);
        while let Some(action) = room.pending.first().cloned() {
            let outcome = room.outcome(&action);
            room.finish(action, outcome);
            seen(room);
        }
    }
    rows
}

fn pass(seconds: u64) -> impl Fn(&mut Room) {
    move |room| room.pass(seconds)
}

#[test]
fn each_row_decides_somewhere() {
    let parks = || Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
    let mut all = BTreeSet::new();
    // From the first task over a refresh to a crash, an invite, a colleague.
    all.extend(rows(
        &mut Room::new(Policy::default()),
        &[
            |room| room.newest_task = Some(TaskSid::numbered(1)),
            |room| room.news(InteractionNews::Other),
            |room| room.joins(agent(ADA, 1)),
            |room| room.page(ADA, PAGE, PageEvent::PushOpened),
            |room| pass(1)(room),
            |room| room.ada_goes(),
            |room| {
                room.fire();
            },
            |room| room.leaves(&agent(ADA, 1)),
            |room| pass(5)(room),
            |room| room.task(0x101, TaskState::Ended),
            |room| pass(10)(room),
        ],
    ));
    // TaskRouter knows an agent whom we do not hear.
    let mut room = Room::chatting();
    room.available = Some([worker(ADA)].into());
    room.ada_goes();
    all.extend(rows(&mut room, &[|room| pass(61)(room)]));
    // Only a page says where it is.
    all.extend(rows(
        &mut Room::new(Policy::default()),
        &[|room| {
            room.handle(&Event::Claimed {
                worker: worker(ADA),
                conversation: conversation(),
                place: place(),
            });
        }],
    ));
    // Somebody else's removal, and an agent whose worker the webhook does not name.
    all.extend(rows(
        &mut Room::chatting(),
        &[
            |room| pass(10)(room),
            |room| room.leaves(&agent(ADA, 1)),
            |room| {
                room.fire();
            },
            |room| {
                room.fire();
            },
            |room| pass(10)(room),
            |room| {
                let unknown = Seen { worker: None, ..agent(BO, 0x101) };
                room.there.push(agent(BO, 0x101));
                room.news(InteractionNews::Joined(unknown));
            },
        ],
    ));
    // Parked, woken, and routed by Flex itself.
    for own_task in [false, true] {
        let mut room = Room::chatting_with(parks());
        room.ada_goes();
        room.pass(120);
        if own_task {
            room.tasks.insert(TaskSid::numbered(0x77), TaskState::Waiting);
            room.newest_task = Some(TaskSid::numbered(0x77));
        }
        all.extend(rows(
            &mut room,
            &[
                |_| (),
                |room| room.writes(CUSTOMER),
                |room| {
                    room.fire();
                },
                |room| {
                    room.fire();
                },
            ],
        ));
    }
    // Flex's own states.
    for state in [ChannelState::Paused, ChannelState::Inactive, ChannelState::Closed] {
        let mut room = Room::chatting();
        room.state = state;
        room.leaves(&agent(ADA, 1));
        room.news(InteractionNews::Status(state));
        all.extend(rows(&mut room, &[|_| (), |room| pass(60)(room), |room| room.writes(CUSTOMER)]));
    }
    let mut room = Room::chatting();
    room.state = ChannelState::Transferring;
    room.tasks.insert(TaskSid::numbered(2), TaskState::Waiting);
    room.newest_task = Some(TaskSid::numbered(2));
    let transfers: fn(&mut Room) = |room| room.news(InteractionNews::Status(ChannelState::Transferring));
    all.extend(rows(&mut room, &[transfers, |room| pass(10)(room), |room| room.joins(agent(BO, 2))]));
    // A pause whose end is not reported.
    let mut room = Room::chatting();
    room.state = ChannelState::Paused;
    room.leaves(&agent(ADA, 1));
    room.news(InteractionNews::Status(ChannelState::Paused));
    all.extend(rows(&mut room, &[|room| pass(60)(room), |room| room.joins(agent(ADA, 2))]));
    // A conversation that is not Flex's, and an agent who leaves.
    let mut room = Room::new(Policy::default());
    room.handle(&Event::Claimed { worker: worker(BO), conversation: conversation(), place: place() });
    let poll = room.pending[0].clone();
    room.finish(poll, Outcome::NotFound);
    all.extend(rows(&mut room, &[|_| ()]));
    all.extend(rows(
        &mut Room::chatting(),
        &[
            |room| {
                let how = Leaving::Transfer;
                room.handle(&Event::Leaving { worker: worker(ADA), conversation: conversation(), how });
            },
            |room| room.ada_goes(),
            |room| room.now = room.now + Millis::seconds(120),
        ],
    ));
    let never: Vec<_> = ATTENDANCE
        .iter()
        .enumerate()
        .filter(|(_, row)| !all.contains(row.when))
        .map(|(n, row)| (n + 1, row.when))
        .collect();
    assert!(never.is_empty(), "{never:#?}");
}

#[test]
fn each_attendance_has_a_row_and_a_name_of_its_own() {
    let decided: Vec<_> = ATTENDANCE.iter().map(|row| row.attendance).collect();
    assert!(Attendance::ALL.iter().all(|attendance| decided.contains(attendance)));
    let names: BTreeSet<_> = Attendance::ALL.iter().map(|attendance| attendance.name()).collect();
    assert_eq!(names.len(), Attendance::ALL.len());
    let conditions: BTreeSet<_> = ATTENDANCE.iter().map(|row| row.when).collect();
    assert_eq!(conditions.len(), ATTENDANCE.len());
}
