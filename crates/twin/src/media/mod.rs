//! The media side: real WebRTC to browsers, mixing, prompts, native phones. See `api.rs` for what goes in and out.

mod api;
mod audio;
mod clip;
mod gateway;
mod leg;
mod mixer;
mod mp3;
mod transcript;
#[cfg(test)]
mod udp_tests;

pub use api::*;
pub use clip::{hold_music, no_music, speech, wav};
pub use mp3::read as audio_file;

use gateway::{Gateway, Seen};
use rejoin_protocol::CallSid;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::Candidate;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep_until};

/// Why something of the media side did not work.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The socket has no address.
    #[error(
        "the media socket has no address ({0}); give one that is bound to an address that browsers reach"
    )]
    Socket(std::io::Error),
    /// Browsers cannot be told this address.
    #[error("browsers cannot reach {0} ({1}); bind the media socket to the address of one network interface")]
    Address(SocketAddr, String),
    /// The leg cannot do that.
    #[error("the media side refused: {0}")]
    Refused(String),
    /// Nobody takes commands any more.
    #[error("the media task has ended; start the twin again")]
    Ended,
    /// Not audio that can be played.
    #[error("not a playable WAV file: {0}; PCM of 8 or 16 bits or µ-law is wanted")]
    Wav(&'static str),
    /// Not audio that can be played.
    #[error("not a playable MP3 file: {0}")]
    Mp3(&'static str),
}

/// Starts the media side on a task of its own, which ends with the last handle. Must be called inside a tokio
/// runtime. The socket's address is the one that browsers are told, so it must be one that they reach.
pub fn start(socket: UdpSocket) -> Result<(MediaHandle, mpsc::UnboundedReceiver<Happening>), MediaError> {
    let local = socket.local_addr().map_err(MediaError::Socket)?;
    let candidate = Candidate::host(local, "udp").map_err(|e| MediaError::Address(local, e.to_string()))?;
    str0m::crypto::from_feature_flags().install_process_default();
    let (commands, inbox) = mpsc::unbounded_channel();
    let (happenings, outbox) = mpsc::unbounded_channel();
    tokio::spawn(run(socket, Gateway::new(local, candidate), inbox, happenings));
    Ok((MediaHandle { commands }, outbox))
}

/// Moves bytes between the socket and the gateway until there is no handle left.
async fn run(
    socket: UdpSocket,
    mut gateway: Gateway,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    happenings: mpsc::UnboundedSender<Happening>,
) {
    // Its default (burst) is wanted: after a stall it catches up, so that no audio is lost.
    let mut tick = interval(Duration::from_millis(20));
    let mut packet = [0; 2000];
    let mut ended = false;
    while !ended {
        let deadline = gateway.deadline();
        let timeout = async {
            match deadline {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let seen = tokio::select! {
            // In this order: after a stall, what lies in the socket is read before it counts as missing.
            biased;
            received = socket.recv_from(&mut packet) => match received {
                Ok((length, source)) => Seen::Datagram(source, &packet[..length]),
                // The ICMP answer to something that we sent. ICE watches; this tells nothing more.
                Err(_) => continue,
            },
            command = inbox.recv() => match command {
                Some(command) => Seen::Command(command),
                None => {
                    ended = true;
                    Seen::End
                }
            },
            _ = tick.tick() => Seen::Tick,
            () = timeout => Seen::Timeout,
        };
        gateway.handle(Instant::now(), seen);
        for datagram in gateway.datagrams.drain(..) {
            // Lost like any datagram: neither a full buffer nor an unreachable browser may stop us.
            let _ = socket.try_send_to(&datagram.contents, datagram.destination);
        }
        for happening in gateway.happenings.drain(..) {
            // Whoever listened may have gone before the handles.
            let _ = happenings.send(happening);
        }
        for measurement in gateway.measurements.drain(..) {
            tokio::task::spawn_blocking(|| measurement.answer());
        }
    }
}

/// Tells the media side what to do. Commands are done in the order of sending.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    commands: mpsc::UnboundedSender<Command>,
}

impl MediaHandle {
    /// Sends a command. After the end of the media task there is nothing left to command, hence no error.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Makes a leg to a browser and gives our SDP offer.
    pub async fn offer(&self, call: CallSid) -> Result<String, MediaError> {
        self.ask(|reply| Command::Offer { call, reply }).await?.map_err(MediaError::Refused)
    }

    /// Takes the browser's SDP answer to our offer.
    pub async fn answer(&self, call: CallSid, sdp: String) -> Result<(), MediaError> {
        self.ask(|reply| Command::Answer { call, sdp, reply }).await?.map_err(MediaError::Refused)
    }

    /// Takes the browser's SDP offer, of a new leg or to restart ICE, and gives our answer.
    pub async fn accept(&self, call: CallSid, sdp: String) -> Result<String, MediaError> {
        self.ask(|reply| Command::Accept { call, sdp, reply }).await?.map_err(MediaError::Refused)
    }

    /// What the leg heard lately, and what it sent; `None`: no such leg.
    pub async fn heard(&self, call: CallSid) -> Result<Option<Heard>, MediaError> {
        self.ask(|reply| Command::Heard { call, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, MediaError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply));
        answer.await.map_err(|_| MediaError::Ended)
    }
}
