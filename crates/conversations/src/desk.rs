//! The desk of one worker: whether their pages can still be reached. It is one for all of the worker's conversations.

use crate::facts::{Join, Latest, keep_newest};
use crate::way::Way;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// At most this many pages are kept: the newest.
const PAGES: usize = 8;

/// What a page did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageEvent {
    /// The page has loaded, or has made another request.
    Heard,
    /// The page goes away.
    Goodbye,
    /// Its push channel is open.
    PushOpened,
    /// Its push channel has closed, or the server that had it has ended; and none of its others is open at any server.
    PushClosed,
}

/// Whether a page can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its push channel is open.
    Open,
    /// It has none, and was heard of then (point in time): it is there until it is silent for too long.
    Heard(Millis),
    /// It is gone since then (point in time), unless it comes back within the time of this way.
    Gone(Way, Millis),
}

/// The pages of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Desk {
    pages: BTreeMap<u64, Page>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<Latest<Millis>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goodbye: Option<Latest<Millis>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<Latest<Millis>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Latest<Millis>>,
}

impl Desk {
    /// Takes what a page of this epoch did at this point in time.
    pub fn observe(&mut self, at: Millis, epoch: u64, event: PageEvent) {
        let at = Some(Latest(at));
        let said = match event {
            PageEvent::Heard => Page { heard: at, ..Page::default() },
            PageEvent::Goodbye => Page { goodbye: at, ..Page::default() },
            PageEvent::PushOpened => Page { opened: at, ..Page::default() },
            PageEvent::PushClosed => Page { closed: at, ..Page::default() },
        };
        self.pages.join([(epoch, said)].into());
        keep_newest(&mut self.pages, PAGES);
    }

    /// True if no page of the worker was ever here.
    pub fn is_unknown(&self) -> bool {
        self.pages.is_empty()
    }

    /// How each of the pages can be reached.
    pub fn pages(&self) -> impl Iterator<Item = Reach> {
        self.pages.values().map(|page| page.reach())
    }

    /// How the page of this epoch can be reached; `None` if it is not known.
    pub fn reach(&self, epoch: u64) -> Option<Reach> {
        self.pages.get(&epoch).map(|page| page.reach())
    }

    /// The epochs of pages whose push channel is open.
    pub fn open_pages(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().filter(|(_, page)| page.reach() == Reach::Open).map(|(epoch, _)| *epoch)
    }

    /// When a page was there last, for sure (point in time).
    pub fn last_sign_at(&self) -> Option<Millis> {
        self.pages.values().filter_map(|page| page.sign()).max()
    }
}

impl Page {
    /// When the page was there for sure: its newest request or push channel.
    fn sign(self) -> Option<Millis> {
        self.heard.max(self.opened).map(|at| at.0)
    }

    fn reach(self) -> Reach {
        let sign = self.sign().unwrap_or_default();
        // A page that comes back from the browser's cache after its goodbye is there again.
        if let Some(goodbye) = self.goodbye.filter(|at| at.0 >= sign) {
            return Reach::Gone(Way::Goodbye, goodbye.0);
        }
        match (self.opened, self.closed) {
            // In doubt it is there: nothing is done then.
            (Some(opened), closed) if closed.is_none_or(|closed| closed <= opened) => Reach::Open,
            (_, Some(closed)) if closed.0 >= sign => Reach::Gone(Way::PushClosed, closed.0),
            _ => Reach::Heard(sign),
        }
    }
}

impl Join for Page {
    fn join(&mut self, other: Self) {
        self.heard.join(other.heard);
        self.goodbye.join(other.goodbye);
        self.opened.join(other.opened);
        self.closed.join(other.closed);
    }
}
