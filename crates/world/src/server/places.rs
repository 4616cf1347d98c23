//! Which servers there are, which of them is asked, and what it is when one stands still.

use super::Servers;
use crate::coming::Coming;
use crate::net::Way;
use crate::plan::{Fault, FaultKind};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_server::Running;
use std::sync::Arc;

/// So long after a server has come to a stop the way in still leads to it: health checks take their time.
const NOT_NOTICED: u64 = 2_000;

/// Where servers run, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) running: Option<Arc<Running>>,
    /// Of all that were started, the last one here.
    pub(crate) number: usize,
    /// It stands still.
    pub(super) stands_since: Option<u64>,
}

impl Servers {
    /// Does any server run?
    pub(crate) fn any_runs(&self) -> bool {
        self.places.iter().any(|place| place.running.is_some())
    }
}

impl World {
    /// Our server; of several, whichever.
    pub(crate) fn server_lane(&self) -> Lane {
        let several = self.servers.places.len() > 1;
        Lane::Server(if several { 0 } else { self.servers.number })
    }

    /// The server to which the way in leads now: any that runs, but for those of which it has noticed that they stand still.
    /// `None`: there is none.
    pub(crate) fn way_in(&mut self) -> Option<usize> {
        let now = self.now;
        let answers = |place: &Place| {
            let noticed = place.stands_since.is_some_and(|since| since + NOT_NOTICED <= now);
            place.running.is_some() && !noticed
        };
        let places = &self.servers.places;
        let good: Vec<usize> = (0..places.len()).filter(|place| answers(&places[*place])).collect();
        if places.len() < 2 {
            return good.first().copied();
        }
        let mut chance = self.chance(Way::In, 0);
        let place = chance.one(&good).copied()?;
        if self.servers.places[place].stands_since.is_some() {
            // Nobody hears of it before this server goes on.
            self.lost_callbacks = true;
        }
        Some(place)
    }

    /// Does the server in this place run, and not stand still?
    pub(crate) fn is_awake(&self, place: usize) -> bool {
        let place = &self.servers.places[place];
        place.running.is_some() && place.stands_since.is_none()
    }

    /// The database of this one of all does not do what it is asked, or not in time.
    pub(crate) fn store_fails(&mut self, number: usize, kind: FaultKind) {
        self.coverage.fault(kind);
        self.last_fault = self.now;
        self.note(Lane::Server(number), None, Kind::Fault, || kind.name().into());
    }

    /// Until when the database is out of order, if it is now.
    pub(crate) fn store_fails_until(&self) -> Option<u64> {
        let strikes =
            |fault: &&Fault| fault.kind.is_of_store() && fault.from <= self.now && self.now < fault.to;
        self.plan.faults.iter().filter(strikes).map(|fault| fault.to).max()
    }

    /// The clock of the machine of our servers is set by so much.
    pub(crate) fn set_server_clock(&mut self, by: i64) {
        self.coverage.fault(FaultKind::ServerClock(0));
        self.last_fault = self.now;
        self.servers.clock += by;
        for place in &self.servers.places {
            if let Some(running) = &place.running {
                running.surroundings().set_clock(by);
            }
        }
        self.fault_noted(|| format!("our server's clock is set by {:.1} s", by as f64 / 1000.0));
    }

    /// The server in this place stands still, for so long.
    pub(crate) fn stand_server(&mut self, place: usize, time: u64) {
        let place = &self.servers.places[place];
        let Some(running) = place.running.clone() else { return };
        running.surroundings().stand_still();
        self.server_stands(place.number, time, FaultKind::ServerStands, "");
    }

    /// This one of all servers stands still, for so long.
    pub(crate) fn server_stands(&mut self, number: usize, time: u64, kind: FaultKind, step: &str) {
        let now = self.now;
        let Some(place) = self.servers.places.iter_mut().find(|place| place.number == number) else { return };
        place.stands_since.get_or_insert(now);
        self.coverage.fault(kind);
        self.last_fault = now;
        self.note(Lane::Server(number), None, Kind::Fault, || {
            if step.is_empty() { "stands still".into() } else { format!("stands still at: {step}") }
        });
        self.put(time, Coming::GoesOn(number));
    }

    /// It is let go on.
    pub(crate) fn server_goes_on(&mut self, number: usize) {
        let Some(place) = self.servers.places.iter_mut().find(|place| place.number == number) else { return };
        let Some(running) = place.running.as_ref().filter(|_| place.stands_since.take().is_some()) else {
            return;
        };
        running.surroundings().go_on();
        self.note(Lane::Server(number), None, Kind::Fault, || "goes on".into());
    }
}
