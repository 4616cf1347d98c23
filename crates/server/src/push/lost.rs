//! Pages whose push channel has ended. Most come back within a second or two, or have said goodbye. A page that does
//! not is reported to the machine: it may be gone without a callback having reported so, and its calls are polled.

use rejoin_protocol::WorkerSid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// When a page is reported to the machine, counted from the end of the channel. First when a page that has
/// lost a connection would be back by another one: a page that was closed has taken its leg along, and one that crashed is asked
/// over its leg. Once more when
/// Twilio has noticed a leg that was left behind by a crash (about 30 s), in case that callback is lost too. After
/// that the watchdog is enough.
const TOLD_AFTER: [Duration; 2] = [Duration::from_millis(1_250), Duration::from_secs(45)];
/// How long ago a page was lost that counts as lost lately.
const LATELY: Duration = Duration::from_secs(10);
/// Maximum number of awaited pages of a worker: epochs come from the client.
const PAGES: usize = 8;

/// A page: its worker, and its epoch.
pub(super) type Page = (WorkerSid, u64);

/// The awaited pages.
#[derive(Debug, Default)]
pub(super) struct Lost(BTreeMap<Page, Waiting>);

#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// How often it was reported.
    told: usize,
}

impl Waiting {
    fn due(&self) -> Option<Instant> {
        TOLD_AFTER.get(self.told).map(|after| self.since + *after)
    }
}

impl Lost {
    /// The channel of a page has ended.
    pub(super) fn ended(&mut self, now: Instant, worker: &WorkerSid, epoch: u64) {
        let own = (worker.clone(), 0)..=(worker.clone(), u64::MAX);
        if self.0.range(own.clone()).count() >= PAGES
            && let Some(oldest) =
                self.0.range(own).min_by_key(|(_, it)| it.since).map(|(page, _)| page.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert((worker.clone(), epoch), Waiting { since: now, told: 0 });
    }

    /// The page is back, or lives without its channel.
    pub(super) fn back(&mut self, worker: &WorkerSid, epoch: u64) {
        self.0.remove(&(worker.clone(), epoch));
    }

    /// Takes the page that is due first, if any is.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Page> {
        let due = self.0.iter().filter_map(|(page, it)| Some((it.due()?, page)));
        let page = due.filter(|(at, _)| *at <= now).min().map(|(_, page)| page.clone())?;
        let waiting = self.0.get_mut(&page)?;
        waiting.told += 1;
        if waiting.due().is_none() {
            self.0.remove(&page);
        }
        Some(page)
    }

    /// Number of workers who have lost a page in the last seconds that is not back. Pages do not count, as one worker may claim any
    /// number of them.
    pub(super) fn lately(&self, now: Instant) -> usize {
        let lately = self.0.iter().filter(|(_, it)| it.since + LATELY > now);
        lately.map(|((worker, _), _)| worker).collect::<BTreeSet<_>>().len()
    }

    /// When the next one will be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(Waiting::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(number: u128) -> WorkerSid {
        WorkerSid::numbered(number)
    }

    /// All that are due.
    fn due(lost: &mut Lost, now: Instant) -> Vec<Page> {
        std::iter::from_fn(|| lost.take_due(now)).collect()
    }

    #[test]
    fn a_page_that_stays_away_is_reported_twice() {
        let (start, mut lost) = (Instant::now(), Lost::default());
        let after = |seconds| start + Duration::from_secs(seconds);
        lost.ended(start, &worker(1), 7);
        assert_eq!((due(&mut lost, after(1)), lost.next()), (vec![], Some(start + TOLD_AFTER[0])));
        assert_eq!((due(&mut lost, after(2)), lost.next()), (vec![(worker(1), 7)], Some(after(45))));
        assert_eq!(due(&mut lost, after(44)), []);
        assert_eq!((due(&mut lost, after(45)), lost.next()), (vec![(worker(1), 7)], None));
    }

    #[test]
    fn pages_that_come_back_before_their_turn_are_not_reported() {
        let (start, mut lost) = (Instant::now(), Lost::default());
        for number in 0..2_000 {
            lost.ended(start, &worker(number), 7);
        }
        let after = start + Duration::from_secs(3);
        assert!(lost.take_due(after).is_some(), "the first one's turn");
        for number in 0..1_999 {
            lost.back(&worker(number), 7);
        }
        lost.back(&worker(1_999), 8); // the next page: the old one is not back by that
        assert_eq!(due(&mut lost, after), [(worker(1_999), 7)]);
        lost.back(&worker(1_999), 7);
        assert_eq!(lost.next(), None);
    }

    #[test]
    fn workers_who_lost_pages_lately_count_once_each() {
        let (start, mut lost) = (Instant::now(), Lost::default());
        for number in 0..5 {
            lost.ended(start, &worker(number), 7);
        }
        for epoch in 1..9 {
            lost.ended(start, &worker(9), epoch);
        }
        assert_eq!(lost.lately(start), 6, "one worker is one, whatever their pages");
        lost.back(&worker(0), 7);
        assert_eq!(lost.lately(start), 5);
        assert_eq!(lost.lately(start + LATELY), 0);
    }

    #[test]
    fn invented_epochs_neither_fill_the_memory_nor_hide_other_pages() {
        let (start, mut lost) = (Instant::now(), Lost::default());
        lost.ended(start, &worker(1), 7);
        for epoch in 1..1_000 {
            lost.ended(start + Duration::from_millis(epoch), &worker(2), epoch);
        }
        assert_eq!(lost.0.len(), 1 + PAGES);
        let told = due(&mut lost, start + Duration::from_secs(10));
        assert_eq!((told.len(), &told[0]), (1 + PAGES, &(worker(1), 7)));
    }
}
