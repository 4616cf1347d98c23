//! The PostgreSQL servers of a URL, and which of them accepts writes.
//!
//! The driver supports one host in a URL. libpq finds the primary among several
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS>, `target_session_attrs`); this
//! does the same.

use super::servers::Away;
use crate::error::Error;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// True on a standby, and where writes are refused for another reason.
pub(super) const IS_READ_ONLY: &str =
    "select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'";
/// The first eight digits of a WAL file's name are the timeline, which a promotion increases by one
/// (<https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES>).
pub(super) const TIMELINE: &str = "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
/// How long the other servers are waited for after one has said that it accepts writes and has the history that the
/// process knows. A host that answers nothing would otherwise delay the search when another one takes over.
const OTHERS_WITHIN: Duration = Duration::from_millis(200);

/// A URL with one or more hosts: one URL for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts(Vec<String>);

/// Why a URL cannot be used. Its value is not repeated: it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is not a URL of PostgreSQL.
    NotOne,
    /// `target_session_attrs` requires a server that accepts no writes.
    ReadOnly,
}

impl Hosts {
    /// The hosts of a URL, in their order.
    pub(crate) fn of(url: &str) -> Result<Self, Unusable> {
        let begins = ["postgres://", "postgresql://"];
        let begin = begins.into_iter().find(|begin| url.starts_with(begin)).ok_or(Unusable::NotOne)?;
        let rest = &url[begin.len()..];
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let user = if user.is_empty() { String::new() } else { format!("{user}@") };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut kept = vec![];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("target_session_attrs", "read-write" | "primary" | "any")) => {}
                Some(("target_session_attrs", _)) => return Err(Unusable::ReadOnly),
                Some(("host" | "hostaddr", value)) if value.contains(',') => return Err(Unusable::NotOne),
                _ => kept.push(pair),
            }
        }
        let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
        let urls: Vec<String> =
            hosts.split(',').map(|host| format!("{begin}{user}{host}{path}{query}")).collect();
        if urls.len() > 1 && hosts.split(',').any(str::is_empty) {
            return Err(Unusable::NotOne);
        }
        match urls.iter().all(|url| PgConnectOptions::from_str(url).is_ok()) {
            true => Ok(Self(urls)),
            false => Err(Unusable::NotOne),
        }
    }

    /// True when every server is on this machine, or verified by its certificate.
    pub(crate) fn are_verified(&self) -> bool {
        self.0.iter().filter_map(|url| PgConnectOptions::from_str(url).ok()).all(|options| {
            let host = options.get_host().trim_matches(['[', ']']);
            let is_here = options.get_socket().is_some()
                || host.starts_with('/')
                || host == "localhost"
                || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            is_here || matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
        })
    }

    /// The URL of a server that accepts writes. Among several the one with the longest history: a former primary that
    /// was not stopped when another one was promoted has a shorter one.
    ///
    /// `known` is the timeline that this process has used last. A server with a shorter one may be such a former
    /// primary, and so may any for a process that knows none: the others are then waited for as long as an answer may
    /// take, even if they are slow.
    pub(super) async fn writable(&self, within: Duration, known: Option<&str>) -> Result<String, Away> {
        let ask = |url: &String| {
            let url = url.clone();
            async move { (timeout(within, history(&url)).await.unwrap_or(Err(Away::unanswered(within))), url) }
        };
        let mut asked: FuturesUnordered<_> = self.0.iter().map(ask).collect();
        let (mut found, mut away) = (vec![], None);
        let mut until = Instant::now() + within;
        while let Ok(Some((answer, url))) = timeout_at(until, asked.next()).await {
            match answer {
                Ok(timeline) => {
                    // A service that does not name it has one history.
                    if timeline.is_empty() || known.is_some_and(|known| *timeline >= *known) {
                        until = until.min(Instant::now() + OTHERS_WITHIN);
                    }
                    found.push((timeline, url));
                }
                // What answers is better information than what does not, and a standby is there to be promoted.
                Err(Away::ReadOnly) => away = Some(Away::ReadOnly),
                Err(error @ Away::Refused(_)) if !matches!(away, Some(Away::ReadOnly)) => away = Some(error),
                Err(error) => away = away.or(Some(error)),
            }
        }
        if found.len() > 1 {
            tracing::error!(
                "two hosts of DATABASE_URL accept writes: the one with the longer history is used; stop the other one, or make it a standby"
            );
        }
        // The first one of several with the same history.
        let best = found.into_iter().rev().max_by(|(one, _), (other, _)| one.cmp(other));
        best.map(|(_, url)| url).ok_or_else(|| away.unwrap_or_else(|| Away::unanswered(within)))
    }

    /// The same for a program that runs beside the servers.
    pub(crate) async fn primary(&self, within: Duration) -> Result<String, Error> {
        Ok(self.writable(within, None).await?)
    }

    /// The same; if none accepts writes, one that can be read from.
    pub(crate) async fn readable(&self, within: Duration) -> Result<String, Error> {
        let away = match self.writable(within, None).await {
            Ok(url) => return Ok(url),
            Err(away) => away,
        };
        for url in &self.0 {
            if matches!(timeout(within, PgConnection::connect(url)).await, Ok(Ok(_))) {
                return Ok(url.clone());
            }
        }
        Err(away.into())
    }
}

/// The timeline of a server that accepts writes; empty if it does not name it.
async fn history(url: &str) -> Result<String, Away> {
    let options = PgConnectOptions::from_str(url).map_err(|error| Away::of(&error))?;
    let mut connection = options.connect().await.map_err(|error| Away::of(&error))?;
    let read_only: Result<bool, sqlx::Error> =
        sqlx::query(IS_READ_ONLY).fetch_one(&mut connection).await.and_then(|row| row.try_get(0));
    match read_only {
        Ok(false) => {
            // Nothing waits for the connection's end.
            let timeline = sqlx::query(TIMELINE).fetch_one(&mut connection).await;
            Ok(timeline.and_then(|row| row.try_get(0)).unwrap_or_default())
        }
        Ok(true) => {
            // Nothing should have to wait for the close.
            let _ = timeout(OTHERS_WITHIN, connection.close()).await;
            Err(Away::ReadOnly)
        }
        Err(error) => Err(Away::of(&error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn urls(url: &str) -> Vec<String> {
        Hosts::of(url).map(|hosts| hosts.0).unwrap_or_default()
    }

    #[test]
    fn a_url_with_several_hosts_becomes_one_for_each() {
        assert_eq!(
            urls(
                "postgres://u:p@a:5432,b.example:5433,[::1]:5434/db?target_session_attrs=read-write&sslmode=require"
            ),
            [
                "postgres://u:p@a:5432/db?sslmode=require",
                "postgres://u:p@b.example:5433/db?sslmode=require",
                "postgres://u:p@[::1]:5434/db?sslmode=require",
            ]
        );
        assert_eq!(urls("postgresql://a,b"), ["postgresql://a", "postgresql://b"]);
    }

    #[test]
    fn a_url_with_one_host_stays_as_it_is() {
        for url in [
            "postgres://rejoin@localhost/calls?host=/run/postgresql&sslmode=disable",
            "postgres://u:p@ss@db.example.com/calls",
            "postgres:///calls",
            "postgres://u@%2Frun%2Fpostgresql/calls",
        ] {
            assert_eq!(urls(url), [url]);
        }
    }

    #[test]
    fn only_a_remote_server_without_verified_tls_is_doubtful() {
        let verified = |url: &str| Hosts::of(url).unwrap().are_verified();
        for url in [
            "postgres://u@localhost/db",
            "postgres://u@127.0.0.1,[::1]/db",
            "postgres://u@h/db?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/db",
            "postgres://u@db.example.com/db?sslmode=verify-full",
            "postgres://u@a,b/db?sslmode=verify-ca",
        ] {
            assert!(verified(url), "{url}");
        }
        for url in [
            "postgres://u@db.example.com/db",
            "postgres://u@10.0.0.1/db?sslmode=require",
            "postgres://u@127.0.0.1,10.0.0.1/db",
            "postgres://u@localhost.example.com/db?sslmode=disable",
        ] {
            assert!(!verified(url), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_lead_to_a_primary_is_refused() {
        assert_eq!(Hosts::of("mysql://a/b"), Err(Unusable::NotOne));
        assert_eq!(Hosts::of("postgres://a:port/b"), Err(Unusable::NotOne));
        assert_eq!(Hosts::of("postgres://a,,b/c"), Err(Unusable::NotOne));
        assert_eq!(Hosts::of("postgres:///c?host=a,b"), Err(Unusable::NotOne));
        assert_eq!(Hosts::of("postgres://a,b/c?target_session_attrs=standby"), Err(Unusable::ReadOnly));
    }
}
