//! What stands in front of the server.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where the server is, if it is there.
pub(crate) type Server = watch::Sender<Option<SocketAddr>>;

/// What it does for a server that is being started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// It takes connections meanwhile, passes them on when the server is there, and repeats what was not answered.
    Repeats,
    /// Nothing, as if it were not there.
    None,
}

impl Front {
    /// Passes on until the server's address is told no more.
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

/// Whoever does not find the server is told so at once.
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
    // What was said to a server that has not answered anything.
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
            // Whoever is cut off from now on, also by another server's taking its place, is told so by the end of this
            // connection.
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

/// Passes on until the server begins to answer. If it ends before, or another one takes its place, the next one is to hear the same: a proxy does so when
/// it is told to (HAProxy: `retry-on conn-failure empty-response`).
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
                // Nobody waits for an answer any more.
                _ => return true,
            },
        }
    }
}
