//! What the operators' console shows of the database: one read-only transaction on one connection, with a deadline of its own.

use super::Database;
use super::read::{count_calls, open_jobs};
use super::schema::integer;
use crate::error::Error;
use crate::explain::{self, Explained, Subject};
use crate::given_up;
use crate::store::{Seen, SeenConversations, SeenServer};
use rejoin_conversations::{Attendance, Conversation};
use rejoin_protocol::Millis;
use rejoin_recovery::{Call, Timer};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use std::time::Duration;

/// Maximum time for all of it.
const WITHIN: Duration = Duration::from_secs(3);
/// Maximum time for each statement, at the database: it stops by itself, and its connection is free again.
const EACH_WITHIN: &str = "set local statement_timeout = 600";
/// How far back absences of conversations that ended are shown, and how many of them.
const ENDED: Millis = Millis::seconds(3600);
const MOST_ENDED: i64 = 20;

impl Database {
    /// Reads it. A question that takes too long ends, and no connection is dropped for it: the engine has its own view of that.
    pub(in crate::store) async fn seen(&self, most: usize) -> Result<Seen, Error> {
        match tokio::time::timeout(WITHIN, self.seen_in_time(most)).await {
            Ok(seen) => seen,
            Err(_) => Err(Error::Unanswered(WITHIN)),
        }
    }

    /// Reads the story of a call or a conversation, in the same way.
    pub(in crate::store) async fn explain(&self, subject: &Subject) -> Result<Option<Explained>, Error> {
        let read = async {
            let mut moment = self.moment().await?;
            if self.is_shared() {
                moment.execute(EACH_WITHIN).await?;
            }
            let story = explain::explain(&mut moment, subject).await?;
            moment.rollback().await?;
            Ok(story)
        };
        match tokio::time::timeout(WITHIN, read).await {
            Ok(story) => story,
            Err(_) => Err(Error::Unanswered(WITHIN)),
        }
    }

    async fn seen_in_time(&self, most: usize) -> Result<Seen, Error> {
        let mut moment = self.moment().await?;
        let db = &mut *moment;
        if self.is_shared() {
            db.execute(EACH_WITHIN).await?;
        }
        let counts = count_calls(db).await?;
        let jobs = open_jobs(db).await?;
        let given_up = given_up::read(db).await?;
        let servers = self.seen_servers(db).await?;
        let (recovering, calls) = recovering(db, most).await?;
        let conversations = conversations(db, self.surroundings.now(), most).await?;
        moment.rollback().await?;
        Ok(Seen {
            counts,
            jobs,
            given_up,
            servers,
            recovering,
            calls,
            is_shared: self.is_shared(),
            timeline: self.timeline_seen(),
            conversations,
        })
    }

    /// The servers whose lease lasts, or has ended lately.
    async fn seen_servers(&self, db: &mut AnyConnection) -> Result<Vec<SeenServer>, Error> {
        // PostgreSQL says the time itself: its clock is the one that leases end by.
        let now = match self.is_shared() {
            true => self.dialect.now("").to_owned(),
            false => self.surroundings.now().0.to_string(),
        };
        let pages = match self.is_shared() {
            true => "(select count(*) from sessions where sessions.server = servers.id)",
            false => "-1",
        };
        let all = format!("select id, until - {now}, {pages} from servers order by id limit 100");
        let mut servers = vec![];
        for row in sqlx::query(AssertSqlSafe(all)).fetch_all(db).await? {
            let id: String = row.try_get(0)?;
            let pages: i64 = row.try_get(2)?;
            servers.push(SeenServer {
                is_this: id == self.server,
                id,
                lease_ms: row.try_get(1)?,
                pages: u64::try_from(pages).ok(),
            });
        }
        Ok(servers)
    }
}

/// The calls with a recovery, open or ended, and their number; at most `most` of them are read.
async fn recovering(db: &mut AnyConnection, most: usize) -> Result<(u64, Vec<Call>), Error> {
    // A recovery's id is a key of its call.
    let with = "from calls where conference in (select conference from keys where key >= 'RJ' and key < 'RK')
                and not exists (select 1 from timers where timers.conference = calls.conference and timer = $1)";
    let count = format!("select count(*) {with}");
    let count = sqlx::query(AssertSqlSafe(count)).bind(Timer::Forget.name()).fetch_one(&mut *db).await?;
    let count = u64::try_from(count.try_get::<i64, _>(0)?).unwrap_or(0);
    let read = format!("select state {with} order by conference limit $2");
    let read = sqlx::query(AssertSqlSafe(read)).bind(Timer::Forget.name());
    let read = read.bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(db).await?;
    let mut calls = Vec::with_capacity(read.len());
    for row in read {
        // Those that this build cannot read are among the calls that are held back.
        calls.extend(Call::read(&row.try_get::<String, _>(0)?).ok());
    }
    Ok((count, calls))
}

/// Conversations; at most `most` of those that have nobody, or may have nobody, are read.
async fn conversations(db: &mut AnyConnection, now: Millis, most: usize) -> Result<SeenConversations, Error> {
    let mut seen = SeenConversations::default();
    let counts = "select attendance, count(*) from conversations group by attendance";
    for row in sqlx::query(counts).fetch_all(&mut *db).await? {
        let count = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
        seen.counts.insert(row.try_get(0)?, count);
    }
    let absent = "select count(*) from conversations where absent is not null";
    let absent = sqlx::query(absent).fetch_one(&mut *db).await?;
    seen.absent = u64::try_from(absent.try_get::<i64, _>(0)?).unwrap_or(0);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let open = "select state from conversations where absent is not null order by absent limit $1";
    let open = sqlx::query(open).bind(most).fetch_all(&mut *db).await?;
    // Although no absence has begun.
    let unsure = Attendance::ALL.into_iter().filter(|attendance| attendance.may_have_nobody());
    let names: Vec<String> = unsure.map(|attendance| format!("'{}'", attendance.name())).collect();
    let unsure = format!(
        "select state from conversations where absent is null and attendance in ({}) order by conversation limit $1",
        names.join(", ")
    );
    let left = most - i64::try_from(open.len()).unwrap_or(most);
    let unsure = sqlx::query(AssertSqlSafe(unsure)).bind(left).fetch_all(&mut *db).await?;
    seen.open = read(open.into_iter().chain(unsure))?;
    let ended =
        "select state from conversations where ended >= $1 and absent is null order by ended desc limit $2";
    let ended = sqlx::query(ended).bind(integer(now - ENDED)).bind(MOST_ENDED);
    seen.ended = read(ended.fetch_all(db).await?.into_iter())?;
    Ok(seen)
}

/// Those of another version are left out.
fn read(rows: impl Iterator<Item = AnyRow>) -> Result<Vec<Conversation>, Error> {
    let mut conversations = vec![];
    for row in rows {
        conversations.extend(serde_json::from_str::<Conversation>(&row.try_get::<String, _>(0)?).ok());
    }
    Ok(conversations)
}
