//! What an event says, as facts: `Facts::said` is the only place where an event becomes one.

use crate::action::Action;
use crate::event::{Event, InteractionNews, Message, Outcome, Seen, Sight};
use crate::facts::{
    Availability, Channel, Claims, Earliest, Evidence, Facts, Invite, Invites, Join, Latest, Messages,
    Parking, Participant, Place, Roster, Source, Statements, Tasks,
};
use rejoin_protocol::Millis;

impl Facts {
    /// What this event says about its conversation, when it is received at this point in time. `Page` and `Timer` say nothing
    /// about a conversation.
    pub fn said(at: Millis, event: &Event) -> Self {
        match event {
            Event::Interaction { place, kind, news, .. } => {
                Self { kind: kind.clone().map(Latest), ..known(at, place) }.and(interaction(at, news))
            }
            Event::Message { message, .. } => message_said(at, message),
            Event::State { state, .. } => Self { channel: Channel::seen(at, *state), ..Self::default() },
            Event::Claimed { worker, place, .. } => Self {
                statements: Statements::claim(at, worker.clone()),
                claims: Claims::made(at, worker.clone(), place.clone()),
                began_at: Some(Earliest(at)),
                ..Self::default()
            },
            Event::Leaving { worker, how, .. } => {
                Self { statements: Statements::leaving(at, worker.clone(), *how), ..Self::default() }
            }
            Event::Task { task, state, .. } => {
                Self { tasks: Tasks::seen(at, task.clone(), *state), ..Self::default() }
            }
            Event::Done { action, outcome, .. } => done(at, action, outcome),
            Event::Page { .. } | Event::Timer { .. } => Self::default(),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.join(other);
        self
    }
}

fn known(at: Millis, place: &Place) -> Facts {
    Facts { place: Some(Latest(place.clone())), began_at: Some(Earliest(at)), ..Facts::default() }
}

fn interaction(at: Millis, news: &InteractionNews) -> Facts {
    let evidence = Evidence { at, source: Source::Webhook };
    match news {
        InteractionNews::Joined(seen) => Facts {
            roster: Roster::one(seen.sid.clone(), participant(seen).joined(evidence)),
            tasks: seen.task.clone().map(|task| Tasks::named(at, task)).unwrap_or_default(),
            ..Facts::default()
        },
        InteractionNews::Left(seen) => Facts {
            roster: Roster::one(seen.sid.clone(), participant(seen).joined(evidence).left(evidence)),
            ..Facts::default()
        },
        InteractionNews::Status(state) => Facts { channel: Channel::seen(at, *state), ..Facts::default() },
        InteractionNews::Other => Facts::default(),
    }
}

fn participant(seen: &Seen) -> Participant {
    Participant::new(seen.role)
        .of(seen.worker.clone())
        .with(seen.task.clone(), seen.reservation.clone())
        .known_as(seen.member.clone())
}

fn message_said(now: Millis, message: &Message) -> Facts {
    let seen = (message.index, message.at.min(now));
    Facts { messages: Messages::one(message.author.clone(), seen), ..Facts::default() }
}

fn done(at: Millis, action: &Action, outcome: &Outcome) -> Facts {
    match (action, outcome) {
        (Action::Poll { place, confirm: true, .. }, Outcome::Seen(sight)) => {
            Facts { claims: Claims::confirmed(sight.asked_at, place.clone()), ..Facts::default() }
                .and(seen(at, sight))
        }
        (Action::Poll { place, confirm: true, .. }, Outcome::NotFound) => {
            Facts { claims: Claims::unknown(at, place), ..Facts::default() }
        }
        (Action::Poll { place, .. }, Outcome::Unconfirmed) => {
            Facts { claims: Claims::unconfirmed(at, place), ..Facts::default() }
        }
        (Action::Poll { .. }, Outcome::Seen(sight)) => seen(at, sight),
        (Action::Poll { .. }, Outcome::NotFound) => {
            Facts { unknown_at: Some(Latest(at)), ..Facts::default() }
        }
        (Action::Invite { number, .. }, Outcome::Invited { invite, task }) => {
            let named = task.clone().map(|task| Tasks::named(at, task)).unwrap_or_default();
            let invite = Invite::made(at, invite.clone(), task.clone());
            Facts { invites: Invites::one(*number, invite), tasks: named, ..Facts::default() }
        }
        (Action::Invite { number, .. }, _) => {
            Facts { invites: Invites::one(*number, Invite::refused(at)), ..Facts::default() }
        }
        (Action::Park { after_message, after_invite, .. }, Outcome::Ok) => {
            let parking = Parking { at, after_message: *after_message, after_invite: *after_invite };
            Facts { parked: Some(Latest(parking)), ..Facts::default() }
        }
        _ => Facts::default(),
    }
}

fn seen(now: Millis, sight: &Sight) -> Facts {
    let at = sight.asked_at;
    let evidence = Evidence { at, source: Source::Poll };
    let listed = sight.participants.iter().map(|it| (it.sid.clone(), participant(it).joined(evidence)));
    let mut facts = Facts {
        kind: sight.kind.clone().map(Latest),
        channel: Channel::seen(at, sight.state),
        roster: Roster::listed(at, listed.collect()),
        availability: Availability::answered(at, &sight.workers),
        ..Facts::default()
    };
    for message in &sight.messages {
        facts.join(message_said(now, message));
    }
    for task in &sight.completed {
        facts.tasks.join(Tasks::completed(at, task.clone()));
    }
    if let Some(task) = &sight.task {
        facts.workflow = task.workflow.clone().map(Latest);
        facts.tasks.join(Tasks::seen(at, task.task.clone(), task.state));
        if task.completed {
            facts.tasks.join(Tasks::completed(at, task.task.clone()));
        }
        facts.tasks.join(Tasks::named(at, task.task.clone()));
    }
    facts
}
