//! The UDP sockets that browsers reach the media side by.

use super::MediaError;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use str0m::Candidate;
use tokio::net::UdpSocket;

/// An address outside of every local network, reserved for documentation (<https://www.rfc-editor.org/rfc/rfc5737>).
const SOMEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(203, 0, 113, 1), 9);

/// A packet that has come in.
pub(super) struct Datagram<'a> {
    pub(super) from: SocketAddr,
    /// The socket's address.
    pub(super) at: SocketAddr,
    pub(super) bytes: &'a [u8],
}

/// The sockets of the media side.
#[derive(Debug)]
pub struct Sockets {
    pub(super) main: Socket,
    /// Firefox has no candidate on the loopback address when the machine has another one, and ICE pairs no others with one there: a
    /// browser on this machine reaches the machine's own address instead.
    other: Option<Socket>,
}

/// A socket and its address.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Socket {
    async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// Waits for the next packet.
    ///
    /// # Errors
    /// An earlier packet could not be delivered.
    pub(super) async fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Datagram<'a>> {
        let (length, from) = self.socket.recv_from(buffer).await?;
        Ok(Datagram { from, at: self.local, bytes: &buffer[..length] })
    }
}

impl Sockets {
    /// A socket at this address. If only this machine reaches that, there is a second one at the machine's own address in its
    /// network, if it has one.
    ///
    /// # Errors
    /// When nothing can be bound there.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let main = Socket::bind(address).await?;
        let other = if address.ip().is_loopback() { Self::own_address().await } else { None };
        Ok(Self { main, other })
    }

    /// `None`: the machine is in no network.
    async fn own_address() -> Option<Socket> {
        // Connecting a UDP socket sends nothing. It has the address then that the system would send from.
        let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
        probe.connect(SOMEWHERE).await.ok()?;
        let ip = probe.local_addr().ok()?.ip();
        if ip.is_loopback() || ip.is_unspecified() { None } else { Socket::bind((ip, 0).into()).await.ok() }
    }

    /// How browsers reach the sockets.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, MediaError> {
        let addresses = [Some(&self.main), self.other.as_ref()].into_iter().flatten().map(|it| it.local);
        let candidate = |at: SocketAddr| {
            Candidate::host(at, "udp").map_err(|error| MediaError::Address(at, error.to_string()))
        };
        addresses.map(candidate).collect()
    }

    /// Waits for the next packet at the machine's own address.
    pub(super) async fn receive_at_other<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Datagram<'a>> {
        match &self.other {
            Some(other) => other.receive(buffer).await,
            None => std::future::pending().await,
        }
    }

    /// The socket with this address.
    pub(super) fn at(&self, local: SocketAddr) -> &UdpSocket {
        match &self.other {
            Some(other) if other.local == local => &other.socket,
            _ => &self.main.socket,
        }
    }
}
