//! The history that the PostgreSQL server writes: its timeline, which a promotion increases by one
//! (<https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES>).
//!
//! A standby that was promoted may lack what its primary committed last, unless replication is synchronous. Which commits
//! those were cannot be found out, so everything that Twilio can be asked is asked again, once for all servers: the
//! timeline is kept in the database itself, and the first server that finds another one acts on it.

use super::hosts::TIMELINE;
use super::{Database, Place};
use crate::error::Error;
use crate::switches::{Cause, Switch};
use rejoin_protocol::Millis;
use rejoin_recovery::Timer;
use sqlx::{AnyConnection, Row as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What this process knows of it.
#[derive(Debug, Default)]
pub(super) struct Timeline(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// That of the newest connection.
    seen: Option<String>,
    /// The one that the database is known to have kept.
    kept: Option<String>,
}

impl Timeline {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection has this one.
    pub(super) fn seen(&self, timeline: String) {
        self.state().seen = Some(timeline);
    }

    /// That of the newest connection; `None` before the first one.
    pub(super) fn seen_last(&self) -> Option<String> {
        self.state().seen.clone()
    }

    /// True when a connection has shown one that is not known to be kept.
    fn is_another(&self) -> bool {
        let state = self.state();
        state.seen.is_some() && state.seen != state.kept
    }

    fn kept(&self, timeline: &str) {
        self.state().kept = Some(timeline.to_owned());
    }
}

/// The timeline of the server at the other end.
pub(super) async fn read(db: &mut AnyConnection) -> Result<String, sqlx::Error> {
    sqlx::query(TIMELINE).fetch_one(db).await?.try_get(0)
}

impl Database {
    /// The timeline of the newest connection; `None` for a file.
    pub(super) fn timeline_seen(&self) -> Option<String> {
        match &self.place {
            Place::File { .. } => None,
            Place::Servers(servers) => servers.timeline().seen_last(),
        }
    }

    /// True when the server may have another history than the one that the database was last used with.
    pub(in crate::store) fn is_on_another_timeline(&self) -> bool {
        match &self.place {
            Place::File { .. } => false,
            Place::Servers(servers) => servers.timeline().is_another(),
        }
    }

    /// The switch to another host, once, after the connections have been led there.
    pub(in crate::store) fn take_host_switch(&self) -> Option<Switch> {
        let Place::Servers(servers) = &self.place else { return None };
        servers.take_elsewhere().then(|| Switch {
            cause: Cause::DatabaseHost,
            took: self.was_away(),
            calls: None,
        })
    }

    fn was_away(&self) -> Option<Millis> {
        let Place::Servers(servers) = &self.place else { return None };
        servers.was_away().map(|away| Millis(u64::try_from(away.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Keeps the server's timeline. If another one was kept, commits may be missing: a poll of each watched call is
    /// scheduled, one after the other; open jobs count as begun, so that their effect is looked up; pages have heard
    /// numbers of messages that may be given again; and so may numbers of jobs, which are left out. Returns the switch in that
    /// case.
    pub(in crate::store) async fn follow_timeline(&self) -> Result<Option<Switch>, Error> {
        let Place::Servers(servers) = &self.place else { return Ok(None) };
        let mut transaction = self.begin().await?;
        let db = &mut *transaction;
        let timeline = read(db).await?;
        let known = sqlx::query("select value from meta where name = 'timeline' for update");
        let known: Option<String> = match known.fetch_optional(&mut *db).await? {
            Some(row) => Some(row.try_get(0)?),
            None => None,
        };
        let is_another = known.as_ref().is_some_and(|known| *known != timeline);
        if known.as_ref() != Some(&timeline) {
            let keep = "insert into meta (name, value) values ('timeline', $1)
                        on conflict (name) do update set value = excluded.value";
            sqlx::query(keep).bind(timeline.clone()).execute(&mut *db).await?;
        }
        let mut watched = 0;
        if is_another {
            let count =
                sqlx::query("select count(*) from timers where timer = $1").bind(Timer::Watchdog.name());
            watched = count.fetch_one(&mut *db).await?.try_get::<i64, _>(0)?;
            self.look_at_all_on(db).await?;
            self.count_as_begun(db).await?;
            let leave_out = "select setval(pg_get_serial_sequence('jobs', 'id'),
                             (select coalesce(max(id), 0) + 1000000 from jobs))";
            sqlx::query(leave_out).execute(&mut *db).await?;
        }
        transaction.commit().await?;
        self.has_committed();
        servers.timeline().kept(&timeline);
        if !is_another {
            return Ok(None);
        }
        tracing::warn!(
            timeline,
            before = known,
            "a standby of the database was promoted: without synchronous replication its last commits are missing; all calls are \
             polled"
        );
        let calls = u64::try_from(watched).ok();
        Ok(Some(Switch { cause: Cause::DatabaseTimeline, took: self.was_away(), calls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_another_until_it_is_kept() {
        let timeline = Timeline::default();
        assert!(!timeline.is_another(), "a database that does not say");
        timeline.seen("00000001".into());
        assert!(timeline.is_another(), "an earlier process may have kept another one");
        timeline.kept("00000001");
        assert!(!timeline.is_another());
        timeline.seen("00000002".into());
        assert!(timeline.is_another());
    }
}
