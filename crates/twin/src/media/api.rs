//! Commands to the media side, and its reports.

use crate::model::{Audience, PlayId};
use rejoin_protocol::{CallSid, ConferenceSid};
use serde::Serialize;

/// A command to the media side.
#[derive(Debug)]
pub enum Command {
    /// Creates a leg to an agent's browser and returns our SDP offer.
    Offer {
        /// The new leg.
        call: CallSid,
        /// Our offer, or an error.
        reply: tokio::sync::oneshot::Sender<Result<String, String>>,
    },
    /// The browser's answer to our offer.
    Answer {
        /// The leg.
        call: CallSid,
        /// Its SDP.
        sdp: String,
        /// The result.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
    },
    /// The browser's offer: a customer's page calls, or an ICE restart. Creates the leg if it is new.
    Accept {
        /// The leg.
        call: CallSid,
        /// Its SDP.
        sdp: String,
        /// Our answer, or an error.
        reply: tokio::sync::oneshot::Sender<Result<String, String>>,
    },
    /// Creates a phone of the twin itself: it sends a tone, and measures what it hears.
    Native {
        /// The new leg.
        call: CallSid,
        /// Frequency of its tone, 200–3400 Hz.
        hz: f32,
    },
    /// Moves the leg to this conference; `None`: to none.
    Place(CallSid, Option<ConferenceSid>),
    /// Mutes the leg, or unmutes it.
    Mute(CallSid, bool),
    /// Only this leg hears the other one; `None`: everybody does.
    Coach(CallSid, Option<CallSid>),
    /// Puts the leg on hold: it hears `music` in a loop and not the conference, and is not heard. `None`: ends the
    /// hold.
    Hold(CallSid, Option<Clip>),
    /// Plays a clip to its end, then reports [`Happening::Played`]. Clips to one audience queue up.
    Play {
        /// Identifies the report.
        play: PlayId,
        /// Who hears it.
        to: Audience,
        /// The clip.
        clip: Clip,
    },
    /// Drops what plays or waits to play to this leg alone, without a report.
    StopPlaying(CallSid),
    /// Ends the leg.
    Drop(CallSid),
    /// Measures what the leg heard lately, and what it sent.
    Heard {
        /// The leg.
        call: CallSid,
        /// The result; `None`: no such leg.
        reply: tokio::sync::oneshot::Sender<Option<Heard>>,
    },
}

/// Audio, 8 kHz mono, with its label for the transcript.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Label in the transcript: `announcement: …`, `comfort audio`, `hold music`.
    pub label: String,
    /// Samples.
    pub samples: std::sync::Arc<[i16]>,
}

/// A report of the media side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// ICE and DTLS are up.
    Connected(CallSid),
    /// No packet for half a second (`true`), or packets again (`false`).
    Silent(CallSid, bool),
    /// The browser closed DTLS.
    Closed(CallSid),
    /// The leg broke.
    Failed(CallSid, String),
    /// A clip has played to its end.
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
    /// `agent` (another participant is loud), a clip's label, several joined by ` + `, or `silence`.
    pub heard: String,
}

/// Measurements of one leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// True while its media is up.
    pub connected: bool,
    /// Loudness of what it heard in the last second: root mean square, 0 to 32767.
    pub rms: f64,
    /// Loudest frequency in that; `None`: silence.
    pub peak_hz: Option<u32>,
    /// Every prominent frequency in that, in ascending order.
    pub tones: Vec<u32>,
    /// Loudness of what it sent in the last second.
    pub sent_rms: f64,
    /// Loudest frequency in that.
    pub sent_peak_hz: Option<u32>,
    /// Packets (20 ms) received from it; for a native leg: frames that it made.
    pub packets_in: u64,
    /// Packets (20 ms) sent to it.
    pub packets_out: u64,
    /// The transcript so far.
    pub transcript: Vec<Line>,
}
