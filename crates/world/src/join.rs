//! Flex's `joinCall()`, as read in `@twilio/flex-ui` 2.17.1, with the core overriding the flags that it sets
//! (`js-shim/flex-effects.js`).

use crate::coming::Coming;
use crate::page::{PageId, Then};
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_protocol::{ReservationSid, TaskSid};
use rejoin_twin::model::{ApiError, ParticipantChange, Reply, Request};

/// How long Flex waits for the new participant (milliseconds). *Assumed*.
const PATIENCE: u64 = 15_000;

/// A join in progress.
#[derive(Debug)]
pub(crate) struct Joining {
    /// When it began.
    since: u64,
    task: TaskSid,
    old: String,
    new: Option<String>,
    /// True once the new leg was seen in the conference.
    here: bool,
    /// Participants that were seen before the new leg's SID was known.
    seen: Vec<String>,
}

/// Steps of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The old leg's flag is cleared.
    OldFlag,
    /// The new leg is asked for.
    Add,
    /// The new leg's flag is set.
    NewFlag,
    /// The old leg is removed.
    Close,
    /// The core clears another flag.
    Again,
}

impl World {
    pub(crate) fn join_call(&mut self, page: PageId, reservation: ReservationSid) {
        let flex = &self.pages[page].flex;
        let found = flex.tasks.get(&reservation).and_then(|held| {
            let old = flex.mine(&held.task).max_by_key(|leg| leg.sequence)?;
            Some((held.task.clone(), old.participant.clone()))
        });
        let Some((task, old)) = found else { return self.join_failed(page, reservation) };
        let joining = Joining {
            since: self.now,
            task: task.clone(),
            old: old.clone(),
            new: None,
            here: false,
            seen: vec![],
        };
        self.pages[page].joins.insert(reservation.clone(), joining);
        self.put(PATIENCE, Coming::JoinLate(page, reservation.clone()));
        self.join_flag(page, &reservation, &task, &old, Step::OldFlag);
    }

    /// Flex sets a flag; the core clears it instead, and clears some others again.
    fn join_flag(
        &mut self,
        page: PageId,
        reservation: &ReservationSid,
        task: &TaskSid,
        participant: &str,
        step: Step,
    ) {
        let again = match &mut self.pages[page].core {
            Some(core) => core.flags_to_clear(reservation, participant),
            None => vec![],
        };
        self.flag_of_participant(page, task, participant, false, Then::Join(reservation.clone(), step));
        for leg in again {
            let then = Then::Join(reservation.clone(), Step::Again);
            self.flag_of_participant(page, task, &leg, false, then);
        }
    }

    pub(crate) fn join_step(
        &mut self,
        page: PageId,
        reservation: ReservationSid,
        step: Step,
        result: Result<Reply, ApiError>,
    ) {
        let Some(joining) = self.pages[page].joins.get(&reservation) else { return };
        let (task, old) = (joining.task.clone(), joining.old.clone());
        match (step, result) {
            (Step::Again, _) => {}
            (Step::OldFlag, Ok(_)) => {
                let to = self.pages[page].flex.contact.clone();
                self.pages[page].expects = Some(reservation.clone());
                let then = Then::Join(reservation.clone(), Step::Add);
                let from = "+15550001111".into();
                self.bridge(page, Request::AddAgentParticipant { task, reservation, to, from }, then);
            }
            (Step::Add, Ok(reply)) => {
                let new = reply.bridge["sid"].as_str().map(str::to_owned);
                if let Some(joining) = self.pages[page].joins.get_mut(&reservation) {
                    joining.here |= new.as_ref().is_some_and(|new| joining.seen.contains(new));
                    joining.new = new;
                }
                self.join_on(page, &reservation);
            }
            (Step::NewFlag, Ok(_)) => {
                let Ok(participant) = rejoin_protocol::ParticipantSid::parse(&old) else { return };
                let change = ParticipantChange::default();
                let then = Then::Join(reservation, Step::Close);
                self.bridge(
                    page,
                    Request::UpdateChannelParticipant { task, participant, change, close: true },
                    then,
                );
            }
            (Step::Close, _) => {
                self.pages[page].joins.remove(&reservation);
                self.handle(page, Event::Desktop(FromDesktop::Joined { reservation }));
            }
            (Step::OldFlag | Step::Add | Step::NewFlag, Err(_)) => self.join_ends_badly(page, reservation),
        }
    }

    /// A participant has joined, or could not be added.
    pub(crate) fn join_told(&mut self, page: PageId, participant: &str, here: bool) {
        let joins = &mut self.pages[page].joins;
        let mut on = None;
        for (reservation, joining) in joins.iter_mut() {
            if here {
                joining.seen.push(participant.to_owned());
            }
            if joining.new.as_deref() == Some(participant) {
                on = Some((reservation.clone(), here));
                joining.here |= here;
            }
        }
        match on {
            Some((reservation, true)) => self.join_on(page, &reservation),
            Some((reservation, false)) => self.join_ends_badly(page, reservation),
            None => {}
        }
    }

    fn join_on(&mut self, page: PageId, reservation: &ReservationSid) {
        let Some(joining) = self.pages[page].joins.get_mut(reservation) else { return };
        if !std::mem::take(&mut joining.here) {
            return;
        }
        let (task, new) = (joining.task.clone(), joining.new.clone());
        if let Some(new) = new {
            self.join_flag(page, reservation, &task, &new, Step::NewFlag);
        }
    }

    pub(crate) fn join_late(&mut self, page: PageId, reservation: ReservationSid) {
        // The timeout may belong to an earlier join.
        let late = |joining: &Joining| joining.since + PATIENCE <= self.now;
        if self.runs(page) && self.pages[page].joins.get(&reservation).is_some_and(late) {
            self.join_ends_badly(page, reservation);
        }
    }

    /// Flex sets the old leg's flag again; the core clears it instead.
    fn join_ends_badly(&mut self, page: PageId, reservation: ReservationSid) {
        if let Some(joining) = self.pages[page].joins.remove(&reservation) {
            self.join_flag(page, &reservation, &joining.task, &joining.old, Step::Again);
            self.join_failed(page, reservation);
        }
    }

    fn join_failed(&mut self, page: PageId, reservation: ReservationSid) {
        self.pages[page].expects = None;
        self.handle(page, Event::Desktop(FromDesktop::JoinFailed { reservation }));
    }
}
