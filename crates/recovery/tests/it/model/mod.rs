//! Every schedule of a small world, by [stateright](https://docs.rs/stateright): two agents and one customer, webhooks
//! that are lost, duplicated and reordered, and a server that dies between an action and its report. The server knows
//! only what it has committed: each step makes a new machine from the stored calls.
//!
//! The machine is the real one. The bounds are the number of steps ([`DEPTH`], or `REJOIN_MODEL_DEPTH`) and the faults in
//! [`Budget`].

mod rules;
mod server;
mod world;

use rejoin_recovery::Event;
use server::Server;
use stateright::{Checker as _, HasDiscoveries, Model, Property};
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use world::{Deed, World};

/// Number of steps from the conversation on, in `npm test`. Larger worlds are tried to one step less.
const DEPTH: usize = 10;

/// Number of faults of each kind at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    lost: u8,
    doubled: u8,
    crashes: u8,
}

/// Which small world is tried.
#[derive(Clone, Debug)]
struct Small {
    /// What has happened before the first step.
    before: &'static [Before],
    budget: Budget,
    /// What people may do in it, and how often.
    deeds: Vec<(Deed, u8)>,
}

/// What has happened without a fault.
#[derive(Clone, Copy, Debug)]
enum Before {
    Person(Deed),
    /// Every message has arrived, and every action was done.
    Settled,
    /// The next timer has fired.
    Timer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    server: Server,
    world: World,
    /// Messages on the way to the server, in no order.
    network: Vec<Message>,
    budget: Budget,
    has_lost: bool,
    /// How often each deed may still be done.
    deeds: Vec<(Deed, u8)>,
}

/// A message for the server.
#[derive(Clone, Debug)]
struct Message {
    event: Event,
    /// True if it is sent until it is answered. Callbacks are not.
    repeated: bool,
    fingerprint: u64,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Person(Deed),
    /// A message arrives.
    Arrives(Message),
    /// A message arrives, and will arrive again.
    ArrivesTwice(Message),
    /// A message is lost.
    IsLost(Message),
    /// The next timer fires.
    Timer,
    /// Twilio does an action and reports it.
    Does(usize),
    /// Twilio does an action, and the server dies before the report.
    DoesUnreported(usize),
}

impl Model for Small {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            server: Server::talking(),
            world: World::talking(),
            network: vec![],
            budget: self.budget,
            has_lost: false,
            deeds: self.deeds.clone(),
        };
        for before in self.before {
            match before {
                Before::Person(deed) => state.network.extend(state.world.person(deed)),
                Before::Settled => state.settle(),
                Before::Timer => state.server.fire_next().expect("a timer"),
            }
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let open =
            state.deeds.iter().filter(|(deed, left)| *left > 0 && state.world.may(deed, &state.server));
        steps.extend(open.map(|(deed, _)| Step::Person(*deed)));
        for (i, message) in state.network.iter().enumerate() {
            if state.network[..i].contains(message) {
                continue;
            }
            steps.push(Step::Arrives(message.clone()));
            if state.budget.doubled > 0 {
                steps.push(Step::ArrivesTwice(message.clone()));
            }
            if state.budget.lost > 0 && !message.repeated {
                steps.push(Step::IsLost(message.clone()));
            }
        }
        if state.server.next_timer().is_some() {
            steps.push(Step::Timer);
        }
        for i in 0..state.server.jobs.len() {
            steps.push(Step::Does(i));
            if state.budget.crashes > 0 && !state.server.jobs[i].may_have_acted {
                steps.push(Step::DoesUnreported(i));
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Person(deed) => {
                let (_, left) = state.deeds.iter_mut().find(|(other, _)| *other == deed)?;
                *left -= 1;
                state.network.extend(state.world.person(&deed));
            }
            Step::Arrives(message) => {
                state.take(&message)?;
                state.server.handle(message.event);
            }
            Step::ArrivesTwice(message) => {
                state.budget.doubled -= 1;
                state.server.handle(message.event);
            }
            Step::IsLost(message) => {
                state.take(&message)?;
                state.budget.lost -= 1;
                state.has_lost = true;
            }
            Step::Timer => state.server.fire_next()?,
            Step::Does(i) => state.does(i),
            Step::DoesUnreported(i) => {
                state.budget.crashes -= 1;
                let (_, news) = state.world.carry_out(&state.server, &state.server.jobs[i].clone());
                state.server.jobs[i].may_have_acted = true;
                state.network.extend(news);
            }
        }
        state.forget_order();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no customer is dropped", |_, state| rules::nobody_is_dropped(state)),
            Property::always("no dead end", |_, state| rules::no_dead_end(state)),
            Property::always("one end", |_, state| rules::one_end(state)),
            Property::always("at most once", |model, state| rules::at_most_once(model.budget, state)),
            Property::always("no lie", |_, state| rules::no_lie(state)),
            Property::always("no false recovery", |_, state| rules::no_false_recovery(state)),
            Property::always("nobody is brought back", |_, state| rules::nobody_is_brought_back(state)),
            Property::always("no theft", |_, state: &State| state.world.stolen.is_none()),
            Property::always("nobody waits for ever", |_, state| rules::nobody_waits_for_ever(state)),
            Property::sometimes("rejoined in place", |_, state| rules::has_ended(state, 1, "rejoined")),
        ]
    }
}

impl State {
    fn does(&mut self, i: usize) {
        let job = self.server.jobs.remove(i);
        let (outcome, news) = self.world.carry_out(&self.server, &job);
        self.network.extend(news);
        self.server.done(job, outcome);
    }

    fn settle(&mut self) {
        loop {
            if let Some(message) = self.network.first().cloned() {
                self.network.remove(0);
                self.server.handle(message.event);
            } else if !self.server.jobs.is_empty() {
                self.does(0);
            } else {
                return;
            }
        }
    }

    /// Pending messages are taken in every order, so states that differ in their order alone are one.
    fn forget_order(&mut self) {
        self.network.sort_by_key(|message| message.fingerprint);
        self.server.jobs.sort_by_cached_key(fingerprint);
        self.world.seen.sort_by_cached_key(fingerprint);
    }

    fn take(&mut self, message: &Message) -> Option<()> {
        let at = self.network.iter().position(|other| other == message)?;
        self.network.remove(at);
        Some(())
    }
}

impl Message {
    fn new(event: Event, repeated: bool) -> Self {
        let fingerprint = fingerprint(&event);
        Self { event, repeated, fingerprint }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Message {}

impl Hash for Message {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

/// A hash of types that do not implement `Hash` in the product.
fn fingerprint(what: &impl fmt::Debug) -> u64 {
    struct Into(DefaultHasher);
    impl fmt::Write for Into {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut into = Into(DefaultHasher::new());
    let _ = write!(into, "{what:?}");
    into.0.finish()
}

fn check(budget: Budget, deeds: &[(Deed, u8)], depth: usize) {
    check_after(&[], budget, deeds, depth);
}

fn check_after(before: &'static [Before], budget: Budget, deeds: &[(Deed, u8)], depth: usize) {
    let deeper: Option<usize> = std::env::var("REJOIN_MODEL_DEPTH").ok().and_then(|text| text.parse().ok());
    let depth = depth.max(deeper.unwrap_or_default());
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let model = Small { before, budget, deeds: deeds.to_vec() };
    let checker = model
        .checker()
        .threads(threads)
        .target_max_depth(depth)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{} states, {} of them different, to {} steps, in {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let failed: Vec<_> = checker
        .discoveries()
        .into_iter()
        .filter(|(name, _)| *name != "rejoined in place")
        .map(|(name, path)| {
            let end = path.last_state().clone();
            let steps: Vec<_> = path.into_actions().iter().map(|step| format!("  {step:?}")).collect();
            format!("{name}:\n{}\nends as {end:#?}", steps.join("\n"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

const NOTHING_GOES_WRONG: Budget = Budget { lost: 0, doubled: 0, crashes: 0 };

#[test]
fn an_agent_refreshes_in_every_schedule() {
    let deeds = [
        (Deed::Goes(0), 1),
        (Deed::Falls(0), 1),
        (Deed::Returns(0), 1),
        (Deed::Joins(0), 1),
        (Deed::Accepts(0), 1),
        (Deed::Accepts(1), 1),
    ];
    check(NOTHING_GOES_WRONG, &deeds, DEPTH + 1);
    check(Budget { lost: 1, doubled: 1, crashes: 1 }, &deeds, DEPTH - 1);
}

#[test]
fn an_agent_leaves_on_purpose_in_every_schedule() {
    let deeds = [
        (Deed::HangsUp(0), 1),
        (Deed::Goes(0), 1),
        (Deed::Returns(0), 1),
        (Deed::Accepts(0), 1),
        (Deed::Accepts(1), 1),
    ];
    check(Budget { lost: 1, doubled: 1, crashes: 1 }, &deeds, DEPTH - 1);
}

#[test]
fn an_agent_leaves_with_a_mark_only_in_the_task_in_every_schedule() {
    let deeds = [Deed::HangsUpUnheard(0), Deed::Goes(0), Deed::Returns(0), Deed::Accepts(0), Deed::Comes(1)];
    check(Budget { lost: 0, doubled: 1, crashes: 1 }, &once(&deeds), DEPTH - 1);
}

#[test]
fn a_customer_hangs_up_in_every_schedule() {
    let deeds = [
        (Deed::Goes(0), 1),
        (Deed::Falls(0), 1),
        (Deed::Returns(0), 1),
        (Deed::Joins(0), 1),
        (Deed::CustomerHangsUp, 1),
        (Deed::Accepts(0), 1),
    ];
    check(Budget { lost: 0, doubled: 1, crashes: 1 }, &deeds, DEPTH - 1);
}

#[test]
fn two_agents_on_the_call_in_every_schedule() {
    let deeds = [
        (Deed::Comes(1), 1),
        (Deed::Goes(0), 1),
        (Deed::Goes(1), 1),
        (Deed::Falls(0), 1),
        (Deed::Returns(0), 1),
        (Deed::Joins(0), 1),
        (Deed::HangsUp(1), 1),
        (Deed::Accepts(0), 1),
    ];
    check(Budget { lost: 0, doubled: 0, crashes: 1 }, &deeds, DEPTH);
}

/// Each deed once.
fn once(deeds: &[Deed]) -> Vec<(Deed, u8)> {
    deeds.iter().map(|deed| (*deed, 1)).collect()
}

#[test]
fn an_agent_returns_to_a_held_customer_in_every_schedule() {
    let held = &[Before::Person(Deed::Goes(0)), Before::Settled, Before::Timer, Before::Settled];
    let deeds = [Deed::Falls(0), Deed::Returns(0), Deed::Joins(0), Deed::Comes(1), Deed::Accepts(0)];
    check_after(held, Budget { lost: 0, doubled: 0, crashes: 1 }, &once(&deeds), DEPTH - 1);
}

#[test]
fn a_customer_is_requeued_in_every_schedule() {
    let held = &[Before::Person(Deed::Goes(0)), Before::Person(Deed::Falls(0)), Before::Settled];
    let deeds = [Deed::Returns(0), Deed::Goes(0), Deed::Accepts(0), Deed::Accepts(1), Deed::CustomerHangsUp];
    check_after(held, NOTHING_GOES_WRONG, &once(&deeds), DEPTH - 1);
}

#[test]
fn a_colleague_leaves_with_a_registration_in_flight_in_every_schedule() {
    let comes = &[Before::Person(Deed::Comes(1))];
    let deeds = [Deed::Goes(1), Deed::Goes(0), Deed::Falls(0), Deed::Returns(0), Deed::Accepts(0)];
    check_after(comes, NOTHING_GOES_WRONG, &once(&deeds), DEPTH);
}
