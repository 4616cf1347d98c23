//! What customers hear, and who talks to them.

use super::Rule;
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::world::World;
use rejoin_protocol::{CallSid, ConferenceSid, WorkerSid};
use rejoin_twin::model::LegPlace;

/// What it takes to notice that a leg is gone, and to tell the customer, when nothing else is wrong.
const NOTICE: u64 = 5_000;
/// When callbacks were lost, or Twilio or our server did not work, we hear of it by looking.
const LOOKS: u64 = 330_000;

impl World {
    /// The page at which somebody hears and talks over this leg.
    pub(crate) fn attends(&self, call: &CallSid) -> Option<PageId> {
        let on = |page: &PageId| {
            let it = &self.pages[*page];
            it.flex.call.as_ref().is_some_and(|on| on.leg == *call) && self.is_connected(*page)
        };
        (0..self.pages.len()).find(on)
    }

    /// Who talks to the customer whose leg this is in this conference: an agent, or somebody from outside.
    pub(crate) fn talker(&self, room: &ConferenceSid, customer: &CallSid) -> Option<Option<WorkerSid>> {
        let mut others =
            self.twilio.model.participants(room).filter(|other| other.call != customer && !other.hold);
        others.find_map(|other| match other.agent {
            Some((worker, _)) => self.attends(other.call).map(|_| Some(worker.clone())),
            None if other.customer => Some(None),
            // A supervisor is muted; somebody from outside is not.
            None => (!other.muted && !other.coaches).then_some(None),
        })
    }

    /// Who is in a silence, and for how long already.
    pub(super) fn check_hearing(&mut self) {
        let now = self.now;
        for number in 0..self.customers.len() {
            let customer = &self.customers[number];
            let Some(call) = customer.call.clone().filter(|_| !customer.gone && !customer.hung_up) else {
                continue;
            };
            let Some(leg) = self.twilio.model.leg(&call).filter(|leg| leg.answered) else { continue };
            let room = match leg.place {
                LegPlace::Conference(room) => Some(room.clone()),
                LegPlace::Queue(_) | LegPlace::Between => None,
            };
            let hears = leg.sounds;
            let talker = room.as_ref().and_then(|room| self.talker(room, &call));
            self.met(number, talker.clone().flatten());
            if hears || talker.is_some() {
                self.customers[number].silent_since = None;
                continue;
            }
            let stands =
                room.is_some_and(|room| self.twilio.model.participants(&room).any(|it| it.agent.is_some()));
            let customer = &mut self.customers[number];
            if std::mem::replace(&mut customer.stood, stands) != stands {
                // From now on it can be noticed.
                customer.silent_since = None;
            }
            let since = *customer.silent_since.get_or_insert(now);
            if customer.excused.is_some() {
                continue;
            }
            let bound = self.silence(stands);
            if now.saturating_sub(since) > bound {
                let what = format!("customer {number} has heard nothing for {} s", (now - since) / 1000);
                self.broken(Rule::NoDeadAir, what);
            }
        }
    }

    /// How long a silence may last.
    fn silence(&self, stands: bool) -> u64 {
        let slow = self.plan.faults.iter().any(|fault| {
            fault.from <= self.now
                && !matches!(
                    fault.kind,
                    FaultKind::WebhookTwice
                        | FaultKind::BatchTwice
                        | FaultKind::AnswerLost
                        | FaultKind::PushCut
                )
        });
        let dead = if stands { self.plan.setup.dead_leg + 3_000 } else { 0 };
        let foreign = self.plan.agents.iter().any(|agent| agent.foreign);
        dead + if slow || foreign { LOOKS } else { NOTICE }
    }

    /// The customer has this agent now, or none.
    fn met(&mut self, number: usize, worker: Option<WorkerSid>) {
        let now = self.now;
        let customer = &mut self.customers[number];
        match worker {
            Some(worker) => {
                customer.talked = true;
                if customer.with.as_ref() != Some(&worker) {
                    customer.talking_since = Some(now);
                }
                if let Some((lost, from)) = customer.lost.take() {
                    self.coverage.came_back(from == worker, now - lost);
                }
                self.customers[number].with = Some(worker);
            }
            None => {
                if let Some(from) = customer.with.take() {
                    customer.talking_since = None;
                    if customer.excused.is_none() {
                        customer.lost = Some((now, from));
                    }
                }
            }
        }
    }
}
