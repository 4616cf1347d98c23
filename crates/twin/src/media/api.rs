//! What the media side is told and what it tells.

use crate::model::{Audience, PlayId};
use rejoin_protocol::{CallSid, ConferenceSid};
use serde::Serialize;

/// What the media side does.
#[derive(Debug)]
pub enum Command {
    /// A leg to an agent's browser: makes it and gives our SDP offer.
    Offer {
        /// The new leg.
        call: CallSid,
        /// Our offer, or what went wrong.
        reply: tokio::sync::oneshot::Sender<Result<String, String>>,
    },
    /// The browser's answer to our offer.
    Answer {
        /// Which leg.
        call: CallSid,
        /// Its SDP.
        sdp: String,
        /// What went wrong, if so.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
    },
    /// The browser offers: a customer's page calls, or an ICE restart. Makes the leg if it is new.
    Accept {
        /// Which leg.
        call: CallSid,
        /// Its SDP.
        sdp: String,
        /// Our answer, or what went wrong.
        reply: tokio::sync::oneshot::Sender<Result<String, String>>,
    },
    /// A phone of the twin itself: sends a tone, and measures what it hears.
    Native {
        /// The new leg.
        call: CallSid,
        /// Frequency of its tone, 200–3400 Hz.
        hz: f32,
    },
    /// The leg is in this conference now; `None`: in none.
    Place(CallSid, Option<ConferenceSid>),
    /// The leg's voice is not passed on, or is again.
    Mute(CallSid, bool),
    /// The leg is heard by this one alone; `None`: by everybody, as ever.
    Coach(CallSid, Option<CallSid>),
    /// On hold: hears `music` in a loop and not the conference, and is not heard. `None`: back.
    Hold(CallSid, Option<Clip>),
    /// Plays to its end, then says [`Happening::Played`]. Clips to one audience queue up.
    Play {
        /// Of the report.
        play: PlayId,
        /// Who hears it.
        to: Audience,
        /// What.
        clip: Clip,
    },
    /// Drops what plays or waits to play to this leg alone, without a report.
    StopPlaying(CallSid),
    /// Ends the leg.
    Drop(CallSid),
    /// What the leg heard lately, and what it sent.
    Heard {
        /// Which leg.
        call: CallSid,
        /// `None`: no such leg.
        reply: tokio::sync::oneshot::Sender<Option<Heard>>,
    },
}

/// Audio, 8 kHz mono, with the words for the transcript.
#[derive(Clone, Debug)]
pub struct Clip {
    /// For the transcript: `announcement: …`, `comfort audio`, `hold music`.
    pub label: String,
    /// Samples.
    pub samples: std::sync::Arc<[i16]>,
}

/// What the media side noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// ICE and DTLS are up.
    Connected(CallSid),
    /// No packet for half a second, or packets again.
    Silent(CallSid, bool),
    /// The browser closed DTLS.
    Closed(CallSid),
    /// The leg broke.
    Failed(CallSid, String),
    /// A clip was played to its end.
    Played(PlayId),
    /// A leg's transcript has a new line.
    Transcript(CallSid, Line),
}

/// A line of a transcript: what a leg hears from `at` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Milliseconds since the leg was made.
    pub at: u64,
    /// `agent` (somebody else in the conference is loud), a clip's label, several joined by ` + `, or `silence`.
    pub heard: String,
}

/// Measurements of one leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Is its media up?
    pub connected: bool,
    /// Loudness of what it heard in the last second: root mean square, 0 to 32767.
    pub rms: f64,
    /// Loudest frequency of that; `None`: silence.
    pub peak_hz: Option<u32>,
    /// Every frequency that stood out of that, from low to high.
    pub tones: Vec<u32>,
    /// Loudness of what it sent in the last second.
    pub sent_rms: f64,
    /// Loudest frequency of that.
    pub sent_peak_hz: Option<u32>,
    /// Packets (20 ms) that came from it; of a native leg: frames that it made.
    pub packets_in: u64,
    /// Packets (20 ms) that went to it.
    pub packets_out: u64,
    /// The transcript so far.
    pub transcript: Vec<Line>,
}
