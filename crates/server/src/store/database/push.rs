//! Pushes to desktops, and the sessions of desktops on other servers. The row that counts a worker's pushes is locked
//! until the transaction commits, so a number is never visible before its predecessor.

use super::read::{call, texts};
use super::schema::{integer, millis, rows};
use super::servers::Servers;
use super::{Database, Place};
use crate::error::Error;
use crate::store::Changes;
use crate::store::heard::{Begun, CameFrom, Heard, Hint, KEPT, PushId, Pushed, REMEMBERED, REPLAYED};
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgListener, Postgres};
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Channel of the notifications between servers.
const CHANNEL: &str = "rejoin";
/// Maximum number of old pushes that are deleted in one transaction: other transactions wait for it.
const OLD_AT_ONCE: i64 = 500;
/// Silence after which a connection is checked.
const QUIET: Duration = Duration::from_secs(5);
/// The query of that check.
const HEARTBEAT: &str = "select 'heartbeat'";

/// A hint and its sender.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    server: String,
    #[serde(flatten)]
    hint: Hint,
}

/// Receives hints of other servers.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: PgListener,
    server: String,
    servers: Arc<Servers>,
    /// Number of the connections that were in use when it began to listen.
    connections: u64,
    deadline: Duration,
}

impl Listener {
    /// The next hint; `None` when the connection is lost. May be dropped while it waits.
    pub(in crate::store) async fn next(&mut self) -> Option<Hint> {
        loop {
            let Ok(heard) = timeout(QUIET, self.listener.try_recv()).await else {
                // A connection to a host that has vanished stays open, and nothing comes over it.
                let alive = sqlx::query(HEARTBEAT).execute(&mut self.listener);
                timeout(self.deadline, alive).await.ok()?.ok()?;
                // Connections were dropped since. The same URL may lead to another server now.
                if self.servers.number() != Some(self.connections) {
                    return None;
                }
                continue;
            };
            match serde_json::from_str::<Signed>(heard.ok()??.payload()) {
                Ok(signed) if signed.server == self.server => {}
                Ok(signed) => return Some(signed.hint),
                Err(_) => tracing::debug!("skipped an unknown notification from another server"),
            }
        }
    }
}

impl Database {
    /// Numbers and stores pushes, and notifies other servers.
    pub(super) async fn add_pushes(
        &self,
        db: &mut AnyConnection,
        changes: &Changes,
    ) -> Result<Vec<Pushed>, Error> {
        let mut of_worker: BTreeMap<&WorkerSid, Vec<&Push>> = BTreeMap::new();
        for (worker, push) in &changes.pushes {
            of_worker.entry(worker).or_default().push(push);
        }
        let at = integer(self.surroundings.now());
        let more = of_worker
            .iter()
            .map(|(worker, pushes)| json!({"worker": worker, "pushed": pushes.len(), "at": at}));
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for row in rows(db, &self.sql.number_pushes, &more.collect::<Vec<_>>()).await? {
            last.insert(row.try_get(0)?, millis(row.try_get(1)?).0);
        }
        let (mut stored, mut added, mut hints) = (vec![], vec![], vec![]);
        for (worker, pushes) in of_worker {
            let last = last.get(worker.as_str()).copied().unwrap_or_default();
            let before = last.saturating_sub(pushes.len() as u64);
            for (number, push) in (before + 1..).zip(pushes) {
                added.push(json!({
                    "worker": worker, "number": number, "at": at, "push": serde_json::to_string(push)?,
                }));
                stored.push((worker.clone(), number, push.clone()));
            }
            hints.push(self.signed(Hint::Said { worker: worker.clone(), number: last })?);
        }
        rows(db, &self.sql.add_pushes, &added).await?;
        if self.is_shared() && !hints.is_empty() {
            // Delivered when the transaction commits, and not before.
            let tell = "select pg_notify($2, hint) from json_array_elements_text($1::json) as hint";
            let tell = sqlx::query(tell).bind(texts(hints.iter().map(String::as_str))).bind(CHANNEL);
            tell.execute(db).await?;
        }
        Ok(stored)
    }

    fn signed(&self, hint: Hint) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Signed { server: self.server.clone(), hint })
    }

    async fn tell_others(&self, hint: Hint) -> Result<(), Error> {
        let tell = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(self.signed(hint)?);
        tell.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    /// Tells pages of this worker on other servers that one of this epoch acts.
    pub(in crate::store) async fn say_newer_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        self.tell_others(Hint::Acts { worker: worker.clone(), epoch }).await
    }

    /// Tells other servers that this page is lost.
    pub(in crate::store) async fn say_lost_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        self.tell_others(Hint::Lost { worker: worker.clone(), epoch }).await
    }

    /// Tells other servers that the page of this session does not answer.
    pub(in crate::store) async fn say_silent_page(
        &self,
        worker: &WorkerSid,
        session: i64,
    ) -> Result<(), Error> {
        self.tell_others(Hint::Silent { worker: worker.clone(), session }).await
    }

    /// Listens to other servers; `None`: there are none.
    pub(in crate::store) async fn listen(&self) -> Result<Option<Listener>, Error> {
        let Place::Servers(servers) = &self.place else { return Ok(None) };
        let (url, connections) = servers.url_and_number().await?;
        let pool = PoolOptions::<Postgres>::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        // Fails where an answer to an earlier client is still to come. A pooler leaves one when a client is killed between two queries
        // (seen with PgBouncer 1.18): each of our answers would be the one before, and the listener would panic.
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move { connection.execute(sqlx::query(HEARTBEAT)).await.map(drop) })
        });
        let pool = pool.connect(&url).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // A listener that has lost the connection has missed something.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let (server, servers) = (self.server.clone(), Arc::clone(servers));
        Ok(Some(Listener { listener, server, servers, connections, deadline: self.deadline }))
    }

    /// What a page of this worker at the position `since` must receive: text of a [`PushId`], `None` for a new page.
    pub(in crate::store) async fn heard(
        &self,
        worker: &WorkerSid,
        since: Option<&str>,
    ) -> Result<Heard, Error> {
        let mut moment = self.moment().await?;
        let position = "select value, coalesce((select pushed from workers where worker = $1), 0) from meta
                        where name = 'instance'";
        let position = sqlx::query(position).bind(worker.as_str()).fetch_one(&mut *moment).await?;
        let instance: String = position.try_get(0)?;
        let instance = instance.parse().unwrap_or_default();
        let position = PushId { instance, number: millis(position.try_get(1)?).0 };
        let missed = position.missed(since, |since| since_of(&mut moment, worker, since)).await?;
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.find_calls)));
        let mut calls = vec![];
        for row in find.bind(texts([worker.as_str()])).fetch_all(&mut *moment).await? {
            // Unreadable calls are skipped.
            calls.extend(call(&row)?.and_then(Result::ok));
        }
        moment.rollback().await?;
        Ok(Heard { position, missed, calls })
    }

    /// Identifies the database to which the numbers of pushes belong.
    pub(in crate::store) async fn instance(&self) -> Result<i64, Error> {
        let instance = sqlx::query("select value from meta where name = 'instance'");
        let instance: String = instance.fetch_one(&mut *self.reading().await?).await?.try_get(0)?;
        Ok(instance.parse().unwrap_or_default())
    }

    /// Stored pushes to a worker after this number.
    pub(in crate::store) async fn pushes_since(
        &self,
        worker: &WorkerSid,
        number: u64,
    ) -> Result<Vec<(u64, Push)>, Error> {
        let mut connection = self.reading().await?;
        since_of(&mut connection, worker, number).await
    }

    /// The number of the last push to each of these workers.
    pub(in crate::store) async fn last_pushes(
        &self,
        workers: &[WorkerSid],
    ) -> Result<Vec<(WorkerSid, u64)>, Error> {
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.last_pushes)));
        let mut last = vec![];
        for row in find
            .bind(texts(workers.iter().map(WorkerSid::as_str)))
            .fetch_all(&mut *self.reading().await?)
            .await?
        {
            let number = millis(row.try_get(1)?).0;
            last.extend(
                WorkerSid::try_from(row.try_get::<String, _>(0)?).ok().map(|worker| (worker, number)),
            );
        }
        Ok(last)
    }

    /// Forgets pushes that are too old for any page to need.
    pub(in crate::store) async fn forget_pushes(&self) -> Result<(), Error> {
        let before = integer(self.surroundings.now() - KEPT);
        loop {
            let forget = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.forget_pushes)));
            let forget = forget.bind(before).bind(OLD_AT_ONCE);
            let gone = async { Ok(forget.execute(&mut *self.writing().await?).await?.rows_affected()) };
            if self.limited(gone).await? < OLD_AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Registers a page's session for other servers; `None`: there are none.
    pub(in crate::store) async fn begin_session(
        &self,
        worker: &WorkerSid,
        epoch: u64,
    ) -> Result<Option<Begun>, Error> {
        if !self.is_shared() {
            return Ok(None);
        }
        let came_from = self.came_from(worker, epoch).await?;
        let begin = "insert into sessions (server, worker, epoch) values ($1, $2, $3) returning id";
        let begin =
            sqlx::query(begin).bind(self.server.clone()).bind(worker.as_str()).bind(integer(Millis(epoch)));
        let session = begin.fetch_one(&mut *self.writing().await?).await?.try_get(0)?;
        self.tell_others(Hint::Connected { worker: worker.clone(), epoch, session }).await?;
        Ok(Some(Begun { session, came_from }))
    }

    /// The other server that the page of this epoch was connected to before. `None`: none is known, or the page names no epoch.
    /// That is forgotten: it is said once, also when that server is dead, and the page is here now.
    async fn came_from(&self, worker: &WorkerSid, epoch: u64) -> Result<Option<CameFrom>, Error> {
        if epoch == 0 {
            return Ok(None);
        }
        let now = self.surroundings.now();
        let find = "with open as (
                        delete from sessions where worker = $1 and epoch = $2 and server <> $3 returning id
                    ), ended as (
                        delete from former_sessions where worker = $1 and epoch = $2 and server <> $3 returning at
                    ) select (select count(*) from open), (select max(at) from ended where at > $4)";
        let find = sqlx::query(find)
            .bind(worker.as_str())
            .bind(integer(Millis(epoch)))
            .bind(self.server.clone())
            .bind(integer(now - REMEMBERED));
        let row = find.fetch_one(&mut *self.writing().await?).await?;
        let (open, ended): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(match ended {
            _ if open > 0 => Some(CameFrom::Unnoticed),
            Some(at) => Some(CameFrom::Ended(millis(at).until(now))),
            None => None,
        })
    }

    /// Ends a session, and remembers where it was.
    pub(in crate::store) async fn end_session(&self, id: i64) -> Result<(), Error> {
        let end = "with gone as (delete from sessions where id = $1 returning worker, server, epoch)
                   insert into former_sessions (worker, server, epoch, at) select worker, server, epoch, $2 from gone
                   on conflict (worker) do update
                   set server = excluded.server, epoch = excluded.epoch, at = excluded.at";
        let end = sqlx::query(end).bind(id).bind(integer(self.surroundings.now()));
        end.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    /// Ends all sessions of this server, and remembers where they were.
    pub(super) async fn end_sessions(&self) -> Result<(), Error> {
        let end = "with gone as (delete from sessions where server = $1 returning id, worker, server, epoch)
                   insert into former_sessions (worker, server, epoch, at)
                   select distinct on (worker) worker, server, epoch, $2::bigint from gone order by worker, id desc
                   on conflict (worker) do update
                   set server = excluded.server, epoch = excluded.epoch, at = excluded.at";
        let end = sqlx::query(end).bind(self.server.clone()).bind(integer(self.surroundings.now()));
        end.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    /// Forgets where pages were connected long ago.
    pub(super) async fn forget_former_sessions(&self) -> Result<(), Error> {
        if !self.is_shared() {
            return Ok(());
        }
        let forget = "delete from former_sessions where worker in (
                          select worker from former_sessions where at < $1 limit $2 for update skip locked)";
        let before = integer(self.surroundings.now() - REMEMBERED);
        loop {
            let forgotten = async {
                let forget = sqlx::query(forget).bind(before).bind(OLD_AT_ONCE);
                Ok(forget.execute(&mut *self.writing().await?).await?.rows_affected())
            };
            if self.limited(forgotten).await? < OLD_AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Epochs of the worker's pages on other running servers; 0 for a page that names none.
    pub(in crate::store) async fn sessions_elsewhere(&self, worker: &WorkerSid) -> Result<Vec<u64>, Error> {
        if !self.is_shared() {
            return Ok(vec![]);
        }
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.sessions_elsewhere)))
            .bind(worker.as_str())
            .bind(self.server.clone())
            .bind(self.known_leases());
        let rows = self.timed(find).fetch_all(&mut *self.reading().await?).await?;
        rows.iter().map(|row| Ok(millis(row.try_get(0)?).0)).collect()
    }
}

async fn since_of(
    db: &mut AnyConnection,
    worker: &WorkerSid,
    number: u64,
) -> Result<Vec<(u64, Push)>, Error> {
    let find = "select number, push from pushes where worker = $1 and number > $2 order by number limit $3";
    let find = sqlx::query(find).bind(worker.as_str()).bind(integer(Millis(number)));
    let mut pushes = vec![];
    for row in find.bind(integer(Millis(REPLAYED))).fetch_all(db).await? {
        let push: String = row.try_get(1)?;
        // If one of another version is missing the page has to ask.
        let Ok(push) = serde_json::from_str(&push) else { continue };
        pushes.push((millis(row.try_get(0)?).0, push));
    }
    Ok(pushes)
}
