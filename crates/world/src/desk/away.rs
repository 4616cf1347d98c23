//! A machine sleeps or has no network, and comes back.

use crate::coming::{Coming, PushNews};
use crate::fates::Fate;
use crate::page::PageId;
use crate::timeline::{IS_BACK, IS_CUT_OFF, Kind, SLEEPS};
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_twin::model;

impl World {
    /// The machine falls asleep, or loses its network.
    pub(super) fn stops(&mut self, page: PageId, sleeps: bool, time: u64) {
        let it = &mut self.pages[page];
        if !it.alive || it.asleep || it.offline {
            return;
        }
        it.asleep = sleeps;
        it.offline = !sleeps;
        it.sleeps += 1;
        it.away_at = Some(self.now);
        let number = it.sleeps;
        let call = it.flex.call.as_ref().map(|call| call.leg.clone());
        self.befalls(Fate::Stops(page, sleeps));
        self.note(self.lane(page), None, Kind::Does, || if sleeps { SLEEPS } else { IS_CUT_OFF }.into());
        if let Some(call) = call {
            // The phone's answer may still be in flight.
            let at = self.now.max(self.pages[page].bridge_at);
            self.put_at(at, Coming::Twilio(model::Event::MediaSilent { call, silent: true }));
        }
        if time > 25_000 {
            self.put(25_000, Coming::HalfOpen(page));
        }
        // Our server sends something every second, and waits two for the acknowledgement.
        self.put(2_000 + self.now % 1_000, Coming::PushUnacknowledged(page, number));
        self.put(time, Coming::Wakes(page, number));
    }

    /// Defers the load of a page that is opened meanwhile until the machine is back.
    pub(crate) fn loads_later(&mut self, page: PageId) {
        if let Some((until, sleeps)) = self.agents[self.pages[page].agent].away
            && until > self.now
        {
            self.stops(page, sleeps, until - self.now);
        }
    }

    /// Our server gives up the push channel of a machine that is away.
    pub(crate) fn push_unacknowledged(&mut self, page: PageId, number: u64) {
        let it = &self.pages[page];
        if (it.asleep || it.offline) && it.sleeps == number {
            self.push_cut_off(page);
        }
    }

    fn push_cut_off(&mut self, page: PageId) {
        let attempt = self.pages[page].push.attempt;
        if !self.is_kept_by_proxy(page) {
            self.drop_stream(page);
        }
        self.pages[page].late.push(Coming::PushArrives(page, attempt, PushNews::Ended));
    }

    /// The far ends give up the connections of a machine that is away.
    pub(crate) fn half_open(&mut self, page: PageId) {
        if self.pages[page].asleep || self.pages[page].offline {
            let agent = self.pages[page].agent;
            self.agents[agent].phones.retain(|other| *other != page);
            self.push_cut_off(page);
            if std::mem::take(&mut self.pages[page].socket) {
                let worker = self.agents[agent].worker.clone();
                self.put(0, Coming::Twilio(model::Event::Presence { worker, open: false }));
            }
        }
    }

    pub(crate) fn wakes(&mut self, page: PageId, number: u64) {
        let it = &mut self.pages[page];
        if it.sleeps != number {
            return;
        }
        if !it.alive {
            // The machine refuses what a proxy still sends to the page.
            return it.push.let_go();
        }
        // The proxy hears that the page has given up the connection.
        it.push.let_kept_go();
        it.asleep = false;
        it.offline = false;
        it.here_since = self.now;
        let late = std::mem::take(&mut it.late);
        let call = it.flex.call.as_ref().map(|call| call.leg.clone());
        self.befalls(Fate::Wakes(page));
        self.note(self.lane(page), None, Kind::Does, || IS_BACK.into());
        if let Some(call) = call {
            self.twilio_hears(page, model::Event::MediaSilent { call, silent: false });
        }
        for what in late {
            self.put(0, what);
        }
        if self.pages[page].up {
            self.connect_sockets(page);
            self.ask_how_it_is(page);
            if self.pages[page].begun {
                self.handle(page, Event::Desktop(FromDesktop::Reconnected {}));
            }
        }
        self.look(page);
    }
}
