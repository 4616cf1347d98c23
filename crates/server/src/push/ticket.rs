//! The ticket of a page's push channel, with which the page opens its presence socket. It names the channel, and any server
//! with the same auth token accepts it: behind a balancer the socket may lead to another one than the channel.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rejoin_protocol::WorkerSid;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Precedes what is signed, so that a signature for another purpose is not one of a ticket.
const PURPOSE: &str = "rejoin presence ticket: ";
/// Maximum length, in characters: a SID, a number and a signature, with the dots between them.
const LONGEST: usize = 34 + 1 + 20 + 1 + 43;

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The page's worker.
    pub(crate) worker: WorkerSid,
    /// The number of the page's channel, as [`super::Subscription::number`] has it.
    pub(crate) channel: i64,
}

impl Ticket {
    /// A ticket for no channel. Twilio's SIDs are random, so its worker is nobody.
    pub(crate) fn of_nobody() -> Self {
        Self { worker: WorkerSid::numbered(0), channel: 0 }
    }

    /// As text, of characters that a protocol of a WebSocket may have
    /// (<https://www.rfc-editor.org/rfc/rfc6455#section-4.1>).
    pub(crate) fn sealed(&self, auth_token: &SecretString) -> String {
        let said = format!("{}.{}", self.worker, self.channel);
        // HMAC takes keys of any length, so there is always a signature.
        let signature = keyed(auth_token, &said).map(|mac| mac.finalize().into_bytes());
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap_or_default()))
    }

    /// The ticket of this text. `None`: it was not made with one of these tokens.
    pub(crate) fn opened<'a>(
        text: &str,
        auth_tokens: impl IntoIterator<Item = &'a SecretString>,
    ) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (said, signature) = text.rsplit_once('.')?;
        let (worker, channel) = said.split_once('.')?;
        let ticket = Self { worker: worker.to_owned().try_into().ok()?, channel: channel.parse().ok()? };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut tokens = auth_tokens.into_iter().filter(|token| !token.expose_secret().is_empty());
        let is_ours =
            tokens.any(|token| keyed(token, said).is_some_and(|mac| mac.verify_slice(&signature).is_ok()));
        is_ours.then_some(ticket)
    }
}

fn keyed(auth_token: &SecretString, said: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(auth_token.expose_secret().as_bytes()).ok()?;
    mac.update(PURPOSE.as_bytes());
    mac.update(said.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket { worker: WorkerSid::numbered(1), channel: 7 }
    }

    #[test]
    fn a_ticket_opens_with_the_token_that_sealed_it_or_the_previous_one() {
        let (old, new) = (SecretString::from("old"), SecretString::from("new"));
        let sealed = ticket().sealed(&old);
        assert!(sealed.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)), "{sealed}");
        assert_eq!(Ticket::opened(&sealed, [&new, &old]), Some(ticket()));
        assert_eq!(Ticket::opened(&sealed, [&new]), None);
        let longest = Ticket { channel: i64::MIN, ..ticket() };
        assert_eq!(Ticket::opened(&longest.sealed(&old), [&old]), Some(longest));
        let keyless = SecretString::from("");
        assert_eq!(Ticket::opened(&ticket().sealed(&keyless), [&keyless]), None, "no token is no key");
    }

    #[test]
    fn a_changed_ticket_does_not_open() {
        let token = SecretString::from("token");
        let sealed = ticket().sealed(&token);
        let (said, signature) = sealed.rsplit_once('.').expect("a signature");
        let other = Ticket { channel: 8, ..ticket() }.sealed(&token);
        let foreign = Ticket { worker: WorkerSid::numbered(2), ..ticket() }.sealed(&token);
        let changed = [
            String::new(),
            ".".into(),
            "..".into(),
            said.into(),
            format!("{said}."),
            format!("{said}.{}", &signature[1..]),
            format!("{said}.{signature}00"),
            format!("{said}.{}", "é".repeat(32)),
            format!("{}.{signature}", other.rsplit_once('.').expect("a signature").0),
            format!("{}.{signature}", foreign.rsplit_once('.').expect("a signature").0),
            format!("{sealed}.{signature}"),
            sealed.replacen('.', ".0", 1),
        ];
        for changed in changed {
            assert_eq!(Ticket::opened(&changed, [&token]), None, "{changed}");
        }
        assert_eq!(Ticket::opened(&sealed, [&token]), Some(ticket()));
    }
}
