//! An agent who lies: a page with a valid token that sends our server false statements about its own calls and those
//! of others. It knows every SID there is. No other agent's call may be harmed by that.

use crate::chance::Chance;
use crate::coming::Coming;
use crate::net::Way;
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::timeline::Kind;
use crate::world::World;
use rejoin_protocol::api::{
    Beacon, DeliveryId, Goodbye, GracefulMark, GracefulReason, Hello, Holding, Registration,
};
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, TaskSid, WorkflowSid};
use serde::Serialize;

/// Milliseconds until the liar may tell the next lie.
const AGAIN: (u64, u64) = (150, 1_500);

/// A call with everything that an agent's page knows about it.
#[derive(Clone, Debug)]
struct Known {
    task: TaskSid,
    reservation: ReservationSid,
    conference: Option<ConferenceSid>,
    legs: Vec<CallSid>,
    epoch: u64,
}

impl World {
    /// The agent who lies: the last one of the plan.
    fn liar(&self) -> usize {
        self.agents.len().saturating_sub(1)
    }

    /// A lie is due, by this fault of the plan.
    pub(crate) fn lies(&mut self, number: usize) {
        let Some(fault) = self.plan.faults.get(number).cloned() else { return };
        let mut chance = self.chance(Way::Person, 2_000 + number);
        if self.now < fault.to.min(self.plan.until) {
            self.put(chance.between(AGAIN.0, AGAIN.1), Coming::Lies(number));
        }
        let pages = &self.agents[self.liar()].pages;
        let up = pages.iter().copied().find(|page| self.is_connected(*page) && self.pages[*page].begun);
        if let Some(page) = up
            && chance.happens(fault.rate)
        {
            self.coverage.fault(FaultKind::Liar);
            self.tells_lie(page, &mut chance);
        }
    }

    /// The calls of these agents as their pages know them.
    fn known(&self, of: impl Fn(usize) -> bool) -> Vec<Known> {
        let pages = self.pages.iter().filter(|page| of(page.agent));
        let known = pages.flat_map(|page| {
            page.flex.tasks.iter().filter(|(_, held)| held.voice).map(|(reservation, held)| {
                let room = page.flex.rooms.get(&held.task);
                let legs = room.iter().flat_map(|room| &room.legs);
                Known {
                    task: held.task.clone(),
                    reservation: reservation.clone(),
                    conference: room.and_then(|room| ConferenceSid::parse(room.conference.as_deref()?).ok()),
                    legs: legs.filter_map(|leg| CallSid::parse(leg.call.as_deref()?).ok()).collect(),
                    epoch: page.epoch,
                }
            })
        });
        known.collect()
    }

    fn tells_lie(&mut self, page: PageId, chance: &mut Chance) {
        let liar = self.liar();
        let (own, mut others) = (self.known(|agent| agent == liar), self.known(|agent| agent != liar));
        // A task that was another agent's and is the liar's own by now is no longer a call of others.
        others.retain(|other| !own.iter().any(|known| known.task == other.task));
        let made_up = chance.between(1, 1 << 40);
        let invented = Known {
            task: TaskSid::numbered(0x11a5_0000_0000 + u128::from(made_up)),
            reservation: ReservationSid::numbered(0x11a5_0000_0000 + u128::from(made_up)),
            conference: Some(ConferenceSid::numbered(0x11a5_0000_0000 + u128::from(made_up))),
            legs: vec![CallSid::numbered(0x11a5_0000_0000 + u128::from(made_up))],
            epoch: made_up,
        };
        let own = chance.one(&own).cloned().unwrap_or_else(|| invented.clone());
        let other = chance.one(&others).cloned().unwrap_or_else(|| invented.clone());
        let epoch = match chance.below(4) {
            0 => u64::MAX,
            1 => (1 << 53) - 1,
            2 => other.epoch,
            _ => self.pages[page].epoch,
        };
        let id = Some(DeliveryId { epoch, number: chance.below(10_000) as u32 });
        // Legs of others, and ones that do not exist. Naming the liar's own leg as another's would hurt only the
        // liar.
        let not_own: Vec<_> =
            other.legs.iter().chain(&invented.legs).filter(|leg| !own.legs.contains(leg)).cloned().collect();
        let leg = |chance: &mut Chance| chance.one(&not_own).unwrap_or(&invented.legs[0]).clone();
        match chance.below(8) {
            kind @ 0..=4 => {
                // The liar's own call with others in it, a call of others, or a mixture.
                let (task, reservation, conference) = match kind {
                    0 | 1 => (&own.task, &own.reservation, &own.conference),
                    2 => (&other.task, &own.reservation, &other.conference),
                    3 => (&other.task, &other.reservation, &other.conference),
                    _ => (&own.task, &own.reservation, &other.conference),
                };
                let said = Registration {
                    id,
                    epoch,
                    task: task.clone(),
                    reservation: reservation.clone(),
                    workflow: WorkflowSid::numbered(0x11a5),
                    queue: None,
                    conference: conference.clone().unwrap_or(ConferenceSid::numbered(0x11a5)),
                    worker_leg: leg(chance),
                    customer_leg: leg(chance),
                    worker_name: "Nobody".into(),
                    answers_messages: false,
                };
                self.post_lie(page, "/v1/calls", &said);
            }
            5 => {
                let reason = match chance.below(3) {
                    0 => GracefulReason::ColdTransfer,
                    1 => GracefulReason::Complete,
                    _ => GracefulReason::HangUp,
                };
                let reservation = if chance.happens(500) { &other } else { &invented };
                let mark = GracefulMark {
                    id,
                    task: other.task.clone(),
                    reservation: reservation.reservation.clone(),
                    reason,
                };
                self.post_lie(page, "/v1/graceful", &mark);
            }
            6 => {
                // The goodbye of the liar's own page, or of a later one, is kept for a call that it may get: that
                // hurts only the liar.
                let before = self.pages[page].epoch.saturating_sub(1);
                let epoch = if epoch == u64::MAX { epoch } else { before };
                let goodbye = Goodbye { epoch, tasks: vec![other.task.clone()] };
                let beacon =
                    Beacon { token: self.token(page), marks: vec![], goodbye: Some(goodbye), gone: None };
                self.post_lie(page, "/v1/goodbye", &beacon);
            }
            _ => {
                let reservation = match chance.below(3) {
                    0 => &own.reservation,
                    1 => &other.reservation,
                    _ => &invented.reservation,
                };
                let holding = Holding {
                    task: other.task.clone(),
                    reservation: reservation.clone(),
                    wrapping: chance.happens(500),
                    can_join: chance.happens(500),
                    other_browser: chance.happens(300),
                };
                // A page that speaks for a newer one shuts out only its own agent.
                let epoch = if epoch == u64::MAX { epoch } else { self.pages[page].epoch };
                let accepts_ping = chance.happens(500);
                let hello = Hello { epoch, holdings: vec![holding], unavailable: false, accepts_ping };
                self.post_lie(page, "/v1/hello", &hello);
            }
        }
    }

    fn post_lie(&mut self, page: PageId, path: &'static str, lie: &impl Serialize) {
        let Ok(body) = serde_json::to_string(lie) else { return };
        let token = self.token(page);
        let mut chance = self.chance(Way::Post, page);
        let after = Self::latency(&mut chance);
        let way = (self.lane(page), Some(self.server_lane()));
        self.message_noted(way, Kind::Request, false, || format!("lie {path} {body}"));
        self.put(after, Coming::Post { page: None, path, token, body });
    }
}
