//! A recovery as the server reported it, and what the dialog shows of it.

use crate::agent::{Config, Dialog};
use rejoin_protocol::Millis;
use rejoin_protocol::api::{RecoveryView, Stage};

#[derive(Clone, Debug)]
pub(super) struct Recovery {
    pub(super) view: RecoveryView,
    /// When the server last reported it.
    pub(super) heard: Millis,
    /// When the server first reported this stage.
    since: Millis,
    /// True when the agent has seen something of it.
    pub(super) shown: bool,
    /// True when the page found its reservation as it loaded.
    pub(super) from_start: bool,
    /// True when the agent has dismissed it.
    pub(super) dismissed: bool,
    /// True when the server has been silent about it for too long.
    pub(super) overdue: bool,
    /// True when the timer that removes "Reconnected" is set.
    pub(super) ending: bool,
    /// True when "Reconnected" has been shown long enough.
    pub(super) done: bool,
}

/// Stages in the order in which a recovery goes through them.
pub(super) fn rank(stage: &Stage) -> u8 {
    match stage {
        Stage::Interrupted => 0,
        Stage::InPlace => 1,
        Stage::Requeueing => 2,
        Stage::Queued => 3,
        Stage::WaitingForOther => 4,
        Stage::Rejoined
        | Stage::HandedOver { .. }
        | Stage::Covered
        | Stage::CustomerLeft
        | Stage::Graceful
        | Stage::Failed { .. } => 5,
    }
}

impl Recovery {
    pub(super) fn new(view: RecoveryView, now: Millis) -> Self {
        Self {
            view,
            heard: now,
            since: now,
            shown: false,
            from_start: false,
            dismissed: false,
            overdue: false,
            ending: false,
            done: false,
        }
    }

    /// Applies the server's report.
    pub(super) fn update(&mut self, view: RecoveryView, now: Millis) {
        if rank(&view.stage) != rank(&self.view.stage) {
            // Only progress ends an overrun: the same report again must not block the agent again.
            self.since = now;
            self.overdue = false;
        }
        self.view = view;
        self.heard = now;
        self.shown |= self.blocks() || self.is_told_why();
    }

    /// True while this worker is to be put back on the call.
    pub(super) fn is_ours(&self) -> bool {
        rank(&self.view.stage) < rank(&Stage::WaitingForOther)
    }

    /// True while the agent must wait for it.
    pub(super) fn blocks(&self) -> bool {
        self.is_ours() && !self.dismissed
    }

    /// When the server will have been silent for too long.
    pub(super) fn overdue_at(&self, config: &Config) -> Option<Millis> {
        let expected = match self.view.remaining_ms {
            Some(remaining) => self.heard + Millis(remaining),
            None => self.since + config.queue_within,
        };
        (self.blocks() && !self.overdue).then_some(expected + config.silence)
    }

    pub(super) fn dialog(&self) -> Option<Dialog> {
        if self.dismissed {
            return None;
        }
        match &self.view.stage {
            _ if self.is_ours() && self.overdue => Some(Dialog::Slow),
            Stage::Interrupted => Some(Dialog::Interrupted {
                until: self.view.remaining_ms.map(|remaining| self.heard + Millis(remaining)),
            }),
            Stage::InPlace => Some(Dialog::InPlace),
            Stage::Requeueing | Stage::Queued => Some(Dialog::Reconnecting),
            Stage::Rejoined => (self.shown && !self.done).then_some(Dialog::Rejoined),
            Stage::WaitingForOther if self.view.too_often => self.concerns().then_some(Dialog::TooOften),
            Stage::WaitingForOther => self.concerns().then_some(Dialog::WaitingForOther),
            Stage::HandedOver { worker_name } => {
                self.concerns().then(|| Dialog::HandedOver { name: worker_name.clone() })
            }
            Stage::CustomerLeft => self.concerns().then_some(Dialog::CustomerLeft),
            Stage::Failed { reason } => self.shown.then_some(Dialog::Failed { reason: *reason }),
            Stage::Covered | Stage::Graceful => None,
        }
    }

    /// True when the dialog explains a too frequent loss. The reservation may have been completed before the page has
    /// found it; while no agent has the call the reason is shown nevertheless. Later the next call must not ring
    /// behind a dialog.
    fn is_told_why(&self) -> bool {
        self.view.too_often && self.view.stage == Stage::WaitingForOther
    }

    fn concerns(&self) -> bool {
        self.shown || self.from_start
    }
}
