//! The TwiML end points of the first server, and what a failure of each means. docs/fallback.md has this table.

/// A TwiML end point: the first part of the path after `/twiml/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/twiml/announce/{recovery}`.
    Announce,
    /// `/twiml/hold/{recovery}`.
    Hold,
    /// `/twiml/comfort`.
    Comfort,
    /// `/twiml/wait/{recovery}`.
    Wait,
    /// `/twiml/requeue/{recovery}`.
    Requeue,
    /// `/twiml/after/{recovery}`.
    After,
    /// `/twiml/ended`.
    Ended,
    /// `/twiml/fallback/{recovery}`.
    Fallback,
    /// `/twiml/lost/{recovery}`.
    Lost,
    /// `/twiml/move/{task}`.
    Move,
    /// `/twiml/test-call/{workflow}`.
    TestCall,
}

/// A row of the table in docs/fallback.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The end point.
    pub endpoint: Endpoint,
    /// Its first part.
    pub name: &'static str,
    /// Where Twilio has the address from.
    pub asked_by: &'static str,
    /// The fallback address that Twilio asks when it fails.
    pub fallback: &'static str,
    /// What a failure means for the caller without a fallback.
    pub means: &'static str,
    /// What the fallback answers.
    pub answer: &'static str,
}

const CALL: &str = "of the call (`FallbackUrl`)";
const NUMBER: &str = "of the number or application";
const EITHER: &str = "of the call, else of the number or application";
const NONE: &str = "none: Twilio has no parameter for it";

/// All end points.
pub const ALL: [Row; 11] = [
    Row {
        endpoint: Endpoint::Announce,
        name: "announce",
        asked_by: "`AnnounceUrl` of a conference",
        fallback: NONE,
        means: "the announcement is not heard; the call goes on",
        answer: "words",
    },
    Row {
        endpoint: Endpoint::Hold,
        name: "hold",
        asked_by: "`HoldUrl` of a participant",
        fallback: NONE,
        means: "silence, or Twilio's hold music (unconfirmed), until the hold ends; the call goes on",
        answer: "words, unless they were heard, then comfort audio until the hold ends",
    },
    Row {
        endpoint: Endpoint::Comfort,
        name: "comfort",
        asked_by: "`AnnounceUrl` of a conference",
        fallback: NONE,
        means: "silence; the call goes on",
        answer: "comfort audio",
    },
    Row {
        endpoint: Endpoint::Wait,
        name: "wait",
        asked_by: "`waitUrl` of an `<Enqueue>`",
        fallback: NONE,
        means: "silence in the queue (unconfirmed); the customer keeps the place",
        answer: "comfort audio",
    },
    Row {
        endpoint: Endpoint::Requeue,
        name: "requeue",
        asked_by: "`Url` of a call that is sent to the queue",
        fallback: CALL,
        means: "the customer hears an error and is hung up on",
        answer: "words, then the queue",
    },
    Row {
        endpoint: Endpoint::After,
        name: "after",
        asked_by: "`action` of our `<Enqueue>`",
        fallback: EITHER,
        means: "the customer hears an error and is hung up on",
        answer: "after a call: words and comfort audio, back to the first server a few times, then the queue; if no agent was found: the \
                 queue",
    },
    Row {
        endpoint: Endpoint::Ended,
        name: "ended",
        asked_by: "`action` of your flow's `<Enqueue>`",
        fallback: EITHER,
        means: "a customer whose conference ended hears an error and is hung up on",
        answer: "words and comfort audio, back to the first server a few times, then the queue; if no agent was found: \
                 `REJOIN_ENDED_URL`",
    },
    Row {
        endpoint: Endpoint::Fallback,
        name: "fallback",
        asked_by: "`FallbackUrl` of a call without another host; `<Redirect>` after a queue that refuses",
        fallback: EITHER,
        means: "the customer hears an error and is hung up on",
        answer: "that of the end point in `ErrorUrl`; without one, words and the queue",
    },
    Row {
        endpoint: Endpoint::Lost,
        name: "lost",
        asked_by: "`Url` of a call that is given up",
        fallback: CALL,
        means: "the customer hears an error instead of an apology; the call ends in any case",
        answer: "words",
    },
    Row {
        endpoint: Endpoint::Move,
        name: "move",
        asked_by: "`Url` of a third party's call, if Twilio refuses it inline",
        fallback: CALL,
        means: "the third party is hung up on",
        answer: "the new conference",
    },
    Row {
        endpoint: Endpoint::TestCall,
        name: "test-call",
        asked_by: "`action` of a `<Gather>` in `rejoin doctor --live`",
        fallback: NUMBER,
        means: "the test call ends",
        answer: "hangs up",
    },
];

impl Endpoint {
    /// The end point of this path (which begins with `/twiml/`), and what follows its first part. `None`: there is none.
    pub fn of(path: &str) -> Option<(Self, Option<&str>)> {
        let rest = path.strip_prefix("/twiml/")?;
        let (name, id) = rest.split_once('/').map_or((rest, None), |(name, id)| (name, Some(id)));
        let row = ALL.iter().find(|row| row.name == name)?;
        Some((row.endpoint, id.filter(|id| !id.is_empty())))
    }
}
