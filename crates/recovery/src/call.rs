//! The rules of one call. Each event changes what is known, then [`Call::evaluate`] looks at the whole: what is decided
//! depends on what is known, not on the order in which it became known.

mod activity;
mod again;
mod agent_hold;
mod ask;
mod awaited;
mod beside;
mod closing;
mod coach;
mod hold_line;
mod in_place;
mod keep;
mod known;
mod loss;
mod others;
mod out;
mod own_hold;
mod owners;
mod pages;
mod purpose;
mod queue;
mod recovery;
mod released;
mod shown;
mod told;
mod transfer;
mod unregistered;
mod watch;

pub use activity::Lent;
pub use agent_hold::AgentHold;
pub(crate) use out::Out;
pub use own_hold::{HoldStage, OurHold};
pub use owners::{Asking, Unsettled};
pub use recovery::{Ending, Phase, Prepared, Recovery};
pub use released::Next;

use crate::{Allowance, EarlyMark, Format, LeaveReason, Note, ParticipantFlags, Quarantine};
use rejoin_protocol::api::{DeliveryId, GracefulReason};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long Twilio is tried for what must be done while the customer waits.
pub(crate) const SOON: Millis = Millis::seconds(20);
/// How long Twilio is tried for what must be done some time.
const LATER: Millis = Millis::seconds(1800);
/// How long before the end of the wait what should come before the requeue is begun, when the leg stood till then.
const AHEAD: Millis = Millis::seconds(1);

/// One customer's call in one conference. It is stored as JSON after every change. Other releases read it, so every field
/// that is added has a default ([`Format`]; `tests/stored` has calls of earlier releases).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// First, so that a call of a newer form is known by it before anything else is read.
    #[serde(default)]
    pub format: Format,
    /// Why nothing is done about it, if an event about it ended in a panic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Where it takes place.
    pub conference: ConferenceSid,
    /// The task that it belongs to.
    pub task: TaskSid,
    /// Where the task came from, as a page says. Durations go by it until Twilio has said it; nothing else does.
    pub workflow: Option<WorkflowSid>,
    /// Where the task came from, as Twilio says, once the task was read. A requeue goes there, and nowhere else.
    #[serde(default)]
    pub task_workflow: Option<WorkflowSid>,
    /// The queue that the agent has got it from, once known.
    #[serde(default)]
    pub queue: Option<TaskQueueSid>,
    /// The customer's leg, once Twilio has shown it in the conference.
    pub customer: Option<CallSid>,
    /// Legs that are said to be the customer's and that Twilio has not shown in the conference. True: a poll did not show
    /// it either.
    #[serde(default)]
    pub claimed: BTreeMap<CallSid, bool>,
    /// The leg among these for which Twilio asks what comes next: it lives, and is in no conference any more.
    #[serde(default)]
    pub asked_for: Option<CallSid>,
    /// The task's attributes as last read, JSON text; empty when never read.
    pub attributes: String,
    /// The task's `ETag` when it was read to see whether its agent leaves; none when it was read otherwise, or written.
    #[serde(default)]
    pub version: Option<String>,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// Everybody who was ever seen in the conference.
    pub participants: BTreeMap<CallSid, Participant>,
    /// Who said that he or she leaves on purpose, and how.
    pub on_purpose: BTreeMap<ReservationSid, GracefulReason>,
    /// When they said so (points in time).
    #[serde(default)]
    pub marked_at: BTreeMap<ReservationSid, Millis>,
    /// Marks that only the task tells, and no page. Twilio has to confirm them before a conference is ended for one.
    #[serde(default)]
    pub marked_in_task: BTreeSet<ReservationSid>,
    /// Who has completed the task on the call, as far as is known, after a transfer that was refused.
    #[serde(default)]
    pub completed: BTreeSet<ReservationSid>,
    /// Who completes the task while she seems to be on the call, soon after saying that she hands it over. If her leg hangs
    /// up then, no transfer has taken it.
    #[serde(default)]
    pub completing: BTreeSet<ReservationSid>,
    /// Marks for reservations of which it is not known yet whose they are.
    #[serde(default)]
    pub claims: Vec<EarlyMark>,
    /// Registrations for reservations of which it is not known yet whose they are.
    #[serde(default)]
    pub unsettled: Vec<Unsettled>,
    /// Reservations that the next page of an agent who never registered has found, and who that is.
    #[serde(default)]
    pub unregistered: BTreeMap<ReservationSid, WorkerSid>,
    /// Whose reservations they are, as Twilio has said.
    #[serde(default)]
    pub owners: BTreeMap<ReservationSid, WorkerSid>,
    /// Reservations that somebody speaks for and that it is to be asked about.
    #[serde(default)]
    pub sought: BTreeSet<ReservationSid>,
    /// Of which Twilio knows nothing.
    #[serde(default)]
    pub nobodys: BTreeSet<ReservationSid>,
    /// Is it being asked?
    #[serde(default)]
    pub asking: Asking,
    /// Does Twilio say that the conference is the task's? Until then this is only what a page has said, and nothing is
    /// done.
    #[serde(default = "yes")]
    pub proven: bool,
    /// The newest page of each worker that has found the task, but had no call for it: by its epoch.
    #[serde(default)]
    pub hellos: BTreeMap<WorkerSid, u64>,
    /// The newest page of each worker that has found the task while no older one was connected: those are gone.
    #[serde(default)]
    pub newest_alone: BTreeMap<WorkerSid, u64>,
    /// The newest page of each worker that says that another browser had the call: by its epoch. That the newest page of that
    /// browser is alone says nothing of it.
    #[serde(default)]
    pub elsewhere: BTreeMap<WorkerSid, u64>,
    /// Workers whose page of [`Self::newest_alone`] could join in place.
    #[serde(default)]
    pub joinable: BTreeSet<WorkerSid>,
    /// Pages that have said goodbye before their leg was known, by worker: the newest one's epoch.
    #[serde(default)]
    pub goodbyes: BTreeMap<WorkerSid, u64>,
    /// Workers whose newest page says that their activity receives no tasks, or who may be at one as far as is known.
    #[serde(default)]
    pub unavailable: BTreeSet<WorkerSid>,
    /// Workers whom an activity is lent, that they may get the customer back.
    #[serde(default)]
    pub lent: BTreeMap<WorkerSid, Lent>,
    /// Sequence numbers that were taken already.
    pub seen: BTreeSet<u64>,
    /// Registrations and marks that were taken already: a page repeats them until it is answered.
    #[serde(default)]
    pub delivered: BTreeSet<(WorkerSid, DeliveryId)>,
    /// What TaskRouter told already, by the events' ids, the oldest first.
    #[serde(default)]
    pub told: VecDeque<String>,
    /// Has the conference ended?
    pub ended: bool,
    /// Has the server looked the call up itself, or begun to?
    pub learning: bool,
    /// How often it has.
    #[serde(default)]
    pub lookups: u32,
    /// Has it found too little? Then it looks again when somebody comes or goes.
    #[serde(default)]
    pub unlearnt: bool,
    /// Has Twilio refused to tell, or not answered, when it was last asked?
    #[serde(default)]
    pub refused: bool,
    /// Was it told that customer and agent are on the call?
    pub connected: bool,
    /// Is the call over, waiting to be forgotten?
    pub closed: bool,
    /// When something was last heard of it (point in time).
    #[serde(default)]
    pub heard_at: Millis,
    /// When the watchdog looks after it (point in time), while it does.
    #[serde(default)]
    pub watch_at: Option<Millis>,
    /// When Twilio was asked last how it stands, if no callback tells (point in time).
    #[serde(default)]
    pub asked_at: Option<Millis>,
    /// Since when Twilio is asked how it stands, while it is (point in time).
    #[serde(default)]
    pub looking: Option<Millis>,
    /// May something have been told while no server was there, of which Twilio has not been asked yet?
    #[serde(default)]
    pub unsure: bool,
    /// Until when it is waited for what is not known yet of a customer whose conference has ended (point in time).
    #[serde(default)]
    pub released: Option<Millis>,
    /// When the customer was found to be on the line, but not here, and taken for moved (point in time).
    #[serde(default)]
    pub found_moved: Option<Millis>,
    /// Third parties who were on hold where they come from, and are to be here.
    #[serde(default)]
    pub to_hold: BTreeSet<CallSid>,
    /// When the customer's agents were lost lately, here and in the conferences before (points in time).
    #[serde(default)]
    pub losses: BTreeSet<Millis>,
    /// Until when a request that sends the customer on, made before he came here, may still take effect (point in time).
    #[serde(default)]
    pub sent_on_until: Option<Millis>,
    /// Is the customer on hold because of us?
    #[serde(default)]
    pub our_hold: Option<OurHold>,
    /// The recovery, when one has begun: the customer has nobody.
    pub recovery: Option<Recovery>,
    /// What the allow list says of it, where there is one.
    #[serde(default)]
    pub allowance: Allowance,
    /// Agents whose page is gone while the customer has somebody else, by leg. They may come back in place.
    #[serde(default)]
    pub beside: BTreeMap<CallSid, Recovery>,
}

/// Calls that were stored by a version that did not ask.
fn yes() -> bool {
    true
}

/// An agent's share of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub worker: WorkerSid,
    /// The name for the agent who may have to take over.
    pub name: String,
    /// His or her reservation.
    pub reservation: ReservationSid,
    /// Of the page that has the leg; 0 when the server looked the call up itself.
    pub epoch: u64,
    /// A newer page of the same worker has said hello, and this was its epoch.
    pub newer_page: Option<u64>,
    /// A newer page has found the reservation wrapping while the leg was taken for joined: Twilio says it is gone.
    #[serde(default)]
    pub unjoined: bool,
    /// The newest page of the same worker that had said hello before this leg came: hers is another one, in another browser,
    /// and lives as far as that page knows.
    #[serde(default)]
    pub lives_beside: Option<u64>,
    /// Its page was gone before it was known: nobody is at the leg.
    #[serde(default)]
    pub left_behind: bool,
    /// The leg is proved dead and is being removed.
    pub removing: bool,
    /// The agent has joined in place by another leg, and Flex closes this one. If it has not by then (point in time), the leg
    /// is removed.
    #[serde(default)]
    pub closes_until: Option<Millis>,
    /// What became of the leg is decided: nothing more is begun because of it.
    pub settled: bool,
    /// Since when it is gone (point in time), and the customer was being seen to for a colleague, or counted as being with
    /// colleagues all of whom had said that they leave.
    #[serde(default)]
    pub covered_at: Option<Millis>,
}

/// A leg as the callbacks show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Still there?
    pub joined: bool,
    /// Why it is not.
    pub left: Option<LeaveReason>,
    /// It has hung up, as a callback has told. Of one that is only found gone nobody knows why.
    #[serde(default)]
    pub hung_up: bool,
    /// Flags as last told.
    pub flags: ParticipantFlags,
    /// The label, if there is one.
    #[serde(default)]
    pub label: Option<String>,
    /// `endConferenceOnExit` of the leg is being set back to false.
    #[serde(default)]
    pub keeping: bool,
    /// It was told to be true meanwhile: another plugin may have set it since.
    #[serde(default)]
    pub flagged_again: bool,
    /// Was the leg sent after the customer into another conference?
    pub moved: bool,
    /// It was there when a page came that was alone in its browser: it may be one of an older page.
    #[serde(default)]
    pub stood: bool,
    /// Number of the last event about this leg: older ones that come later change nothing.
    pub sequence: u64,
}

impl Call {
    pub(crate) fn new(conference: ConferenceSid, task: TaskSid) -> Self {
        Self {
            format: Format,
            quarantine: None,
            conference,
            task,
            workflow: None,
            task_workflow: None,
            queue: None,
            customer: None,
            claimed: BTreeMap::new(),
            asked_for: None,
            attributes: String::new(),
            version: None,
            agents: BTreeMap::new(),
            participants: BTreeMap::new(),
            on_purpose: BTreeMap::new(),
            marked_at: BTreeMap::new(),
            marked_in_task: BTreeSet::new(),
            completed: BTreeSet::new(),
            completing: BTreeSet::new(),
            claims: vec![],
            unsettled: vec![],
            owners: BTreeMap::new(),
            sought: BTreeSet::new(),
            nobodys: BTreeSet::new(),
            asking: Asking::No,
            proven: true,
            hellos: BTreeMap::new(),
            newest_alone: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            joinable: BTreeSet::new(),
            goodbyes: BTreeMap::new(),
            unavailable: BTreeSet::new(),
            lent: BTreeMap::new(),
            seen: BTreeSet::new(),
            delivered: BTreeSet::new(),
            told: VecDeque::new(),
            ended: false,
            learning: false,
            lookups: 0,
            unlearnt: false,
            refused: false,
            unregistered: BTreeMap::new(),
            connected: false,
            closed: false,
            heard_at: Millis(0),
            watch_at: None,
            asked_at: None,
            looking: None,
            unsure: false,
            released: None,
            found_moved: None,
            to_hold: BTreeSet::new(),
            losses: BTreeSet::new(),
            sent_on_until: None,
            our_hold: None,
            recovery: None,
            allowance: Allowance::default(),
            beside: BTreeMap::new(),
        }
    }

    /// A page says that there is such a call.
    pub(crate) fn unproven(conference: ConferenceSid, task: TaskSid) -> Self {
        Self { proven: false, ..Self::new(conference, task) }
    }

    /// Looks at the whole after every event.
    fn evaluate(&mut self, out: &mut Out<'_>) {
        if !self.proven {
            return;
        }
        self.settle_claims(out);
        self.settle_customer(out);
        self.settle_registrations(out);
        if !self.connected && self.is_connected() {
            self.connected = true;
            self.note(out, Note::Connected);
        }
        self.keep_conference(out);
        self.rejoined_in_place(out);
        self.spare_who_is_away(out);
        self.end_grace(out);
        self.settle_beside(out);
        self.find_lost_agent(out);
        self.end_if_covered(out);
        self.customer_gone(out);
        self.miss_who_is_away(out);
        self.go_on(out);
        self.lend_activity(out);
        self.remove_late_legs(out);
        self.hold_again(out);
        self.put_back_agent_hold(out);
        self.follow(out);
        self.end_our_hold(out);
        self.close(out);
        self.keep_watch(out);
    }

    fn settle(&mut self, leg: &CallSid) {
        if let Some(agent) = self.agents.get_mut(leg) {
            agent.settled = true;
        }
    }
}

impl Agent {
    fn new(worker: WorkerSid, name: String, reservation: ReservationSid) -> Self {
        Self {
            worker,
            name,
            reservation,
            epoch: 0,
            newer_page: None,
            lives_beside: None,
            unjoined: false,
            left_behind: false,
            removing: false,
            closes_until: None,
            settled: false,
            covered_at: None,
        }
    }
}
