//! The proxy in front of the server.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The server's address, while it is up.
pub(crate) type Server = watch::Sender<Option<SocketAddr>>;

/// What it does for a server that is being restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// It accepts connections meanwhile, forwards them once the server is up, and retries unanswered requests.
    Repeats,
    /// Nothing, as if it were absent.
    None,
}

impl Front {
    /// Forwards until the sender of the server's address is dropped.
    pub(crate) fn open(self, listener: TcpListener) -> Server {
        let (server, at) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Ok((client, _)) = listener.accept() => match self {
                        Self::Repeats => drop(tokio::spawn(pass(client, at.clone()))),
                        Self::None => drop(tokio::spawn(connect(client, *at.borrow()))),
                    },
                    () = over(at.clone()) => return,
                }
            }
        });
        server
    }
}

/// A client that finds no server is disconnected at once.
async fn connect(mut client: TcpStream, server: Option<SocketAddr>) {
    let Some(server) = server else { return };
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // Cut off when it ends.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

async fn over(mut at: watch::Receiver<Option<SocketAddr>>) {
    while at.changed().await.is_ok() {}
}

async fn pass(mut client: TcpStream, mut at: watch::Receiver<Option<SocketAddr>>) {
    // Bytes sent to a server that has not answered anything.
    let mut said = vec![];
    loop {
        let Ok(address) = at.wait_for(Option::is_some).await.map(|address| *address) else { return };
        let Ok(mut server) = TcpStream::connect(address.expect("it is there")).await else {
            // It has just been killed.
            if at.changed().await.is_err() {
                return;
            }
            continue;
        };
        if server.write_all(&said).await.is_ok()
            && answers(&mut client, &mut server, &mut said, &mut at).await
        {
            // A client that is cut off from now on, even by a replacement of the server, notices it by the end of
            // this connection.
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = at.changed() => {}
            }
            return;
        }
        if said.is_empty() {
            return;
        }
    }
}

/// Forwards until the server begins to answer. If it ends before, or is replaced, the next one gets the same bytes: a
/// proxy does so when configured (HAProxy: `retry-on conn-failure empty-response`).
async fn answers(
    client: &mut TcpStream,
    server: &mut TcpStream,
    said: &mut Vec<u8>,
    at: &mut watch::Receiver<Option<SocketAddr>>,
) -> bool {
    loop {
        let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
        tokio::select! {
            _ = at.changed() => return false,
            read = server.read(&mut from_server) => match read {
                Ok(read) if read > 0 => return client.write_all(&from_server[..read]).await.is_ok(),
                _ => return false,
            },
            read = client.read(&mut from_client) => match read {
                Ok(read) if read > 0 => {
                    said.extend(&from_client[..read]);
                    if server.write_all(&from_client[..read]).await.is_err() {
                        return false;
                    }
                }
                // The client no longer waits for an answer.
                _ => return true,
            },
        }
    }
}
