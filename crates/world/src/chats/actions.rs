//! How an action is carried out at Twilio, request by request: it is repeated while Twilio does not answer, and one that may have
//! been carried out already is looked for first.

use super::routing::{OFFLINE_AFTER, TaskStatus};
use super::server::Begun;
use super::silence::ALERT;
use super::twilio::{Author, Refusal, Said};
use super::{ChatWorld, Coming, Way};
use crate::plan::{ChatFaultKind, FaultKind};
use crate::planted::Planted;
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{
    Action, ChannelState, Event, INVITES, LostReply, Message, Outcome, Place, Role, Seen, SeenTask, Sight,
    Telling, once_text,
};
use rejoin_protocol::{ConversationSid, InviteSid, MemberSid, Millis, TaskSid, WorkerSid, WorkflowSid};
use std::collections::{BTreeMap, BTreeSet};

/// First pause after an attempt that failed; it doubles.
const PAUSE: u64 = 500;
/// The longest.
const LONGEST: u64 = 8_000;
/// How long a request waits for Twilio's answer.
const WAITS: u64 = 10_000;
/// Number of messages that a poll reads, and among which a message of ours is looked for.
const MESSAGES: usize = 16;

/// A request of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Looks for what an earlier attempt has done.
    Find,
    /// Reads the task whose attributes are sent again.
    Copy,
    /// Does it.
    Act,
    /// The requests of a poll.
    Channel,
    Participants,
    Messages,
    Members,
    Tasks,
}

/// What Twilio has answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Done,
    Found(Option<Outcome>),
    Invited(InviteSid, TaskSid),
    Channel(ChannelState),
    Participants(Vec<Seen>),
    Messages(Vec<Message>),
    /// The members of the conversation, of each agent.
    Members(Vec<(usize, MemberSid)>),
    /// The newest, and those of all that were read that agents have completed.
    Tasks(Option<SeenTask>, BTreeSet<TaskSid>),
    Refused(Refusal),
    /// 429, 5xx or no answer. True: it may have been carried out.
    Passing(bool),
}

/// How much later than Flex sets an agent offline our server takes them for offline (milliseconds).
const NOTICED_WITHIN: u64 = 30_000;

/// An action on its way.
#[derive(Debug)]
pub(super) struct Doing {
    pub(super) server: usize,
    /// Its own number: answers to an attempt of a server that has died reach nobody.
    run: u64,
    pub(super) conversation: ConversationSid,
    action: Action,
    until: Millis,
    /// True from the second attempt on.
    is_repeated: bool,
    doubtful: bool,
    pause: u64,
    sight: Sight,
}

/// The key of an action that is done once; empty for others.
fn key(conversation: &ConversationSid, action: &Action) -> String {
    action.traits().once.map(|once| once_text(conversation, &once)).unwrap_or_default()
}

impl ChatWorld {
    /// Begins to carry an action out. `again`: a server before this one may have done so.
    pub(super) fn carries_out(&mut self, id: u64, server: usize, again: bool) {
        let Some(begun) = self.servers.store.begun.get(&id).cloned() else { return };
        let sight = Sight {
            asked_at: self.server_now(),
            state: ChannelState::Active,
            kind: None,
            participants: vec![],
            messages: vec![],
            task: None,
            completed: BTreeSet::new(),
            workers: BTreeMap::new(),
        };
        let run = u64::try_from(self.number()).unwrap_or(u64::MAX);
        let doing = Doing {
            server,
            run,
            conversation: begun.conversation,
            action: begun.action,
            until: begun.until,
            is_repeated: again,
            doubtful: again && self.planted != Some(Planted::ChatToldAgain),
            pause: PAUSE,
            sight,
        };
        self.doing.insert(id, doing);
        self.attempts(id, run);
    }

    /// Another attempt.
    pub(super) fn attempts(&mut self, id: u64, run: u64) {
        let now = self.server_now();
        let Some(doing) = self.doing.get_mut(&id).filter(|it| it.run == run) else { return };
        let known = self.servers.store.conversations.get(&doing.conversation);
        if doing.is_repeated && !known.is_some_and(|known| known.wants(&doing.action)) {
            return self.ended(id, Outcome::Failed { reason: "it is not wanted any more".into() });
        }
        doing.is_repeated = true;
        doing.sight.asked_at = now;
        let looks_first = doing.doubtful && doing.action.traits().lost_reply != LostReply::Repeat;
        let step = if looks_first && self.planted != Some(Planted::ChatRepeatedUnasked) {
            Step::Find
        } else {
            first_step(&doing.action)
        };
        self.asks(id, run, step);
    }

    fn asks(&mut self, id: u64, run: u64, step: Step) {
        let mut chance = self.chance(Way::Rest, 0);
        let after = Self::latency(&mut chance);
        let Some(doing) = self.doing.get(&id) else { return };
        let server = doing.server;
        let (name, room) = (doing.action.name(), self.room_of(&doing.conversation));
        self.note(Lane::Server(server), Some(Lane::Twilio), Kind::Request, || {
            let of = room.map_or("no chat".into(), |room| format!("chat {room}"));
            format!("{of}: {name}, {step:?}").to_lowercase()
        });
        let Some(begun) = self.servers.store.begun.get(&id).cloned() else { return };
        self.put(after, Coming::AtTwilio(id, run, step, Box::new(begun)));
    }

    /// A request arrives at Twilio, whether the server that has sent it lives or not.
    pub(super) fn at_twilio(&mut self, id: u64, run: u64, step: Step, begun: &Begun) {
        let mut chance = self.chance(Way::Rest, 1);
        let mut back = Self::latency(&mut chance) + chance.between(10, 150);
        let faults = [
            (FaultKind::Throttled, false, Some(false)),
            (FaultKind::Broken, false, Some(true)),
            (FaultKind::Silent, false, None),
            (FaultKind::BrokenDone, true, Some(true)),
            (FaultKind::SilentDone, true, None),
        ];
        let wrong = faults.into_iter().find(|(kind, ..)| self.goes_wrong(&mut chance, *kind));
        let reply = match wrong {
            Some((_, false, _)) => Reply::Done,
            _ => self.carried_out(&begun.conversation, &begun.action, begun.at, step),
        };
        let reply = match wrong {
            Some((kind, _, answers)) => {
                self.note(Lane::Twilio, Some(Lane::Server(begun.owner)), Kind::Fault, || kind.name().into());
                if answers.is_none() {
                    back = WAITS;
                }
                Reply::Passing(answers.unwrap_or(true))
            }
            None => reply,
        };
        self.put(back, Coming::Answered(id, run, step, reply));
    }

    /// Twilio's answer arrives at the server that has asked, if it lives.
    pub(super) fn answered(&mut self, id: u64, run: u64, step: Step, reply: Reply) {
        let now = self.server_now();
        let Some(doing) = self.doing.get_mut(&id).filter(|it| it.run == run) else { return };
        let outcome = match reply {
            Reply::Passing(may_have_acted) => {
                doing.doubtful |= may_have_acted;
                if now < doing.until {
                    let pause = doing.pause;
                    doing.pause = (pause * 2).min(LONGEST);
                    return self.put(pause, Coming::Attempts(id, run));
                }
                Outcome::Failed { reason: "no answer in time".into() }
            }
            Reply::Refused(Refusal::Gone) => Outcome::NotFound,
            Reply::Refused(Refusal::Refused) => Outcome::Failed { reason: "refused".into() },
            Reply::Found(Some(outcome)) => outcome,
            Reply::Found(None) => {
                let step = first_step(&doing.action);
                return self.asks(id, run, step);
            }
            Reply::Invited(invite, task) => Outcome::Invited { invite, task: Some(task) },
            Reply::Done if step == Step::Copy => return self.asks(id, run, Step::Act),
            Reply::Done => Outcome::Ok,
            Reply::Channel(state) => {
                doing.sight.state = state;
                return self.asks(id, run, Step::Participants);
            }
            Reply::Participants(seen) => {
                doing.sight.participants = seen;
                return self.asks(id, run, Step::Messages);
            }
            Reply::Messages(messages) => {
                doing.sight.messages = messages;
                let has_agent = doing.sight.participants.iter().any(|it| it.worker.is_some());
                if has_agent {
                    return self.asks(id, run, Step::Members);
                }
                return self.looked_at_members(id, &[]);
            }
            Reply::Members(members) => return self.looked_at_members(id, &members),
            Reply::Tasks(task, completed) => {
                (doing.sight.task, doing.sight.completed) = (task, completed);
                self.seen(id)
            }
        };
        self.ended(id, outcome);
    }

    fn looked_at_members(&mut self, id: u64, members: &[(usize, MemberSid)]) {
        let Some(doing) = self.doing.get_mut(&id) else { return };
        let run = doing.run;
        for seen in &mut doing.sight.participants {
            let own =
                members.iter().find(|(agent, _)| seen.worker.as_ref() == Some(&super::page::worker(*agent)));
            seen.member = own.map(|(_, member)| member.clone());
        }
        if matches!(doing.action, Action::Poll { confirm: true, .. }) && !self.is_confirmed(id) {
            return self.ended(id, Outcome::Unconfirmed);
        }
        let Some(doing) = self.doing.get_mut(&id) else { return };
        if matches!(doing.action, Action::Poll { routing: true, .. }) {
            return self.asks(id, run, Step::Tasks);
        }
        let outcome = self.seen(id);
        self.ended(id, outcome);
    }

    /// True if the channel is the conversation's, by an agent on it who is a member and has a task.
    fn is_confirmed(&self, id: u64) -> bool {
        let Some(Doing { conversation, action: Action::Poll { place, .. }, sight, .. }) = self.doing.get(&id)
        else {
            return false;
        };
        let is_its = self.room_at(place).is_some_and(|room| Some(room) == self.room_of(conversation));
        is_its && sight.participants.iter().any(|it| it.member.is_some() && it.task.is_some())
    }

    /// True if the account says that Flex sets agents offline who have no desktop: TaskRouter is asked then.
    pub(super) fn sets_offline(&self) -> bool {
        !self.plan.seed.is_multiple_of(4)
    }

    /// TaskRouter's answers about the agents of a poll.
    fn at_desktops(&self, sight: &Sight) -> BTreeMap<WorkerSid, Option<Millis>> {
        if !self.sets_offline() {
            return BTreeMap::new();
        }
        let at = Millis(sight.asked_at.0.saturating_sub(OFFLINE_AFTER + NOTICED_WITHIN));
        let agents = (0..self.workers.len()).map(|agent| (agent, super::page::worker(agent)));
        let asked = agents
            .filter(|(_, worker)| sight.participants.iter().any(|it| it.worker.as_ref() == Some(worker)));
        asked.map(|(agent, worker)| (worker, self.workers[agent].is_available().then_some(at))).collect()
    }

    fn seen(&self, id: u64) -> Outcome {
        let sight = self.doing.get(&id).map(|doing| {
            let asks = matches!(doing.action, Action::Poll { workers: true, .. });
            let workers = if asks { self.at_desktops(&doing.sight) } else { BTreeMap::new() };
            Sight { workers, ..doing.sight.clone() }
        });
        let planted = self.planted == Some(Planted::ChatPausesUnseen);
        match sight {
            Some(sight) if planted => Outcome::Seen(Sight { state: ChannelState::Active, ..sight }),
            Some(sight) => Outcome::Seen(sight),
            None => Outcome::Failed { reason: "nothing was asked".into() },
        }
    }

    fn ended(&mut self, id: u64, outcome: Outcome) {
        let Some(server) = self.doing.get(&id).map(|doing| doing.server) else { return };
        if self.dies(server, ChatFaultKind::DiesAfterAnswer) {
            return;
        }
        let Some(Doing { conversation, action, .. }) = self.doing.remove(&id) else { return };
        self.transact(server, &Event::Done { conversation, action, outcome }, Some(id));
    }

    /// What Twilio does at a request.
    fn carried_out(
        &mut self,
        conversation: &ConversationSid,
        action: &Action,
        began: u64,
        step: Step,
    ) -> Reply {
        let Some(own) = self.room_of(conversation) else { return Reply::Refused(Refusal::Gone) };
        let at = |it: &Self, place: &Place| it.room_at(place).ok_or(Refusal::Gone);
        let wanted = key(conversation, action);
        let done = |result: Result<(), Refusal>| match result {
            Ok(()) => Reply::Done,
            Err(refusal) => Reply::Refused(refusal),
        };
        let place = match action {
            Action::Poll { place, .. }
            | Action::Invite { place, .. }
            | Action::CloseParticipant { place, .. }
            | Action::Park { place, .. }
            | Action::Close { place, .. } => Some(place),
            Action::Tell { .. } => None,
        };
        let room = match place.map_or(Ok(own), |place| at(self, place)) {
            Ok(room) => room,
            Err(refusal) => return Reply::Refused(refusal),
        };
        match (step, action) {
            (Step::Find, Action::Invite { .. }) => {
                let ours = self.rooms[room].invites.iter().rev().take(INVITES);
                let found = ours.clone().find(|(_, task)| self.tasks[*task].key.as_deref() == Some(&wanted));
                Reply::Found(found.map(|(invite, task)| Outcome::Invited {
                    invite: invite.clone(),
                    task: Some(self.tasks[*task].sid.clone()),
                }))
            }
            (Step::Find, _) => {
                let newest = self.rooms[own].messages.iter().rev().take(MESSAGES);
                let ours = newest.clone().any(|message| message.key.as_deref() == Some(&wanted));
                Reply::Found(ours.then_some(Outcome::Ok))
            }
            (Step::Copy, _) => Reply::Done,
            (Step::Channel, _) => Reply::Channel(self.rooms[room].state),
            (Step::Participants, _) => Reply::Participants(self.listed(room)),
            (Step::Messages, _) => Reply::Messages(self.newest_messages(own)),
            (Step::Members, _) => {
                let seats = self.rooms[own].seats();
                let mut members: Vec<(usize, MemberSid)> = vec![];
                for (guest, seat) in seats {
                    // The first member with the agent's identity.
                    if !members.iter().any(|(agent, _)| *agent == seat.agent) {
                        members.push((seat.agent, guest.member.clone()));
                    }
                }
                Reply::Members(members)
            }
            (Step::Tasks, Action::Poll { task, .. }) => {
                let (newest, completed) = self.tasks_of(room, task.as_ref());
                Reply::Tasks(newest, completed)
            }
            (_, Action::Poll { .. }) => Reply::Refused(Refusal::Refused),
            (_, Action::Tell { what }) => {
                self.check_telling(own, what, &wanted, began);
                let text = match what {
                    Telling::Idle { .. } => ALERT,
                    Telling::AgentGone { .. } | Telling::Parked { .. } => "(our server) your agent is gone",
                };
                done(self.say(own, Author::System, text.into(), Some(wanted)).map(drop))
            }
            (_, Action::Invite { target, timeout, .. }) => {
                if self.rooms[room].state == ChannelState::Closed {
                    return Reply::Refused(Refusal::Refused);
                }
                self.check_inviting(own, room, began);
                let target =
                    target.as_ref().and_then(|worker| super::page::agent_of(worker, self.workers.len()));
                let (invite, task) =
                    self.invite(room, Some(wanted), target, None, timeout.0.div_ceil(1000).max(1) * 1000);
                Reply::Invited(invite, task)
            }
            (_, Action::CloseParticipant { participant, .. }) => {
                self.check_closing(own, room, participant, began);
                done(self.end_seat(room, participant, false))
            }
            (_, Action::Park { .. }) => {
                self.check_parking(own, room, began);
                done(self.update_channel(room, ChannelState::Inactive, false))
            }
            (_, Action::Close { .. }) => {
                if !self.is_closed_for_silence(room, began) {
                    self.check_parking(own, room, began);
                }
                done(self.update_channel(room, ChannelState::Closed, true))
            }
        }
    }

    /// The participants as the REST API lists them.
    fn listed(&self, room: usize) -> Vec<Seen> {
        let there = self.rooms[room].guests.iter().filter(|guest| guest.is_there);
        there
            .map(|guest| Seen {
                sid: guest.sid.clone(),
                role: if guest.seat.is_some() { Role::Agent } else { Role::Customer },
                worker: guest.seat.map(|seat| super::page::worker(seat.agent)),
                task: guest.seat.map(|seat| self.tasks[seat.task].sid.clone()),
                reservation: guest.seat.map(|seat| self.offers[seat.offer].sid.clone()),
                member: None,
            })
            .collect()
    }

    fn newest_messages(&self, room: usize) -> Vec<Message> {
        if self.planted == Some(Planted::ChatMessagesUnseen) {
            return vec![];
        }
        let all = self.rooms[room].messages.iter().enumerate().rev().take(MESSAGES);
        let read = |(index, said): (usize, &Said)| Message {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            at: crate::world::BEGIN + Millis(said.at),
            author: said.member.clone(),
        };
        all.map(read).collect()
    }

    /// The youngest of the newest invites' tasks, and of the one that is known; and those of them that are completed.
    fn tasks_of(&self, room: usize, known: Option<&TaskSid>) -> (Option<SeenTask>, BTreeSet<TaskSid>) {
        let listed = self.rooms[room].invites.iter().rev().take(INVITES).map(|(_, task)| *task);
        let known = known.and_then(|sid| self.tasks.iter().position(|task| task.sid == *sid));
        let read = listed.chain(known);
        let is_completed = |task: usize| self.tasks[task].status == TaskStatus::Completed;
        let completed =
            read.clone().filter(|task| is_completed(*task)).map(|task| self.tasks[task].sid.clone());
        let newest = read.clone().max_by_key(|task| (self.tasks[*task].made, *task)).map(|task| SeenTask {
            task: self.tasks[task].sid.clone(),
            state: self.tasks[task].state(),
            completed: is_completed(task),
            workflow: Some(WorkflowSid::numbered(1)),
        });
        (newest, completed.collect())
    }
}

/// The request that an action begins with.
fn first_step(action: &Action) -> Step {
    match action {
        Action::Poll { .. } => Step::Channel,
        Action::Invite { .. } => Step::Copy,
        Action::Tell { .. }
        | Action::CloseParticipant { .. }
        | Action::Park { .. }
        | Action::Close { .. } => Step::Act,
    }
}
