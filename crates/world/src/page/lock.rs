//! Which page of a browser acts: the one that holds the browser's lock.

use super::PageId;
use crate::coming::Coming;
use crate::coverage::Sign;
use crate::planted::Planted;
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop, Microphone};

impl World {
    pub(super) fn elect(&mut self, page: PageId) {
        let browser = &mut self.browsers[self.pages[page].browser];
        match browser.holder {
            None => {
                browser.holder = Some(page);
                self.begin(page, true);
            }
            Some(_) => {
                self.coverage.sign(Sign::TabWaits);
                browser.waiting.push_back(page);
                self.put(300, Coming::Patience(page));
            }
        }
    }

    /// Starts the plugin, as the acting page or not.
    pub(crate) fn begin(&mut self, page: PageId, acts: bool) {
        let it = &mut self.pages[page];
        if !std::mem::take(&mut it.electing) {
            return;
        }
        it.begun = true;
        it.here_since = self.now;
        let name = self.agents[it.agent].name.clone();
        let Some(started) = it.flex.started(&name, !acts) else { return };
        self.handle(page, Event::Desktop(started));
        let microphone = Microphone::Granted;
        self.handle(page, Event::Desktop(FromDesktop::MicrophoneChanged { microphone }));
        self.look(page);
    }

    /// The browser's lock is free: the next waiting page gets it.
    pub(crate) fn free_lock(&mut self, page: PageId) {
        let browser = self.pages[page].browser;
        let it = &mut self.browsers[browser];
        it.waiting.retain(|other| *other != page);
        if it.holder == Some(page) {
            it.holder = it.waiting.pop_front();
            if let Some(next) = it.holder {
                self.granted(next, false);
            }
        }
    }

    /// The page gets the lock.
    pub(crate) fn granted(&mut self, page: PageId, taken: bool) {
        self.coverage.sign(Sign::TabTakesOver);
        if self.pages[page].electing {
            return self.begin(page, true);
        }
        let wall = self.page_clock(page);
        let epoch = self.browsers[self.pages[page].browser].next_epoch(wall.0);
        let epoch = if self.planted == Some(Planted::EpochSame) { 1 } else { epoch };
        self.handle(page, Event::Elected { taken, epoch });
    }

    /// The page takes the lock, even if another page holds it.
    pub(crate) fn take_lock(&mut self, page: PageId) {
        let browser = self.pages[page].browser;
        let it = &mut self.browsers[browser];
        if it.holder == Some(page) {
            return;
        }
        it.waiting.retain(|other| *other != page);
        if let Some(other) = it.holder.replace(page) {
            self.browsers[browser].waiting.push_back(other);
            self.handle(other, Event::Deposed);
        }
        self.granted(page, true);
    }
}
