//! All legs of one UDP socket, and the commands that drive them. Sans-IO: the task in `mod.rs` moves the bytes.

use super::audio::{self, Tone};
use super::leg::{Effects, Leg};
use super::mixer::Mixer;
use super::sockets::Datagram;
use super::{Command, Happening, Heard};
use rejoin_protocol::CallSid;
use std::time::Instant;
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Input};
use tokio::sync::oneshot;

/// An input from the task.
pub(super) enum Seen<'a> {
    /// A packet.
    Datagram(Datagram<'a>),
    /// The deadline has passed.
    Timeout,
    /// Another 20 ms have passed.
    Tick,
    /// A command.
    Command(Command),
    /// There will be no more commands.
    End,
}

/// A question whose answer takes long enough to compute (tens of milliseconds without optimisation) that packets must
/// not wait for it.
pub(super) struct Measurement {
    facts: Heard,
    heard: Vec<i16>,
    sent: Vec<i16>,
    reply: oneshot::Sender<Option<Heard>>,
}

impl Measurement {
    /// Measures, and sends the answer.
    pub(super) fn answer(self) {
        let heard = Heard {
            rms: audio::rms(&self.heard),
            peak_hz: audio::peak_hz(&self.heard),
            tones: audio::tones(&self.heard),
            sent_rms: audio::rms(&self.sent),
            sent_peak_hz: audio::peak_hz(&self.sent),
            ..self.facts
        };
        // The receiver may be gone.
        let _ = self.reply.send(Some(heard));
    }
}

/// The far end of a leg.
enum End {
    Browser(Box<Leg>),
    /// A phone of our own, and the number of frames it has made.
    Native(Tone, u64),
}

/// A call's leg, from its first command to its drop. Its measurements are available for that time.
struct Party {
    call: CallSid,
    end: End,
}

/// All legs.
pub(super) struct Gateway {
    candidates: Vec<Candidate>,
    /// Oldest first: see `receive`.
    parties: Vec<Party>,
    /// Dropped, but their goodbye is not sent yet.
    leaving: Vec<Leg>,
    mixer: Mixer,
    /// Packets to send.
    pub(super) datagrams: Vec<Transmit>,
    /// Reports to send.
    pub(super) happenings: Vec<Happening>,
    /// Measurements to answer elsewhere.
    pub(super) measurements: Vec<Measurement>,
}

impl Gateway {
    /// A gateway without legs. `candidates`: how browsers reach the sockets.
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Self {
            candidates,
            parties: vec![],
            leaving: vec![],
            mixer: Mixer::default(),
            datagrams: vec![],
            happenings: vec![],
            measurements: vec![],
        }
    }

    /// When `Seen::Timeout` is due. A scan, because there are at most some hundred legs.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let legs = self.parties.iter().filter_map(|party| match &party.end {
            End::Browser(leg) => Some(&**leg),
            End::Native(..) => None,
        });
        legs.chain(&self.leaving).filter(|leg| leg.is_alive()).map(|leg| leg.deadline).min()
    }

    /// Handles an input; the outputs are in the public fields afterwards.
    pub(super) fn handle(&mut self, now: Instant, seen: Seen) {
        match seen {
            Seen::Datagram(datagram) => self.receive(now, &datagram),
            Seen::Timeout => self.time_out(now),
            Seen::Tick => self.tick(now),
            Seen::Command(command) => self.execute(now, command),
            Seen::End => {
                for party in std::mem::take(&mut self.parties) {
                    self.part(party);
                }
            }
        }
        self.leaving.retain(Leg::is_alive);
        self.happenings.extend(self.mixer.played.drain(..).map(Happening::Played));
        let lines = self.mixer.lines.drain(..);
        self.happenings.extend(lines.map(|(call, line)| Happening::Transcript(call, line)));
    }

    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let (source, destination) = (datagram.from, datagram.at);
        // Not STUN, DTLS, RTP or RTCP: a stray packet, which an open port must expect.
        let Ok(contents) = datagram.bytes.try_into() else { return };
        let packet = Receive { proto: Protocol::Udp, source, destination, contents };
        let input = Input::Receive(now, packet);
        // Youngest first: a dead browser's leg still claims its address, and the reloaded page may send from the same
        // port.
        let takes = |party: &Party| matches!(&party.end, End::Browser(leg) if leg.accepts(&input));
        if let Some(i) = self.parties.iter().rposition(takes) {
            self.with(i, |leg, effects| leg.input(input, effects));
        } else if let Some(leg) = self.leaving.iter_mut().rfind(|leg| leg.accepts(&input)) {
            let mut effects = Effects::default();
            leg.input(input, &mut effects);
            leg.pump(&mut effects);
            self.datagrams.append(&mut effects.datagrams);
        }
    }

    fn time_out(&mut self, now: Instant) {
        for i in 0..self.parties.len() {
            self.with(i, |leg, effects| {
                if leg.is_alive() && leg.deadline <= now {
                    leg.input(Input::Timeout(now), effects);
                }
            });
        }
        for leg in &mut self.leaving {
            let mut effects = Effects::default();
            leg.input(Input::Timeout(now), &mut effects);
            leg.pump(&mut effects);
            self.datagrams.append(&mut effects.datagrams);
        }
    }

    fn tick(&mut self, now: Instant) {
        for Party { call, end } in &mut self.parties {
            if let End::Native(tone, frames) = end {
                *frames += 1;
                self.mixer.receive(call, &tone.frame());
            }
        }
        for (call, frame) in self.mixer.tick() {
            if let Ok(i) = self.find(&call) {
                self.with(i, |leg, effects| leg.send(now, &frame, effects));
            }
        }
    }

    fn execute(&mut self, now: Instant, command: Command) {
        match command {
            // The receiver may be gone, here as in all replies.
            Command::Offer { call, reply } => drop(reply.send(self.offer(now, &call))),
            Command::Answer { call, sdp, reply } => {
                drop(reply.send(self.browser(&call, |leg| leg.accept_answer(&sdp))));
            }
            Command::Accept { call, sdp, reply } => drop(reply.send(self.accept(now, &call, &sdp))),
            Command::Native { call, hz } => {
                if self.find(&call).is_ok() {
                    return tracing::warn!(%call, "a native leg was requested that already exists");
                }
                self.happenings.push(Happening::Connected(call.clone()));
                self.add(call, End::Native(Tone::new(hz.clamp(200.0, 3400.0)), 0));
            }
            Command::Place(call, conference) => self.mixer.place(&call, conference),
            Command::Mute(call, muted) => self.mixer.mute(&call, muted),
            Command::Coach(call, coached) => self.mixer.coach(&call, coached),
            Command::Hold(call, music) => self.mixer.hold(&call, music),
            Command::Play { play, to, clip } => self.mixer.play(play, to, clip),
            Command::StopPlaying(call) => self.mixer.stop_playing(&call),
            Command::Drop(call) => {
                if let Ok(i) = self.find(&call) {
                    let party = self.parties.remove(i);
                    self.part(party);
                }
            }
            Command::Heard { call, reply } => match self.measurement(&call) {
                Some((facts, heard, sent)) => {
                    self.measurements.push(Measurement { facts, heard, sent, reply });
                }
                None => drop(reply.send(None)),
            },
        }
    }

    fn offer(&mut self, now: Instant, call: &CallSid) -> Result<String, String> {
        if self.find(call).is_ok() {
            return Err(format!("leg {call} exists already"));
        }
        self.add_browser(now, call.clone());
        self.browser(call, Leg::offer)
    }

    fn accept(&mut self, now: Instant, call: &CallSid, sdp: &str) -> Result<String, String> {
        let is_new = self.find(call).is_err();
        if is_new {
            self.add_browser(now, call.clone());
        }
        let answer = self.browser(call, |leg| leg.accept_offer(sdp));
        if answer.is_err() && is_new {
            // A refused offer leaves nothing behind.
            self.parties.pop();
            self.mixer.remove(call);
        }
        answer
    }

    fn measurement(&self, call: &CallSid) -> Option<(Heard, Vec<i16>, Vec<i16>)> {
        let party = self.parties.iter().find(|party| party.call == *call)?;
        let member = self.mixer.member(call)?;
        let (connected, packets_in, packets_out) = match &party.end {
            End::Browser(leg) => (leg.is_connected(), leg.packets_in, leg.packets_out),
            End::Native(_, frames) => (true, *frames, *frames),
        };
        let transcript = member.transcript().to_vec();
        let facts = Heard { connected, packets_in, packets_out, transcript, ..Heard::default() };
        Some((facts, member.heard(), member.sent()))
    }

    fn find(&self, call: &CallSid) -> Result<usize, String> {
        let found = self.parties.iter().position(|party| party.call == *call);
        found.ok_or_else(|| format!("there is no leg {call}"))
    }

    fn add_browser(&mut self, now: Instant, call: CallSid) {
        let leg = Leg::new(now, call.clone(), &self.candidates);
        self.add(call, End::Browser(Box::new(leg)));
    }

    fn add(&mut self, call: CallSid, end: End) {
        self.mixer.add(call.clone());
        self.parties.push(Party { call, end });
    }

    fn part(&mut self, party: Party) {
        self.mixer.remove(&party.call);
        if let End::Browser(mut leg) = party.end {
            let mut effects = Effects::default();
            leg.close();
            leg.pump(&mut effects);
            self.datagrams.append(&mut effects.datagrams);
            self.leaving.push(*leg);
        }
    }

    /// Does something with a browser's leg that can be refused.
    fn browser<T>(
        &mut self,
        call: &CallSid,
        act: impl FnOnce(&mut Leg) -> Result<T, String>,
    ) -> Result<T, String> {
        let i = self.find(call)?;
        self.with(i, |leg, _| act(leg)).ok_or_else(|| format!("leg {call} is not a browser's"))?
    }

    /// Does something with a browser's leg, and carries out its effects; `None`: it is not a browser's.
    fn with<T>(&mut self, i: usize, act: impl FnOnce(&mut Leg, &mut Effects) -> T) -> Option<T> {
        let Some(Party { call, end: End::Browser(leg) }) = self.parties.get_mut(i) else { return None };
        let mut effects = Effects::default();
        let result = act(leg, &mut effects);
        leg.pump(&mut effects);
        self.mixer.receive(call, &effects.audio);
        self.datagrams.append(&mut effects.datagrams);
        self.happenings.append(&mut effects.happenings);
        Some(result)
    }
}
