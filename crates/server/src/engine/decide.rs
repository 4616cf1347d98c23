//! The decisions of a batch. Pure: they are repeated when the transaction has to begin again.

use super::{LineAdded, Outlets, Work};
use crate::error::Error;
use crate::failpoint;
use crate::figures;
use crate::history::About;
use crate::jobs::{Door, Job, Place};
use crate::store::{Changes, Committed, Found, Line, NewJob, Pushed, StoredJob, direct};
use crate::story::{self, Entry, Input, Told as Story};
use crate::surroundings::Surroundings;
use crate::timers::Timers;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Effect, Event, Key, Machine, Outcome, Policies, Timer};
use std::collections::{BTreeMap, BTreeSet};

/// The results to send out after the commit.
pub(super) struct Decided {
    machine: Machine,
    lost: BTreeSet<usize>,
    held_back: BTreeSet<usize>,
    jobs: Vec<StoredJob>,
    /// Places in the queue for the jobs that this server carries out.
    places: Vec<Place>,
    pushes: Vec<Pushed>,
    notes: Vec<(LineAdded, Line)>,
    /// When the first of the set timers is due.
    pub(super) first_timer: Option<Millis>,
}

/// The answers to the senders of the batch.
pub(super) struct Answers {
    /// The calls of the batch.
    pub(super) calls: Machine,
    /// Positions of inputs whose job is no longer ours.
    pub(super) lost: BTreeSet<usize>,
    /// Positions of inputs about a call that is held back.
    pub(super) held_back: BTreeSet<usize>,
}

/// Handles a batch, with the timers that are due, on the calls that were found. `culprit`: the timer that is being
/// handled, if it is one.
pub(super) fn decide(
    policies: &Policies,
    queue: &Door,
    surroundings: &Surroundings,
    works: &[Work],
    timers_by: Millis,
    found: Found,
    culprit: &mut Option<Event>,
) -> Result<(Changes, Decided), Error> {
    let held_back: BTreeSet<_> = found.held_back.iter().map(|held| held.conference.clone()).collect();
    let about_held_back = |work: &Work| {
        let event = work.event.as_deref()?;
        found.held_back.iter().find(|held| held.concerns(event, &found.calls))
    };
    let refused: BTreeMap<usize, &'static str> = match held_back.is_empty() {
        true => BTreeMap::new(),
        false => {
            let refused = works.iter().enumerate();
            refused.filter_map(|(number, work)| Some((number, about_held_back(work)?.why.name()))).collect()
        }
    };
    let timers = found.timers.into_iter().filter(|(conference, ..)| !held_back.contains(conference));
    let mut step = Step {
        culprit,
        timers: Timers::new(timers),
        changes: Changes::default(),
        decided: Decided::new(Machine::new(policies.clone(), found.calls).with_early(found.early)),
        queue,
        surroundings,
        touched: BTreeSet::new(),
    };
    for (number, work) in works.iter().enumerate() {
        step.handle_due(work.at.min(timers_by));
        step.changes.tell(work.told.iter().cloned());
        if let Some(why) = refused.get(&number) {
            metrics::counter!(figures::HELD_BACK, "why" => *why).increment(1);
            step.decided.held_back.insert(number);
            continue;
        }
        if let Some(claim) = work.closes {
            if !found.held.contains(&claim) {
                step.decided.lost.insert(number);
                continue;
            }
            match work.event.as_deref() {
                Some(Event::Done { outcome: Outcome::Failed { reason }, .. }) => {
                    step.changes.give_up_job(claim.job, reason.clone());
                }
                _ => step.changes.close_job(claim.job),
            }
        }
        if let Some(event) = &work.event {
            step.handle(work.at, event, work.delivery.as_deref());
        }
    }
    step.handle_due(timers_by);
    step.changes.early_marks(step.decided.machine.take_early());
    for call in step.touched.iter().filter_map(|conference| step.decided.machine.call(conference)) {
        step.changes.save(call);
    }
    step.decided.first_timer = step.changes.first_timer();
    Ok((step.changes, step.decided))
}

struct Step<'a> {
    culprit: &'a mut Option<Event>,
    timers: Timers,
    changes: Changes,
    decided: Decided,
    queue: &'a Door,
    surroundings: &'a Surroundings,
    /// Calls that have changed.
    touched: BTreeSet<ConferenceSid>,
}

impl Step<'_> {
    /// Handles the timers that are due by then.
    fn handle_due(&mut self, by: Millis) {
        while let Some((conference, timer)) = self.timers.take_due(by) {
            failpoint::reach(|| format!("due {}", timer.name()));
            self.changes.clear_timer(conference.clone(), timer);
            let event = Event::Timer { conference, timer };
            *self.culprit = Some(event.clone());
            self.handle(self.surroundings.now(), &event, None);
            *self.culprit = None;
        }
    }

    /// True when this event forgets a call without a loss. Its story is not needed any more.
    fn ends_an_uneventful_call(&self, event: &Event) -> bool {
        let Event::Timer { conference, timer: Timer::Forget } = event else { return false };
        let call = self.decided.machine.call(conference);
        call.is_some_and(|call| call.absences().next().is_none())
    }

    /// Handles an event. Timers change at once: one that an event clears does not go off any more.
    fn handle(&mut self, now: Millis, event: &Event, delivery: Option<&str>) {
        let uneventful = self.ends_an_uneventful_call(event);
        let listener = self.surroundings.listener();
        let before = listener.map(|_| self.decided.machine.clone());
        failpoint::panic_at(|| {
            format!(
                "handling {event} {}",
                direct(event).iter().map(Key::as_str).collect::<Vec<_>>().join(" ")
            )
        });
        let effects = self.decided.machine.handle(now, event.clone());
        if let (Some(listener), Some(before)) = (listener, before) {
            listener(&before, event, &self.decided.machine);
        }
        for call in self.decided.machine.take_dirty() {
            let recovery = call.recovery.as_ref().map(|recovery| recovery.absence.id.clone());
            let conference = call.conference.clone();
            let then = effects.iter().filter_map(|effect| story::then(effect, call)).collect();
            self.touched.insert(conference.clone());
            let entry = Input::of(event, delivery, &call.task, then).map(Entry::Input);
            self.changes.tell(entry.map(|entry| Story { at: now, conference, recovery, entry }));
        }
        for effect in effects {
            match effect {
                Effect::Act { conference, action, deadline } => {
                    let place = self.queue.place(&action);
                    let mine = place.is_some();
                    self.decided.places.extend(place);
                    self.changes.add_job(NewJob { conference, action, deadline, mine });
                }
                Effect::SetTimer { conference, timer, at } => {
                    self.timers.set(conference.clone(), timer, at);
                    self.changes.set_timer(conference, timer, at);
                }
                Effect::ClearTimer { conference, timer } => {
                    self.timers.clear(&conference, timer);
                    self.changes.clear_timer(conference, timer);
                }
                Effect::Push { worker, view } => {
                    self.changes.push(worker, Push::Recovery { recovery: view });
                }
                Effect::Note { conference, customer, note } => {
                    let line = Line { at: now, conference, note };
                    self.decided.notes.push((customer.clone(), line.clone()));
                    let call = self.decided.machine.call(&line.conference);
                    let about = call.and_then(|call| About::of(call, now, &line.note));
                    self.changes.add_end(customer, line, about);
                }
                Effect::Forget { conference } => {
                    self.timers.clear_all(&conference);
                    self.changes.forget(&conference);
                    if uneventful {
                        self.changes.untell(&conference);
                    }
                }
            }
        }
    }
}

impl Decided {
    fn new(machine: Machine) -> Self {
        Self {
            machine,
            lost: BTreeSet::new(),
            held_back: BTreeSet::new(),
            jobs: vec![],
            places: vec![],
            pushes: vec![],
            notes: vec![],
            first_timer: None,
        }
    }

    /// The calls of the batch.
    pub(super) fn machine(self) -> Machine {
        self.machine
    }

    /// No decision.
    pub(super) fn nothing(policies: &Policies) -> Self {
        Self::new(Machine::new(policies.clone(), []))
    }

    /// Adds the results of the commit.
    pub(super) fn committed(self, committed: Committed) -> Self {
        let known = committed.jobs.iter().filter(|job| job.is_none()).count();
        if known > 0 {
            tracing::info!(actions = known, "actions already carried out are not repeated");
        }
        Self { jobs: committed.jobs.into_iter().flatten().collect(), pushes: committed.pushes, ..self }
    }

    /// Sends everything out.
    pub(super) fn tell(self, outlets: &Outlets, now: Millis) -> Answers {
        let Self { machine, lost, held_back, jobs, places, pushes, notes, first_timer: _ } = self;
        let mine = jobs.into_iter().filter(|job| job.claim.fence > 0);
        for (job, place) in mine.zip(places) {
            outlets.jobs.send(Job::new(machine.call(&job.conference), job, now, Some(place)));
        }
        for (worker, number, push) in pushes {
            outlets.pushes.publish(&worker, number, &push);
        }
        let mut lines = BTreeSet::new();
        for (customer, Line { at, conference, note }) in notes {
            let recovery = machine.call(&conference).and_then(|call| call.recovery.as_ref());
            let id = recovery.map(|recovery| tracing::field::display(&recovery.absence.id));
            let known = customer.as_ref().map(CallSid::as_str);
            tracing::info!(%conference, customer = known, recovery = id, ?note, "timeline");
            figures::noted(at, recovery.map(|recovery| recovery.absence.lost_at), &note);
            lines.insert(customer);
        }
        for customer in lines {
            // There may be no reader.
            let _ = outlets.lines.send(customer);
        }
        Answers { calls: machine, lost, held_back }
    }
}
