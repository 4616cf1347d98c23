//! A browser leg on str0m: SDP in and out, PCMU frames in and out. Sans-IO: see [`Effects`].

use super::Happening;
use super::audio::{self, FRAME, Frame};
use rejoin_protocol::CallSid;
use std::fmt::Display;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::Transmit;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

/// A browser sends every 20 ms even when muted: half a second of silence means trouble.
const SILENT_AFTER: Duration = Duration::from_millis(500);

/// Outputs of a leg after an input.
#[derive(Default)]
pub(super) struct Effects {
    /// Packets to send.
    pub(super) datagrams: Vec<Transmit>,
    /// Audio from the far end.
    pub(super) audio: Vec<i16>,
    /// Reports to send.
    pub(super) happenings: Vec<Happening>,
}

/// A browser's leg.
pub(super) struct Leg {
    call: CallSid,
    rtc: Rtc,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    /// When `input` must next be called with `Input::Timeout`.
    pub(super) deadline: Instant,
    connected: bool,
    last_in: Option<Instant>,
    silent: bool,
    /// Number of 20 ms packets received.
    pub(super) packets_in: u64,
    /// Number of 20 ms packets sent.
    pub(super) packets_out: u64,
}

impl Leg {
    /// A new leg, reachable by these.
    pub(super) fn new(now: Instant, call: CallSid, candidates: &[Candidate]) -> Self {
        let mut rtc = RtcConfig::new()
            // We have an address that browsers reach: we answer checks and send none.
            .set_ice_lite(true)
            // PCMU alone leaves nothing to negotiate; `false` is for RFC 2198 redundancy.
            .clear_codecs()
            .enable_pcmu(true, false)
            // Bandwidth estimation and the like are useless for 64 kbit/s of constant rate.
            .clear_extension_map()
            .build(now);
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Self {
            call,
            rtc,
            mid: None,
            pending: None,
            deadline: now,
            connected: false,
            last_in: None,
            silent: false,
            packets_in: 0,
            packets_out: 0,
        }
    }

    /// Our SDP offer.
    pub(super) fn offer(&mut self) -> Result<String, String> {
        let mut change = self.rtc.sdp_api();
        self.mid = Some(change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = change.apply().ok_or("there is nothing to offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// The browser's SDP answer to our offer.
    pub(super) fn accept_answer(&mut self, sdp: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(text)?;
        let pending = self.pending.take().ok_or("the leg has no offer that waits for an answer")?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(text)
    }

    /// The far end's offer: a call from the browser, or an ICE restart (the Voice SDK's `reinvite`).
    pub(super) fn accept_offer(&mut self, sdp: &str) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(text)?;
        self.rtc.sdp_api().accept_offer(offer).map(|answer| answer.to_sdp_string()).map_err(text)
    }

    /// True when this packet belongs to this leg.
    pub(super) fn accepts(&self, input: &Input) -> bool {
        self.is_alive() && self.rtc.accepts(input)
    }

    /// True unless it was closed, by either end, or has failed.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// True while ICE and DTLS are up.
    pub(super) fn is_connected(&self) -> bool {
        self.connected && self.is_alive()
    }

    /// Sends a goodbye (RTCP BYE, DTLS close_notify), after which the leg is dead.
    pub(super) fn close(&mut self) {
        if self.rtc.close().is_err() {
            self.rtc.disconnect();
        }
    }

    /// Handles a packet, or its deadline.
    pub(super) fn input(&mut self, input: Input, effects: &mut Effects) {
        if let Err(e) = self.rtc.handle_input(input) {
            self.fail(&e, effects);
        }
    }

    /// Sends the browser the next 20 ms; called once every 20 ms.
    pub(super) fn send(&mut self, now: Instant, frame: &Frame, effects: &mut Effects) {
        if !self.is_connected() {
            return; // str0m would drop it
        }
        if self.last_in.is_some_and(|at| now.saturating_duration_since(at) >= SILENT_AFTER) {
            self.set_silent(true, effects);
        }
        let Some(writer) = self.mid.and_then(|mid| self.rtc.writer(mid)) else { return };
        let time = MediaTime::new(self.packets_out * FRAME as u64, Frequency::EIGHT_KHZ);
        let payload: Vec<u8> = frame.iter().map(|&s| audio::encode(s)).collect();
        // 0 is the payload type of PCMU by definition (https://www.rfc-editor.org/rfc/rfc3551).
        if let Err(e) = writer.write(0.into(), now, time, payload) {
            return self.fail(&e, effects);
        }
        self.packets_out += 1;
        // str0m only queues a written frame, and packs one for each timeout. On a starved machine many ticks come in a
        // row with no timeout in between: the queue would fill up, and str0m refuses to write to a full one.
        self.pump(effects);
        self.input(Input::Timeout(now), effects);
    }

    /// Must follow every input to a leg: str0m must be polled until it has no output left.
    pub(super) fn pump(&mut self, effects: &mut Effects) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(datagram)) => effects.datagrams.push(datagram),
                Ok(Output::Event(event)) => self.event(event, effects),
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Err(e) => return self.fail(&e, effects),
            }
        }
    }

    fn event(&mut self, event: Event, effects: &mut Effects) {
        match event {
            Event::MediaData(data) => {
                self.packets_in += 1;
                self.last_in = Some(data.network_time);
                effects.audio.extend(data.data.iter().map(|&byte| audio::decode(byte)));
                self.set_silent(false, effects);
            }
            // Only for media that the far end offered.
            Event::MediaAdded(media) => self.mid = Some(media.mid),
            Event::Connected if !self.connected => {
                self.connected = true;
                effects.happenings.push(Happening::Connected(self.call.clone()));
            }
            // A browser that never sent a packet cannot fall silent, but it can disconnect.
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.set_silent(true, effects);
            }
            Event::Closed => effects.happenings.push(Happening::Closed(self.call.clone())),
            _ => {}
        }
    }

    fn set_silent(&mut self, silent: bool, effects: &mut Effects) {
        if self.silent != silent {
            self.silent = silent;
            effects.happenings.push(Happening::Silent(self.call.clone(), silent));
        }
    }

    fn fail(&mut self, why: &dyn Display, effects: &mut Effects) {
        self.rtc.disconnect();
        effects.happenings.push(Happening::Failed(self.call.clone(), why.to_string()));
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
