//! The TLS certificate that the public address shows.

use super::{Finding, count};

const CHECK: &str = "certificate";
/// With fewer days left a renewal is overdue.
const SOON: u64 = 14;

/// What the certificate is worth to a client that trusts what this machine trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is valid for the name, for this number of whole days.
    Valid {
        /// Whole days until some certificate of the chain expires.
        days: u64,
    },
    /// It is not; why.
    Refused(String),
    /// There was no TLS connection; why.
    Unreachable(String),
}

/// `host`: of the public address.
pub fn judge(host: &str, certificate: &Certificate) -> Finding {
    let refused = "Twilio and the desktops refuse the connection: no call is recovered";
    match certificate {
        Certificate::Valid { days } if *days >= SOON => Finding::ok(
            CHECK,
            format!(
                "trusted, for {host}, for {}",
                count(usize::try_from(*days).unwrap_or(usize::MAX), "day")
            ),
        ),
        Certificate::Valid { days } => Finding::warning(
            CHECK,
            format!("it expires in {}", count(usize::try_from(*days).unwrap_or(usize::MAX), "day")),
            "from then on Twilio and the desktops refuse the connection: no call is recovered",
            "renew it; if that is automatic, find out why it did not happen",
        ),
        Certificate::Refused(why) => Finding::failed(
            CHECK,
            format!("{host}: {}", why.escape_debug()),
            refused,
            "install a certificate for this name with its chain, from an authority that is trusted publicly",
        ),
        Certificate::Unreachable(why) => Finding::failed(
            CHECK,
            format!("{host}: no TLS connection ({})", why.escape_debug()),
            "Twilio's webhooks and the desktops do not reach the server: no call is recovered",
            "start the server; check REJOIN_PUBLIC_URL, DNS, the proxy and the firewall",
        ),
    }
}
