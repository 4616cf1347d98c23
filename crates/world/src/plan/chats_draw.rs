//! Draws the chats of a plan. They come from a generator of their own: the rest of the world is what it is without them.

use super::{Act, Deed, Fault, FaultKind, Plan, Scenario};
use super::{ChatAct, ChatDeed, ChatFault, ChatFaultKind, ChatPlan, ChatSetup, Chats};
use crate::chance::Chance;

/// Lane of the generator.
const LANE: u64 = 0xc4a7;
/// Lane of the generator of session inactivity.
const SILENCE: u64 = 0x511e;
/// In how many of a thousand worlds with chats session inactivity is switched on.
const WITH_SILENCE: u32 = 250;
/// In how many of a thousand worlds that no scenario is asked of there are chats.
const WITH_CHATS: u32 = 333;
/// Maximum number of chats of an agent, as the account's capacity has it.
const EACH: u64 = 3;

/// Adds chats to a third of the worlds for which no scenario is asked, and to all of `chats`.
pub(super) fn add(plan: &mut Plan, asked: Option<Scenario>) {
    let mut chance = Chance::of(plan.seed, LANE, 0);
    match asked {
        None if !chance.happens(WITH_CHATS) => return,
        None => {}
        Some(Scenario::Chats) => pages(&mut chance, plan),
        Some(_) => return,
    }
    let agents = plan.agents.len() as u64;
    let most = (agents * EACH).min(if plan.scenario == Scenario::Large { 12 } else { 6 });
    let number = chance.between(1, most.max(1));
    let mut chats = Chats {
        chats: (0..number).map(|_| chat(&mut chance, plan.until)).collect(),
        deeds: vec![],
        faults: vec![],
        setup: setup(&mut chance, plan.scenario == Scenario::Chats),
    };
    for agent in 0..plan.agents.len() {
        for _ in 0..chance.below(4) {
            let (at, act) = (chance.between(8_000, plan.until.max(9_000)), act(&mut chance));
            chats.deeds.push(ChatDeed { at, agent, act });
        }
    }
    chats.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    if !chance.happens(300) {
        for _ in 0..chance.between(1, 3) {
            chats.faults.extend(fault(&mut chance, plan));
        }
    }
    // From another generator: the other chats stay what they are.
    let mut silence = Chance::of(plan.seed, SILENCE, 0);
    if silence.happens(WITH_SILENCE) {
        let alert = silence.between(40_000, 120_000);
        let second = alert + silence.between(30_000, 60_000);
        chats.setup.silence = [alert, second, second + silence.between(30_000, 60_000)];
    }
    plan.chats = Some(chats);
}

/// How often, and when, a customer writes.
fn chat(chance: &mut Chance, until: u64) -> ChatPlan {
    let begins = chance.between(3_000, 15_000);
    let mut writes = vec![];
    let mut at = begins;
    let pause = match chance.below(3) {
        0 => 2_000,
        1 => 20_000,
        _ => 90_000,
    };
    while writes.len() < 24 && !chance.happens(120) {
        // A burst, or one message.
        for _ in 0..if chance.happens(200) { chance.between(2, 5) } else { 1 } {
            at += chance.between(300, 2_000);
            writes.push(at);
        }
        at += chance.between(pause / 2, pause * 2);
        if at >= until {
            break;
        }
    }
    // Hours later, when nobody counts on it.
    if chance.happens(100) {
        writes.push(until + chance.between(60_000, 7_200_000));
    }
    writes.retain(|at| *at < until || *at >= until + 60_000);
    let ends = chance.happens(250).then(|| chance.between(begins + 10_000, until.max(begins + 11_000)));
    ChatPlan { begins, writes, ends }
}

fn setup(chance: &mut Chance, asked: bool) -> ChatSetup {
    let short = asked && chance.happens(400);
    ChatSetup {
        goodbye: *chance.one(&[15_000, 30_000, 60_000, 60_000]).unwrap_or(&60_000),
        push_closed: *chance.one(&[15_000, 30_000, 60_000, 60_000]).unwrap_or(&60_000),
        unanswered: *chance.one(&[0, 20_000, 20_000, 20_000]).unwrap_or(&20_000),
        deadline: if short { chance.between(60_000, 300_000) } else { 1_800_000 },
        invite_within: *chance.one(&[60_000, 300_000, 300_000]).unwrap_or(&300_000),
        parks: chance.happens(250),
        closes: chance.happens(200),
        known_agent: *chance.one(&[10_000, 20_000, 40_000]).unwrap_or(&20_000),
        reservation: *chance.one(&[20_000, 60_000, 120_000]).unwrap_or(&120_000),
        task: if chance.happens(150) { chance.between(20_000, 120_000) } else { 86_400_000 },
        own_task: !chance.happens(250),
        back: chance.between(1_000, 8_000),
        silence: [0; 3],
    }
}

fn act(chance: &mut Chance) -> ChatAct {
    match chance.below(10) {
        0..=3 => ChatAct::Type,
        4..=5 => ChatAct::Write,
        6 => ChatAct::Leave,
        7 => ChatAct::Pause,
        8 => ChatAct::Resume,
        _ => ChatAct::WrapUp,
    }
}

fn fault(chance: &mut Chance, plan: &Plan) -> Option<ChatFault> {
    let kind = *chance.one(&ChatFaultKind::ALL)?;
    let from = chance.between(2_000, plan.until.saturating_sub(5_000).max(3_000));
    let to = from + if chance.happens(500) { chance.between(500, 20_000) } else { plan.until };
    let rate = *chance.one(&[1000, 500, 200, 50])?;
    // Each strikes a server that has just started, too.
    let dies = matches!(kind, ChatFaultKind::DiesAfterCommit | ChatFaultKind::DiesAfterAnswer);
    let rate = if dies { rate.min(200) } else { rate };
    (kind != ChatFaultKind::Liar || plan.agents.len() > 1).then_some(ChatFault {
        from,
        to: to.min(plan.until),
        kind,
        rate,
    })
}

/// How long a page is away: for a reload, for a while, for long.
fn away(chance: &mut Chance) -> u64 {
    match chance.below(10) {
        0..=2 => chance.between(300, 14_000),
        3..=6 => chance.between(14_000, 100_000),
        _ => chance.between(100_000, 400_000),
    }
}

/// The agents' pages in a world that is about chats. It lasts minutes, and has few calls.
fn pages(chance: &mut Chance, plan: &mut Plan) {
    plan.until = chance.between(120_000, 480_000);
    if chance.happens(600) {
        plan.customers.clear();
    }
    while plan.agents.len() < 4 && chance.happens(600) {
        let mut agent = plan.agents.first().cloned();
        if let Some(agent) = &mut agent {
            agent.accepts = chance.between(500, 8_000);
        }
        plan.agents.extend(agent);
    }
    // Their calls are not kept: that is no finding.
    if plan.customers.is_empty() {
        for agent in &mut plan.agents {
            agent.plugin = !chance.happens(50);
        }
    }
    plan.deeds.clear();
    for agent in 0..plan.agents.len() {
        let mut at = chance.between(15_000, 60_000);
        for _ in 0..chance.between(1, 4) {
            let act = match chance.below(12) {
                0..=3 => Act::Refresh,
                4..=5 => Act::Crash(away(chance)),
                6..=7 => Act::Close(away(chance)),
                8 => Act::Sleep(away(chance)),
                9 => Act::Offline(away(chance)),
                10 => Act::NewTab,
                _ => Act::CloseForGood,
            };
            plan.deeds.push(Deed { at, agent, act });
            at +=
                if chance.happens(300) { chance.between(100, 5_000) } else { chance.between(5_000, 120_000) };
        }
    }
    plan.deeds.retain(|deed| deed.at < plan.until);
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    plan.faults.clear();
    for _ in 0..if chance.happens(400) { 0 } else { chance.between(1, 3) } {
        let kinds = [
            FaultKind::WebhookLost,
            FaultKind::WebhookLate,
            FaultKind::WebhookTwice,
            FaultKind::RequestLost,
            FaultKind::AnswerLost,
            FaultKind::RequestLate,
            FaultKind::PushCut,
            FaultKind::Throttled,
            FaultKind::Broken,
            FaultKind::BrokenDone,
            FaultKind::Silent,
            FaultKind::SilentDone,
            FaultKind::ServerDies,
            FaultKind::ServerRestarts,
        ];
        let Some(kind) = chance.one(&kinds).copied() else { continue };
        let from = chance.between(0, plan.until - 1);
        let to = from
            + if chance.happens(500) { chance.between(500, 10_000) } else { chance.between(10_000, 120_000) };
        let rate = *chance.one(&[1000, 500, 100, 20]).unwrap_or(&100);
        plan.faults.push(Fault { from, to: to.min(plan.until), kind, rate });
    }
}
