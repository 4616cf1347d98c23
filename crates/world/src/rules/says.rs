//! What dialogs and announcements say to people: it has to be true.

use super::Rule;
use super::times::IN_PLACE;
use crate::customers::Customer;
use crate::desk::Agent;
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::world::World;
use rejoin_plugin::agent::Dialog;
use rejoin_protocol::{CallSid, TaskSid, WorkerSid};
use rejoin_twin::model::{Audience, LegPlace, Sound};
use std::collections::BTreeSet;

/// How long a statement may be in flight, or overtaken by events (milliseconds).
const LATE: u64 = 4_000;

/// For how long after such a fault a page may be taken for silent (milliseconds): until it has opened its channel again.
const CUT_OFF: u64 = 35_000;

/// Part of the announcement to a customer whose agent is lost.
const INTERRUPTED: &str = "was interrupted";

impl World {
    /// True when this page has a customer on the line.
    fn has_customer(&self, page: PageId) -> bool {
        let here = self.pages[page].flex.call.as_ref().filter(|_| self.is_connected(page));
        let place = here.and_then(|call| self.twilio.model.place(&call.leg));
        let Some(LegPlace::Conference(room)) = place else { return false };
        self.twilio.model.participants(room).any(|it| it.customer)
    }

    /// A phone has answered. An encounter with a customer may be shorter than the time between two checks.
    pub(crate) fn meets(&mut self, leg: &CallSid) {
        let has = |page: &PageId| self.pages[*page].flex.call.as_ref().is_some_and(|call| call.leg == *leg);
        if let Some(page) = (0..self.pages.len()).find(has).filter(|page| self.has_customer(*page)) {
            self.rules.together.insert(page, self.now);
        }
    }

    /// A page shows another dialog.
    pub(crate) fn check_dialog(&mut self, page: PageId) {
        let Some(dialog) = self.pages[page].dialog.clone() else { return };
        let me = self.agents[self.pages[page].agent].worker.clone();
        let who = |customer: &Customer| self.who_had(customer);
        let mut mine = self.customers.iter().filter(|customer| who(customer).contains(&me));
        let so = match &dialog {
            // A page that has just woken up handles one missed event after the other, as does a server that has gone on.
            Dialog::Rejoined => {
                let it = &self.pages[page];
                self.was_together(&me)
                    || (it.away_at.is_some() && it.here_since + LATE > self.now)
                    || self.has_server_gone_on(LATE)
            }
            Dialog::CustomerLeft => {
                mine.any(|it| it.hung_up || it.gone || it.excused.is_some()) || self.lost_documents
            }
            Dialog::HandedOver { name } => mine.any(|it| {
                let called = |worker: &WorkerSid| {
                    let agent = self.agents.iter().find(|agent| agent.worker == *worker);
                    // The name as TaskRouter has it, or as the token's identity encodes it.
                    let escaped = |name: &str| name.replace('@', "_40").replace('.', "_2E");
                    let is = |agent: &Agent, name: &str| {
                        name.starts_with(&agent.identity) || escaped(name) == agent.identity
                    };
                    name.as_ref().is_none_or(|name| agent.is_some_and(|agent| is(agent, name)))
                };
                who(it).iter().any(|worker| *worker != me && called(worker))
            }),
            Dialog::WaitingForOther | Dialog::TooOften => {
                let just_now = |it: &Customer| it.talking_since.is_some_and(|at| at + LATE > self.now);
                let with_her = |it: &Customer| it.with.as_ref() == Some(&me) && !just_now(it);
                self.is_slow() || mine.any(|it| !with_her(it) || it.hung_up || it.gone)
            }
            // The network is faulty, which the page cannot tell from a silent server.
            Dialog::Unreachable => {
                self.is_slow()
                    || self.pages[page].sleeps > 0
                    || self.coverage.faults.contains_key(&FaultKind::AnswerLost)
            }
            _ => true,
        };
        if !so {
            self.broken(Rule::NoLie, format!("{} shows {dialog:?}, which is not true", self.lane(page)));
        }
    }

    /// Agents who have accepted a call of this customer.
    fn who_had(&self, customer: &Customer) -> BTreeSet<WorkerSid> {
        let model = &self.twilio.model;
        let tasks = model.tasks().filter(|task| task.call.is_some() && task.call == customer.call.as_ref());
        let tasks: BTreeSet<&TaskSid> = tasks.map(|task| task.task).collect();
        let taken = model.reservations().filter(|it| {
            tasks.contains(it.task) && matches!(it.status, "accepted" | "wrapping" | "completed")
        });
        taken.map(|it| it.worker.clone()).chain(customer.had.iter().cloned()).collect()
    }

    /// True when this agent is, or was just now, on the line with a customer.
    fn was_together(&self, worker: &WorkerSid) -> bool {
        let mut pages =
            (0..self.pages.len()).filter(|page| self.agents[self.pages[*page].agent].worker == *worker);
        pages.any(|page| {
            let last = self.rules.together.get(&page);
            self.has_customer(page) || last.is_some_and(|last| last + LATE > self.now)
        })
    }

    /// Checks that no dialog still denies an agent the customer whom they have had for a while.
    pub(super) fn check_dialogs(&mut self) {
        for page in 0..self.pages.len() {
            if !self.has_customer(page) {
                self.rules.covered.remove(&page);
                continue;
            }
            self.rules.together.insert(page, self.now);
            let it = &self.pages[page];
            let lies = match &it.dialog {
                None | Some(Dialog::Rejoined | Dialog::NeedsClick) => false,
                // With a button, which the agent has not pressed yet.
                Some(Dialog::Slow | Dialog::Failed { .. } | Dialog::Unreachable) => false,
                Some(_) => true,
            };
            // The agent may have taken another call meanwhile.
            let me = &self.agents[it.agent].worker;
            let lost = |it: &Customer| it.lost.as_ref().is_some_and(|lost| lost.from == *me);
            // The network of the agent who called them failed before they answered.
            let awaits = |it: &Customer| {
                !it.talked
                    && self.twilio.model.tasks().any(|task| {
                        task.call == it.call.as_ref()
                            && task.status == "pending"
                            && task.attributes["disconnectedWorkerSid"] == me.as_str()
                    })
            };
            let is_so = || self.customers.iter().any(|it| !it.gone && (lost(it) || awaits(it)));
            // Looked at only for a dialog that may lie: this runs after each step of the world.
            let holds = !lies || is_so();
            // The page cannot know while answers to its requests are lost: it asks again.
            let unanswered = self.rules.unanswered.get(&page).copied().unwrap_or_default();
            let since = self.rules.covered.entry(page).or_insert(self.now);
            *since = (*since).max(unanswered);
            if holds {
                *since = self.now;
            } else if self.now - *since > IN_PLACE + LATE && !self.is_slow() {
                let what = format!("{} has the customer, and shows {:?}", self.lane(page), it.dialog);
                self.broken(Rule::NoLie, what);
            }
        }
    }

    /// Something is played to a person.
    pub(crate) fn plays(&mut self, to: &Audience, what: &Sound) {
        let Sound::Say(text) = what else { return };
        let legs: Vec<CallSid> = match to {
            Audience::Leg(call) | Audience::OnHold(call) => vec![call.clone()],
            Audience::Conference(room) => {
                self.twilio.model.participants(room).map(|leg| leg.call.clone()).collect()
            }
        };
        // An announcement to a conference cannot be revoked, and waits for earlier ones: it had to be true when it
        // was requested.
        let asked_before = matches!(to, Audience::Conference(_));
        for number in legs.iter().filter_map(|leg| self.whose.get(leg).copied()).collect::<Vec<_>>() {
            if !asked_before {
                self.said_to_customer(number, text);
            }
        }
    }

    /// Our server is about to play an announcement to a conference.
    pub(super) fn announces(&mut self, room: &str, document: &str) {
        let told = document.contains("%2Fannounce%2F");
        let rooms = self.twilio.model.open_conferences().filter(|(sid, _)| told && sid.as_str() == room);
        let legs = rooms.flat_map(|(room, _)| self.twilio.model.participants(room));
        let numbers: Vec<usize> = legs.filter_map(|leg| self.whose.get(leg.call).copied()).collect();
        for number in numbers {
            self.said_to_customer(number, INTERRUPTED);
        }
    }

    /// True when push channels and call messages were cut lately: a page that lives then may be taken for silent.
    fn is_page_cut_off(&self) -> bool {
        self.coverage.faults.contains_key(&FaultKind::PushCut) && self.last_fault + CUT_OFF > self.now
    }

    fn said_to_customer(&mut self, number: usize, text: &str) {
        let customer = &self.customers[number];
        let known = customer.talking_since.is_some_and(|since| since + LATE < self.now);
        // Without a hold it is an announcement, which may have to wait for the one before.
        let interrupted = self.plan.setup.customer_hold && text.contains(INTERRUPTED);
        let interrupted = interrupted && known && !self.is_slow() && !self.is_page_cut_off();
        if interrupted {
            let what = format!("customer {number} talks to the agent, and hears that the agent is lost");
            self.broken(Rule::NoLie, what);
        }
        if text.contains("could not reconnect you") && !self.is_slow() && !self.lost_documents {
            self.broken(Rule::NoLie, format!("customer {number} hears that the recovery failed"));
        }
    }
}
