//! The rules of one call. The handler of an event records the facts, and moves the phase where the event itself is the cause: a
//! goodbye, a timer that is due, the outcome of a request. Then [`Call::evaluate`] draws the conclusions that the facts allow now,
//! whatever order they arrived in.
//!
//! The modules stand in an order, and each calls only those before it:
//!
//! 1. Foundations: `out` (effects), `queries` (facts that several modules need), `inquiries` (queries to Twilio).
//! 2. Actions for one leg or one customer: `holders`, `third_parties`, `coach`, `agent_hold`, `announcements`, `removals`,
//!    `exit_flag`, `activity`.
//! 3. The course of an absence: `silence`, `back_late`, `begin`, `end`, `marks`, `covered`, `queue`, `stranded`, `ladder`, `in_place`, `transfer`, `loss`,
//!    `closing`.
//! 4. Incoming facts: `unclaimed_leg`, `pages`, `customer`, `registrations`, `callbacks`, `look_up`, `handed_over`,
//!    `action_url`, `polls`, `restored`, `task_events`.
//! 5. The entry points: `outcomes` (actions that have ended, timers that are due), `wants` (whether an action is still wanted),
//!    `evaluate`.

mod action_url;
mod activity;
mod agent_hold;
mod announcements;
mod back_late;
mod begin;
mod callbacks;
mod closing;
mod coach;
mod covered;
mod customer;
mod end;
mod evaluate;
mod exit_flag;
mod handed_over;
mod holders;
mod in_place;
mod inquiries;
mod ladder;
mod look_up;
mod loss;
mod marks;
mod out;
mod outcomes;
mod pages;
mod polls;
mod queries;
mod queue;
mod registrations;
mod removals;
mod restored;
mod silence;
mod stranded;
mod task_events;
mod third_parties;
mod transfer;
mod unclaimed_leg;
mod wants;

pub use action_url::Next;
pub use activity::Lent;
pub use back_late::BACK_LATE_WITHIN;
pub(crate) use out::Out;

use crate::absence::{Covered, Recovery};
use crate::diagnosis::Diagnosis;
use crate::facts::Facts;
use crate::{Allowance, Decisions, Format, Quarantine, Requests, Silence};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One customer's call in one conference. It is stored as JSON after every change ([`Format`]; [`Call::read`] also reads
/// calls of earlier formats).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// First, so that a call of a newer format is recognised before anything else is read.
    pub format: Format,
    /// Why nothing is done about the call, if an event about it ended in a panic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// The conference that the call takes place in.
    pub conference: ConferenceSid,
    /// The task that the call belongs to.
    pub task: TaskSid,
    /// The facts about the call.
    pub facts: Facts,
    /// The decisions about the agents' legs.
    #[serde(default)]
    pub decisions: Decisions,
    /// The requests to Twilio for the call, and their outcomes.
    #[serde(default)]
    pub requests: Requests,
    /// The look-ups: Twilio is asked for the task, its agents and its customer.
    #[serde(default)]
    pub lookup: LookUp,
    /// The polls: Twilio is asked for the participants of the conference.
    #[serde(default)]
    pub poll: Poll,
    /// A customer whose conference has ended while their call goes on.
    #[serde(default)]
    pub stranding: Stranding,
    /// What the conferences before this one left behind.
    #[serde(default)]
    pub inherited: Inherited,
    /// True once it was noted that customer and agent are on the call.
    pub connected: bool,
    /// True when the call is over and waits to be forgotten.
    pub closed: bool,
    /// Our hold of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub our_hold: Option<OurHold>,
    /// The newest announcement to the conference, until Twilio reports its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// Workers who are lent an activity, so that the requeued customer reaches them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lent: BTreeMap<WorkerSid, Lent>,
    /// A page that may be gone: its push channel is lost, and its leg stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// The leg of a page whose push channel is lost: the page is to be asked as soon as the customer is alone with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<CallSid>,
    /// The recovery, once one has begun, because the customer has no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// The answer of the allow list, if there is one.
    #[serde(default)]
    pub allowance: Allowance,
    /// Agents who are away while the customer has another agent, by leg. They may come back in place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub covered: BTreeMap<CallSid, Covered>,
}

/// The look-ups of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookUp {
    /// A look-up was begun, and no further one is due.
    pub begun: bool,
    /// Number of look-ups.
    pub count: u32,
    /// The last look-up found too little: the call is looked up again when a participant joins or leaves.
    pub found_too_little: bool,
    /// Twilio refused the last look-up, or did not answer.
    pub failed: bool,
}

/// The polls of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Poll {
    /// When the last evidence about the call arrived (point in time), but for hellos of pages.
    pub heard_at: Millis,
    /// When a page of an agent last said hello after `heard_at` (point in time). A page without a push channel repeats its hello every
    /// few seconds, so a hello does not put off the watchdog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Millis>,
    /// When the watchdog is due (point in time), while it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch_at: Option<Millis>,
    /// When the last poll of a call without callbacks began (point in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Millis>,
    /// When the poll that is in flight began (point in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// The state at Twilio is uncertain, because no server ran, a request failed, or a push channel was lost; and no poll has answered
    /// since.
    #[serde(rename = "may_have_missed")]
    pub is_uncertain: bool,
}

/// A customer whose conference has ended while their call goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stranding {
    /// Until when the machine waits for facts that decide about the customer (point in time). Set when Twilio fetches our
    /// action URL for the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decide_by: Option<Millis>,
    /// The claimed customer's leg for which Twilio fetches our action URL: the call goes on, and is in no conference any
    /// more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_for: Option<CallSid>,
}

/// What the conferences before this one left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inherited {
    /// When the customer's agents were lost lately, here and in the conferences before (points in time).
    pub losses: BTreeSet<Millis>,
    /// Until when a request that sends the customer to the queue, made before the customer came here, may still take effect
    /// (point in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_on_until: Option<Millis>,
    /// Third parties who were on hold in the conference that they came from, and are put on hold here when they join.
    pub to_hold: BTreeSet<CallSid>,
}

/// An announcement to the conference that was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The recovery in whose name it was requested; `None`: there was none yet.
    pub recovery: Option<RecoveryId>,
    /// When it was requested.
    pub at: Millis,
}

/// Our hold of the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurHold {
    /// The stage of the hold.
    pub stage: HoldStage,
    /// A callback has reported the customer on hold since it was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reported: bool,
    /// Another client had ended it, and it was begun again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_repeated: bool,
}

impl From<HoldStage> for OurHold {
    fn from(stage: HoldStage) -> Self {
        Self { stage, is_reported: false, is_repeated: false }
    }
}

/// The stages of our hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldStage {
    /// The request is in flight.
    Asked,
    /// The customer is on hold.
    On,
    /// Twilio refused, or its reply was lost.
    Doubtful,
    /// The request that ends it is in flight.
    Ending,
    /// All requests that end it have failed. They are repeated after the next poll.
    Refused,
}

impl Call {
    pub(crate) fn new(conference: ConferenceSid, task: TaskSid) -> Self {
        Self {
            format: Format,
            quarantine: None,
            conference,
            task,
            facts: Facts::default(),
            decisions: Decisions::default(),
            requests: Requests::default(),
            lookup: LookUp::default(),
            poll: Poll::default(),
            stranding: Stranding::default(),
            inherited: Inherited::default(),
            connected: false,
            closed: false,
            our_hold: None,
            announced: None,
            lent: BTreeMap::new(),
            silence: None,
            unreached: None,
            recovery: None,
            allowance: Allowance::default(),
            covered: BTreeMap::new(),
        }
    }

    /// A call that only a page claims.
    pub(crate) fn unproven(conference: ConferenceSid, task: TaskSid) -> Self {
        let mut call = Self::new(conference, task);
        call.facts.ownership.proven = false;
        call
    }

    /// The call's facts and absences, to be judged.
    pub(crate) fn diagnosis(&self) -> Diagnosis<'_> {
        let Facts { roster, marks, pages, .. } = &self.facts;
        let Self { decisions, requests, recovery, covered, silence, .. } = self;
        Diagnosis { roster, marks, pages, decisions, requests, recovery, covered, silence }
    }

    fn settle(&mut self, leg: &CallSid) {
        if self.facts.roster.agents.contains_key(leg) {
            self.decisions.settle(leg);
        }
    }
}
