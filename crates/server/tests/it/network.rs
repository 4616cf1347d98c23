//! The network between a server and its database, in this process: it can swallow everything, as a host that vanishes
//! does, cut its connections, or lead to another database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Carries TCP to the socket of a PostgreSQL. Connections that are not carried on stay open: nobody is told anything.
pub(crate) struct Network {
    address: SocketAddr,
    to: Arc<Mutex<PathBuf>>,
    carries: watch::Sender<bool>,
    /// How often all connections were cut.
    cuts: watch::Sender<u32>,
}

impl Network {
    /// To this socket.
    pub(crate) async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let network = Self {
            address: listener.local_addr().unwrap(),
            to: Arc::new(Mutex::new(socket)),
            carries: watch::channel(true).0,
            cuts: watch::channel(0).0,
        };
        let (to, carries, cuts) =
            (Arc::clone(&network.to), network.carries.subscribe(), network.cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (to, carries, mut cuts) = (Arc::clone(&to), carries.clone(), cuts.clone());
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, &to, carries) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        network
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A database of this name, over this network.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://rejoin@{}/{name}?sslmode=disable", self.address)
    }

    /// From now on nothing arrives any more, in either direction, also over new connections.
    pub(crate) fn swallow(&self) {
        self.carries.send_replace(false);
    }

    /// What was sent meanwhile arrives now, as TCP sends it again.
    pub(crate) fn carry(&self) {
        self.carries.send_replace(true);
    }

    /// New connections lead there.
    pub(crate) fn lead_to(&self, socket: PathBuf) {
        *self.to.lock().unwrap() = socket;
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn connection(stream: TcpStream, to: &Mutex<PathBuf>, mut carries: watch::Receiver<bool>) {
    if carries.wait_for(|carries| *carries).await.is_err() {
        return;
    }
    let socket = to.lock().unwrap().clone();
    let Ok(database) = UnixStream::connect(socket).await else { return };
    let (from_server, to_server) = stream.into_split();
    let (from_database, to_database) = database.into_split();
    tokio::join!(
        carry(from_server, to_database, carries.clone()),
        carry(from_database, to_server, carries.clone())
    );
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut carries: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if carries.wait_for(|carries| *carries).await.is_err() {
            return;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            // The other side may be gone already.
            let _ = to.shutdown().await;
            return;
        }
    }
}
