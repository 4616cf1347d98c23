//! The pages of the agents, each by its epoch.

use super::observed::{Last, Observed, observed};
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Holding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of a worker's pages whose goodbyes are remembered: more than an agent opens during a call.
const GOODBYES: usize = 8;

/// The statements of each worker's pages about this call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pages {
    /// Number of observations.
    observations: u64,
    of: BTreeMap<WorkerSid, PagesOf>,
}

/// The observations of one worker's pages. Of each kind that of the newest page stays, and of one page the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct PagesOf {
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    #[serde(rename = "newest_alone", skip_serializing_if = "Option::is_none")]
    newest_sole_page: Option<OfPage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_browser: Option<u64>,
    /// The number of the last goodbye of each page that said goodbye before its leg was known.
    goodbyes: BTreeMap<u64, u64>,
    /// The goodbyes up to this observation were handled.
    #[serde(rename = "heeded")]
    handled: Last,
    /// Whether the worker's activity receives tasks, as the newest page reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_available: Option<OfPage>,
    /// Whether the worker's activity receives tasks, as TaskRouter shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_shown_available: Option<Observed<bool>>,
}

/// A statement of a page. Of two, that of the newer page stays, and of one page the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct OfPage {
    epoch: u64,
    number: u64,
    is_so: bool,
}

/// One observation of a worker's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observation {
    /// A page found the task, and had no call for it.
    FoundTask { epoch: u64, other_browser: bool },
    /// A page found the task, had no call for it, and no older page may live.
    FoundTaskAsSole { epoch: u64, can_join: bool },
    /// A page said goodbye.
    Goodbye { epoch: u64 },
    /// The goodbyes were handled.
    Handled,
    /// A page says whether its worker's activity receives tasks.
    Available { epoch: u64, is_so: bool },
    /// TaskRouter shows whether the worker's activity receives tasks.
    ShownAvailable { is_so: bool },
}

impl PagesOf {
    fn observe(&mut self, number: u64, observation: Observation) {
        match observation {
            Observation::FoundTask { epoch, other_browser } => {
                self.newest = self.newest.max(Some(epoch));
                if other_browser {
                    self.other_browser = self.other_browser.max(Some(epoch));
                }
            }
            Observation::FoundTaskAsSole { epoch, can_join } => {
                self.newest_sole_page =
                    self.newest_sole_page.max(Some(OfPage { epoch, number, is_so: can_join }));
            }
            Observation::Goodbye { epoch } => {
                let last = self.goodbyes.entry(epoch).or_default();
                *last = number.max(*last);
                if self.goodbyes.len() > GOODBYES {
                    self.goodbyes.pop_first();
                }
            }
            Observation::Handled => self.handled.observe(number),
            Observation::Available { epoch, is_so } => {
                self.is_available = self.is_available.max(Some(OfPage { epoch, number, is_so }));
            }
            Observation::ShownAvailable { is_so } => observed(&mut self.is_shown_available, number, is_so),
        }
    }

    fn newest_goodbye(&self) -> Option<u64> {
        let counts = |(_, number): &(&u64, &u64)| Last::at(**number).is_after(self.handled);
        self.goodbyes.iter().filter(counts).map(|(epoch, _)| *epoch).max()
    }

    fn is_unavailable(&self) -> bool {
        let said = self.is_available.map(|said| (said.number, said.is_so));
        let shown = self.is_shown_available.map(|shown| (shown.number, shown.what));
        said.max(shown).is_some_and(|(_, is_available)| !is_available)
    }
}

impl Pages {
    fn of(&self, worker: &WorkerSid) -> Option<&PagesOf> {
        self.of.get(worker)
    }

    /// The workers whose pages have made statements.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerSid> {
        self.of.keys()
    }

    /// The newest page that found the task and had no call for it.
    pub fn newest(&self, worker: &WorkerSid) -> Option<u64> {
        self.of(worker)?.newest
    }

    /// The newest page that found the task while no older page was connected: the older pages are gone.
    pub fn newest_sole_page(&self, worker: &WorkerSid) -> Option<u64> {
        Some(self.of(worker)?.newest_sole_page?.epoch)
    }

    /// True if the page of [`Self::newest_sole_page`] can join in place.
    pub fn is_joinable(&self, worker: &WorkerSid) -> bool {
        self.of(worker).and_then(|pages| pages.newest_sole_page).is_some_and(|alone| alone.is_so)
    }

    /// The newest page that reports the call in another browser. A page that is alone in that other browser proves nothing
    /// about this one.
    pub fn other_browser(&self, worker: &WorkerSid) -> Option<u64> {
        self.of(worker)?.other_browser
    }

    /// The newest page whose goodbye was recorded and not handled yet: its leg was not known, or may be taken away by a transfer.
    pub fn newest_goodbye(&self, worker: &WorkerSid) -> Option<u64> {
        self.of(worker)?.newest_goodbye()
    }

    /// True if this page's goodbye was recorded and not handled yet.
    pub fn has_said_goodbye(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.of(worker).is_some_and(|pages| {
            let said = pages.goodbyes.get(&epoch);
            said.is_some_and(|number| Last::at(*number).is_after(pages.handled))
        })
    }

    /// True if the worker's newest page says that their activity receives no tasks, or if they may be in such an activity as
    /// far as TaskRouter shows.
    pub fn is_unavailable(&self, worker: &WorkerSid) -> bool {
        self.of(worker).is_some_and(PagesOf::is_unavailable)
    }
}

/// The only writers of what is known about pages.
impl Pages {
    fn observe(&mut self, worker: &WorkerSid, observation: Observation) {
        self.observations += 1;
        self.of.entry(worker.clone()).or_default().observe(self.observations, observation);
    }

    /// A page found the task, and had no call for it. True if the page is the newest one that is alone in its browser.
    pub(crate) fn finds_task(
        &mut self,
        worker: &WorkerSid,
        epoch: u64,
        holding: &Holding,
        older_may_live: bool,
    ) -> bool {
        let &Holding { other_browser, can_join, .. } = holding;
        self.observe(worker, Observation::FoundTask { epoch, other_browser });
        let before = self.newest_sole_page(worker);
        if !older_may_live {
            self.observe(worker, Observation::FoundTaskAsSole { epoch, can_join });
        }
        self.newest_sole_page(worker) > before
    }

    /// A page has said goodbye before its leg was known.
    pub(crate) fn says_goodbye(&mut self, worker: &WorkerSid, epoch: u64) {
        self.observe(worker, Observation::Goodbye { epoch });
    }

    /// The goodbyes of this worker's pages were handled.
    pub(crate) fn goodbyes_are_handled(&mut self, worker: &WorkerSid) {
        self.observe(worker, Observation::Handled);
    }

    /// A page says whether its worker's activity receives tasks.
    pub(crate) fn says_availability(&mut self, worker: &WorkerSid, epoch: u64, is_so: bool) {
        self.observe(worker, Observation::Available { epoch, is_so });
    }

    /// TaskRouter shows whether this worker's activity receives tasks, as far as is known.
    pub(crate) fn availability_is_shown(&mut self, worker: &WorkerSid, is_so: bool) {
        self.observe(worker, Observation::ShownAvailable { is_so });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn observation() -> impl Strategy<Value = Observation> {
        // More pages than are remembered.
        let epoch = 1..12_u64;
        prop_oneof![
            (epoch.clone(), any::<bool>())
                .prop_map(|(epoch, other_browser)| Observation::FoundTask { epoch, other_browser }),
            (epoch.clone(), any::<bool>())
                .prop_map(|(epoch, can_join)| Observation::FoundTaskAsSole { epoch, can_join }),
            epoch.clone().prop_map(|epoch| Observation::Goodbye { epoch }),
            Just(Observation::Handled),
            (epoch, any::<bool>()).prop_map(|(epoch, is_so)| Observation::Available { epoch, is_so }),
            any::<bool>().prop_map(|is_so| Observation::ShownAvailable { is_so }),
        ]
    }

    fn all(observations: &[(u64, Observation)]) -> PagesOf {
        let mut pages = PagesOf::default();
        observations.iter().for_each(|(number, it)| pages.observe(*number, *it));
        pages
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_observations_do_not_matter(
            (observations, shuffled) in prop::collection::vec(observation(), 1..30).prop_flat_map(|all| {
                let all: Vec<_> = (1..).zip(all).collect();
                let twice = [all.clone(), all.clone()].concat();
                (Just(all), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(all(&observations), all(&shuffled));
        }
    }

    #[test]
    fn a_goodbye_counts_until_it_is_handled_and_again_when_it_is_said_again() {
        let (mut pages, ada) = (Pages::default(), WorkerSid::numbered(1));
        pages.says_goodbye(&ada, 5);
        pages.says_goodbye(&ada, 3);
        assert_eq!(pages.newest_goodbye(&ada), Some(5));
        pages.goodbyes_are_handled(&ada);
        assert_eq!(pages.newest_goodbye(&ada), None);
        pages.says_goodbye(&ada, 3);
        assert_eq!(pages.newest_goodbye(&ada), Some(3));
    }
}
