//! The gateway on virtual time, with str0m as the browser.

use super::gateway::{Gateway, Seen};
use super::sockets::Datagram;
use super::{Command, Happening};
use rejoin_protocol::CallSid;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::SdpOffer;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::sync::oneshot;

/// Number of frames that str0m queues; it refuses to write more (`MAX_PENDING_PAYLOADS` in its `media/mod.rs`).
const MOST_QUEUED: usize = 512;

/// A gateway and a browser, joined by a network without delay.
struct Pair {
    now: Instant,
    gateway: Gateway,
    at: SocketAddr,
    browser: Rtc,
    browser_at: SocketAddr,
    connected: bool,
    /// Number of frames that the browser received.
    frames: usize,
}

impl Pair {
    /// A browser that has answered the gateway's offer and is connected.
    fn connected(call: &CallSid) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let now = Instant::now();
        let (at, browser_at) = (([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 5000).into());
        let candidate = |at| Candidate::host(at, "udp").expect("a candidate");
        let mut browser = RtcConfig::new().clear_codecs().enable_pcmu(true, false).build(now);
        browser.add_local_candidate(candidate(browser_at));
        let gateway = Gateway::new(vec![candidate(at)]);
        let mut pair = Self { now, gateway, at, browser, browser_at, connected: false, frames: 0 };

        let (reply, mut offered) = oneshot::channel();
        pair.gateway.handle(now, Seen::Command(Command::Offer { call: call.clone(), reply }));
        let offer = offered.try_recv().expect("a reply").expect("an offer");
        let offer = SdpOffer::from_sdp_string(&offer).expect("an offer");
        let sdp = pair.browser.sdp_api().accept_offer(offer).expect("accepted").to_sdp_string();
        let (reply, mut answered) = oneshot::channel();
        pair.gateway.handle(now, Seen::Command(Command::Answer { call: call.clone(), sdp, reply }));
        answered.try_recv().expect("a reply").expect("taken");

        for _ in 0..1000 {
            if pair.connected && pair.gateway.happenings.contains(&Happening::Connected(call.clone())) {
                pair.gateway.happenings.clear();
                return pair;
            }
            pair.advance();
        }
        panic!("never connected");
    }

    /// Delivers all packets, then goes on to the next deadline.
    fn advance(&mut self) {
        let browser_deadline = self.deliver();
        let deadline = self.gateway.deadline().map_or(browser_deadline, |at| at.min(browser_deadline));
        self.now = self.now.max(deadline);
        self.gateway.handle(self.now, Seen::Timeout);
        self.browser.handle_input(Input::Timeout(self.now)).expect("taken");
    }

    /// Delivers packets in both directions until there are none; returns the browser's deadline.
    fn deliver(&mut self) -> Instant {
        loop {
            for datagram in std::mem::take(&mut self.gateway.datagrams) {
                let contents = (&*datagram.contents).try_into().expect("a known protocol");
                let (source, destination) = (self.at, self.browser_at);
                let packet = Receive { proto: Protocol::Udp, source, destination, contents };
                self.browser.handle_input(Input::Receive(self.now, packet)).expect("taken");
                self.drain();
            }
            let deadline = self.drain();
            if self.gateway.datagrams.is_empty() {
                return deadline;
            }
        }
    }

    /// Hands the browser's packets to the gateway; returns its deadline.
    fn drain(&mut self) -> Instant {
        loop {
            match self.browser.poll_output().expect("lives") {
                Output::Timeout(at) => return at,
                Output::Transmit(datagram) => {
                    let datagram = Datagram { from: self.browser_at, at: self.at, bytes: &datagram.contents };
                    self.gateway.handle(self.now, Seen::Datagram(datagram));
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::MediaData(_)) => self.frames += 1,
                Output::Event(_) => {}
            }
        }
    }
}

#[test]
fn a_frame_is_sent_in_the_tick_that_makes_it() {
    let mut pair = Pair::connected(&CallSid::numbered(1));
    for ticks in 1..=2 {
        pair.gateway.handle(pair.now, Seen::Tick);
        assert_eq!(pair.gateway.datagrams.len(), ticks, "without a timeout, and at the same instant");
    }
}

#[test]
fn a_leg_survives_a_stall_that_is_followed_by_all_ticks_at_once() {
    let mut pair = Pair::connected(&CallSid::numbered(1));
    for _ in 0..=MOST_QUEUED {
        pair.gateway.handle(pair.now, Seen::Tick);
    }
    let failed = pair.gateway.happenings.iter().find(|happening| matches!(happening, Happening::Failed(..)));
    assert_eq!(failed, None);
    pair.deliver();
    assert_eq!(pair.frames, MOST_QUEUED + 1);
}
