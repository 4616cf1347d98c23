//! A cheap read-only view of the model, unlike the snapshot: for invariants that are checked in every state.

use super::{
    Model,
    plays::PlayFor,
    state::{Call, CallKind, CallStatus, ConferenceStatus, Doing, Joining, ParticipantKind, Task},
};
use rejoin_protocol::{ActivitySid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use serde_json::Value;
use std::ops::Bound;

/// A leg that has not ended.
#[derive(Clone, Copy, Debug)]
pub struct LegView<'a> {
    /// The call.
    pub call: &'a CallSid,
    /// The worker of the phone; `None`: an outside phone.
    pub worker: Option<&'a WorkerSid>,
    /// True once it was answered.
    pub answered: bool,
    /// True when it rings for a supervisor who will listen in.
    pub listens: bool,
    /// Where the leg is.
    pub place: LegPlace<'a>,
    /// True when Twilio plays a sound to it.
    pub sounds: bool,
    /// True when one of them is speech.
    pub speech: bool,
}

/// Where a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegPlace<'a> {
    /// It rings, or runs a document.
    Between,
    /// In a queue, as this task.
    Queue(&'a TaskSid),
    /// In a conference.
    Conference(&'a ConferenceSid),
}

/// A participant of an open conference.
#[derive(Clone, Copy, Debug)]
pub struct ParticipantView<'a> {
    /// The leg.
    pub call: &'a CallSid,
    /// True for the customer.
    pub customer: bool,
    /// The agent, and the reservation that the leg joined for.
    pub agent: Option<(&'a WorkerSid, Option<&'a ReservationSid>)>,
    /// True while on hold.
    pub hold: bool,
    /// True while muted.
    pub muted: bool,
    /// True when only one participant hears it.
    pub coaches: bool,
    /// True when the conference ends as it leaves.
    pub end_on_exit: bool,
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    /// The task.
    pub task: &'a TaskSid,
    /// `assignment_status`.
    pub status: &'static str,
    /// Its attributes.
    pub attributes: &'a Value,
    /// The call of the task.
    pub call: Option<&'a CallSid>,
    /// The workflow that it came by.
    pub workflow: &'a WorkflowSid,
    /// True when the workflow has no later step to go on to by itself.
    pub at_the_last_step: bool,
}

/// A reservation.
#[derive(Clone, Copy, Debug)]
pub struct ReservationView<'a> {
    /// The reservation.
    pub reservation: &'a ReservationSid,
    /// Its task.
    pub task: &'a TaskSid,
    /// Its worker.
    pub worker: &'a WorkerSid,
    /// `reservation_status`.
    pub status: &'static str,
}

impl Model {
    /// Legs that have not ended, in the order of their SIDs.
    pub fn legs(&self) -> impl Iterator<Item = LegView<'_>> {
        self.calls.iter().filter(|(_, call)| call.ended.is_none()).map(|(sid, call)| self.leg_view(sid, call))
    }

    /// A leg; `None` if it does not exist, or has ended.
    pub fn leg(&self, sid: &CallSid) -> Option<LegView<'_>> {
        let (sid, call) = self.calls.get_key_value(sid)?;
        call.ended.is_none().then(|| self.leg_view(sid, call))
    }

    /// Where a leg is; `None` if it does not exist, or has ended.
    pub fn place(&self, sid: &CallSid) -> Option<LegPlace<'_>> {
        let call = self.calls.get(sid)?;
        call.ended.is_none().then(|| place(call))
    }

    fn leg_view<'a>(&'a self, sid: &'a CallSid, call: &'a Call) -> LegView<'a> {
        let worker = match &call.kind {
            CallKind::Agent(worker) => Some(worker),
            CallKind::Customer { .. } | CallKind::Dialled | CallKind::Line => None,
        };
        let (sounds, speech) = match &call.doing {
            Doing::Queued(queued) => {
                let of = PlayFor::Wait(sid.clone());
                (queued.music || self.plays.any(&of), self.plays.speech(&of))
            }
            Doing::Conference(conference, _) => self.conference_sounds(conference, sid),
            Doing::Sounding => (true, self.plays.speech(&PlayFor::Document(sid.clone()))),
            Doing::Nothing | Doing::Ringing(_) | Doing::Fetching => (false, false),
        };
        LegView {
            call: sid,
            worker,
            answered: call.status == CallStatus::InProgress,
            listens: matches!(&call.doing, Doing::Ringing(Joining::Supervise { .. })),
            place: place(call),
            sounds,
            speech,
        }
    }

    /// Whether anything plays to this participant, and whether that is speech.
    fn conference_sounds(&self, conference: &ConferenceSid, call: &CallSid) -> (bool, bool) {
        let held = self.in_conference(conference, call).is_some_and(|participant| participant.hold);
        if held {
            // Twilio's own music, unless a document was given.
            let of = PlayFor::Hold(call.clone());
            return (!self.holds.contains_key(call) || self.plays.any(&of), self.plays.speech(&of));
        }
        let of = PlayFor::Announcement(conference.clone());
        (self.plays.any(&of), self.plays.speech(&of))
    }

    /// The participants of a conference; none when it has ended.
    pub fn participants(&self, conference: &ConferenceSid) -> impl Iterator<Item = ParticipantView<'_>> {
        let open = self.conferences.get(conference);
        let open = open.filter(|conference| conference.status != ConferenceStatus::Completed);
        open.into_iter().flat_map(|conference| conference.live()).map(|participant| ParticipantView {
            call: &participant.call,
            customer: participant.kind == ParticipantKind::Customer,
            agent: match &participant.kind {
                ParticipantKind::Agent { worker, reservation } => Some((worker, reservation.as_ref())),
                ParticipantKind::Customer | ParticipantKind::Supervisor(_) | ParticipantKind::External => {
                    None
                }
            },
            hold: participant.hold,
            muted: participant.muted,
            coaches: participant.coaches.is_some(),
            end_on_exit: participant.end_on_exit,
        })
    }

    /// Open conferences, with their names.
    pub fn open_conferences(&self) -> impl Iterator<Item = (&ConferenceSid, &str)> {
        let open = |(_, conference): &(_, &super::state::Conference)| {
            conference.status != ConferenceStatus::Completed
        };
        self.conferences.iter().filter(open).map(|(sid, conference)| (sid, conference.name.as_str()))
    }

    /// True when status callbacks were requested for this conference.
    pub fn tells(&self, conference: &ConferenceSid) -> bool {
        self.conferences.get(conference).is_some_and(|conference| conference.callback.is_some())
    }

    /// All tasks that Twilio has not deleted.
    pub fn tasks(&self) -> impl Iterator<Item = TaskView<'_>> {
        self.tasks.iter().map(task_view)
    }

    /// Tasks created after this one.
    pub fn tasks_after(&self, last: Option<&TaskSid>) -> impl Iterator<Item = TaskView<'_>> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.tasks.range((after, Bound::Unbounded)).map(task_view)
    }

    /// All reservations of those tasks.
    pub fn reservations(&self) -> impl Iterator<Item = ReservationView<'_>> {
        self.reservations.iter().map(|(reservation, state)| ReservationView {
            reservation,
            task: &state.task,
            worker: &state.worker,
            status: state.status.as_str(),
        })
    }

    /// A worker's activity.
    pub fn activity(&self, worker: &WorkerSid) -> Option<&ActivitySid> {
        self.workers.get(worker).map(|worker| &worker.activity)
    }
}

fn place(call: &Call) -> LegPlace<'_> {
    match &call.doing {
        Doing::Queued(queued) => LegPlace::Queue(&queued.task),
        Doing::Conference(conference, _) => LegPlace::Conference(conference),
        Doing::Nothing | Doing::Ringing(_) | Doing::Fetching | Doing::Sounding => LegPlace::Between,
    }
}

fn task_view<'a>((task, state): (&'a TaskSid, &'a Task)) -> TaskView<'a> {
    TaskView {
        task,
        status: state.status.as_str(),
        attributes: &state.attributes,
        call: state.call.as_ref(),
        workflow: &state.workflow,
        at_the_last_step: state.target_ends.is_none(),
    }
}
