//! The history of recoveries: counting what has ended, and reading sums. All of it has connections of its own, and times of its own
//! for which it waits: the engine never waits for one of them, except for its turn to write on SQLite.

use super::Database;
use super::read::texts;
use super::schema::{integer, millis, rows};
use super::sql::Dialect;
use crate::error::Error;
use crate::history::{
    Agent, Asked, Cell, DAY_HOURS, HOUR, Histogram, Meaning, OUTCOMES, Recovered, Rung, Sums,
};
use crate::report::DAY;
use rejoin_protocol::Millis;
use rejoin_recovery::Note;
use serde_json::{Map, Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Maximum number of recoveries that are counted in one transaction: on SQLite the engine waits for it.
const AT_ONCE: i64 = 100;
/// Number of expired rows that are deleted in one transaction.
const DELETED_AT_ONCE: i64 = 500;
/// Maximum time for one batch, and for all that a view shows.
const WITHIN: Duration = Duration::from_secs(4);
/// Maximum time for each statement of a view, at the database: it stops by itself.
const EACH_WITHIN: &str = "set local statement_timeout = 2000";
/// Number of agents that are shown.
const AGENTS: i64 = 20;
/// Number of workflows and queues that are offered.
const CHOICES: usize = 100;
/// Maximum number of one agent's recoveries that are read.
const OF_ONE_AGENT: i64 = 20_000;

/// The actions by which a customer hears something.
const SOUNDS: [&str; 2] = ["announcing", "telling the customer on hold"];

/// A line that tells an end. The index on those that are not counted has the same condition.
const UNCOUNTED: &str = r#"counted = 0 and substr(note, 1, 15) = '{"what":"ended"'"#;

/// The names of the counters of one row: number, durations, distributions.
static COUNTERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let buckets = |letter| (0..Histogram::default().0.len()).map(move |bucket| format!("{letter}{bucket}"));
    ["n".to_owned(), "took".to_owned()].into_iter().chain(buckets('v')).chain(buckets('s')).collect()
});
/// The same for an agent: by rung and outcome.
static AGENT_COUNTERS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..Rung::ALL.len() * OUTCOMES.len()).map(|number| format!("c{number}")).collect());

/// The statements, built once for each database.
#[derive(Clone, Debug)]
pub(super) struct HistorySql {
    /// Marks lines as counted that were not, and returns them. `$1`: `id`, `counted`.
    claim: Arc<str>,
    /// `$1`: `at`, `took`, `heard`, `worker`, `workflow`, `queue`, `rung`, `outcome`, `cause`.
    add_recoveries: Arc<str>,
    /// `$1`: the key of a sum, and what is added to its counters.
    add_sums: Arc<str>,
    /// The same for agents.
    add_agents: Arc<str>,
    /// `$1`: `day`, `version`, `count`.
    add_versions: Arc<str>,
    /// All lines of these conferences. `$1`: conferences.
    lines: Arc<str>,
    /// When the customers of these conferences were to hear something. `$1`: conferences.
    sounds: Arc<str>,
    /// Deletes recoveries that ended before `$1`, at most `$2`.
    forget_recoveries: Arc<str>,
    /// Deletes sums of hours before `$1`.
    forget_hours: Arc<str>,
    /// Deletes sums of agents of days before `$1`.
    forget_agents: Arc<str>,
}

impl HistorySql {
    pub(super) fn new(d: Dialect) -> Self {
        let sql = |text: String| Arc::<str>::from(text);
        let add = |table: &str, keys: &[(&str, &str)], counters: &[String]| {
            let of: Vec<(&str, &str)> =
                keys.iter().copied().chain(counters.iter().map(|it| (it.as_str(), "bigint"))).collect();
            let columns = of.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let keys: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            let sums: Vec<String> =
                counters.iter().map(|it| format!("{it} = {table}.{it} + excluded.{it}")).collect();
            // In a fixed order, so that concurrent servers do not deadlock.
            let keys = keys.join(", ");
            sql(format!(
                "insert into {table} ({columns}) select {columns} from {} where true order by {keys}
                 on conflict ({keys}) do update set {}",
                d.rows(&of),
                sums.join(", ")
            ))
        };
        let text = |name| (name, "text");
        let number = |name| (name, "bigint");
        let recovery = [
            number("at"),
            number("took"),
            number("heard"),
            text("worker"),
            text("workflow"),
            text("queue"),
            text("rung"),
            text("outcome"),
            text("cause"),
        ];
        let columns = recovery.map(|(name, _)| name).join(", ");
        let sum = [
            number("span"),
            number("start"),
            text("workflow"),
            text("queue"),
            text("rung"),
            text("outcome"),
            text("cause"),
        ];
        let agent = [number("start"), text("worker"), text("workflow"), text("queue")];
        Self {
            claim: sql(match d {
                Dialect::Sqlite => "update notes set counted = (
                        select value ->> 'counted' from json_each($1) where value ->> 'id' = notes.id)
                    where id in (select value ->> 'id' from json_each($1)) and counted = 0 returning id"
                    .to_owned(),
                // Another server may be at the same lines: it has those, and this one the rest.
                Dialect::Postgres => "with wanted as (
                        select notes.id, r.counted from notes join json_to_recordset($1::json) as r(id bigint, counted bigint)
                        on r.id = notes.id where notes.counted = 0 order by notes.id for update of notes skip locked)
                    update notes set counted = wanted.counted from wanted where notes.id = wanted.id
                    returning notes.id"
                    .to_owned(),
            }),
            add_recoveries: sql(format!(
                "insert into recoveries ({columns}) select {columns} from {}",
                d.rows(&recovery)
            )),
            add_sums: add("history", &sum, &COUNTERS),
            add_agents: add("history_agents", &agent, &AGENT_COUNTERS),
            add_versions: add("plugin_versions", &[number("day"), text("version")], &["count".to_owned()]),
            lines: sql(format!("select conference, at, note from notes where conference {} order by id", d.any())),
            sounds: sql(format!(
                "select conference, at from story where conference {} and ({}) order by id",
                d.any(),
                SOUNDS.map(|action| format!("entry like '%\"action\":\"{action}\"%'")).join(" or ")
            )),
            forget_recoveries: sql(format!(
                "delete from recoveries where id in (select id from recoveries where at < $1 order by at limit $2 {})",
                d.locking("for update skip locked")
            )),
            forget_hours: sql("delete from history where span = 1 and start < $1".into()),
            forget_agents: sql("delete from history_agents where start < $1".into()),
        }
    }
}

/// A line that is to be counted.
struct Ended {
    id: i64,
    conference: String,
    /// `None`: this version cannot read it.
    recovered: Option<Recovered>,
}

impl Database {
    /// Counts recoveries that have ended, and returns their number; 0: none is left that no other server is counting.
    pub(in crate::store) async fn keep_history(&self) -> Result<u64, Error> {
        let kept = async {
            let ended = self.uncounted(AT_ONCE).await?;
            if ended.is_empty() {
                return Ok(0);
            }
            let marks: Vec<Value> = ended
                .iter()
                .map(
                    |ended| json!({"id": ended.id, "counted": if ended.recovered.is_some() { 1 } else { 2 }}),
                )
                .collect();
            let mut transaction = self.begin_aside().await?;
            let db = &mut *transaction;
            let mut claimed = vec![];
            for row in rows(db, &self.history_sql.claim, &marks).await? {
                let id: i64 = row.try_get(0)?;
                claimed.push(id);
            }
            let found: Vec<&Recovered> = ended
                .iter()
                .filter(|ended| claimed.contains(&ended.id))
                .filter_map(|ended| ended.recovered.as_ref())
                .collect();
            self.write_recoveries(db, &found).await?;
            if self.surroundings.reach(|| "history counted".to_owned()).await {
                return Err(Error::NotCommitted);
            }
            transaction.commit().await?;
            Ok(claimed.len() as u64)
        };
        in_time(kept).await
    }

    /// Adds these recoveries as if they had been counted now: to fill a database for measurements.
    pub(in crate::store) async fn add_recoveries(&self, all: &[Recovered]) -> Result<(), Error> {
        let mut transaction = self.begin_aside().await?;
        self.write_recoveries(&mut transaction, &all.iter().collect::<Vec<_>>()).await?;
        Ok(transaction.commit().await?)
    }

    /// Adds pages to those of their day and version.
    pub(in crate::store) async fn add_versions(
        &self,
        counts: &BTreeMap<(u64, String), u64>,
    ) -> Result<(), Error> {
        let counts: Vec<Value> = counts
            .iter()
            .map(|((day, version), count)| json!({"day": day, "version": version, "count": count}))
            .collect();
        let added = async {
            let mut transaction = self.begin_aside().await?;
            rows(&mut transaction, &self.history_sql.add_versions, &counts).await?;
            Ok(transaction.commit().await?)
        };
        in_time(added).await
    }

    /// Deletes recoveries that ended before this, and sums that name agents or hours. Sums by day stay.
    pub(in crate::store) async fn forget_recoveries(&self, before: Millis) -> Result<(), Error> {
        let sql = &self.history_sql;
        loop {
            let gone = async {
                let mut transaction = self.begin_aside().await?;
                let forget = sqlx::query(AssertSqlSafe(Arc::clone(&sql.forget_recoveries)));
                let forget =
                    forget.bind(integer(before)).bind(DELETED_AT_ONCE).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(forget.rows_affected())
            };
            if in_time(gone).await? < DELETED_AT_ONCE.unsigned_abs() {
                break;
            }
        }
        // A day or an hour that is partly older is kept until all of it is: what is kept longer is less than a day.
        let hour = integer(Millis(before.0 / HOUR.0));
        let day = integer(Millis(before.0 / DAY.0 * DAY_HOURS));
        let gone = async {
            let mut transaction = self.begin_aside().await?;
            for (sql, before) in [(&sql.forget_hours, hour), (&sql.forget_agents, day)] {
                sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(before).execute(&mut *transaction).await?;
            }
            Ok(transaction.commit().await?)
        };
        in_time(gone).await
    }

    /// True when a recovery that ended before this is not counted.
    pub(super) async fn has_uncounted_from_before(&self, before: Millis) -> Result<bool, Error> {
        let found = async {
            let find = format!("select id from notes where {UNCOUNTED} and at < $1 limit 1");
            let mut connection = self.reading_aside().await?;
            let find = sqlx::query(AssertSqlSafe(find)).bind(integer(before));
            Ok(find.fetch_optional(&mut *connection).await?.is_some())
        };
        in_time(found).await
    }

    async fn uncounted(&self, most: i64) -> Result<Vec<Ended>, Error> {
        uncounted(&mut *self.reading_aside().await?, &self.history_sql, most).await
    }

    async fn write_recoveries(&self, db: &mut AnyConnection, all: &[&Recovered]) -> Result<(), Error> {
        let sql = &self.history_sql;
        let single: Vec<Value> = all
            .iter()
            .map(|it| {
                json!({
                    "at": integer(it.at), "took": integer(it.took), "heard": it.heard.map(integer),
                    "worker": it.about.worker, "workflow": it.about.workflow, "queue": it.about.queue,
                    "rung": it.rung, "outcome": it.outcome, "cause": it.about.cause,
                })
            })
            .collect();
        rows(db, &sql.add_recoveries, &single).await?;
        let mut cells: BTreeMap<_, Cell> = BTreeMap::new();
        let mut agents: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for it in all {
            let origin = (it.about.workflow.as_str(), it.about.queue.as_str());
            for span in [1, DAY_HOURS] {
                let cell = Cell::of(it, span);
                let key =
                    (span, cell.start, origin, cell.rung.clone(), cell.outcome.clone(), cell.cause.clone());
                match cells.get_mut(&key) {
                    Some(sum) => sum.add(it),
                    None => _ = cells.insert(key, cell),
                }
            }
            let day = it.at.0 / DAY.0 * DAY_HOURS;
            let counts = agents.entry((day, it.about.worker.as_str(), origin));
            let counts = counts.or_insert_with(|| vec![0; AGENT_COUNTERS.len()]);
            if let Some(count) = counter(&it.rung, &it.outcome).and_then(|number| counts.get_mut(number)) {
                *count += 1;
            }
        }
        let sums: Vec<Value> = cells
            .into_iter()
            .map(|((span, start, (workflow, queue), rung, outcome, cause), cell)| {
                let key = json!({
                    "span": span, "start": start, "workflow": workflow, "queue": queue, "rung": rung,
                    "outcome": outcome, "cause": cause,
                });
                let counters = [cell.count, cell.took.0].into_iter().chain(cell.voice.0).chain(cell.heard.0);
                with(key, &COUNTERS, counters)
            })
            .collect();
        rows(db, &sql.add_sums, &sums).await?;
        let agents: Vec<Value> = agents
            .into_iter()
            .map(|((start, worker, (workflow, queue)), counts)| {
                let key = json!({"start": start, "worker": worker, "workflow": workflow, "queue": queue});
                with(key, &AGENT_COUNTERS, counts)
            })
            .collect();
        rows(db, &sql.add_agents, &agents).await?;
        Ok(())
    }

    /// What the history shows, as of one moment.
    pub(in crate::store) async fn history(&self, asked: &Asked) -> Result<Sums, Error> {
        in_time(self.read_history(asked)).await
    }

    async fn read_history(&self, asked: &Asked) -> Result<Sums, Error> {
        let mut moment = self.moment_aside().await?;
        if self.is_shared() {
            moment.execute(EACH_WITHIN).await?;
        }
        let sums = sums(&mut moment, asked).await?;
        moment.rollback().await?;
        Ok(sums)
    }
}

/// What the history shows. Its parts are of one moment if the transaction of the connection is.
pub(crate) async fn sums(db: &mut AnyConnection, asked: &Asked) -> Result<Sums, Error> {
    let (cells, agents) = match &asked.worker {
        Some(worker) => of_agent(db, asked, worker).await?,
        None => (cells(db, asked).await?, agents(db, asked).await?),
    };
    let choices = choices(db, asked).await?;
    let versions = versions(db, asked).await?;
    let most = Sums::MOST_UNCOUNTED;
    let uncounted =
        format!("select count(*) from (select 1 from notes where {UNCOUNTED} limit {most}) as waiting");
    let uncounted: i64 = sqlx::query(AssertSqlSafe(uncounted)).fetch_one(&mut *db).await?.try_get(0)?;
    let [workflows, queues] = [0, 1].map(|which| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (pair, count) in &choices {
            *sums.entry(pair[which].clone()).or_default() += count;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sums.truncate(CHOICES);
        sums
    });
    Ok(Sums { cells, agents, workflows, queues, versions, uncounted: uncounted.unsigned_abs() })
}

/// The lines that are not counted, oldest first.
async fn uncounted(db: &mut AnyConnection, sql: &HistorySql, most: i64) -> Result<Vec<Ended>, Error> {
    let find =
        format!("select id, conference, at, note, about from notes where {UNCOUNTED} order by id limit $1");
    let found = sqlx::query(AssertSqlSafe(find)).bind(most).fetch_all(&mut *db).await?;
    if found.is_empty() {
        return Ok(vec![]);
    }
    let conferences: Vec<String> = found.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>()?;
    let conferences = texts(conferences.iter().map(String::as_str));
    let read = sqlx::query(AssertSqlSafe(Arc::clone(&sql.lines))).bind(conferences.clone());
    let mut lines: BTreeMap<String, Vec<(Millis, Note)>> = BTreeMap::new();
    for row in read.fetch_all(&mut *db).await? {
        let (conference, at, note): (String, i64, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // What another version has written tells no rung that this one knows.
        if let Ok(note) = serde_json::from_str(&note) {
            lines.entry(conference).or_default().push((millis(at), note));
        }
    }
    let read = sqlx::query(AssertSqlSafe(Arc::clone(&sql.sounds))).bind(conferences);
    let mut sounds: BTreeMap<String, Vec<Millis>> = BTreeMap::new();
    for row in read.fetch_all(db).await? {
        sounds.entry(row.try_get(0)?).or_default().push(millis(row.try_get(1)?));
    }
    let mut all = Vec::with_capacity(found.len());
    for row in found {
        let (conference, at, note): (String, i64, String) =
            (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let about: Option<String> = row.try_get(4)?;
        let lines = lines.get(&conference).map(Vec::as_slice).unwrap_or_default();
        let sounds = sounds.get(&conference).map(Vec::as_slice).unwrap_or_default();
        let recovered = Recovered::of(millis(at), &note, about.as_deref(), lines, sounds);
        all.push(Ended { id: row.try_get(0)?, conference, recovered });
    }
    for ended in all.iter().filter(|ended| ended.recovered.is_none()) {
        tracing::warn!(
            conference = ended.conference,
            "the end of a recovery is stored in a way that this version cannot read: the history lacks it"
        );
    }
    Ok(all)
}

/// The recoveries of a file that are not counted, as they will be: those of a simulation.
pub(in crate::store) async fn recoveries_of(db: &mut AnyConnection) -> Result<Vec<Recovered>, Error> {
    let sql = HistorySql::new(Dialect::Sqlite);
    Ok(uncounted(db, &sql, i64::MAX).await?.into_iter().filter_map(|ended| ended.recovered).collect())
}

/// Waits for an answer, and drops no connection of the engine's for it.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(WITHIN, answer).await.unwrap_or(Err(Error::Unanswered(WITHIN)))
}

fn with(key: Value, names: &[String], counters: impl IntoIterator<Item = u64>) -> Value {
    let mut row: Map<String, Value> = if let Value::Object(row) = key { row } else { Map::new() };
    row.extend(names.iter().cloned().zip(counters.into_iter().map(Value::from)));
    Value::Object(row)
}

/// The counter of an agent for this rung and outcome.
fn counter(rung: &str, outcome: &str) -> Option<usize> {
    let rung = Rung::ALL.into_iter().position(|known| known.name() == rung)?;
    let outcome = OUTCOMES.into_iter().position(|known| known == outcome)?;
    Some(rung * OUTCOMES.len() + outcome)
}

/// A statement with conditions, and their parameters. All texts that come from outside are parameters.
struct Question {
    sql: String,
    texts: Vec<String>,
}

impl Question {
    fn new(sql: String) -> Self {
        Self { sql, texts: vec![] }
    }

    /// Adds `and column = text`, if there is a text.
    fn and(&mut self, column: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.texts.push(text.to_owned());
            self.sql += &format!(" and {column} = ${}", self.texts.len());
        }
    }

    async fn ask(self, db: &mut AnyConnection) -> Result<Vec<AnyRow>, Error> {
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for text in self.texts {
            query = query.bind(text);
        }
        Ok(query.fetch_all(db).await?)
    }
}

fn count(row: &AnyRow, column: usize) -> Result<u64, Error> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

async fn cells(db: &mut AnyConnection, asked: &Asked) -> Result<Vec<Cell>, Error> {
    let range = asked.range;
    let sums: Vec<String> = COUNTERS.iter().map(|it| format!("cast(sum({it}) as bigint)")).collect();
    let mut question = Question::new(format!(
        "select start, rung, outcome, cause, {} from history where span = {} and start >= {} and start < {}",
        sums.join(", "),
        range.span,
        range.from,
        range.to
    ));
    question.and("workflow", asked.workflow.as_deref());
    question.and("queue", asked.queue.as_deref());
    question.and("rung", asked.rung.map(Rung::name));
    question.and("outcome", asked.outcome);
    question.sql += " group by start, rung, outcome, cause order by start, rung, outcome, cause";
    let mut cells = vec![];
    for row in question.ask(db).await? {
        let mut cell = Cell {
            start: count(&row, 0)?,
            rung: row.try_get(1)?,
            outcome: row.try_get(2)?,
            cause: row.try_get(3)?,
            count: count(&row, 4)?,
            took: Millis(count(&row, 5)?),
            ..Cell::default()
        };
        for (at, bucket) in (6..).zip(cell.voice.0.iter_mut().chain(&mut cell.heard.0)) {
            *bucket = count(&row, at)?;
        }
        cells.push(cell);
    }
    Ok(cells)
}

/// The agents with the most losses.
async fn agents(db: &mut AnyConnection, asked: &Asked) -> Result<Vec<Agent>, Error> {
    let range = asked.range;
    let is_loss = |outcome: &str| outcome != "graceful";
    let is_lost = |rung: &str, outcome: &str| Meaning::of(rung, outcome) == Meaning::Lost;
    let mut question = if range.span == DAY_HOURS {
        let wanted = |is_it: &dyn Fn(&str, &str) -> bool| {
            let mut columns = vec![];
            for rung in Rung::ALL.into_iter().filter(|rung| asked.rung.is_none_or(|only| only == *rung)) {
                for outcome in OUTCOMES.into_iter().filter(|it| asked.outcome.is_none_or(|only| only == *it))
                {
                    if is_it(rung.name(), outcome) {
                        columns.extend(counter(rung.name(), outcome).map(|number| format!("c{number}")));
                    }
                }
            }
            if columns.is_empty() { "0".to_owned() } else { columns.join(" + ") }
        };
        Question::new(format!(
            "select worker, cast(sum({}) as bigint) as losses, cast(sum({}) as bigint) from history_agents
             where start >= {} and start < {}",
            wanted(&|_, outcome| is_loss(outcome)),
            wanted(&is_lost),
            range.from,
            range.to
        ))
    } else {
        let (from, to) = range.times();
        let lost: Vec<String> = Rung::ALL
            .into_iter()
            .flat_map(|rung| OUTCOMES.map(|outcome| (rung.name(), outcome)))
            .filter(|(rung, outcome)| is_lost(rung, outcome))
            .map(|(rung, outcome)| format!("(rung = '{rung}' and outcome = '{outcome}')"))
            .collect();
        let mut question = Question::new(format!(
            "select worker, cast(sum(case when outcome = 'graceful' then 0 else 1 end) as bigint) as losses,
             cast(sum(case when {} then 1 else 0 end) as bigint) from recoveries where at >= {} and at < {}",
            lost.join(" or "),
            from.0,
            to.0
        ));
        question.and("rung", asked.rung.map(Rung::name));
        question.and("outcome", asked.outcome);
        question
    };
    question.and("workflow", asked.workflow.as_deref());
    question.and("queue", asked.queue.as_deref());
    question.sql += &format!(" group by worker order by losses desc, worker limit {AGENTS}");
    let mut agents = vec![];
    for row in question.ask(db).await? {
        agents.push(Agent { worker: row.try_get(0)?, losses: count(&row, 1)?, lost: count(&row, 2)? });
    }
    agents.retain(|agent| agent.losses > 0);
    Ok(agents)
}

/// All of one agent: their recoveries are few, and found by an index.
async fn of_agent(
    db: &mut AnyConnection,
    asked: &Asked,
    worker: &str,
) -> Result<(Vec<Cell>, Vec<Agent>), Error> {
    let (from, to) = asked.range.times();
    let mut question = Question::new(format!(
        "select at, took, coalesce(heard, -1), rung, outcome, cause from recoveries where at >= {} and at < {}",
        from.0, to.0
    ));
    question.and("worker", Some(worker));
    question.and("workflow", asked.workflow.as_deref());
    question.and("queue", asked.queue.as_deref());
    question.and("rung", asked.rung.map(Rung::name));
    question.and("outcome", asked.outcome);
    question.sql += &format!(" order by at limit {OF_ONE_AGENT}");
    let mut cells: BTreeMap<_, Cell> = BTreeMap::new();
    let mut agent = Agent { worker: worker.to_owned(), losses: 0, lost: 0 };
    for row in question.ask(db).await? {
        let heard: i64 = row.try_get(2)?;
        let mut recovered = Recovered {
            at: Millis(count(&row, 0)?),
            took: Millis(count(&row, 1)?),
            heard: u64::try_from(heard).ok().map(Millis),
            about: crate::history::About::default(),
            rung: row.try_get(3)?,
            outcome: row.try_get(4)?,
        };
        recovered.about.cause = row.try_get(5)?;
        agent.losses += u64::from(recovered.outcome != "graceful");
        agent.lost += u64::from(recovered.meaning() == Meaning::Lost);
        let cell = Cell::of(&recovered, asked.range.span);
        let key = (cell.start, cell.rung.clone(), cell.outcome.clone(), cell.cause.clone());
        match cells.get_mut(&key) {
            Some(sum) => sum.add(&recovered),
            None => _ = cells.insert(key, cell),
        }
    }
    let agents = if agent.losses > 0 { vec![agent] } else { vec![] };
    Ok((cells.into_values().collect(), agents))
}

/// Workflows and queues of this time, whatever is shown of them.
async fn choices(db: &mut AnyConnection, asked: &Asked) -> Result<Vec<([String; 2], u64)>, Error> {
    let range = asked.range;
    let question = Question::new(format!(
        "select workflow, queue, cast(sum(n) as bigint) from history where span = {} and start >= {} and start < {}
         group by workflow, queue order by 3 desc limit 1000",
        range.span, range.from, range.to
    ));
    let mut choices = vec![];
    for row in question.ask(db).await? {
        choices.push(([row.try_get(0)?, row.try_get(1)?], count(&row, 2)?));
    }
    Ok(choices)
}

/// The versions of pages on the days of this time.
async fn versions(db: &mut AnyConnection, asked: &Asked) -> Result<Vec<(String, u64)>, Error> {
    let (from, to) = (asked.range.from / DAY_HOURS, asked.range.to.div_ceil(DAY_HOURS));
    let question = Question::new(format!(
        "select version, cast(sum(count) as bigint) from plugin_versions where day >= {from} and day < {to}
         group by version order by 2 desc, version limit 100"
    ));
    let mut versions = vec![];
    for row in question.ask(db).await? {
        versions.push((row.try_get(0)?, count(&row, 1)?));
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_recovery::Action;

    #[test]
    fn the_actions_by_which_a_customer_hears_something_have_these_names() {
        for action in SOUNDS {
            assert!(Action::NAMES.contains(&action), "{action}");
        }
    }
}
