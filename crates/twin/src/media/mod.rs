//! The media side: real WebRTC to browsers, mixing, prompts, native phones. See `api.rs` for its commands and
//! reports.

mod api;
mod audio;
mod clip;
mod gateway;
#[cfg(test)]
mod gateway_tests;
mod leg;
mod mixer;
mod mp3;
mod sockets;
mod transcript;
#[cfg(test)]
mod udp_tests;

pub use api::*;
pub use clip::{hold_music, no_music, speech, wav};
pub use mp3::read as audio_file;
pub use sockets::Sockets;

use gateway::{Gateway, Seen};
use rejoin_protocol::CallSid;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep_until};

/// An error of the media side.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// An address that browsers cannot be given.
    #[error("browsers cannot reach {0} ({1}); bind the media socket to the address of one network interface")]
    Address(SocketAddr, String),
    /// The leg cannot do that.
    #[error("the media side refused: {0}")]
    Refused(String),
    /// The media task has ended.
    #[error("the media task has ended; start the twin again")]
    Ended,
    /// Not a playable WAV file.
    #[error("not a playable WAV file: {0}; PCM of 8 or 16 bits or µ-law is wanted")]
    Wav(&'static str),
    /// Not a playable MP3 file.
    #[error("not a playable MP3 file: {0}")]
    Mp3(&'static str),
}

/// Starts the media side on a task of its own, which ends with the last handle. Must be called inside a tokio
/// runtime. Browsers are given the sockets' addresses, so they must be able to reach one of them.
pub fn start(sockets: Sockets) -> Result<(MediaHandle, mpsc::UnboundedReceiver<Happening>), MediaError> {
    let candidates = sockets.candidates()?;
    str0m::crypto::from_feature_flags().install_process_default();
    let (commands, inbox) = mpsc::unbounded_channel();
    let (happenings, outbox) = mpsc::unbounded_channel();
    tokio::spawn(run(sockets, Gateway::new(candidates), inbox, happenings));
    Ok((MediaHandle { commands }, outbox))
}

/// Moves bytes between the sockets and the gateway while there is a handle.
async fn run(
    sockets: Sockets,
    mut gateway: Gateway,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    happenings: mpsc::UnboundedSender<Happening>,
) {
    // The default (burst) is right: after a stall it catches up, so that no audio is lost.
    let mut tick = interval(Duration::from_millis(20));
    let (mut packet, mut other) = ([0; 2000], [0; 2000]);
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
            // In this order: after a stall, packets in the socket are read before they count as missing.
            biased;
            received = sockets.main.receive(&mut packet) => match received {
                Ok(datagram) => Seen::Datagram(datagram),
                // The ICMP answer to a packet of ours. ICE notices lost peers; this adds nothing.
                Err(_) => continue,
            },
            received = sockets.receive_at_other(&mut other) => match received {
                Ok(datagram) => Seen::Datagram(datagram),
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
            let _ = sockets.at(datagram.source).try_send_to(&datagram.contents, datagram.destination);
        }
        for happening in gateway.happenings.drain(..) {
            // The receiver may be gone before the handles.
            let _ = happenings.send(happening);
        }
        for measurement in gateway.measurements.drain(..) {
            tokio::task::spawn_blocking(|| measurement.answer());
        }
    }
}

/// Sends commands to the media side, which carries them out in order.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    commands: mpsc::UnboundedSender<Command>,
}

impl MediaHandle {
    /// Sends a command. After the end of the media task there is nothing left to command, hence no error.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Creates a leg to a browser and returns our SDP offer.
    pub async fn offer(&self, call: CallSid) -> Result<String, MediaError> {
        self.ask(|reply| Command::Offer { call, reply }).await?.map_err(MediaError::Refused)
    }

    /// Applies the browser's SDP answer to our offer.
    pub async fn answer(&self, call: CallSid, sdp: String) -> Result<(), MediaError> {
        self.ask(|reply| Command::Answer { call, sdp, reply }).await?.map_err(MediaError::Refused)
    }

    /// Applies the browser's SDP offer, for a new leg or an ICE restart, and returns our answer.
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
