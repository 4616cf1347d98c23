//! The questions that Twilio's documents leave open, with what is assumed and what this account does.

use super::seen::Seen;
use serde::Serialize;
use std::fmt;

/// A question, and its answer. The names of its fields in JSON are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The question.
    pub question: &'static str,
    /// What the server and the twin assume.
    pub assumed: String,
    /// What this account does; `None`: the call did not show it.
    pub found: Option<String>,
    /// What follows from a difference; `None` without one.
    pub follows: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.as_deref().unwrap_or("not seen");
        write!(f, "{} | {} | {found}", self.question, self.assumed)?;
        match &self.follows {
            Some(follows) => write!(f, "\n  -> {follows}"),
            None => Ok(()),
        }
    }
}

/// Questions that need a browser, each with what to look at.
pub const BROWSER: &[(&str, &str)] = &[
    (
        "how long does the leg of a crashed browser stand?",
        "kill the browser on a test call, and compare in `rejoin explain CA…` the page's end with the callback \"participant-leave\": \
         about 30 s are assumed",
    ),
    (
        "does Twilio take a call message for a browser that is gone?",
        "the same test: \"page-silent\" in `rejoin explain CA…` within seconds says yes; else customers are told of a crash when the leg falls",
    ),
    (
        "does a reload end the leg, as the plugin holds it?",
        "press F5 on a test call: \"joining in place\" in `rejoin explain CA…` says that the leg stood; else set REJOIN_IN_PLACE=off",
    ),
    (
        "is a second leg of an agent taken while the first one stands?",
        "the same test: \"could not join in place\" says no; set REJOIN_IN_PLACE=off",
    ),
    (
        "when does TaskRouter put a worker without a desktop offline?",
        "close the browser, and look at the worker's activity in the console: 30 s are assumed (offline_config.presence_ttl)",
    ),
    (
        "does Flex accept the reconnect task unasked?",
        "reload on a test call with REJOIN_IN_PLACE=off: the dialog has to say \"Reconnected\" without a click",
    ),
];

/// The longest time to a callback that the default settings are made for, in milliseconds.
const CALLBACK_WITHIN: u64 = 3_000;

/// One answer to each question, in a fixed order.
pub(super) fn answers(seen: &Seen) -> Vec<Answer> {
    let ours = "tell the maintainers: no setting changes this";
    let text = |question, assumed: &str, found: &Option<String>, follows: &str| {
        let differs = found.as_deref().is_some_and(|found| found != assumed);
        let follows = differs.then(|| follows.to_owned());
        Answer { question, assumed: assumed.to_owned(), found: found.clone(), follows }
    };
    let flag = |question, assumed: bool, found: Option<bool>, follows: &str| {
        text(question, word(assumed), &found.map(|it| word(it).to_owned()), follows)
    };
    vec![
        text(
            "ReasonParticipantLeft of a leg whose phone hung up",
            "participant_hung_up",
            &seen.hung_up,
            "agents whose browser is gone are not taken for lost: tell the maintainers, and do not rely on recoveries",
        ),
        text(
            "ReasonParticipantLeft of a participant who is removed by REST",
            "participant_updated_via_api",
            &seen.removed,
            "an agent whom a colleague removes may be taken for lost: tell the maintainers",
        ),
        text(
            "what a removed participant is when it is fetched",
            "HTTP status 404",
            &seen.removed_is.map(str::to_owned),
            ours,
        ),
        flag(
            "does the conference end with the agent's leg, whose exit flag is false?",
            false,
            seen.ended_with_agent,
            "give every <Enqueue> of your flows the action /twiml/ended of this server: it brings back customers whose conference ended",
        ),
        Answer {
            question: "do the callbacks come in the order of their events?",
            assumed: "not relied on".to_owned(),
            found: seen.in_order.map(|it| word(it).to_owned()),
            follows: None,
        },
        flag(
            "do the SequenceNumbers of the stored callbacks have no gaps?",
            true,
            seen.without_gaps,
            "callbacks were lost, or Twilio counts events that the server does not take: compare rejoin_webhook_lag_seconds, and set REJOIN_WATCH_CALL_MS lower",
        ),
        latency(seen.callback_took),
        flag(
            "is the action of the <Enqueue> requested when the customer is redirected out of the conference?",
            false,
            seen.action_requested,
            "nothing: the server answers such a request without moving the customer",
        ),
        text(
            "the reservation's status once the agent's leg is gone",
            "wrapping",
            &seen.after_leg,
            "the server may not free the agent for the reconnect task: tell the maintainers",
        ),
        flag(
            "is If-Match accepted with the quotes of the ETag?",
            false,
            seen.quotes,
            "nothing: it is sent without them",
        ),
        text(
            "the code for accepting a reservation that is not pending",
            "40136",
            &seen.not_pending.map(|code| code.to_string()),
            "nothing: the status decides",
        ),
        flag(
            "does the task's own attribute win over the call's?",
            true,
            seen.own_wins,
            "reconnect tasks show the call's values: let reports read those of the original task",
        ),
        flag(
            "does the task of a waiting customer end as the call is redirected?",
            true,
            seen.redirect_ends_task,
            "a customer who is requeued twice has two tasks: tell the maintainers",
        ),
        flag(
            "does a conference instruction take the client of another worker (to=client:NAME?…)?",
            false,
            seen.takes_client,
            "nothing: the plugin uses the worker's own client",
        ),
        flag(
            "does the customer's leg join the conference before the agent's?",
            true,
            seen.customer_first,
            "nothing: any order is handled",
        ),
        flag(
            "does the conference start with the second leg?",
            true,
            seen.starts_with_second,
            "nothing: the server does not need the start",
        ),
        flag(
            "do the leaves of all legs come before the conference's end?",
            true,
            seen.leaves_before_end,
            "nothing: the server waits for what comes after the end",
        ),
        flag(
            "do answers name the request (twilio-request-id)?",
            true,
            seen.request_ids,
            "`rejoin explain` shows no request ids for Twilio's support",
        ),
        flag(
            "is a second queue of the same name refused?",
            true,
            seen.refuses_same_name,
            "run `rejoin provision` by one administrator at a time: two runs may create everything twice",
        ),
    ]
}

fn word(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

fn latency(took: Option<u64>) -> Answer {
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    let is_late = took.is_some_and(|ms| ms > CALLBACK_WITHIN);
    let follows = "set REJOIN_WATCH_CALL_MS lower, so that a poll finds a lost agent before the callback; look for a proxy that delays";
    Answer {
        question: "how long until the callback of a leg that has left is stored?",
        assumed: format!("at most {}", seconds(CALLBACK_WITHIN)),
        found: took.map(seconds),
        follows: is_late.then(|| follows.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the twin does, which is what is assumed.
    fn as_assumed() -> Seen {
        Seen {
            hung_up: Some("participant_hung_up".into()),
            removed: Some("participant_updated_via_api".into()),
            removed_is: Some("HTTP status 404"),
            ended_with_agent: Some(false),
            in_order: Some(true),
            without_gaps: Some(true),
            callback_took: Some(120),
            action_requested: Some(false),
            after_leg: Some("wrapping".into()),
            quotes: Some(false),
            not_pending: Some(40136),
            own_wins: Some(true),
            redirect_ends_task: Some(true),
            takes_client: Some(false),
            customer_first: Some(true),
            starts_with_second: Some(true),
            leaves_before_end: Some(true),
            request_ids: Some(true),
            refuses_same_name: Some(true),
        }
    }

    #[test]
    fn a_difference_says_what_follows_and_the_rest_says_nothing() {
        assert!(answers(&as_assumed()).iter().all(|it| it.found.is_some() && it.follows.is_none()));
        let seen = Seen {
            removed: Some("participant_hung_up".into()),
            ended_with_agent: Some(true),
            callback_took: Some(4_250),
            ..as_assumed()
        };
        let answers = answers(&seen);
        let differ: Vec<_> = answers.iter().filter(|it| it.follows.is_some()).collect();
        assert_eq!(differ.len(), 3, "{differ:?}");
        assert_eq!(differ[2].found.as_deref(), Some("4.2 s"));
    }

    #[test]
    fn what_was_not_seen_is_not_taken_for_an_answer() {
        let answers = answers(&Seen::default());
        assert!(answers.iter().all(|it| it.found.is_none() && it.follows.is_none()));
        assert!(answers[0].to_string().ends_with("| not seen"));
    }
}
