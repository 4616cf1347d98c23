//! Whether pages reach this server at all. When the pages of many agents are lost together, and no other page reaches the server, a fault
//! in front of the server (a proxy, a certificate, a network) is more probable than the loss of all these browsers. The server may still
//! reach Twilio then, and would tell every customer that their agent is gone.

use crate::figures;
use rejoin_conversations::{Event, PageEvent};
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::BTreeMap;

/// Minimum number of agents whose pages are lost together: fewer may be lost by chance.
const MANY: usize = 4;
/// Maximum time between the first of these losses and the last sign of any page.
const TOGETHER: Millis = Millis::seconds(60);
/// Pages without a push channel are lost when nothing is heard of any page for this time. Each polls every 10 s.
const SILENT: Millis = Millis::seconds(12);
/// For this time the server takes itself for cut off: what lasts longer may be all agents' network, and their customers are told.
const AT_MOST: Millis = Millis::seconds(300);

/// What this server hears of pages.
#[derive(Debug, Default)]
pub(super) struct CutOff {
    /// When a page reached it last, or was connected (point in time).
    reached_at: Millis,
    /// The last sign of each agent, unless their last page has said goodbye.
    signs: BTreeMap<WorkerSid, Sign>,
    /// Since when the server takes itself for cut off (point in time).
    cut_off_at: Option<Millis>,
    /// True once the log has said so.
    is_told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sign {
    at: Millis,
    /// True once the push channel has closed.
    has_closed: bool,
}

impl CutOff {
    /// Takes an event that a page of this server has caused.
    pub(super) fn observe(&mut self, now: Millis, event: &Event) {
        let Event::Page { worker, event, .. } = event else { return };
        match event {
            PageEvent::Heard | PageEvent::PushOpened => {
                self.reached_at = now;
                self.signs.insert(worker.clone(), Sign { at: now, has_closed: false });
            }
            PageEvent::Goodbye => {
                self.reached_at = now;
                self.signs.remove(worker);
            }
            // The page was there until now. It is reported again later.
            PageEvent::PushClosed => {
                if let Some(sign) = self.signs.get_mut(worker).filter(|sign| !sign.has_closed) {
                    *sign = Sign { at: now, has_closed: true };
                    self.reached_at = now;
                }
            }
        }
    }

    /// True while no page reaches the server, and many did a moment ago. `has_pages`: pages are connected to it.
    pub(super) fn is_so(&mut self, now: Millis, has_pages: bool) -> bool {
        if has_pages {
            self.reached_at = now;
            self.ends(now);
            return false;
        }
        let since = self.reached_at;
        let (all, closed) = self
            .lost()
            .fold((0, 0), |(all, closed), (_, sign)| (all + 1, closed + usize::from(sign.has_closed)));
        let is_silent = now >= since + SILENT || closed == all;
        if now >= since + AT_MOST || all < MANY || !is_silent {
            self.ends(now);
            return false;
        }
        let cut_off_at = *self.cut_off_at.get_or_insert(now);
        // Pages that move to another server are there soon.
        if now >= cut_off_at + SILENT && !std::mem::replace(&mut self.is_told, true) {
            metrics::counter!(figures::CUT_OFF).increment(1);
            tracing::error!(
                agents = all,
                "no page reaches this server any more: a proxy, a certificate or a network in front of it may be broken. No agent of a \
                 conversation is taken for gone until a page is heard, for five minutes at most"
            );
        }
        true
    }

    /// What [`CutOff::is_so`] returned last.
    pub(super) fn was_so(&self) -> bool {
        self.cut_off_at.is_some()
    }

    /// The agents whose pages were lost together.
    pub(super) fn agents(&self) -> impl Iterator<Item = &WorkerSid> {
        self.lost().map(|(worker, _)| worker)
    }

    /// The pages have moved to another server: the ways to it are open, and who does not come there is gone.
    pub(super) fn have_moved(&mut self, now: Millis) {
        let since = self.reached_at;
        self.signs.retain(|_, sign| sign.at + TOGETHER < since);
        self.ends(now);
    }

    fn lost(&self) -> impl Iterator<Item = (&WorkerSid, &Sign)> {
        self.signs.iter().filter(|(_, sign)| sign.at + TOGETHER >= self.reached_at)
    }

    fn ends(&mut self, now: Millis) {
        if let Some(since) = self.cut_off_at.take()
            && std::mem::take(&mut self.is_told)
        {
            tracing::info!(ms = since.until(now).0, "this server does not take itself for cut off any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis::seconds(1000);

    fn page(number: usize, event: PageEvent) -> Event {
        Event::Page { worker: WorkerSid::numbered(number as u128), epoch: 7, event }
    }

    fn after(seconds: u64) -> Millis {
        START + Millis::seconds(seconds)
    }

    /// A server that the pages of this number of agents reach.
    fn with(agents: usize, event: PageEvent) -> CutOff {
        let mut cut_off = CutOff::default();
        for agent in 0..agents {
            cut_off.observe(Millis(0), &page(agent, event));
        }
        assert!(!cut_off.is_so(START, event == PageEvent::PushOpened));
        cut_off
    }

    fn closes(cut_off: &mut CutOff, agents: usize) {
        for agent in 0..agents {
            cut_off.observe(START, &page(agent, PageEvent::PushClosed));
        }
    }

    #[test]
    fn a_server_whose_pages_all_lose_their_channels_is_cut_off_until_one_is_heard() {
        let mut cut_off = with(4, PageEvent::PushOpened);
        closes(&mut cut_off, 4);
        assert!(cut_off.is_so(after(1), false));
        // Each loss is reported again.
        cut_off.observe(after(45), &page(0, PageEvent::PushClosed));
        assert!(cut_off.is_so(after(299), false));
        assert!(cut_off.is_told);
        cut_off.observe(after(299), &page(2, PageEvent::Heard));
        assert!(!cut_off.is_so(after(299), false));
        assert!(!cut_off.is_told);
    }

    #[test]
    fn pages_that_have_moved_to_another_server_are_no_loss() {
        let mut cut_off = with(40, PageEvent::PushOpened);
        closes(&mut cut_off, 40);
        assert!(cut_off.is_so(after(1), false));
        assert_eq!(cut_off.agents().count(), 40);
        cut_off.have_moved(after(2));
        assert!(!cut_off.is_so(after(2), false));
        assert!(!cut_off.is_told);
    }

    #[test]
    fn after_five_minutes_the_silence_is_believed() {
        let mut cut_off = with(40, PageEvent::PushOpened);
        closes(&mut cut_off, 40);
        assert!(cut_off.is_so(after(299), false));
        assert!(!cut_off.is_so(after(300), false));
        assert!(!cut_off.is_so(after(3000), false));
    }

    #[test]
    fn a_few_pages_may_be_lost_by_chance() {
        let mut cut_off = with(3, PageEvent::PushOpened);
        closes(&mut cut_off, 3);
        assert!(!cut_off.is_so(after(60), false));
    }

    #[test]
    fn a_server_that_a_page_reaches_is_not_cut_off() {
        let mut cut_off = with(40, PageEvent::PushOpened);
        closes(&mut cut_off, 39);
        assert!(!cut_off.is_so(after(60), true));
    }

    #[test]
    fn agents_who_close_their_pages_say_goodbye() {
        let mut cut_off = with(40, PageEvent::PushOpened);
        for agent in 0..40 {
            cut_off.observe(START, &page(agent, PageEvent::Goodbye));
        }
        closes(&mut cut_off, 40);
        assert!(!cut_off.is_so(after(60), false));
    }

    #[test]
    fn pages_without_a_channel_are_lost_when_none_polls() {
        let mut cut_off = CutOff::default();
        for agent in 0..4 {
            cut_off.observe(after(agent), &page(agent as usize, PageEvent::Heard));
        }
        assert!(!cut_off.is_so(after(3 + 11), false));
        assert!(cut_off.is_so(after(3 + 12), false));
        assert!(!cut_off.is_so(after(3 + 300), false));
    }

    /// Agents who were lost one after the other are not lost together.
    #[test]
    fn losses_of_a_day_do_not_add_up() {
        let mut cut_off = with(4, PageEvent::PushOpened);
        for agent in 0..4 {
            let at = after(600 * agent as u64);
            assert!(!cut_off.is_so(at, true));
            cut_off.observe(at, &page(agent, PageEvent::PushClosed));
        }
        assert!(!cut_off.is_so(after(1801), false));
    }
}
