//! One leg of the conference: its observations, from each source. Of each kind of observation the latest one stays, so that
//! neither the order of deliveries nor their repetition matters. Presence and flags are computed from them.

use super::observed::{Last, Observed, observed};
use crate::{LeaveReason, ParticipantFlags};
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// What was observed of one leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Participant {
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Callback<()>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Callback<LeaveReason>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Callback<ParticipantFlags>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Callback<String>>,
    /// When a callback last reported `endConferenceOnExit` as set, and when one reported the leave (points in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_flag_set: Option<Callback<Millis>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_at: Option<Callback<Millis>>,
    /// Another source than a callback has shown the leg in the conference.
    is_shown: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Observed<Polled>>,
    /// The last poll that showed the leg.
    shown: Last,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<Observed<Gone>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Observed<()>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unheld: Option<Observed<()>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_flag: Option<Observed<bool>>,
    /// No callback will report the leg. It left after the callback with this sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_after: Option<u64>,
    /// The leg was there when a page came that was alone in its browser: an older page may have it.
    pub stood: bool,
}

/// A report by a callback. Of two, the one with the higher sequence number stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Callback<T> {
    sequence: u64,
    /// Number of the observation, of the first delivery.
    number: u64,
    what: T,
}

/// What a poll showed of the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Polled {
    There(ParticipantFlags),
    /// The reason is inferred: a poll does not say why a leg is missing.
    #[serde(rename = "Missing")]
    NotThere(LeaveReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
    reason: LeaveReason,
    evidence: Evidence,
}

/// Whether a leg is in the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Only the leg's label was reported.
    Unknown,
    /// The leg is there.
    Joined,
    /// Twilio has removed the leg at our request. Its leave was not reported yet.
    Removed,
    /// The leg has left.
    Gone {
        /// The reason. Without a callback it is inferred.
        reason: LeaveReason,
        /// How this is known.
        evidence: Evidence,
    },
}

/// How a fact is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// A conference callback reported it.
    Callback,
    /// A poll showed it. A poll shows the legs in the conference, and not why one is missing.
    Poll,
    /// TaskRouter, or a page that asked TaskRouter, reported that the reservation wraps up.
    TaskRouter,
    /// Twilio fetched our action URL for the customer.
    ActionUrl,
    /// It follows from other facts.
    Inferred,
}

/// The last report about a leg. Later reports are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// No callback has reported anything: a poll showed the leg, or the task names it.
    #[default]
    None,
    /// The callback with this sequence number.
    Callback(u64),
    /// No callback will report the leg. It left after the callback with this sequence number.
    After(u64),
}

impl Report {
    fn place(self) -> Option<(u64, bool)> {
        match self {
            Self::None => None,
            Self::Callback(sequence) => Some((sequence, false)),
            Self::After(sequence) => Some((sequence, true)),
        }
    }

    /// The sequence number, if a callback has reported the leg.
    pub fn sequence(self) -> Option<u64> {
        self.place().map(|(sequence, _)| sequence)
    }
}

impl Ord for Report {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Report {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One observation of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// A callback: the leg joined.
    Joined { sequence: u64, flags: ParticipantFlags },
    /// A callback: the leg left, at this point in time.
    Left { sequence: u64, reason: LeaveReason, at: Millis },
    /// A callback: the leg's flags, at this point in time.
    Changed { sequence: u64, flags: ParticipantFlags, at: Millis },
    /// A callback: the leg's label.
    Labelled { sequence: u64, label: String },
    /// Twilio names the leg as one of this conference.
    Named,
    /// A poll showed the leg.
    Polled { flags: ParticipantFlags },
    /// A poll did not show the leg.
    NotInPoll { reason: LeaveReason },
    /// The leg is gone, by other evidence.
    Gone { reason: LeaveReason, evidence: Evidence },
    /// The leg is gone, after the callback with this sequence number, and no callback will say so.
    GoneLast { after: u64 },
    /// Twilio has removed the leg at our request.
    Removed,
    /// Twilio has ended the leg's hold at our request.
    Unheld,
    /// `endConferenceOnExit` was set, at our request or by another plugin.
    ExitFlag { set: bool },
}

fn reported<T>(known: &mut Option<Callback<T>>, number: u64, sequence: u64, what: T) {
    match known {
        Some(known) if known.sequence > sequence => {}
        Some(known) if known.sequence == sequence => known.number = known.number.min(number),
        _ => *known = Some(Callback { sequence, number, what }),
    }
}

/// Takes observations.
impl Participant {
    pub(crate) fn observe(&mut self, number: u64, observation: Observation) {
        match observation {
            Observation::Joined { sequence, flags } => {
                reported(&mut self.joined, number, sequence, ());
                reported(&mut self.flags, number, sequence, flags);
            }
            Observation::Left { sequence, reason, at } => {
                reported(&mut self.left, number, sequence, reason);
                reported(&mut self.left_at, number, sequence, at);
            }
            Observation::Changed { sequence, flags, at } => {
                reported(&mut self.flags, number, sequence, flags);
                if flags.end_conference_on_exit {
                    reported(&mut self.exit_flag_set, number, sequence, at);
                }
            }
            Observation::Labelled { sequence, label } => {
                reported(&mut self.label, number, sequence, label);
            }
            Observation::Named => self.is_shown = true,
            Observation::Polled { flags } => {
                self.is_shown = true;
                observed(&mut self.poll, number, Polled::There(flags));
                self.shown.observe(number);
            }
            Observation::NotInPoll { reason } => observed(&mut self.poll, number, Polled::NotThere(reason)),
            Observation::Gone { reason, evidence } => {
                observed(&mut self.gone, number, Gone { reason, evidence });
            }
            Observation::GoneLast { after } => {
                self.last_after = self.last_after.max(Some(after));
                let gone = Gone { reason: LeaveReason::HungUp, evidence: Evidence::Inferred };
                observed(&mut self.gone, number, gone);
            }
            Observation::Removed => observed(&mut self.removed, number, ()),
            Observation::Unheld => observed(&mut self.unheld, number, ()),
            Observation::ExitFlag { set } => observed(&mut self.exit_flag, number, set),
        }
    }
}

/// Computes facts from the observations.
impl Participant {
    /// The last report about the leg.
    pub fn report(&self) -> Report {
        let sequences = [
            self.joined.as_ref().map(|it| it.sequence),
            self.left.as_ref().map(|it| it.sequence),
            self.flags.as_ref().map(|it| it.sequence),
        ];
        let last = sequences.into_iter().flatten().max();
        let after = self.last_after.map_or(Report::None, Report::After);
        last.map_or(after, Report::Callback)
    }

    /// True if a poll showed this leg after a callback had reported that the other one left, and no poll has shown the other one
    /// since. A poll that shows both may be older than that callback.
    pub(crate) fn is_shown_after_leave_of(&self, other: &Self) -> bool {
        other.left.is_some_and(|left| {
            self.shown.is_after(Last::at(left.number)) && Last::at(left.number).is_after(other.shown)
        })
    }

    /// The last poll that showed the leg.
    pub(super) fn last_shown(&self) -> Last {
        self.shown
    }

    /// When a callback reported the leave (point in time), if one did.
    pub(crate) fn left_at(&self) -> Option<Millis> {
        self.left.and(self.left_at).map(|left| left.what)
    }

    /// Whether the leg is in the conference, by its latest observations. A leg that `joins_once` does not join again by a
    /// late report of its join.
    pub(crate) fn presence(&self, joins_once: bool) -> Presence {
        let mut events: Vec<(u64, Event)> = vec![];
        events.extend(self.poll.map(|poll| (poll.number, Event::Poll(poll.what))));
        events.extend(self.gone.map(|gone| (gone.number, Event::Gone(gone.what))));
        events.extend(self.removed.map(|removed| (removed.number, Event::Removed)));
        let joined = self.joined.as_ref().map(|it| (it.sequence, it.number));
        events.push(match (joined, self.left, &self.flags) {
            (joined, Some(left), _) if joined.is_none_or(|(sequence, _)| sequence < left.sequence) => {
                (left.number, Event::Gone(Gone { reason: left.what, evidence: Evidence::Callback }))
            }
            (Some((_, number)), _, _) => (number, Event::Joined),
            (None, _, Some(flags)) => (flags.number, Event::Changed),
            (None, _, None) => (0, Event::Nothing),
        });
        events.sort_by_key(|(number, _)| *number);
        let first = if self.is_shown { Presence::Joined } else { Presence::Unknown };
        events.into_iter().fold(first, |presence, (_, event)| event.changes(presence, joins_once))
    }

    /// The leg's flags as last observed.
    pub fn flags(&self) -> ParticipantFlags {
        let polled = self.poll.and_then(|poll| match poll.what {
            Polled::There(flags) => Some((poll.number, flags)),
            Polled::NotThere(_) => None,
        });
        let reported = self.flags.map(|reported| (reported.number, reported.what));
        let (number, mut flags) =
            polled.into_iter().chain(reported).max_by_key(|(number, _)| *number).unwrap_or_default();
        if self.unheld.is_some_and(|unheld| unheld.number > number) {
            flags.hold = false;
        }
        if let Some(exit_flag) = self.exit_flag.filter(|it| it.number > number) {
            flags.end_conference_on_exit = exit_flag.what;
        }
        flags
    }

    /// True if callbacks reported that `endConferenceOnExit` was set and that the leg hung up at most this long after it.
    pub(crate) fn hung_up_with_exit_flag(&self, within: Millis) -> bool {
        let hung_up = self.left.is_some_and(|left| left.what == LeaveReason::HungUp);
        match (self.exit_flag_set, self.left_at) {
            (Some(set), Some(left)) => {
                hung_up && set.sequence < left.sequence && left.what <= set.what + within
            }
            _ => false,
        }
    }

    /// The leg's label, if it has one.
    pub fn label(&self) -> Option<&str> {
        self.label.as_ref().map(|label| label.what.as_str())
    }
}

/// What changes a leg's presence.
enum Event {
    Nothing,
    Joined,
    Changed,
    Gone(Gone),
    Poll(Polled),
    Removed,
}

impl Event {
    fn changes(self, before: Presence, joins_once: bool) -> Presence {
        let is_gone = matches!(before, Presence::Gone { .. });
        match self {
            Self::Nothing => before,
            Self::Joined if is_gone && joins_once => before,
            // A callback about flags may be older than the departure.
            Self::Changed if is_gone => before,
            Self::Joined | Self::Changed | Self::Poll(Polled::There(_)) => Presence::Joined,
            Self::Gone(Gone { reason, evidence }) => Presence::Gone { reason, evidence },
            Self::Poll(Polled::NotThere(reason)) if before == Presence::Joined => {
                Presence::Gone { reason, evidence: Evidence::Poll }
            }
            Self::Removed if before == Presence::Joined => Presence::Removed,
            Self::Poll(Polled::NotThere(_)) | Self::Removed => before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flags() -> impl Strategy<Value = ParticipantFlags> {
        let all = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        all.prop_map(|(end_conference_on_exit, hold, muted, coaching)| ParticipantFlags {
            end_conference_on_exit,
            hold,
            muted,
            coaching,
        })
    }

    fn at() -> impl Strategy<Value = Millis> {
        (0..9_u64).prop_map(Millis)
    }

    fn reason() -> impl Strategy<Value = LeaveReason> {
        prop_oneof![
            Just(LeaveReason::HungUp),
            Just(LeaveReason::UpdatedViaApi),
            Just(LeaveReason::ModeratorEnded)
        ]
    }

    /// Callbacks of one conference have sequence numbers of their own.
    fn observation(sequence: u64) -> impl Strategy<Value = Observation> {
        prop_oneof![
            flags().prop_map(move |flags| Observation::Joined { sequence, flags }),
            (reason(), at()).prop_map(move |(reason, at)| Observation::Left { sequence, reason, at }),
            (flags(), at()).prop_map(move |(flags, at)| Observation::Changed { sequence, flags, at }),
            any::<bool>().prop_map(move |it| Observation::Labelled { sequence, label: it.to_string() }),
            Just(Observation::Named),
            flags().prop_map(|flags| Observation::Polled { flags }),
            reason().prop_map(|reason| Observation::NotInPoll { reason }),
            reason().prop_map(|reason| Observation::Gone { reason, evidence: Evidence::TaskRouter }),
            Just(Observation::GoneLast { after: 3 }),
            Just(Observation::Removed),
            Just(Observation::Unheld),
            any::<bool>().prop_map(|set| Observation::ExitFlag { set }),
        ]
    }

    fn observations() -> impl Strategy<Value = Vec<(u64, Observation)>> {
        let sequences = Just((1..9_u64).collect::<Vec<_>>()).prop_shuffle();
        sequences.prop_flat_map(|sequences| {
            let each = sequences.into_iter().enumerate();
            each.map(|(n, sequence)| (Just(n as u64 + 1), observation(sequence))).collect::<Vec<_>>()
        })
    }

    fn all(observations: &[(u64, Observation)]) -> Participant {
        let mut leg = Participant::default();
        observations.iter().for_each(|(number, it)| leg.observe(*number, it.clone()));
        leg
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_observations_do_not_matter(
            (observations, shuffled) in observations().prop_flat_map(|all| {
                let twice = [all.clone(), all.clone()].concat();
                (Just(all), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(all(&observations), all(&shuffled));
        }
    }
}
