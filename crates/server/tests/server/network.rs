//! The network between a server and its database, in this process: it can drop everything, like a host that vanishes,
//! cut its connections, or lead to another database.

use crate::support::PATIENCE;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Forwards TCP to the socket of a PostgreSQL. Connections that are not forwarded stay open, without notice.
pub(crate) struct Network {
    address: SocketAddr,
    to: Arc<Mutex<PathBuf>>,
    carries: watch::Sender<bool>,
    /// How long a new connection takes.
    takes: Arc<Mutex<Duration>>,
    /// The text at which dropping begins, once a server has sent it.
    swallows_from: Arc<Mutex<Option<&'static str>>>,
    /// New connections begin with an answer to an earlier client.
    leaves_answers: Arc<AtomicBool>,
    /// Number of such connections with which a server began to listen.
    listened: watch::Sender<u32>,
    /// How often all connections were cut.
    cuts: watch::Sender<u32>,
    /// How often the host has restarted. It does not know earlier connections.
    starts: watch::Sender<u32>,
}

impl Network {
    /// A network that leads to this socket.
    pub(crate) async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let network = Self {
            address: listener.local_addr().unwrap(),
            to: Arc::new(Mutex::new(socket)),
            carries: watch::channel(true).0,
            takes: Arc::default(),
            swallows_from: Arc::default(),
            leaves_answers: Arc::default(),
            listened: watch::channel(0).0,
            cuts: watch::channel(0).0,
            starts: watch::channel(0).0,
        };
        let (to, cuts) = (Arc::clone(&network.to), network.cuts.subscribe());
        let state = State {
            carries: network.carries.clone(),
            takes: Arc::clone(&network.takes),
            swallows_from: Arc::clone(&network.swallows_from),
            leaves_answers: Arc::clone(&network.leaves_answers),
            listened: network.listened.clone(),
            starts: network.starts.subscribe(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (to, mut cuts, state) = (Arc::clone(&to), cuts.clone(), state.clone());
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, &to, state) => {}
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

    /// URL of a database with this name, over this network.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://rejoin@{}/{name}?sslmode=disable", self.address)
    }

    /// From now on nothing arrives any more, in either direction, even over new connections.
    pub(crate) fn swallow(&self) {
        self.carries.send_replace(false);
    }

    /// Waits until a server sends this text. Neither it nor anything after it arrives.
    pub(crate) async fn swallow_from(&self, text: &'static str) {
        *self.swallows_from.lock().unwrap() = Some(text);
        let mut carries = self.carries.subscribe();
        let swallows = timeout(PATIENCE, carries.wait_for(|carries| !carries)).await;
        assert!(swallows.is_ok(), "{text} is not sent");
    }

    /// Data sent meanwhile arrives now, as TCP retransmits it.
    pub(crate) fn carry(&self) {
        self.carries.send_replace(true);
    }

    /// The host is back and does not know earlier connections. They stay open, and nothing arrives over them.
    pub(crate) fn start_anew(&self) {
        self.starts.send_modify(|starts| *starts += 1);
        self.carry();
    }

    /// New connections take this long, like those to a busy host.
    pub(crate) fn slow(&self, takes: Duration) {
        *self.takes.lock().unwrap() = takes;
    }

    /// New connections begin with an answer to an earlier client, until a server has listened over two of them.
    pub(crate) async fn leave_answers(&self) {
        self.leaves_answers.store(true, Ordering::SeqCst);
        let mut listened = self.listened.subscribe();
        self.cut();
        let listens = timeout(PATIENCE, listened.wait_for(|listened| *listened >= 2)).await;
        assert!(listens.is_ok(), "no server listens again");
        self.leaves_answers.store(false, Ordering::SeqCst);
    }

    /// New connections lead there.
    pub(crate) fn lead_to(&self, socket: PathBuf) {
        *self.to.lock().unwrap() = socket;
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// State shared by all connections.
#[derive(Clone)]
struct State {
    carries: watch::Sender<bool>,
    takes: Arc<Mutex<Duration>>,
    swallows_from: Arc<Mutex<Option<&'static str>>>,
    leaves_answers: Arc<AtomicBool>,
    listened: watch::Sender<u32>,
    starts: watch::Receiver<u32>,
}

impl State {
    /// Waits until data may arrive.
    async fn carries(&self) {
        // This object holds the sender.
        let _ = self.carries.subscribe().wait_for(|carries| *carries).await;
    }

    /// Notes what a server sends first over a connection with an answer to an earlier client: it listens, or tries the connection
    /// before.
    fn sent_first(&self, data: &[u8]) {
        if [&b"LISTEN"[..], b"heartbeat"]
            .iter()
            .any(|text| data.windows(text.len()).any(|part| part == *text))
        {
            self.listened.send_modify(|listened| *listened += 1);
        }
    }

    /// Notes what a server sends.
    fn sent(&self, data: &[u8]) {
        let mut from = self.swallows_from.lock().unwrap();
        let begins = |text: &str| data.windows(text.len()).any(|part| part == text.as_bytes());
        if from.take_if(|text| begins(text)).is_some() {
            self.carries.send_replace(false);
        }
    }
}

async fn connection(stream: TcpStream, to: &Mutex<PathBuf>, state: State) {
    let takes = *state.takes.lock().unwrap();
    tokio::time::sleep(takes).await;
    state.carries().await;
    let socket = to.lock().unwrap().clone();
    let Ok(database) = UnixStream::connect(socket).await else { return };
    let (mut from_server, mut to_server) = stream.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    if state.leaves_answers.load(Ordering::SeqCst) {
        let leaves = leave_answer(&mut from_server, &mut to_database, &mut from_database, &mut to_server);
        match leaves.await {
            Ok(first) => state.sent_first(&first),
            Err(_) => return,
        }
    }
    tokio::join!(
        carry(from_server, to_database, &state, |data| state.sent(data)),
        carry(from_database, to_server, &state, |_| {})
    );
}

/// Lets a client connect, which needs no password here, and sends it the answer to what PgBouncer has asked between two clients
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>). Returns what the client sends then.
async fn leave_answer(
    from_server: &mut (impl AsyncRead + Unpin),
    to_database: &mut (impl AsyncWrite + Unpin),
    from_database: &mut (impl AsyncRead + Unpin),
    to_server: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<Vec<u8>> {
    const READY: &[u8] = b"Z\0\0\0\x05I";
    let mut buffer = vec![0; 64 * 1024];
    let read = from_server.read(&mut buffer).await?;
    to_database.write_all(&buffer[..read]).await?;
    let mut welcome = vec![];
    while !welcome.ends_with(READY) {
        let read = from_database.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        welcome.extend_from_slice(&buffer[..read]);
    }
    to_server.write_all(&welcome).await?;
    to_server.write_all(b"C\0\0\0\x10DISCARD ALL\0").await?;
    to_server.write_all(READY).await?;
    let read = from_server.read(&mut buffer).await?;
    to_database.write_all(&buffer[..read]).await?;
    Ok(buffer[..read].to_vec())
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    state: &State,
    sent: impl Fn(&[u8]),
) {
    let start = *state.starts.borrow();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        sent(&buffer[..read]);
        state.carries().await;
        if *state.starts.borrow() != start {
            return std::future::pending().await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            // The other side may be gone already.
            let _ = to.shutdown().await;
            return;
        }
    }
}
