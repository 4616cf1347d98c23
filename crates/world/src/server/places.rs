//! The places in which servers run, which of them gets a request, and servers that stand still.

use super::Servers;
use crate::coming::Coming;
use crate::net::Way;
use crate::plan::{Fault, FaultKind};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_server::Running;
use std::sync::Arc;

/// How long the load balancer still sends requests to a server that stands still: health checks take their time.
const NOT_NOTICED: u64 = 2_000;

/// Where servers run, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) running: Option<Arc<Running>>,
    /// Number of the last server that was started here.
    pub(crate) number: usize,
    /// When the server stopped to run, while it stands still.
    pub(super) stands_since: Option<u64>,
    /// When the server last went on.
    pub(super) went_on_at: Option<u64>,
}

impl Servers {
    /// True when any server runs.
    pub(crate) fn any_runs(&self) -> bool {
        self.places.iter().any(|place| place.running.is_some())
    }
}

impl World {
    /// True when a server that stood still has gone on since less than this time (milliseconds).
    pub(crate) fn has_server_gone_on(&self, within: u64) -> bool {
        let has = |place: &Place| place.went_on_at.is_some_and(|at| at + within > self.now);
        self.servers.places.iter().any(has)
    }

    /// The lane of our server; with several servers, a shared one.
    pub(crate) fn server_lane(&self) -> Lane {
        let several = self.servers.places.len() > 1;
        Lane::Server(if several { 0 } else { self.servers.number })
    }

    /// The server that the load balancer picks now: any that runs, except those that it has noticed to stand still.
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
            // No server hears of it before this one goes on.
            self.lost_callbacks = true;
        }
        Some(place)
    }

    /// True when the server in this place runs and does not stand still.
    pub(crate) fn is_awake(&self, place: usize) -> bool {
        let place = &self.servers.places[place];
        place.running.is_some() && place.stands_since.is_none()
    }

    /// The database of the server with this number refuses or stalls.
    pub(crate) fn store_fails(&mut self, number: usize, kind: FaultKind) {
        self.coverage.fault(kind);
        self.last_fault = self.now;
        self.note(Lane::Server(number), None, Kind::Fault, || kind.name().into());
    }

    /// When the current outage of the database ends, if there is one.
    pub(crate) fn store_fails_until(&self) -> Option<u64> {
        let strikes =
            |fault: &&Fault| fault.kind.is_of_store() && fault.from <= self.now && self.now < fault.to;
        self.plan.faults.iter().filter(strikes).map(|fault| fault.to).max()
    }

    /// Sets the clock of our servers' machine by this many milliseconds.
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

    /// Sets the database's clock by this many milliseconds.
    pub(crate) fn set_database_clock(&mut self, by: i64) {
        self.coverage.fault(FaultKind::DatabaseClock(0));
        self.last_fault = self.now;
        self.servers.kept.set_clock(by);
        self.fault_noted(|| format!("the database's clock is set by {:.1} s", by as f64 / 1000.0));
    }

    /// The server in this place stands still, for this many milliseconds.
    pub(crate) fn stand_server(&mut self, place: usize, time: u64) {
        let place = &self.servers.places[place];
        let Some(running) = place.running.clone() else { return };
        running.surroundings().stand_still();
        self.server_stands(place.number, time, FaultKind::ServerStands, "");
    }

    /// The server with this number stands still, for this many milliseconds.
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

    /// The server goes on.
    pub(crate) fn server_goes_on(&mut self, number: usize) {
        let Some(place) = self.servers.places.iter_mut().find(|place| place.number == number) else { return };
        let Some(running) = place.running.as_ref().filter(|_| place.stands_since.take().is_some()) else {
            return;
        };
        running.surroundings().go_on();
        place.went_on_at = Some(self.now);
        self.note(Lane::Server(number), None, Kind::Fault, || "goes on".into());
    }
}
