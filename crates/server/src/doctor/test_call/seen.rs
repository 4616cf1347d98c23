//! What a test call has shown of Twilio, read from what the server stored of it.

use crate::explain::Story;
use crate::story::{Entry, Input, Source};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use serde_json::Value;

/// What was seen; `None`: it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// `ReasonParticipantLeft` of a leg whose other end hung up.
    pub(super) hung_up: Option<String>,
    /// Of a leg that was removed by REST.
    pub(super) removed: Option<String>,
    /// What a removed participant is when it is fetched.
    pub(super) removed_is: Option<&'static str>,
    /// True when the conference ended with the agent's leg, whose exit flag was false.
    pub(super) ended_with_agent: Option<bool>,
    /// True when the callbacks of the first conference came in the order of their events.
    pub(super) in_order: Option<bool>,
    /// True when each number up to the last one came.
    pub(super) without_gaps: Option<bool>,
    /// How long after the end of the leg was requested its callback was stored, in milliseconds.
    pub(super) callback_took: Option<u64>,
    /// True when the action of the `<Enqueue>` was requested, as after an ordinary end, when the customer was redirected.
    pub(super) action_requested: Option<bool>,
    /// The reservation's status after its leg was gone.
    pub(super) after_leg: Option<String>,
    /// True when `If-Match` is accepted with the quotes of the `ETag`.
    pub(super) quotes: Option<bool>,
    /// Twilio's code for accepting a reservation again.
    pub(super) not_pending: Option<u32>,
    /// True when the task's own attribute wins over the call's.
    pub(super) own_wins: Option<bool>,
    /// True when the task of a customer in the queue ends as the call is redirected.
    pub(super) redirect_ends_task: Option<bool>,
    /// True when a conference instruction takes a client that is not the worker's own.
    pub(super) takes_client: Option<bool>,
    /// True when the customer's leg joins the conference before the agent's.
    pub(super) customer_first: Option<bool>,
    /// True when the conference starts with the second leg.
    pub(super) starts_with_second: Option<bool>,
    /// True when the leaves of all legs come before the conference's end.
    pub(super) leaves_before_end: Option<bool>,
    /// True when answers have the header that names the request.
    pub(super) request_ids: Option<bool>,
    /// True when a second queue of the same name is refused.
    pub(super) refuses_same_name: Option<bool>,
}

/// The events of conferences that the server got by callback, oldest first, each with when it was stored.
fn callbacks<'a>(story: &'a Story, conference: &ConferenceSid) -> Vec<(Millis, &'a Input)> {
    let of = |found: &&crate::explain::Found| found.conference == *conference;
    let came = story.entries.iter().filter(of).filter_map(|found| match &found.entry {
        Entry::Input(input) if input.from == Source::Callback => Some((found.at, input)),
        _ => None,
    });
    came.collect()
}

/// True once a callback of this conference has come.
pub(super) fn has_callback(story: &Story, conference: &ConferenceSid) -> bool {
    !callbacks(story, conference).is_empty()
}

/// When the leave of a leg was stored, and its reason as Twilio writes it.
pub(super) fn leave(story: &Story, conference: &ConferenceSid, leg: &CallSid) -> Option<(Millis, String)> {
    let is_it = |input: &Input| {
        input.kind == "participant-leave"
            && input.about.get("leg").and_then(Value::as_str) == Some(leg.as_str())
    };
    let (at, input) = callbacks(story, conference).into_iter().find(|(_, input)| is_it(input))?;
    Some((at, reason(input.about.get("reason").and_then(Value::as_str).unwrap_or_default()).to_owned()))
}

fn reason(stored: &str) -> &str {
    match stored {
        "HungUp" => "participant_hung_up",
        "UpdatedViaApi" => "participant_updated_via_api",
        "ConferenceEndedViaApi" => "conference_ended_via_api",
        "ModeratorEnded" => "moderator_ended_conference",
        "AddFailed" => "participant_add_failed",
        _ => "none, or one that the server does not know",
    }
}

impl Seen {
    /// Takes what the first conference has shown. `customer`, `agent`: the legs; `asked`: when the end of the agent's leg was
    /// requested; `requeued`: when the customer was redirected (points in time).
    pub(super) fn take(
        &mut self,
        story: &Story,
        conference: &ConferenceSid,
        (customer, agent): (&CallSid, &CallSid),
        (asked, requeued): (Millis, Option<Millis>),
    ) {
        if let Some((at, reason)) = leave(story, conference, agent) {
            self.callback_took = Some(asked.until(at).0);
            self.hung_up = Some(reason);
        }
        let callbacks = callbacks(story, conference);
        let ended = callbacks.iter().find(|(_, input)| input.kind == "conference-end").map(|(at, _)| *at);
        self.ended_with_agent = Some(match (ended, requeued) {
            (Some(ended), Some(requeued)) => ended < requeued,
            (ended, _) => ended.is_some(),
        });
        let number = |input: &Input| input.id.as_deref()?.strip_prefix('#')?.parse::<u64>().ok();
        let mut numbers: Vec<u64> = callbacks.iter().filter_map(|(_, input)| number(input)).collect();
        self.in_order = Some(numbers.is_sorted());
        numbers.sort_unstable();
        numbers.dedup();
        self.without_gaps = Some(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        let action = |found: &&crate::explain::Found| match &found.entry {
            Entry::Input(input) => input.from == Source::Document && input.kind == "after-the-conference",
            _ => false,
        };
        self.action_requested = Some(story.entries.iter().any(|found| action(&found)));
        self.take_order(&callbacks, (customer, agent));
        let names = |found: &&crate::explain::Found| match &found.entry {
            Entry::Asked { request_id, status: Some(_), .. } => Some(request_id.is_some()),
            _ => None,
        };
        self.request_ids =
            story.entries.iter().filter_map(|found| names(&found)).reduce(|all, one| all && one);
    }

    /// In which order the events happened, by their numbers.
    fn take_order(&mut self, callbacks: &[(Millis, &Input)], (customer, agent): (&CallSid, &CallSid)) {
        let number = |kind: &str, leg: Option<&CallSid>| {
            let is_it = |input: &&Input| {
                let of = input.about.get("leg").and_then(Value::as_str);
                input.kind == kind && leg.is_none_or(|leg| of == Some(leg.as_str()))
            };
            let mut found = callbacks.iter().map(|(_, input)| *input).filter(is_it);
            found.next()?.id.as_deref()?.strip_prefix('#')?.parse::<u64>().ok()
        };
        let joined = number("participant-join", Some(customer)).zip(number("participant-join", Some(agent)));
        self.customer_first = joined.map(|(customer, agent)| customer < agent);
        let second = joined.map(|(customer, agent)| customer.max(agent));
        self.starts_with_second =
            second.zip(number("conference-start", None)).map(|(second, start)| second < start);
        let left = number("participant-leave", Some(customer)).zip(number("participant-leave", Some(agent)));
        let last = left.map(|(customer, agent)| customer.max(agent));
        self.leaves_before_end = last.zip(number("conference-end", None)).map(|(last, end)| last < end);
    }
}
