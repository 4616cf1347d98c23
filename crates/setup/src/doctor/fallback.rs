//! The fallback host answers (docs/fallback.md).

use super::certificate::Certificate;
use super::{Finding, count};

const CHECK: &str = "fallback";
/// With fewer days left a renewal is overdue.
const SOON: u64 = 14;
const MEANS: &str = "while the server answers, calls go on; when it does not, Twilio hangs up on callers whose document is due";

/// `certificate`: `None` without TLS. `live`: the HTTP status of its `/health/live`, or why there is no answer.
pub fn judge(url: &str, certificate: Option<&Certificate>, live: &Result<u16, String>) -> Finding {
    let failed = |found: String, remedy: &str| Finding::failed(CHECK, found, MEANS, remedy);
    match certificate {
        Some(Certificate::Refused(why)) => {
            return failed(
                format!("{url}: {}", why.escape_debug()),
                "install a certificate for this name with its chain, from an authority that is trusted publicly",
            );
        }
        Some(Certificate::Unreachable(why)) => {
            return failed(
                format!("{url}: no TLS connection ({})", why.escape_debug()),
                "start `rejoin fallback` there; check REJOIN_FALLBACK_URL, DNS, the proxy and the firewall",
            );
        }
        Some(Certificate::Valid { .. }) | None => {}
    }
    match live {
        Err(why) => {
            return failed(
                format!("{url} does not answer ({why})"),
                "start `rejoin fallback` there; check REJOIN_FALLBACK_URL, DNS, the proxy and the firewall",
            );
        }
        Ok(200) => {}
        Ok(status) => {
            return failed(
                format!("{url}/health/live answers with HTTP status {status}: that is not `rejoin fallback`"),
                "check REJOIN_FALLBACK_URL, and what answers there",
            );
        }
    }
    let days = match certificate {
        Some(Certificate::Valid { days }) => Some(*days),
        _ => None,
    };
    match days.map(|days| (days, count(usize::try_from(days).unwrap_or(usize::MAX), "day"))) {
        Some((days, shown)) if days < SOON => Finding::warning(
            CHECK,
            format!("{url} answers; its certificate expires in {shown}"),
            "from then on Twilio refuses the connection: callers whose document is due while the server is away are hung up on",
            "renew it; if that is automatic, find out why it did not happen",
        ),
        Some((_, shown)) => {
            Finding::ok(CHECK, format!("{url} answers, with a certificate that is trusted for {shown}"))
        }
        None => Finding::ok(CHECK, format!("{url} answers")),
    }
}
