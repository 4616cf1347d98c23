//! Alerts as mail: in plain English, and so that mail clients show the alerts about one end point as one conversation.

use super::alert::Alert;
use super::target::Failure;
use super::watch::Change;
use crate::error::Error;
use crate::explain::time;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use rejoin_protocol::Millis;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// How many times as long as another target a mail server may take for all of its answers together: it looks senders up
/// before it greets them, and reads the mail before it takes it.
const PATIENCE: u32 = 6;
/// Number of bytes of a hash in a message's id.
const IN_ID: usize = 12;

/// A mail server, and one recipient: an address that the server refuses keeps no other recipient from being alerted.
#[derive(Clone)]
pub(super) struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    within: Duration,
    from: Mailbox,
    to: Mailbox,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

/// The header by which programs that answer mail leave this one alone: <https://www.rfc-editor.org/rfc/rfc3834#section-5>.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mail {
    /// One for each recipient. `within`: timeout of each of the mail server's answers.
    ///
    /// # Errors
    /// An address that cannot be one, a password that would cross the network unencrypted, or no recipient. No value is
    /// repeated.
    pub(super) fn all(
        url: &SecretString,
        from: Option<&str>,
        to: &[String],
        within: Duration,
    ) -> Result<Vec<Self>, Error> {
        let url = url.expose_secret().trim();
        let wrong = |why| Error::Setting { name: "REJOIN_ALERT_SMTP_URL", why };
        let form = "smtps://user:password@mail.example.com is wanted, or smtp:// with ?tls=required for STARTTLS, or without user \
                    and password; characters such as @ in them as %40";
        let parsed = url.parse::<reqwest::Url>().map_err(|_| wrong(form))?;
        let has_user = !parsed.username().is_empty() || parsed.password().is_some();
        if has_user && parsed.password().is_none_or(str::is_empty) {
            return Err(wrong("it has a user without a password"));
        }
        let is_encrypted = parsed.scheme() == "smtps"
            || parsed.query_pairs().any(|(name, value)| name == "tls" && value == "required");
        if has_user && !is_encrypted {
            return Err(wrong(
                "its password would not be encrypted on the way: smtps:// is wanted, or ?tls=required",
            ));
        }
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| wrong(form))?;
        let server = server.timeout(Some(within)).build();
        let mailbox = |name, text: &str| {
            let why = "an address such as alerts@example.com is wanted";
            text.trim().parse::<Mailbox>().map_err(|_| Error::Setting { name, why })
        };
        let from = from.map(str::trim).filter(|from| !from.is_empty());
        let why = "not set, and REJOIN_ALERT_SMTP_URL is: mail has a sender";
        let from = from.ok_or(Error::Setting { name: "REJOIN_ALERT_MAIL_FROM", why })?;
        let from = mailbox("REJOIN_ALERT_MAIL_FROM", from)?;
        let mut all = vec![];
        for to in to.iter().filter(|to| !to.trim().is_empty()) {
            let to = mailbox("REJOIN_ALERT_MAIL_TO", to)?;
            all.push(Self { server: server.clone(), within: within * PATIENCE, from: from.clone(), to });
        }
        let why = "not set, and REJOIN_ALERT_SMTP_URL is: nobody would get the mail";
        if all.is_empty() { Err(Error::Setting { name: "REJOIN_ALERT_MAIL_TO", why }) } else { Ok(all) }
    }

    /// Sends it, once.
    pub(super) async fn send(&self, alert: &Alert) -> Result<(), Failure> {
        // The same id each time: a mail whose receipt was not heard of is recognised as one that is there.
        let message =
            self.message(alert).ok_or_else(|| Failure::Refused("no mail can be made of it".to_owned()))?;
        match tokio::time::timeout(self.within, self.server.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Later("timed out".to_owned())),
        }
    }

    fn message(&self, alert: &Alert) -> Option<Message> {
        let key = alert.dedup_key();
        let hash: String = Sha256::digest(&key)[..IN_ID].iter().map(|byte| format!("{byte:02x}")).collect();
        let domain = self.from.email.domain();
        // A message that never was: all about this end point refer to it, whichever monitor sends them.
        let first = format!("<{hash}@{domain}>");
        let id = format!("<{hash}.{}.{}@{domain}>", alert.event(), alert.at_ms);
        let subject = format!("Rejoin alert: {}", alert.end_point);
        let (subject, last) = match alert.change {
            Change::Trigger => (subject, "Another mail follows when this is over."),
            // Some clients put mail of another subject elsewhere.
            Change::Resolve => (format!("Re: {subject}"), "Nothing is to be done."),
        };
        let body = format!(
            "{}\n\nFound: {} UTC\nKey: {key}\n\nWhat it means for calls and what to do is in Rejoin's documents, on the\n\
             monitor's and the runbook's pages. {last}\n",
            alert.headline(),
            time(Millis(alert.at_ms)),
        );
        let message = Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .date(UNIX_EPOCH + Duration::from_millis(alert.at_ms))
            .message_id(Some(id))
            .in_reply_to(first.clone())
            .references(first)
            .subject(subject)
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(body);
        message.ok()
    }
}

/// In our own words: the mail server's may contain addresses.
fn failure(error: &SmtpError) -> Failure {
    let why = match error.status() {
        Some(code) => format!("answered {code}"),
        None if error.is_timeout() => "timed out".to_owned(),
        None if error.is_tls() || is_of_tls(error) => "no trusted TLS connection".to_owned(),
        None if error.is_client() => {
            "the mail server does not offer what REJOIN_ALERT_SMTP_URL asks for".to_owned()
        }
        None if error.is_response() => "that is no answer of a mail server".to_owned(),
        None => "no connection".to_owned(),
    };
    if error.is_permanent() { Failure::Refused(why) } else { Failure::Later(why) }
}

/// True for a handshake that failed, which the library counts as a connection that failed: rustls gives an error of this kind
/// (<https://docs.rs/tokio-rustls/0.26/src/tokio_rustls/common/handshake.rs.html>).
fn is_of_tls(error: &SmtpError) -> bool {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut of_io = sources.filter_map(|error| error.downcast_ref::<std::io::Error>());
    of_io.any(|error| error.kind() == std::io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::endpoint::{EndPoint, Kind};

    fn mails(url: &str, from: &str, to: &[&str]) -> Result<Vec<Mail>, String> {
        let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
        Mail::all(&url.into(), Some(from), &to, Duration::from_secs(1)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_never_crosses_the_network_in_the_clear() {
        for (url, works) in [
            ("smtp://relay.test", true),
            ("smtps://user:hidden@mail.test", true),
            ("smtps://user:hid%40den@mail.test:10465", true),
            ("smtp://user:hidden@mail.test?tls=required", true),
            ("smtp://user:hidden@mail.test?tls=opportunistic", false),
            ("smtp://user:hidden@mail.test", false),
            ("smtps://user@mail.test", false),
            ("https://user:hidden@mail.test", false),
            ("hidden", false),
        ] {
            let made = mails(url, "rejoin@a.test", &["ops@a.test"]);
            assert_eq!(made.is_ok(), works, "{url}: {made:?}");
            if let Err(why) = made {
                assert!(
                    why.starts_with("REJOIN_ALERT_SMTP_URL cannot be used") && !why.contains("hidden"),
                    "{why}"
                );
            }
        }
    }

    #[test]
    fn each_recipient_gets_a_mail_of_their_own() {
        let made =
            mails("smtp://relay.test", "Rejoin <rejoin@a.test>", &["ops@a.test", " ", "Ada <ada@b.test>"]);
        assert_eq!(made.expect("good").len(), 2);
        for (from, to, wanted) in [
            ("", "ops@a.test", "REJOIN_ALERT_MAIL_FROM cannot be used: not set"),
            ("hidden", "ops@a.test", "REJOIN_ALERT_MAIL_FROM cannot be used: an address"),
            ("rejoin@a.test", "", "REJOIN_ALERT_MAIL_TO cannot be used: not set"),
            ("rejoin@a.test", "hidden", "REJOIN_ALERT_MAIL_TO cannot be used: an address"),
        ] {
            let why = mails("smtp://relay.test", from, &[to]).expect_err(wanted);
            assert!(why.starts_with(wanted) && !why.contains("hidden"), "{why}");
        }
    }

    #[test]
    fn mails_about_an_end_point_share_their_reference_and_no_id() {
        let mail = mails("smtp://relay.test", "rejoin@a.test", &["ops@a.test"]).expect("good").remove(0);
        let text = |change, url: &str, at_ms| {
            let end_point = EndPoint { kind: Kind::Server, url: url.to_owned() };
            let alert = Alert { change, end_point, reason: "timed out".to_owned(), at_ms };
            String::from_utf8(mail.message(&alert).expect("a mail").formatted()).expect("text")
        };
        let line = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_else(|| panic!("{name}: {text}"))
                .to_owned()
        };
        let (first, again) =
            (text(Change::Trigger, "https://a.test", 1), text(Change::Trigger, "https://a.test", 1));
        let last = text(Change::Resolve, "https://a.test", 2);
        let other = text(Change::Trigger, "https://b.test", 1);
        assert_eq!(line(&first, "Message-ID"), line(&again, "Message-ID"), "a repetition is the same mail");
        assert_eq!(line(&first, "References"), line(&last, "References"));
        assert_ne!(line(&first, "Message-ID"), line(&last, "Message-ID"));
        assert_ne!(line(&first, "References"), line(&other, "References"));
    }
}
