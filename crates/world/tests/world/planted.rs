//! The simulation can fail: each planted defect is found by a world that holds without it.

use rejoin_world::plan::{Scenario, draw};
use rejoin_world::rules::Rule;
use rejoin_world::{Planted, Runner};

/// The defect, the world that finds it, and the rule that it breaks there. `npm run simulate -- --planted all`
/// searches from the first seed on: no seed here is above 24 except that of `NoDedup`, as the state itself absorbs
/// almost all duplicates, that of `UntoldInQueue`, as most agents are not back before the words are due, and those of chats
/// that need a server that dies, a liar, or a lost webhook, at one moment.
const FOUND: [(Planted, Scenario, u64, Rule); Planted::ALL.len()] = [
    (Planted::GraceZero, Scenario::Others, 24, Rule::NoFalseRecovery),
    (Planted::MarksIgnored, Scenario::Graceful, 4, Rule::NoFalseRecovery),
    (Planted::HellosDropped, Scenario::Crash, 4, Rule::NoLie),
    (Planted::GoodbyesDropped, Scenario::Refresh, 5, Rule::NoDeadAir),
    (Planted::EpochSame, Scenario::Graceful, 11, Rule::InTime),
    (Planted::PingTwice, Scenario::Refresh, 2, Rule::OnePing),
    (Planted::RequeueTwice, Scenario::Refresh, 2, Rule::MovedOnce),
    (Planted::TimersForgotten, Scenario::Others, 14, Rule::EverythingEnds),
    (Planted::NeverTold, Scenario::Outbound, 5, Rule::NoDeadAir),
    (Planted::UntoldInQueue, Scenario::Outages, 40, Rule::IsTold),
    (Planted::LeavesUnheard, Scenario::Outbound, 5, Rule::NoDeadAir),
    (Planted::FlagsStay, Scenario::Refresh, 2, Rule::NobodyIsDropped),
    (Planted::OffersIgnored, Scenario::Mixed, 5, Rule::InTime),
    (Planted::RemovedOnSuspicion, Scenario::Crash, 23, Rule::NotRemoved),
    (Planted::NoWatch, Scenario::Crash, 14, Rule::EverythingEnds),
    (Planted::NeverAsked, Scenario::Crash, 17, Rule::NoDeadAir),
    (Planted::CompletedAtOnce, Scenario::Refresh, 2, Rule::NotCompletedTooSoon),
    (Planted::HoldStays, Scenario::Refresh, 8, Rule::HeardAgain),
    (Planted::CompletedTwice, Scenario::Refresh, 2, Rule::CompletedOnce),
    (Planted::MovedTwice, Scenario::Mixed, 12, Rule::MovedOnce),
    (Planted::TakenAgain, Scenario::Crash, 11, Rule::NotTaken),
    (Planted::NeverToAny, Scenario::Transfer, 4, Rule::InTime),
    (Planted::Uninvited, Scenario::Refresh, 1, Rule::OneAgent),
    (Planted::ToAnother, Scenario::Refresh, 2, Rule::RightAgent),
    (Planted::NoFence, Scenario::TwoServers, 24, Rule::OnePing),
    (Planted::JobsForgotten, Scenario::Steps, 4, Rule::NoDeadAir),
    (Planted::CallsForgotten, Scenario::Outages, 4, Rule::NoDeadAir),
    (Planted::RestoredPlainly, Scenario::Restores, 17, Rule::NoLie),
    (Planted::ChatToldAgain, Scenario::Chats, 39, Rule::ChatToldOnce),
    (Planted::ChatRepeatedUnasked, Scenario::Chats, 39, Rule::ChatToldOnce),
    (Planted::ChatClosedEarly, Scenario::Chats, 1, Rule::ChatRemoved),
    (Planted::ChatResentUnlooked, Scenario::Chats, 5, Rule::ChatMessageDoubled),
    (Planted::ChatDraftsForgotten, Scenario::Chats, 1, Rule::DraftLost),
    (Planted::ChatClaimBelieved, Scenario::Chats, 79, Rule::ChatLeftAlone),
    (Planted::ChatHellosForgotten, Scenario::Chats, 1, Rule::ChatRefresh),
    (Planted::ChatPausesUnseen, Scenario::Chats, 3, Rule::ChatGraceful),
    (Planted::ChatActionsForgotten, Scenario::Chats, 39, Rule::ChatLeftAlone),
    (Planted::ChatMessagesUnseen, Scenario::Chats, 161, Rule::ChatSilence),
    (Planted::NoDedup, Scenario::Mixed, 715, Rule::NobodyIsDropped),
];

#[test]
fn each_planted_defect_is_found() {
    let sound = Runner::new().expect("settings");
    let mut wrong = vec![];
    for planted in Planted::ALL {
        if !FOUND.iter().any(|(found, ..)| *found == planted) {
            wrong.push(format!("{planted:?} is looked for by no world"));
        }
    }
    for (planted, scenario, seed, rule) in FOUND {
        let plan = planted.plan(draw(seed, Some(scenario)));
        let mut runner = Runner::new().expect("settings");
        runner.planted = Some(planted);
        match runner.run(&plan).expect("a world").broken {
            Some(broken) if broken.rule == rule => println!("{planted:?}: {scenario}, seed {seed}: {broken}"),
            other => wrong
                .push(format!("{planted:?}, {scenario}, seed {seed}: {other:?} instead of {}", rule.name())),
        }
        if let Some(broken) = sound.run(&plan).expect("a world").broken {
            wrong.push(format!("{scenario}, seed {seed}, without {planted:?}: {broken}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
