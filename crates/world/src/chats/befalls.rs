//! What befalls pages and servers, as it befell them while the calls were played.

use super::page::Page;
use super::{ChatWorld, Coming, Way};
use crate::fates::Fate;
use crate::page::PageId;
use crate::timeline::Kind;
use rejoin_plugin::chats::Event;

/// A connection to a machine that is away for longer counts as ended.
const HALF_OPEN: u64 = 25_000;

impl ChatWorld {
    pub(super) fn befalls(&mut self, fate: Fate) {
        match fate {
            Fate::Loads { page, agent, number, browser } => {
                debug_assert_eq!(page, self.pages.len(), "pages come in their order");
                self.pages.push(Page::new(agent, number, browser));
            }
            Fate::FlexUp(page) => {
                self.pages[page].is_up = true;
                self.socket(page, true);
                self.reconnects(page, 300, 1_200);
                self.put(5, Coming::Looks(page));
            }
            Fate::PluginUp(page) => self.plugin_up(page),
            Fate::Hides(page) => {
                self.says_goodbye(page);
                self.page_ends(page);
            }
            Fate::Crashes(page) => self.page_ends(page),
            Fate::Stops(page, sleeps) => self.stops(page, sleeps),
            Fate::Wakes(page) => self.wakes(page),
            Fate::SignsOut(agent) => self.signs_out(agent),
            Fate::TakesWork(agent, takes) => {
                self.workers[agent].is_unavailable = !takes;
                self.route();
            }
            Fate::ServerUp(number) => self.server_up(number),
            Fate::ServerDown(number, in_order) => self.server_down(number, in_order),
        }
    }

    fn page_ends(&mut self, page: PageId) {
        self.note(self.page_lane(page), None, Kind::Does, || "is gone, with its chats".into());
        self.pages[page].is_alive = false;
        self.pages[page].plugin = None;
        self.pages[page].has_sdk = false;
        self.channel_closes(page);
        self.socket(page, false);
        // The next page of the browser acts, and takes care of what this one has left.
        let browser = self.pages[page].browser;
        let next = (0..self.pages.len())
            .find(|other| self.pages[*other].browser == browser && self.pages[*other].plugin.is_some());
        if let Some(next) = next {
            self.takes_messages_over(next);
            self.post_again(next);
        }
    }

    fn stops(&mut self, page: PageId, sleeps: bool) {
        let it = &mut self.pages[page];
        (it.is_asleep, it.is_offline) = (sleeps, !sleeps);
        let attempt = it.push;
        let mut chance = self.chance(Way::Flex, page);
        self.put(chance.between(2_000, 3_000), Coming::PushShakes(page, attempt));
        self.put(HALF_OPEN, Coming::GoesAway(page));
        // Some networks end with an error that the SDK sees, others in silence.
        if !sleeps && chance.happens(500) {
            self.pages[page].has_sdk = false;
            self.handle(page, Event::Connection { up: false });
        }
    }

    /// The far end of Flex's socket gives a machine up that is away.
    pub(super) fn goes_away(&mut self, page: PageId) {
        if self.pages[page].is_alive && !self.pages[page].is_connected() {
            self.socket(page, false);
        }
    }

    fn wakes(&mut self, page: PageId) {
        let it = &mut self.pages[page];
        if !it.is_alive {
            return;
        }
        (it.is_asleep, it.is_offline) = (false, false);
        let (attempt, is_up, agent) = (it.push, it.is_up, it.agent);
        if is_up {
            self.rules.at_desktop_at.insert(agent, self.now);
            self.socket(page, true);
            self.pages[page].has_sdk = false;
            self.handle(page, Event::Connection { up: false });
            self.reconnects(page, 800, 2_000);
            self.put(5, Coming::Looks(page));
        }
        self.late(page);
        if !self.servers.channels.contains_key(&page) {
            self.put(20, Coming::PushEnds(page, attempt));
        }
    }

    fn reconnects(&mut self, page: PageId, least: u64, most: u64) {
        let mut chance = self.chance(Way::Sdk, page);
        self.pages[page].sdk += 1;
        let number = self.pages[page].sdk;
        self.put(chance.between(least, most), Coming::Connects(page, number));
    }

    /// Flex's own socket, by which TaskRouter knows that an agent is there.
    fn socket(&mut self, page: PageId, open: bool) {
        if std::mem::replace(&mut self.pages[page].has_socket, open) != open {
            let agent = self.pages[page].agent;
            self.sockets_changed(agent);
        }
    }

    fn signs_out(&mut self, agent: usize) {
        self.workers[agent].is_unavailable = true;
        for page in 0..self.pages.len() {
            if self.pages[page].agent == agent {
                self.handle(page, Event::SignedOut);
                let browser = self.pages[page].browser;
                self.rules.forgets(browser, None);
                if let Some(shelf) = self.shelves.get_mut(&browser) {
                    shelf.inputs.clear();
                }
            }
        }
    }
}
