//! Invariants of the pace: it keeps its rate, keeps its order, and starves nothing.

use super::*;
use crate::surroundings::Surroundings;
use proptest::prelude::*;
use rejoin_twilio::Gate as _;
use std::collections::BTreeSet;
use std::time::Duration;

const START: Millis = Millis(1_000_000);

fn settings() -> Pacing {
    Pacing {
        voice_per_second: 10,
        voice_at_once: 4,
        taskrouter_per_second: 5,
        taskrouter_at_once: 2,
        ..Pacing::default()
    }
}

/// A pace with a clock, the waiting requests, and those in flight.
struct Desk {
    pace: Pace,
    now: Millis,
    last: u64,
    asked: BTreeMap<Ticket, (Family, Rank, Millis)>,
    out: BTreeSet<Ticket>,
    granted: Vec<(Millis, Ticket)>,
    news: Vec<News>,
}

impl Desk {
    fn new(settings: &Pacing) -> Self {
        Self {
            pace: Pace::new(settings, START),
            now: START,
            last: 0,
            asked: BTreeMap::new(),
            out: BTreeSet::new(),
            granted: vec![],
            news: vec![],
        }
    }

    fn handle(&mut self, event: Event) {
        for effect in self.pace.handle(self.now, event) {
            match effect {
                Effect::Grant(ticket) => {
                    assert!(self.out.insert(ticket), "one turn each");
                    self.granted.push((self.now, ticket));
                }
                Effect::Tell(news) => self.news.push(news),
            }
        }
    }

    fn wants(&mut self, family: Family, rank: Rank, since: Millis) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.asked.insert(ticket, (family, rank, since));
        self.handle(Event::Wants { ticket, family, rank, since });
        ticket
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        assert!(self.out.remove(&ticket));
        self.handle(Event::Ended(ticket, Some(answer)));
    }

    fn answer_all(&mut self) {
        for ticket in self.out.clone() {
            self.answer(ticket, Answer::default());
        }
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Millis(millis);
        self.handle(Event::Time);
    }

    /// Answers every request at once, until none waits.
    fn drain(&mut self) {
        while self.granted.len() < self.asked.len() {
            self.answer_all();
            match self.pace.next(self.now) {
                Some(next) => self.now = next.max(self.now + Millis(1)),
                None => assert!(!self.out.is_empty(), "nobody is out, and nobody gets a turn"),
            }
            self.handle(Event::Time);
        }
        self.answer_all();
    }

    fn ranks(&self, family: Family) -> Vec<Rank> {
        let of = |(_, ticket): &(Millis, Ticket)| self.asked[ticket];
        self.granted.iter().map(of).filter(|(other, ..)| *other == family).map(|(_, rank, _)| rank).collect()
    }
}

fn refused(retry_after: Option<u64>, concurrent: Option<u32>) -> Answer {
    Answer { throttled: true, retry_after: retry_after.map(Duration::from_secs), concurrent }
}

#[test]
fn what_matters_more_goes_first_and_inside_a_rank_who_has_waited_longest() {
    let mut desk = Desk::new(&settings());
    for _ in 0..3 {
        desk.wants(Family::Voice, Rank::Bookkeeping, START); // empties the bucket
    }
    for rank in Rank::ALL.into_iter().rev() {
        for since in [9, 3, 6] {
            desk.wants(Family::Voice, rank, START + Millis(since));
        }
    }
    desk.drain();
    let order: Vec<_> =
        desk.granted[3..].iter().map(|(_, ticket)| (desk.asked[ticket].1, desk.asked[ticket].2)).collect();
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(order, sorted);
}

#[test]
fn nothing_else_goes_out_while_a_customer_waits_to_be_told() {
    let mut desk = Desk::new(&settings());
    for _ in 0..10 {
        desk.wants(Family::Voice, Rank::Announce, START);
    }
    let ping = desk.wants(Family::TaskRouter, Rank::Ping, START);
    assert!(!desk.out.contains(&ping), "another family, and yet");
    desk.drain();
    assert_eq!(desk.granted.last().expect("granted").1, ping);
    // Alone it goes at once.
    let another = desk.wants(Family::TaskRouter, Rank::Ping, START);
    assert!(desk.out.contains(&another));
}

#[test]
fn after_a_refusal_nothing_goes_out_for_as_long_as_twilio_says() {
    let mut desk = Desk::new(&settings());
    let first = desk.wants(Family::Voice, Rank::KeepLine, START);
    desk.answer(first, refused(Some(3), None));
    let again = desk.wants(Family::Voice, Rank::KeepLine, START);
    assert_eq!(desk.pace.next(desk.now), Some(START + Millis::seconds(3)));
    desk.wait(2_999);
    assert!(!desk.out.contains(&again));
    desk.wait(1);
    assert!(desk.out.contains(&again));
    // The other family goes on.
    assert!(desk.wants(Family::TaskRouter, Rank::Ping, START).0 > 0);
    assert_eq!(desk.pace.status(desk.now).lanes[0].throttled, 1);
}

#[test]
fn an_excessive_retry_after_is_capped() {
    let mut desk = Desk::new(&settings());
    let first = desk.wants(Family::Voice, Rank::KeepLine, START);
    desk.answer(first, refused(Some(86_400), None));
    let again = desk.wants(Family::Voice, Rank::KeepLine, START);
    desk.wait(60_000);
    assert!(desk.out.contains(&again));
}

#[test]
fn the_rate_halves_once_per_moment_and_recovers_step_by_step() {
    let mut desk = Desk::new(&settings());
    let per_second = |desk: &Desk| desk.pace.status(desk.now).lanes[0].per_second;
    let out = [0, 1, 2].map(|_| desk.wants(Family::Voice, Rank::KeepLine, START));
    for ticket in out {
        desk.answer(ticket, refused(None, None));
    }
    assert_eq!(per_second(&desk), 5);
    for _ in 0..5 {
        desk.wait(1_100);
        let ticket = desk.wants(Family::Voice, Rank::KeepLine, desk.now);
        desk.answer(ticket, refused(None, None));
    }
    assert_eq!(per_second(&desk), 1, "never nothing");
    desk.wait(10_000);
    assert!((3..10).contains(&per_second(&desk)));
    desk.wait(20_000);
    assert_eq!(per_second(&desk), 10);
}

#[test]
fn a_rising_rate_does_not_delay_waiting_requests() {
    let mut desk = Desk::new(&Pacing { voice_per_second: 20, ..settings() });
    let refused_at_once = |desk: &mut Desk| {
        let ticket = desk.wants(Family::Voice, Rank::KeepLine, desk.now);
        desk.answer(ticket, refused(None, None));
        desk.wait(1_000);
    };
    for _ in 0..6 {
        refused_at_once(&mut desk); // down to 2.281 a second, with 1.281 there
    }
    let asked = desk.now;
    let tickets = [(); 4].map(|()| desk.wants(Family::Voice, Rank::KeepLine, asked));
    desk.drain();
    let turn = |ticket| desk.granted.iter().find(|(_, other)| *other == ticket).expect("granted").0;
    // After a second the rate is 3.281 a second, without which the last one would go out at 1,193 ms.
    assert_eq!(tickets.map(|ticket| asked.until(turn(ticket)).0), [0, 316, 754, 1_134]);
}

#[test]
fn waiting_requests_get_room_as_soon_as_the_limit_rises() {
    let mut desk = Desk::new(&settings());
    let first = desk.wants(Family::Voice, Rank::KeepLine, START);
    desk.answer(first, refused(Some(0), None));
    let out = desk.wants(Family::Voice, Rank::KeepLine, desk.now);
    let next = desk.wants(Family::Voice, Rank::KeepLine, desk.now);
    // Twilio is slow to answer, and two may be out at once a second after the refusal.
    while desk.granted.len() < 3 {
        desk.now = desk.pace.next(desk.now).expect("somebody waits").max(desk.now + Millis(1));
        desk.handle(Event::Time);
        assert!(desk.now < START + Millis::seconds(10), "nobody gets a turn");
    }
    assert!(desk.out.contains(&out) && desk.out.contains(&next));
}

#[test]
fn others_on_the_same_account_leave_less_room() {
    let mut desk = Desk::new(&Pacing { voice_per_second: 1000, voice_at_once: 8, ..settings() });
    let out: Vec<_> = (0..8).map(|_| desk.wants(Family::Voice, Rank::KeepLine, START)).collect();
    assert_eq!(desk.out.len(), 8);
    // Twenty run, eight of them are ours: that was too much.
    desk.answer(out[0], refused(None, Some(20)));
    for ticket in &out[1..] {
        desk.answer(*ticket, Answer { concurrent: Some(20), ..Answer::default() });
    }
    for _ in 0..8 {
        desk.wants(Family::Voice, Rank::KeepLine, START);
    }
    desk.wait(1_000);
    assert!((1..=5).contains(&desk.out.len()), "{} are out", desk.out.len());
    desk.drain();
    desk.wait(60_000);
    for _ in 0..8 {
        desk.wants(Family::Voice, Rank::KeepLine, START);
    }
    assert_eq!(desk.out.len(), 8, "and it comes back");
}

#[test]
fn a_turn_that_is_given_back_goes_to_the_next_request() {
    let mut desk = Desk::new(&Pacing { voice_per_second: 1, voice_at_once: 1, ..settings() });
    let first = desk.wants(Family::Voice, Rank::KeepLine, START);
    let second = desk.wants(Family::Voice, Rank::KeepLine, START);
    let third = desk.wants(Family::Voice, Rank::KeepLine, START);
    assert_eq!(desk.granted.len(), 1);
    desk.handle(Event::GivesUp(second));
    desk.handle(Event::GivesUp(first));
    assert_eq!(desk.granted.last().expect("granted").1, third);
}

fn lose(desk: &mut Desk, agents: std::ops::Range<u128>) {
    for agent in agents {
        desk.handle(Event::Lost(RecoveryId::of(&rejoin_protocol::CallSid::numbered(agent))));
    }
}

#[test]
fn a_storm_and_its_end_are_reported_once() {
    let mut desk = Desk::new(&Pacing { storm_at: 20, failsafe_at: 0, ..settings() });
    lose(&mut desk, 0..19);
    lose(&mut desk, 0..19); // the same ones
    assert_eq!(desk.news, []);
    desk.wait(10_000);
    lose(&mut desk, 19..38);
    assert_eq!(desk.news, [], "not at once");
    lose(&mut desk, 38..100);
    assert_eq!(desk.news, [News::Storm { lost: 20 }]);
    assert!(desk.pace.status(desk.now).storm);
    let announcement = desk.wants(Family::Voice, Rank::Announce, START);
    let ping = desk.wants(Family::TaskRouter, Rank::Ping, START);
    assert!(desk.out.contains(&announcement) && !desk.out.contains(&ping), "not while it is out");
    desk.wait(10_000);
    assert_eq!(desk.news.len(), 1, "a customer is not told yet");
    desk.answer_all();
    assert!(desk.out.contains(&ping));
    assert_eq!(desk.news[1..], [News::Over { lost: 81, lasted: Millis(10_000) }][..]);
}

#[test]
fn the_failsafe_keeps_back_what_thousands_would_notice_in_vain() {
    let mut desk = Desk::new(&Pacing { storm_at: 5, failsafe_at: 10, failsafe_for_ms: 30_000, ..settings() });
    lose(&mut desk, 0..10);
    assert_eq!(desk.news, [News::Storm { lost: 5 }, News::Failsafe { lost: 10 }]);
    let kept = [
        desk.wants(Family::TaskRouter, Rank::Ping, START),
        desk.wants(Family::Voice, Rank::NextAgent, START),
    ];
    desk.wants(Family::Voice, Rank::KeepLine, START);
    desk.wants(Family::Voice, Rank::Announce, START);
    desk.wants(Family::Voice, Rank::Requeue, START);
    for _ in 0..30 {
        desk.answer_all();
        desk.wait(1_000);
    }
    assert_eq!(desk.ranks(Family::Voice), [Rank::KeepLine, Rank::Announce, Rank::Requeue]);
    assert!(kept.iter().all(|ticket| !desk.out.contains(ticket)), "however long it takes");
    // By itself, a while after the last losses.
    desk.wait(10_000);
    assert_eq!(desk.news[2], News::FailsafeOver { by_operator: false });
    assert!(kept.iter().all(|ticket| desk.out.contains(ticket)));
}

#[test]
fn an_operator_lets_it_go_on() {
    let mut desk = Desk::new(&Pacing { storm_at: 5, failsafe_at: 10, ..settings() });
    desk.handle(Event::GoOn); // nothing is held back yet
    lose(&mut desk, 0..10);
    let ping = desk.wants(Family::TaskRouter, Rank::Ping, START);
    assert!(!desk.out.contains(&ping));
    desk.handle(Event::GoOn);
    assert!(desk.out.contains(&ping));
    assert_eq!(desk.news[2..], [News::FailsafeOver { by_operator: true }][..]);
    lose(&mut desk, 10..20);
    assert_eq!(desk.news.len(), 3, "not again in the same storm");
}

#[derive(Clone, Debug)]
enum Step {
    Wants(Family, Rank, u64),
    Answer(usize, bool),
    GivesUp(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let family = prop::sample::select(Family::ALL.to_vec());
    let rank = prop::sample::select(Rank::ALL.to_vec());
    let step = prop_oneof![
        6 => (family, rank, 0..5_000_u64).prop_map(|(family, rank, age)| Step::Wants(family, rank, age)),
        6 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(which, refused)| Step::Answer(which, refused)),
        1 => any::<usize>().prop_map(Step::GivesUp),
        3 => (0..1_500_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two turns of a family are apart by at least what its rate requires, no more requests are in flight than
    /// allowed, and every request gets a turn in the end.
    #[test]
    fn never_above_the_rate_and_nobody_starves(steps in steps()) {
        let settings = settings();
        let mut desk = Desk::new(&settings);
        let mut unused = BTreeMap::new();
        for step in steps {
            match step {
                Step::Wants(family, rank, age) => {
                    desk.wants(family, rank, desk.now - Millis(age));
                }
                Step::Answer(which, throttled) => {
                    let nth = which % desk.out.len().max(1);
                    if let Some(ticket) = desk.out.iter().nth(nth).copied() {
                        desk.answer(ticket, if throttled { refused(None, None) } else { Answer::default() });
                    }
                }
                Step::GivesUp(which) => {
                    let nth = which % desk.out.len().max(1);
                    if let Some(ticket) = desk.out.iter().nth(nth).copied() {
                        desk.out.remove(&ticket);
                        unused.insert(ticket, desk.now);
                        desk.handle(Event::GivesUp(ticket));
                    }
                }
                Step::Wait(millis) => desk.wait(millis),
            }
            for family in Family::ALL {
                let out = desk.out.iter().filter(|ticket| desk.asked[ticket].0 == family).count();
                prop_assert!(out as u64 <= settings.limits(family).at_once);
            }
        }
        desk.drain();
        for family in Family::ALL {
            let limits = settings.limits(family);
            let of = |(_, ticket): &&(Millis, Ticket)| desk.asked[ticket].0 == family && !unused.contains_key(ticket);
            let times: Vec<_> = desk.granted.iter().filter(of).map(|(at, _)| *at).collect();
            for (from, first) in times.iter().enumerate() {
                for (to, last) in times.iter().enumerate().skip(from) {
                    // A turn that was given back goes to the next one.
                    let given_back = |(ticket, at): &(&Ticket, &Millis)| {
                        desk.asked[*ticket].0 == family && (first..=last).contains(at)
                    };
                    let again = unused.iter().filter(given_back).count() as u64;
                    let may = limits.burst + (first.until(*last).0 * limits.per_second).div_ceil(1000) + again;
                    prop_assert!((to - from + 1) as u64 <= may + 1, "{family:?}: {} in {:?}", to - from + 1, first.until(*last));
                }
            }
        }
    }

    /// Turns do not depend on when the pace happens to be checked in between.
    #[test]
    fn turns_do_not_depend_on_how_often_the_pace_is_checked(
        refusals in 0..6_u64,
        waiting in 1..30_usize,
        between in prop::collection::vec(1..400_u64, 200),
    ) {
        let settings = Pacing { voice_at_once: 100, ..settings() };
        let start = || {
            let mut desk = Desk::new(&settings);
            for _ in 0..refusals {
                let ticket = desk.wants(Family::Voice, Rank::KeepLine, desk.now);
                desk.answer(ticket, refused(None, None));
                desk.wait(1_000);
            }
            for _ in 0..waiting {
                desk.wants(Family::Voice, Rank::KeepLine, desk.now);
            }
            desk
        };
        let (mut calm, mut curious) = (start(), start());
        for wait in between {
            let until = curious.now + Millis(wait);
            for (desk, looks) in [(&mut calm, false), (&mut curious, true)] {
                desk.answer_all();
                while let Some(next) = desk.pace.next(desk.now).filter(|next| *next <= until) {
                    desk.now = next;
                    desk.handle(Event::Time);
                    desk.answer_all();
                }
                if looks {
                    desk.now = until;
                    desk.handle(Event::Time);
                }
            }
        }
        prop_assert_eq!(calm.granted, curious.granted);
    }

    /// However many others rank higher: a request that has waited for long goes out, too.
    #[test]
    fn a_steady_stream_of_higher_ranks_does_not_starve_the_others(rank in prop::sample::select(Rank::ALL[2..].to_vec())) {
        let mut desk = Desk::new(&settings());
        let patient = desk.wants(Family::Voice, rank, START);
        desk.answer_all();
        // Twice as many as the rate allows.
        let low = desk.wants(Family::Voice, rank, desk.now);
        let other = desk.wants(Family::TaskRouter, rank, desk.now);
        prop_assert!(desk.granted.iter().any(|(_, ticket)| *ticket == patient));
        for _ in 0..(2 * (PATIENCE.0 / 50)) {
            desk.wants(Family::Voice, Rank::KeepLine, desk.now);
            desk.answer_all();
            desk.wait(50);
        }
        for ticket in [low, other] {
            prop_assert!(desk.granted.iter().any(|(_, granted)| *granted == ticket), "{rank:?} starves");
        }
    }
}

/// Servers that share the same limits, each with as much to do as it can.
fn together(settings: &Pacing, servers: u64) -> Vec<Desk> {
    let desk = |_| {
        let mut desk = Desk::new(settings);
        desk.handle(Event::Servers(servers));
        desk
    };
    (0..servers).map(desk).collect()
}

proptest! {
    #[test]
    fn several_servers_together_keep_the_limits_of_one(
        servers in 1_u64..=8,
        per_second in 8_u64..100,
        at_once in 8_u64..40,
        answered_after in 1_usize..6,
    ) {
        let settings = Pacing { voice_per_second: per_second, voice_at_once: at_once, ..settings() };
        let mut desks = together(&settings, servers);
        for desk in &mut desks {
            for _ in 0..400 {
                desk.wants(Family::Voice, Rank::Announce, START);
            }
        }
        for tick in 0..200 {
            let out: usize = desks.iter().map(|desk| desk.out.len()).sum();
            prop_assert!(out as u64 <= at_once, "{out} at once");
            for desk in &mut desks {
                if tick % answered_after == 0 {
                    desk.answer_all();
                }
                desk.wait(10);
            }
        }
        let sent: usize = desks.iter().map(|desk| desk.granted.len()).sum();
        // In two seconds, and what each may send without a pause.
        let most = 2 * per_second + per_second.div_ceil(4).max(servers);
        prop_assert!(sent as u64 <= most, "{sent} of {most}");
        for desk in &desks {
            prop_assert!(!desk.granted.is_empty(), "nobody is left without any");
        }
    }
}

#[test]
fn the_share_of_a_gone_server_goes_to_the_others() {
    let settings = Pacing { voice_per_second: 40, voice_at_once: 16, ..settings() };
    let mut desk = Desk::new(&settings);
    desk.handle(Event::Servers(4));
    let status = |desk: &Desk| desk.pace.status(desk.now).lanes[0].per_second;
    assert_eq!(status(&desk), 10);
    desk.handle(Event::Servers(1));
    assert_eq!(status(&desk), 40);
    // What Twilio has slowed down stays slow.
    let ticket = desk.wants(Family::Voice, Rank::Announce, START);
    desk.answer(ticket, refused(None, None));
    assert_eq!(status(&desk), 20);
    desk.handle(Event::Servers(2));
    assert_eq!(status(&desk), 10);
    // More servers than requests: each may send one now and then.
    desk.handle(Event::Servers(100_000));
    desk.wait(1_000_000_000);
    desk.wants(Family::Voice, Rank::Announce, START);
    assert_eq!(desk.out.len(), 1);
}

#[test]
fn each_server_hears_its_part_of_a_storm() {
    let settings = Pacing { storm_at: 10, failsafe_at: 20, ..settings() };
    let mut desk = Desk::new(&settings);
    desk.handle(Event::Servers(2));
    for number in 0..9 {
        desk.handle(Event::Lost(RecoveryId::numbered(number)));
        assert_eq!(desk.pace.status(desk.now).storm, number >= 4, "{number}");
    }
    assert!(!desk.pace.status(desk.now).failsafe);
    desk.handle(Event::Lost(RecoveryId::numbered(9)));
    assert!(desk.pace.status(desk.now).failsafe);
}

/// Requests that were sent by a clock that is an hour ahead must not block later ones for that hour.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_delays_no_request() {
    let surroundings = Surroundings::seeded(START, 1, None);
    let turns = Turns::new(&Pacing { voice_per_second: 10, ..settings() }, surroundings.clone());
    let upkeep = {
        let turns = turns.clone();
        tokio::spawn(async move { turns.run().await })
    };
    let passes = async |times: usize| {
        for _ in 0..times {
            let gate = turns.of_request(Rank::Announce, surroundings.now());
            let pass = gate.pass(Family::Voice).await.expect("a turn");
            pass.answered(rejoin_twilio::Answer::default());
        }
    };
    surroundings.set_clock(3_600_000);
    passes(50).await;
    surroundings.set_clock(-3_600_000);
    let before = tokio::time::Instant::now();
    passes(50).await;
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    upkeep.abort();
}

/// A request that has waited for long by the wall clock keeps its age, whatever that clock is set to meanwhile.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_keeps_the_age_of_requests() {
    let surroundings = Surroundings::seeded(START, 1, None);
    let turns = Turns::new(&Pacing { voice_at_once: 1, ..settings() }, surroundings.clone());
    surroundings.set_clock(3_600_000);
    let first = turns.of_request(Rank::Announce, surroundings.now());
    let _out = first.pass(Family::Voice).await.expect("a turn");
    let since = Millis(surroundings.now().0 - 40_000);
    let second = turns.of_request(Rank::Announce, since);
    let waits = tokio::time::timeout(Duration::from_secs(2), second.pass(Family::Voice));
    let (waited, status) = tokio::join!(waits, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        turns.status()
    });
    assert!(waited.is_err());
    assert_eq!(status.lanes[0].oldest_ms, 41_000);
}
