//! The media side: real WebRTC to browsers, mixing, prompts, native phones. See `api.rs` for what goes in and out.

mod api;
mod audio;
mod clip;

pub use api::*;
pub use clip::{hold_music, speech, wav};

use rejoin_protocol::CallSid;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

/// Why something of the media side did not work.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The socket has no address.
    #[error(
        "the media socket has no address ({0}); give one that is bound to an address that browsers reach"
    )]
    Socket(std::io::Error),
    /// The leg cannot do that.
    #[error("the media side refused: {0}")]
    Refused(String),
    /// Nobody takes commands any more.
    #[error("the media task has ended; start the twin again")]
    Ended,
    /// Not audio that can be played.
    #[error("not a playable WAV file: {0}; PCM of 8 or 16 bits or µ-law is wanted")]
    Wav(&'static str),
}

/// Starts the media side on a task of its own, which ends with the last handle. Must be called inside a tokio
/// runtime. The socket's address is the one that browsers are told, so it must be one that they reach.
pub fn start(socket: UdpSocket) -> Result<(MediaHandle, mpsc::UnboundedReceiver<Happening>), MediaError> {
    socket.local_addr().map_err(MediaError::Socket)?;
    let (commands, mut inbox) = mpsc::unbounded_channel::<Command>();
    let (happenings, outbox) = mpsc::unbounded_channel();
    tokio::spawn(async move { while inbox.recv().await.is_some() && !happenings.is_closed() {} });
    Ok((MediaHandle { commands }, outbox))
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
