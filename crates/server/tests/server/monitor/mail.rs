//! Alerts as mail, to a mail server that takes it, is busy, refuses a recipient, or says nothing.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the mail server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Post {
    Takes,
    /// Takes all of a mail, and says that it may be taken later.
    IsBusy,
    /// Accepts connections, and does not greet.
    SaysNothing,
}

/// A mail that was sent: the recipient, what the sender logged in with, and the text.
#[derive(Clone, Debug)]
struct Sent {
    to: String,
    login: Option<String>,
    text: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        let begin = format!("{name}: ");
        let line = self.text.lines().find_map(|line| line.strip_prefix(&begin));
        line.unwrap_or_else(|| panic!("{name} is not in {}", self.text))
    }

    fn body(&self) -> &str {
        self.text.split_once("\n\n").unwrap().1
    }
}

/// A mail server (<https://www.rfc-editor.org/rfc/rfc5321>). It refuses recipients whose address begins with `gone`.
#[derive(Clone)]
struct MailServer {
    address: SocketAddr,
    does: Arc<Mutex<Post>>,
    sent: mpsc::UnboundedSender<Sent>,
    tls: Option<TlsAcceptor>,
}

impl MailServer {
    async fn start(does: Post, tls: Option<TlsAcceptor>) -> (Self, mpsc::UnboundedReceiver<Sent>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sent, received) = mpsc::unbounded_channel();
        let address = listener.local_addr().unwrap();
        let server = Self { address, does: Arc::new(Mutex::new(does)), sent, tls };
        let serves = server.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let server = serves.clone();
                tokio::spawn(async move {
                    match server.tls.clone() {
                        Some(tls) => {
                            if let Ok(connection) = tls.accept(connection).await {
                                server.talk(connection).await;
                            }
                        }
                        None => server.talk(connection).await,
                    }
                });
            }
        });
        (server, received)
    }

    fn set(&self, does: Post) {
        *self.does.lock().unwrap() = does;
    }

    fn does(&self) -> Post {
        *self.does.lock().unwrap()
    }

    async fn talk(&self, connection: impl AsyncRead + AsyncWrite + Unpin) {
        if self.does() == Post::SaysNothing {
            return std::future::pending().await;
        }
        let (read, mut write) = tokio::io::split(connection);
        let mut lines = BufReader::new(read).lines();
        let mut sent = Sent { to: String::new(), login: None, text: String::new() };
        let mut answer = "220 mail.test ready".to_owned();
        loop {
            if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                return;
            }
            let Ok(Some(line)) = lines.next_line().await else { return };
            let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
            answer = match command {
                "EHLO" => "250-mail.test\r\n250 AUTH PLAIN".to_owned(),
                "AUTH" => {
                    let given = rest.strip_prefix("PLAIN ").unwrap();
                    let given = STANDARD.decode(given).unwrap();
                    sent.login = Some(String::from_utf8(given).unwrap().replace('\0', " ").trim().to_owned());
                    "235 welcome".to_owned()
                }
                "RCPT" if rest.contains("<gone") => "550 there is nobody of this name".to_owned(),
                "RCPT" => {
                    sent.to = rest.to_owned();
                    "250 ok".to_owned()
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await.unwrap();
                    sent.text.clear();
                    while let Some(line) = lines.next_line().await.unwrap() {
                        if line == "." {
                            break;
                        }
                        sent.text += &(line + "\n");
                    }
                    // Before the test hears of it, and has it do something else.
                    let does = self.does();
                    self.sent.send(sent.clone()).unwrap();
                    match does {
                        Post::IsBusy => "451 later".to_owned(),
                        Post::Takes | Post::SaysNothing => "250 taken".to_owned(),
                    }
                }
                "QUIT" => return,
                _ => "250 ok".to_owned(),
            };
        }
    }
}

async fn mail(received: &mut mpsc::UnboundedReceiver<Sent>) -> Sent {
    timeout(PATIENCE, received.recv()).await.expect("a mail comes").unwrap()
}

/// The mails in the document, in order.
fn documented() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitor.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```eml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_sent_again_until_it_is_taken_and_belongs_together() {
    let (server, _) = Stub::start(Does::Answer(500)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (post, mut mails) = MailServer::start(Post::IsBusy, None).await;
    let monitor = Monitor::start(&settings(&[
        ("public-url", &server.url()),
        ("twilio-api-base", &twilio.url()),
        ("alert-smtp-url", &format!("smtp://{}", post.address)),
        ("alert-mail-from", "Rejoin <rejoin@example.com>"),
        // Whom the server does not know keeps nobody else from being alerted.
        ("alert-mail-to", "gone@example.com,on-call@example.com"),
    ]))
    .await
    .unwrap();
    let first = mail(&mut mails).await;
    post.set(Post::Takes);
    let again = mail(&mut mails).await;
    assert_eq!(first.text, again.text, "a repetition is the same mail, by its id, too");
    assert_eq!(first.to, "TO:<on-call@example.com>");
    server.set(Does::Answer(200));
    let last = mail(&mut mails).await;
    monitor.stop().await;

    assert_eq!(last.header("References"), first.header("References"));
    assert_ne!(last.header("Message-ID"), first.header("Message-ID"));
    assert_eq!(last.header("Auto-Submitted"), "auto-generated");
    let shown = documented();
    assert_eq!(shown.len(), 2, "a trigger and a resolve");
    for (sent, shown) in [first, last].iter().zip(&shown) {
        let plain = sent.text.replace(&server.url(), "https://rejoin.example.com");
        let plain = Sent { text: plain, ..sent.clone() };
        let (head, body) = shown.split_once("\n\n").unwrap();
        for name in ["From", "To", "Subject"] {
            let wanted = head.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
            assert_eq!(format!("{name}: {}", plain.header(name)), wanted);
        }
        // The time is another one.
        let timeless = |body: &str| {
            let lines = body.trim_end().lines().filter(|line| !line.starts_with("Found: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(timeless(plain.body()), timeless(body));
        assert!(plain.body().lines().any(|line| line.starts_with("Found: 20") && line.ends_with(" UTC")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_says_nothing_holds_up_no_other_target() {
    let (server, _) = Stub::start(Does::Answer(500)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let (post, mut mails) = MailServer::start(Post::SaysNothing, None).await;
    let monitor = Monitor::start(&settings(&[
        ("public-url", &server.url()),
        ("twilio-api-base", &twilio.url()),
        ("alert-webhook-url", &webhook.url()),
        ("alert-smtp-url", &format!("smtp://{}", post.address)),
        ("alert-mail-from", "rejoin@example.com"),
        ("alert-mail-to", "on-call@example.com"),
    ]))
    .await
    .unwrap();
    assert_eq!(next(&mut alerts).await["event"], "trigger");
    server.set(Does::Answer(200));
    assert_eq!(next(&mut alerts).await["event"], "resolve");
    // It speaks again: the mail that waited comes first.
    post.set(Post::Takes);
    assert_eq!(
        mail(&mut mails).await.body().lines().next().unwrap(),
        format!("Alert: server {}: answered 500", server.url())
    );
    let last = mail(&mut mails).await;
    assert_eq!(
        last.body().lines().next().unwrap(),
        format!("Resolved: server {}: works again", server.url())
    );
    monitor.stop().await;
}

/// A program of its own, because the certificates that it trusts stand in its environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_to_a_trusted_mail_server_alone_and_into_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    // The same name, and another key.
    let other_key = rcgen::KeyPair::generate().unwrap();
    let (trusted, other) = (certificate(&key, 90), certificate(&other_key, 90));
    std::fs::write(path("trusted"), &trusted).unwrap();
    let acceptor = |certificate: &str, key: &rcgen::KeyPair| {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    };
    let nobody = refused().await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    for (shown, key, is_trusted) in [(&trusted, &key, true), (&other, &other_key, false)] {
        let (post, mut mails) = MailServer::start(Post::Takes, Some(acceptor(shown, key))).await;
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_rejoin"))
            .arg("monitor")
            .env_clear()
            .envs([
                ("REJOIN_PUBLIC_URL", format!("http://{nobody}")),
                ("TWILIO_API_BASE", twilio.url()),
                ("REJOIN_MONITOR_EVERY_MS", "100".to_owned()),
                ("REJOIN_ALERT_SMTP_URL", format!("smtps://rejoin:open%40sesame@{}", post.address)),
                ("REJOIN_ALERT_MAIL_FROM", "rejoin@example.com".to_owned()),
                ("REJOIN_ALERT_MAIL_TO", "ada.lovelace@example.com".to_owned()),
                ("REJOIN_LOG", "debug".to_owned()),
                ("SSL_CERT_FILE", path("trusted")),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        if is_trusted {
            let sent = mail(&mut mails).await;
            assert_eq!(
                (sent.login.as_deref(), sent.to.as_str()),
                (Some("rejoin open@sesame"), "TO:<ada.lovelace@example.com>")
            );
        }
        let wanted = if is_trusted {
            "alert delivered"
        } else {
            "to=\"mail\" why=\"no trusted TLS connection\" failures=2"
        };
        let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
        let mut log = String::new();
        while !log.contains(wanted) {
            let line =
                timeout(PATIENCE, lines.next_line()).await.unwrap_or_else(|_| panic!("{wanted}: {log}"));
            log += &(line.unwrap().unwrap_or_else(|| panic!("it has ended: {log}")) + "\n");
        }
        assert!(mails.try_recv().is_err(), "once, and not at all to a stranger");
        for secret in ["sesame", "lovelace", "rejoin@"] {
            assert!(!log.contains(secret), "{secret} is in {log}");
        }
        program.kill().await.unwrap();
    }
}
