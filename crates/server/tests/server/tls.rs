//! The server terminates TLS itself, if configured: HTTP/1.1 and HTTP/2, with the same limits as without.

use crate::crash::Process;
use crate::support::*;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, Version};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Long enough for a busy machine; the wait ends with its event.
const PATIENCE: Duration = Duration::from_secs(20);

/// The files of the server's certificate.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// A new certificate with its key, placed as renewal programs do. Returns the certificate, PEM.
    fn renew(&self) -> String {
        let made = made();
        put(&self.key(), &made.signing_key.serialize_pem());
        put(&self.certificate(), &made.cert.pem());
        made.cert.pem()
    }
}

fn made() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap()
}

/// Written aside and moved there, so that a half-written file is never read.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// A client that trusts only this certificate.
fn who_trusts(certificate: &str) -> reqwest::ClientBuilder {
    Client::builder().tls_certs_only([Certificate::from_pem(certificate.as_bytes()).unwrap()])
}

/// A server that speaks TLS with these files, and a client that trusts `certificate`.
async fn world(files: &Files, certificate: &str, change: impl FnOnce(&mut rejoin_server::Config)) -> World {
    let mut world = World::start_with(|config| {
        config.tls.certificate = Some(files.certificate());
        config.tls.key = Some(files.key());
        change(config);
    })
    .await;
    let address = world.server.as_ref().unwrap().address();
    world.desk = Desk::over(format!("https://{address}"), || who_trusts(certificate));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recovered_over_tls_with_each_version_of_http() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let files = Files::new();
        let certificate = files.renew();
        let mut world = world(&files, &certificate, |_| {}).await;
        if version == Version::HTTP_11 {
            world.desk = Desk::over(world.desk.address.clone(), || who_trusts(&certificate).http1_only());
        }
        let live = world.desk.http.get(format!("{}/health/live", world.desk.address)).send().await.unwrap();
        assert_eq!((live.status().as_u16(), live.version()), (200, version));
        let mut push = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
        push.position().await;
        world.desk.lost().await;
        let said = push.next().await.unwrap();
        assert_eq!(said["push"], "recovery", "{said}");
        world.twilio.wait_for("POST Tasks", 1).await;
        assert_eq!(world.desk.hello(2).await["recoveries"].as_array().unwrap().len(), 1);

        let plain = world.desk.address.replace("https", "http");
        let plain = Client::new().get(format!("{plain}/health/live")).send().await;
        assert!(plain.is_err(), "nothing is answered that is not encrypted");
        let stranger = Client::new().get(format!("{}/health/live", world.desk.address)).send().await;
        assert!(stranger.is_err(), "who does not trust it asks nothing");
        world.server.take().unwrap().stop().await;
        // Open streams end when the server stops, and their pages are told first.
        let mut last = None;
        while let Some(said) = push.next().await {
            last = Some(said);
        }
        assert_eq!(last.unwrap()["push"], "move");
    }
}

/// A browser opens it over a connection of its own, with HTTP/1.1, whatever the push channel has.
#[tokio::test(flavor = "multi_thread")]
async fn a_presence_socket_is_opened_over_tls() {
    let files = Files::new();
    let certificate = files.renew();
    let world = world(&files, &certificate, |_| {}).await;
    let page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let stream = greeted(&world.desk, &certificate, b"http/1.1").await;
    let mut request = "wss://127.0.0.1/v1/presence".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", page.ticket().parse().unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    for _ in 0..2 {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("no ping came");
        assert!(frame.unwrap().unwrap().is_ping());
    }
}

/// Waits until the server uses this certificate.
async fn uses(desk: &Desk, certificate: &str) {
    let taken = async {
        loop {
            // A new connection each time.
            let client = who_trusts(certificate).build().unwrap();
            if client.get(format!("{}/health/live", desk.address)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the new one is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_and_no_connection_is_cut() {
    let files = Files::new();
    let first = files.renew();
    let world = world(&files, &first, |_| {}).await;
    let desk = &world.desk;
    desk.talking().await;
    let mut push = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    push.position().await;
    let second = files.renew();
    uses(desk, &second).await;
    let old = who_trusts(&first).build().unwrap().get(format!("{}/health/live", desk.address)).send().await;
    assert!(old.is_err(), "the one before is not shown any more");
    // On existing connections.
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(push.next().await.unwrap()["push"], "recovery");
}

/// Number of new certificates that could not be used.
async fn refused(desk: &Desk) -> u64 {
    let figures = desk.figures().await;
    let line = "rejoin_tls_certificates_total{result=\"refused\"} ";
    figures.lines().find_map(|found| found.strip_prefix(line)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_files_are_reported_and_the_previous_certificate_stays() {
    let files = Files::new();
    let first = files.renew();
    let twilio = Twilio::start().await;
    let log = files.folder.path().join("log");
    // A process of its own: metrics are shared by all servers of a process, and it has a log.
    let paths = [files.certificate(), files.key()].map(|path| path.display().to_string());
    let tls = [("REJOIN_TLS_CERTIFICATE", paths[0].as_str()), ("REJOIN_TLS_KEY", paths[1].as_str())];
    let process = Process::logging(&twilio, files.folder.path(), &log, &tls);
    let address = process.desk.address.replace("http://", "https://");
    let desk = Desk::over(address, || who_trusts(&first));
    assert_eq!(refused(&desk).await, 0);

    put(&files.key(), &made().signing_key.serialize_pem());
    told(&desk, 1).await;
    put(&files.certificate(), "nonsense");
    told(&desk, 2).await;
    uses(&desk, &first).await;
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("the key does not belong to the certificate"), "{said}");
    assert!(
        said.contains("REJOIN_TLS_CERTIFICATE") && said.contains("the previous one stays in use"),
        "{said}"
    );
    assert!(!said.contains("PRIVATE KEY"), "{said}");

    let second = files.renew();
    uses(&desk, &second).await;
}

/// Waits until this many have been refused.
async fn told(desk: &Desk, times: u64) {
    let waiting = async {
        while refused(desk).await < times {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it is told");
    assert_eq!(refused(desk).await, times, "once each");
}

#[tokio::test]
async fn unusable_files_are_refused_at_the_start() {
    let twilio = Twilio::start().await;
    let files = Files::new();
    files.renew();
    let why = async |certificate: Option<PathBuf>, key: Option<PathBuf>| {
        let mut settings = config(&twilio, files.folder.path());
        (settings.tls.certificate, settings.tls.key) = (certificate, key);
        rejoin_server::Server::start(settings).await.expect_err("it does not start").to_string()
    };
    let (certificate, key) = (Some(files.certificate()), Some(files.key()));
    let nothing = Some(files.folder.path().join("nothing"));
    let error = why(certificate.clone(), None).await;
    assert!(error.contains("REJOIN_TLS_KEY") && error.contains("both"), "{error}");
    let error = why(None, key.clone()).await;
    assert!(error.contains("REJOIN_TLS_KEY") && error.contains("both"), "{error}");
    let error = why(nothing.clone(), key.clone()).await;
    assert!(error.contains("the certificate:") && error.contains("nothing"), "{error}");
    let error = why(certificate.clone(), nothing).await;
    assert!(error.contains("the key:"), "{error}");
    let error = why(key.clone(), key.clone()).await;
    assert!(error.contains("no certificate"), "{error}");
    let error = why(certificate.clone(), certificate.clone()).await;
    assert!(error.contains("the key:"), "{error}");
    put(&files.key(), &made().signing_key.serialize_pem());
    let error = why(certificate, key).await;
    assert!(error.contains("the key does not belong to the certificate"), "{error}");
    assert!(error.contains("certificate.pem") && error.contains("key.pem"), "{error}");
}

/// A raw connection after the TLS handshake.
async fn greeted(desk: &Desk, certificate: &str, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, connected(desk).await).await.unwrap()
}

async fn connected(desk: &Desk) -> TcpStream {
    TcpStream::connect(desk.address.strip_prefix("https://").unwrap()).await.unwrap()
}

/// All bytes until the server closes the connection.
async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut all = vec![];
    // A reset closes it, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it is closed");
    all
}

/// The beginning of an HTTP/2 connection: the client's preface, and no settings of its own
/// (<https://www.rfc-editor.org/rfc/rfc9113#section-3.4>).
fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, b"")].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// <https://www.rfc-editor.org/rfc/rfc9113#section-4.1>
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Parsed frames: kind, stream, payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut all = vec![];
    while let [a, b, c, kind, _, s0, s1, s2, s3, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = &rest[..length.min(rest.len())];
        all.push((*kind, u32::from_be_bytes([*s0, *s1, *s2, *s3]), payload.to_vec()));
        bytes = &rest[payload.len()..];
    }
    all
}

/// A name and a value without compression (<https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2>); both are short.
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

fn head(method: &str, path: &str) -> Vec<u8> {
    [header(":method", method), header(":scheme", "https"), header(":authority", "a"), header(":path", path)]
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_is_cut_off_at_any_point() {
    let files = Files::new();
    let certificate = files.renew();
    let world = world(&files, &certificate, |config| {
        config.limits.head_within_ms = 300;
        config.limits.body_within_ms = 300;
    })
    .await;
    let desk = &world.desk;
    // Before the handshake, and in the middle of it.
    for beginning in [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = connected(desk).await;
        stream.write_all(beginning).await.unwrap();
        assert_eq!(until_closed(stream).await, b"", "{beginning:?}");
    }
    for beginning in ["", "POST /webhooks/conference HTTP/1.1\r\nhost: rejoin.test\r\nx-slow: "] {
        let mut stream = greeted(desk, &certificate, b"http/1.1").await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(until_closed(stream).await, b"", "{beginning:?}");
    }
    let half_a_head = frame(HEADERS, END_STREAM, 1, &head("GET", "/health/live"));
    let whole_head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/health/live"));
    for beginning in [vec![], preface(), [preface(), half_a_head].concat(), [preface(), whole_head].concat()]
    {
        let mut stream = greeted(desk, &certificate, b"h2").await;
        stream.write_all(&beginning).await.unwrap();
        stream.flush().await.unwrap();
        until_closed(stream).await;
    }
    // Half a body. Its request is answered, and the connection closed.
    let post = frame(HEADERS, END_HEADERS, 1, &head("POST", "/v1/goodbye"));
    let half = [preface(), post, frame(DATA, 0, 1, b"{\"token\":")].concat();
    let mut stream = greeted(desk, &certificate, b"h2").await;
    stream.write_all(&half).await.unwrap();
    stream.flush().await.unwrap();
    let answer = until_closed(stream).await;
    let answered = frames(&answer).into_iter().filter(|(kind, stream, _)| *kind == DATA && *stream == 1);
    let body: Vec<u8> = answered.flat_map(|(_, _, payload)| payload).collect();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], "too-slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_response_keeps_its_connection_only_while_it_is_read() {
    let files = Files::new();
    let certificate = files.renew();
    let world = world(&files, &certificate, |config| config.limits.head_within_ms = 300).await;
    let desk = &world.desk;
    desk.talking().await;
    let mut push = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    push.position().await;
    // No room for a single byte of an answer (<https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2>).
    let no_room = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/audio/comfort.wav"));
    let mut stream = greeted(desk, &certificate, b"h2").await;
    stream.write_all(&[preface(), no_room, request].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let came = frames(&until_closed(stream).await);
    assert!(came.iter().all(|(kind, ..)| *kind != DATA), "{came:?}");
    // That took longer than a connection may be idle.
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(push.next().await.unwrap()["push"], "recovery");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_floods_a_connection_loses_only_its_own() {
    let files = Files::new();
    let certificate = files.renew();
    // Not cut for being idle.
    let world = world(&files, &certificate, |config| config.limits.head_within_ms = 60_000).await;
    let desk = &world.desk;
    let mut push = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    push.position().await;
    // Opened and reset at once (CVE-2023-44487).
    let request = |stream| {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", "/health/ready"));
        [head, frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let flood: Vec<u8> = (0..2000).flat_map(|number| request(2 * number + 1)).collect();
    let mut stream = greeted(desk, &certificate, b"h2").await;
    // It may be cut before everything is sent.
    let _ = stream.write_all(&[preface(), flood].concat()).await;
    let _ = stream.flush().await;
    let came = frames(&until_closed(stream).await);
    let enhance_your_calm = [0, 0, 0, 11];
    // The last frames may have been overtaken by the end of the connection.
    let mut goaway = came.iter().filter(|(kind, ..)| *kind == GOAWAY);
    assert!(goaway.all(|(.., payload)| payload[4..8] == enhance_your_calm), "{came:?}");

    // A head that is too long is refused, and the connection goes on.
    let client = who_trusts(&certificate).build().unwrap();
    let live = || client.get(format!("{}/health/live", desk.address));
    let long = live().header("x-long", "x".repeat(100_000)).send().await;
    assert!(long.is_err() || long.is_ok_and(|reply| reply.status() == 431));
    assert_eq!(live().send().await.unwrap().status(), 200);

    desk.lost().await;
    assert_eq!(push.next().await.unwrap()["push"], "recovery");
    assert_eq!(desk.hello(2).await["recoveries"].as_array().unwrap().len(), 1);
}

/// Two connections with 250 forged requests each, which never end.
#[tokio::test(flavor = "multi_thread")]
async fn forged_requests_on_two_connections_of_http2_take_no_memory() {
    /// More than unverified requests may take.
    const MOST: u64 = 80 * 1024 * 1024;
    let (files, twilio, folder) = (Files::new(), Twilio::start().await, tempfile::tempdir().unwrap());
    let certificate = files.renew();
    let mut program =
        Process::program(&twilio, &format!("sqlite:{}", folder.path().join("rejoin.db").display()));
    program.env("REJOIN_LOG", "warn").env("REJOIN_BODY_WITHIN_MS", "2000");
    program.env("REJOIN_TLS_CERTIFICATE", files.certificate()).env("REJOIN_TLS_KEY", files.key());
    let process = Process::spawn(&mut program);
    let address = process.desk.address.replace("http://", "https://");
    let clients = [(), ()].map(|()| who_trusts(&certificate).build().unwrap());
    let before = process.peak();
    let forged = (0..500).map(|number| {
        let (path, kind, length) = match number / 2 % 2 {
            0 => ("/webhooks/events?bodySHA256=00", "application/json", 1_000_000),
            _ => ("/webhooks/conference", "application/x-www-form-urlencoded", 15_000),
        };
        let said = stream::iter([Ok::<_, std::io::Error>("x".repeat(length))]).chain(stream::pending());
        let request = clients[number % 2].post(format!("{address}{path}")).header("content-type", kind);
        request.header("x-twilio-signature", "forged").body(reqwest::Body::wrap_stream(said)).send()
    });
    let answers = join_all(forged).await;
    // A sender that sends too much may be cut off before the answer.
    let statuses: Vec<_> = answers.iter().flatten().map(|answer| answer.status().as_u16()).collect();
    assert!(statuses.len() > 100 && statuses.iter().all(|status| *status >= 400), "{statuses:?}");
    let grown = process.peak() - before;
    println!("{} kB more", grown / 1024);
    assert!(grown < MOST, "{} kB more", grown / 1024);
}
