//! The whole media side over real UDP, with str0m as the browser.

use super::audio::{self, FRAME, RATE, Tone};
use super::*;
use rejoin_protocol::ConferenceSid;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;

/// Timeout, far longer than anything here takes: only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A browser: full ICE, sends a tone.
struct Client {
    socket: UdpSocket,
    rtc: Rtc,
    mid: Option<Mid>,
    tone: Tone,
    frames: u64,
    tick: tokio::time::Interval,
    heard: VecDeque<i16>,
    connected: bool,
    closed: bool,
}

impl Client {
    async fn new(hz: f32) -> Self {
        Self::at(LOOPBACK, hz).await
    }

    async fn at(ip: IpAddr, hz: f32) -> Self {
        let socket = UdpSocket::bind((ip, 0)).await.expect("binds");
        let mut rtc = RtcConfig::new().clear_codecs().enable_pcmu(true, false).build(Instant::now());
        let local = socket.local_addr().expect("an address");
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a candidate"));
        Self {
            socket,
            rtc,
            mid: None,
            tone: Tone::new(hz),
            frames: 0,
            tick: interval(Duration::from_millis(20)),
            heard: VecDeque::new(),
            connected: false,
            closed: false,
        }
    }

    fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer");
        without_candidates(&self.rtc.sdp_api().accept_offer(offer).expect("accepted").to_sdp_string())
    }

    fn offer(&mut self) -> (String, SdpPendingOffer) {
        let mut change = self.rtc.sdp_api();
        self.mid = Some(change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = change.apply().expect("an offer");
        (without_candidates(&offer.to_sdp_string()), pending)
    }

    fn take(&mut self, answer: &str, pending: SdpPendingOffer) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("accepted");
    }

    /// Does one step: sends what is due, or waits for a packet, a deadline or the next frame.
    async fn step(&mut self) {
        let deadline = loop {
            match self.rtc.poll_output().expect("lives") {
                Output::Timeout(at) => break at,
                Output::Transmit(t) => {
                    self.socket.send_to(&t.contents, t.destination).await.expect("sends");
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::MediaAdded(media)) => self.mid = Some(media.mid),
                Output::Event(Event::MediaData(data)) => {
                    self.heard.extend(data.data.iter().map(|&byte| audio::decode(byte)));
                    self.heard.drain(..self.heard.len().saturating_sub(RATE));
                }
                Output::Event(_) => {}
            }
        };
        let mut packet = [0; 2000];
        tokio::select! {
            received = self.socket.recv_from(&mut packet) => {
                let (length, source) = received.expect("receives");
                let destination = self.socket.local_addr().expect("an address");
                let contents = packet[..length].try_into().expect("a known protocol");
                let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                self.rtc.handle_input(Input::Receive(Instant::now(), receive)).expect("taken");
            }
            () = sleep_until(deadline.into()) => {
                self.rtc.handle_input(Input::Timeout(Instant::now())).expect("taken");
            }
            _ = self.tick.tick() => {
                let payload: Vec<u8> = self.tone.frame().iter().map(|&s| audio::encode(s)).collect();
                let time = MediaTime::new(self.frames * FRAME as u64, Frequency::EIGHT_KHZ);
                if let Some(writer) = self.mid.filter(|_| self.connected).and_then(|mid| self.rtc.writer(mid)) {
                    writer.write(0.into(), Instant::now(), time, payload).expect("written");
                    self.frames += 1;
                }
            }
        }
    }

    /// Runs until this holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let goes_on = async {
            while !holds(self) {
                self.step().await;
            }
        };
        tokio::time::timeout(PATIENCE, goes_on).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    fn hears(&self, hz: u32) -> bool {
        self.heard.len() == RATE
            && audio::peak_hz(&self.heard.iter().copied().collect::<Vec<_>>()) == Some(hz)
    }
}

/// As the Voice SDK answers: at once, before it has gathered candidates.
fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate")).collect()
}

/// Waits for a happening while the client runs.
async fn next(client: &mut Client, happenings: &mut mpsc::UnboundedReceiver<Happening>, wanted: &Happening) {
    let found = async {
        loop {
            tokio::select! {
                happening = happenings.recv() => {
                    let happening = happening.expect("the media task runs");
                    assert!(!matches!(happening, Happening::Failed(..)), "{happening:?}");
                    if happening == *wanted {
                        return;
                    }
                }
                () = client.step() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never: {wanted:?}"));
}

/// Requests measurements of a leg until they show this pitch, while the client runs.
async fn hears(client: &mut Client, media: &MediaHandle, leg: &CallSid, hz: u32) -> Heard {
    let found = async {
        loop {
            let frames = client.frames + 5;
            while client.frames < frames {
                client.step().await;
            }
            let heard = media.heard(leg.clone()).await.expect("the media task runs").expect("a leg");
            if heard.peak_hz == Some(hz) && heard.rms > 4000.0 {
                return heard;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{leg} never heard {hz} Hz"))
}

async fn begin() -> (MediaHandle, mpsc::UnboundedReceiver<Happening>) {
    start(Sockets::bind((LOOPBACK, 0).into()).await.expect("binds")).expect("starts")
}

fn call(n: u128) -> CallSid {
    CallSid::numbered(n)
}

/// A phone of our own with 660 Hz in a conference with leg 2.
fn talk(media: &MediaHandle) {
    media.send(Command::Native { call: call(1), hz: 660.0 });
    for n in [1, 2] {
        media.send(Command::Place(call(n), Some(ConferenceSid::numbered(1))));
    }
}

/// As Firefox, which has no candidate on the loopback address, and pairs none with one there.
#[tokio::test]
async fn a_browser_at_the_address_of_its_machine_talks_with_a_native_leg() {
    let sockets = Sockets::bind((LOOPBACK, 0).into()).await.expect("binds");
    let mut addresses = sockets.candidates().expect("addresses").into_iter().map(|it| it.addr());
    let Some(own) = addresses.find(|at| !at.ip().is_loopback()) else { return }; // this machine has no network
    let (media, mut happenings) = start(sockets).expect("starts");
    let mut client = Client::at(own.ip(), 440.0).await;
    let offer = media.offer(call(2)).await.expect("an offer");
    let here = |line: &str| line.starts_with("a=candidate") && line.contains("127.0.0.1");
    let offer: String = offer.split_inclusive('\n').filter(|line| !here(line)).collect();
    let answer = client.answer(&offer);
    media.answer(call(2), answer).await.expect("taken");
    talk(&media);
    next(&mut client, &mut happenings, &Happening::Connected(call(2))).await;
    client.until("660 Hz", |client| client.hears(660)).await;
    hears(&mut client, &media, &call(1), 440).await;
}

#[tokio::test]
async fn a_browser_that_answers_talks_with_a_native_leg_until_it_is_dropped() {
    let (media, mut happenings) = begin().await;
    let mut client = Client::new(440.0).await;
    let offer = media.offer(call(2)).await.expect("an offer");
    let answer = client.answer(&offer);
    media.answer(call(2), answer).await.expect("taken");
    talk(&media);
    next(&mut client, &mut happenings, &Happening::Connected(call(1))).await;
    next(&mut client, &mut happenings, &Happening::Connected(call(2))).await;
    client.until("660 Hz", |client| client.hears(660)).await;
    let heard = hears(&mut client, &media, &call(1), 440).await;
    assert_eq!((heard.connected, heard.sent_peak_hz), (true, Some(660)));
    assert_eq!(heard.transcript.last().map(|line| line.heard.as_str()), Some("agent"));
    let of_client = media.heard(call(2)).await.expect("the media task runs").expect("a leg");
    assert_eq!((of_client.peak_hz, of_client.sent_peak_hz), (Some(660), Some(440)));

    media.send(Command::Drop(call(2)));
    client.until("closed", |client| client.closed).await;
    assert_eq!(media.heard(call(2)).await.expect("the media task runs"), None);
}

#[tokio::test]
async fn a_browser_that_offers_is_heard_and_its_end_is_reported() {
    let (media, mut happenings) = begin().await;
    let mut client = Client::new(440.0).await;
    let (offer, pending) = client.offer();
    let answer = media.accept(call(2), offer).await.expect("an answer");
    client.take(&answer, pending);
    talk(&media);
    next(&mut client, &mut happenings, &Happening::Connected(call(2))).await;
    hears(&mut client, &media, &call(1), 440).await;
    client.until("660 Hz", |client| client.hears(660)).await;

    // An ICE restart of the same leg: new credentials, and the call goes on.
    let mut change = client.rtc.sdp_api();
    change.ice_restart(true);
    let (offer, pending) = change.apply().expect("an offer");
    let answer = media.accept(call(2), without_candidates(&offer.to_sdp_string())).await.expect("an answer");
    client.take(&answer, pending);
    let frames = client.frames;
    client.heard.clear();
    client.until("660 Hz after the restart", |client| client.frames > frames + 50 && client.hears(660)).await;
    let heard = media.heard(call(1)).await.expect("the media task runs").expect("a leg");
    assert_eq!(heard.peak_hz, Some(440));

    client.rtc.close().expect("closes");
    let closed = Happening::Closed(call(2));
    while client.rtc.is_alive() {
        client.step().await;
    }
    let told = async { while happenings.recv().await.expect("the media task runs") != closed {} };
    tokio::time::timeout(PATIENCE, told).await.expect("the close is reported");
    let heard = media.heard(call(2)).await.expect("the media task runs").expect("until it is dropped");
    assert!(!heard.connected && !heard.transcript.is_empty());
}

#[tokio::test]
async fn a_browser_that_stops_sending_falls_silent_and_comes_back() {
    let (media, mut happenings) = begin().await;
    let mut client = Client::new(440.0).await;
    let answer = client.answer(&media.offer(call(2)).await.expect("an offer"));
    media.answer(call(2), answer).await.expect("taken");
    talk(&media);
    client.until("660 Hz", |client| client.hears(660)).await;
    // The client is not run here, as if its process were stopped.
    let silent = Happening::Silent(call(2), true);
    let told = async { while happenings.recv().await.expect("the media task runs") != silent {} };
    tokio::time::timeout(PATIENCE, told).await.expect("the silence is told");
    next(&mut client, &mut happenings, &Happening::Silent(call(2), false)).await;
}

#[tokio::test]
async fn the_last_handle_ends_all_legs() {
    let (media, mut happenings) = begin().await;
    let mut client = Client::new(440.0).await;
    let answer = client.answer(&media.offer(call(2)).await.expect("an offer"));
    media.answer(call(2), answer).await.expect("taken");
    next(&mut client, &mut happenings, &Happening::Connected(call(2))).await;
    drop((media, happenings));
    client.until("closed", |client| client.closed).await;
}

#[tokio::test]
async fn impossible_commands_are_refused() {
    let (media, _happenings) = begin().await;
    let refused = |result: Result<String, MediaError>| match result {
        Err(MediaError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    media.offer(call(1)).await.expect("an offer");
    assert!(refused(media.offer(call(1)).await).contains("exists already"));
    assert!(matches!(media.answer(call(1), "nonsense".into()).await, Err(MediaError::Refused(_))));
    assert!(matches!(media.answer(call(2), String::new()).await, Err(MediaError::Refused(_))));
    refused(media.accept(call(2), "nonsense".into()).await);
    assert_eq!(media.heard(call(2)).await.expect("the media task runs"), None, "nothing is left of it");
    media.send(Command::Native { call: call(3), hz: 660.0 });
    assert!(refused(media.accept(call(3), "nonsense".into()).await).contains("not a browser's"));
}
