//! The SQL statements. They are the same for both databases, except for the differences here.
//!
//! Data for many rows is sent as one JSON array, so that a batch takes one statement for each kind of change, however
//! many calls are in it.

use std::sync::Arc;

/// The database's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A condition on a column: it is in the array of texts `$1`.
    pub(super) fn any(self) -> &'static str {
        match self {
            Self::Sqlite => "in (select value from json_each($1))",
            // An array lets the planner use the index, however many elements there are.
            Self::Postgres => "= any(array(select json_array_elements_text($1::json)))",
        }
    }

    /// A condition on a column: it is in a column of a common table expression. In PostgreSQL it is an array for the same reason
    /// as in [`Dialect::any`]: for a join the planner may read the whole index.
    fn among(self, column: &str, table: &str) -> String {
        match self {
            Self::Sqlite => format!("in (select {column} from {table})"),
            Self::Postgres => format!("= any(array(select {column} from {table}))"),
        }
    }

    /// Rows from an array of objects, named `r`.
    pub(super) fn rows(self, columns: &[(&str, &str)]) -> String {
        match self {
            Self::Sqlite => {
                let columns: Vec<_> =
                    columns.iter().map(|(name, _)| format!("value ->> '{name}' as {name}")).collect();
                format!("(select {} from json_each($1)) as r", columns.join(", "))
            }
            Self::Postgres => {
                let columns: Vec<_> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
                format!("json_to_recordset($1::json) as r({})", columns.join(", "))
            }
        }
    }

    /// A text of a row: a piece of the bytes `$2`, where it starts at the row's `at` and has this `length`. Long texts cost
    /// less so than inside the JSON, where each is escaped and parsed.
    fn piece(self) -> &'static str {
        match self {
            Self::Sqlite => "cast(substr($2, at, length) as text)",
            Self::Postgres => "convert_from(substring($2::bytea, at, length), 'UTF8')",
        }
    }

    /// The servers whose leases last. `known`: the parameter with what this server has seen
    /// ([`Leases::known`](crate::store::leases::Leases::known)); `time`: that of SQLite's time.
    pub(super) fn running(self, known: &str, time: &'static str) -> String {
        let known = match self {
            Self::Sqlite => format!("in (select value from json_each({known}))"),
            Self::Postgres => format!("= any(array(select json_array_elements_text({known}::json)))"),
        };
        let now = self.now(time);
        format!(
            "(select id from servers where id {known} or until > {now} and not (id || ':' || until {known}))"
        )
    }

    /// Milliseconds since the epoch. Servers on PostgreSQL may be on several machines, and use its clock; on SQLite
    /// there is one, which passes its time as the last parameter.
    pub(super) fn now(self, parameter: &'static str) -> &'static str {
        match self {
            Self::Sqlite => parameter,
            Self::Postgres => "(extract(epoch from clock_timestamp()) * 1000)::bigint",
        }
    }

    /// The action of a job, without the label of a third party who is moved: it is personal data, and a job that has ended
    /// needs it no more.
    pub(crate) fn without_label(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "case when action like '{\"MoveParticipant\"%' then json_remove(action, '$.MoveParticipant.label') else action end"
            }
            Self::Postgres => {
                "case when action like '{\"MoveParticipant\"%'
                 then (action::jsonb #- '{MoveParticipant,label}')::text else action end"
            }
        }
    }

    /// PostgreSQL has other writers; SQLite's transaction is the only one that writes.
    pub(super) fn locking(self, lock: &'static str) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => lock,
        }
    }
}

/// All statements, built once. Parameters are as documented; statements marked "with time" have the time as their
/// last parameter on SQLite.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    /// Rows for calls that may begin now, so that they can be locked. `$1`: conferences.
    pub(super) expect_calls: Arc<str>,
    /// The calls that share a key, with the other calls of their customers. `$1`: keys.
    pub(super) find_calls: Arc<str>,
    /// The same, locked, in an order that all servers share.
    pub(super) lock_calls: Arc<str>,
    /// The names of calls with these keys, to check whether one was added meanwhile. `$1`: keys.
    pub(super) name_calls: Arc<str>,
    /// The keys of calls. `$1`: conferences.
    pub(super) keys_of: Arc<str>,
    /// `$1`: conferences.
    pub(super) timers_of: Arc<str>,
    /// `$1`: tasks and workers.
    pub(super) early_marks: Arc<str>,
    /// `$1`: `task`, `worker`, `reservation`, `at`, `mark`.
    pub(super) keep_early: Arc<str>,
    /// `$1`: `task`, `worker`, `reservation`.
    pub(super) drop_early: Arc<str>,
    /// Early marks from before `$1`.
    pub(super) forget_early: Arc<str>,
    /// Those of these jobs that are open and still ours. `$1`: `id`, `fence`.
    pub(super) held_jobs: Arc<str>,
    /// `$1`: conferences.
    pub(super) delete_calls: Arc<str>,
    /// `$1`: conferences.
    pub(super) delete_keys_of: Arc<str>,
    /// `$1`: conferences.
    pub(super) delete_timers_of: Arc<str>,
    /// `$1`: `conference`, `at` and `length` of its state in `$2`.
    pub(super) save_calls: Arc<str>,
    /// `$1`: `key`, `conference`.
    pub(super) add_keys: Arc<str>,
    /// `$1`: `conference`, `timer`.
    pub(super) clear_timers: Arc<str>,
    /// `$1`: `conference`, `timer`, `at`; `$2`: this server.
    pub(super) set_timers: Arc<str>,
    /// With time. `$1`: `conference`, `action`, `once`, `deadline`, `priority`, `owner`, `fence`.
    pub(super) add_jobs: Arc<str>,
    /// With time. `$1`: `id`, `given_up`.
    pub(super) close_jobs: Arc<str>,
    /// `$1`: `at`, `conference`, `customer`, `note`, `about`.
    pub(super) add_notes: Arc<str>,
    /// Deletes lines of timelines from before `$1`, at most `$2`.
    pub(super) forget_notes: Arc<str>,
    /// Deletes entries of stories from before `$1`, at most `$2`.
    pub(super) forget_story: Arc<str>,
    /// `$1`: `day`, `what`, `cause`, `count`, `timed`, `took`, `calls`.
    pub(super) add_switches: Arc<str>,
    /// `$1`: `day`, `outcome`, `bound`, `count`, `took`.
    pub(super) add_figures: Arc<str>,
    /// Deletes jobs that have ended, stopped making sense before `$1` and have no call, at most `$2`.
    pub(super) forget_jobs: Arc<str>,
    /// The next timers. `$1`: this server; `$2`: how much later than its own it handles others'; `$3`: how many at
    /// most; `$4`: conferences whose timers are left out; `$5`: the known timers.
    pub(super) next_timers: Arc<str>,
    /// Sets the timer `$1` for each call that has a timer `$2` that is due later than `$3`, the latest first, from
    /// then on, `$4` apart. `$5`: this server.
    pub(super) look_at_all: Arc<str>,
    /// Sets the timer `$2` to `$3` for each call with one of the keys `$1` that has a timer `$5`. `$4`: this server.
    pub(super) look_at: Arc<str>,
    /// Gives a job back. `$1`: its number; `$2`: its fence.
    pub(super) give_back: Arc<str>,
    /// Takes jobs, with time. `$1`: numbers of those that this server has; `$2`: this server; `$3`: how many at most;
    /// `$4`: only these priorities.
    pub(super) claim_jobs: Arc<str>,
    /// Gives back all jobs of this server. `$1`: this server.
    pub(super) release_jobs: Arc<str>,
    /// The call of a job, if the job is still ours. `$1`: its number; `$2`: its fence.
    pub(super) call_of_job: Arc<str>,
    /// With time, which it returns. `$1`: this server; `$2`: the duration of the lease.
    pub(super) renew_server: Arc<str>,
    /// The other servers, the ends of their leases, and the time, with time. `$1`: this server.
    pub(super) others: Arc<str>,
    /// `$1`: this server.
    pub(super) end_server: Arc<str>,
    /// `$1`: `worker`, `pushed`: how many more, `at`: now.
    pub(super) number_pushes: Arc<str>,
    /// `$1`: `worker`, `number`, `at`, `push`.
    pub(super) add_pushes: Arc<str>,
    /// `$1`: workers.
    pub(super) last_pushes: Arc<str>,
    /// Deletes pushes from before `$1`, at most `$2`.
    pub(super) forget_pushes: Arc<str>,
    /// Deletes the counters of workers whose last push was before `$1`, at most `$2`.
    pub(super) forget_workers: Arc<str>,
    /// Epochs, with time. `$1`: worker; `$2`: this server; `$3`: what is known of leases.
    pub(super) sessions_elsewhere: Arc<str>,
    /// `$1`: `at`, `server`, `conference`, `recovery`, `entry`.
    pub(super) tell: Arc<str>,
    /// `$1`: conferences.
    pub(super) untell: Arc<str>,
    /// Deletes servers that are long gone, with time.
    pub(super) end_others: Arc<str>,
}

impl Sql {
    pub(super) fn new(d: Dialect) -> Self {
        let any = d.any();
        let (found, legs, related) =
            (d.among("conference", "found"), d.among("key", "legs"), d.among("conference", "related"));
        let find = format!(
            "with found as (
                 select conference from keys where key {any} union select conference from calls where conference {any}
             ), legs as (
                 select key from keys where substr(key, 1, 2) = 'CA' and conference {found}
             ), related as (
                 select conference from found union select conference from keys where key {legs}
             )
             select conference, state from calls where conference {related} order by conference"
        );
        let (ids, priorities) = match d {
            Dialect::Sqlite => {
                ("in (select value from json_each($1))", "in (select value from json_each($4))")
            }
            Dialect::Postgres => (
                "= any(array(select json_array_elements_text($1::json)::bigint))",
                "= any(array(select json_array_elements_text($4::json)::bigint))",
            ),
        };
        let (without, known) = match d {
            Dialect::Sqlite => {
                ("not in (select value from json_each($4))", "in (select value from json_each($5))")
            }
            Dialect::Postgres => (
                "<> all(array(select json_array_elements_text($4::json)))",
                "= any(array(select json_array_elements_text($5::json)))",
            ),
        };
        let timer = [("conference", "text"), ("timer", "text"), ("at", "bigint")];
        let early = [("task", "text"), ("worker", "text"), ("reservation", "text")];
        let sql = |text: String| Arc::<str>::from(text);
        Self {
            expect_calls: sql(match d {
                Dialect::Sqlite => "insert into calls (conference, state) select value, '' from json_each($1)
                    where true on conflict do nothing"
                    .into(),
                Dialect::Postgres => "insert into calls (conference, state)
                    select c, '' from json_array_elements_text($1::json) as c order by c on conflict do nothing"
                    .into(),
            }),
            lock_calls: sql(format!("{find} {}", d.locking("for update"))),
            find_calls: sql(find),
            name_calls: sql(format!(
                "select conference from keys where key {any} union select conference from calls where conference {any}"
            )),
            keys_of: sql(format!("select conference, key from keys where conference {any}")),
            timers_of: sql(format!("select conference, timer, at from timers where conference {any}")),
            early_marks: sql(format!("select mark from early_marks where task {any} or worker {any}")),
            keep_early: sql(format!(
                "insert into early_marks (task, worker, reservation, at, mark)
                 select task, worker, reservation, at, mark from {} where true
                 on conflict (task, worker, reservation) do update set at = excluded.at, mark = excluded.mark",
                d.rows(&[early[0], early[1], early[2], ("at", "bigint"), ("mark", "text")])
            )),
            drop_early: sql(format!(
                "delete from early_marks where (task, worker, reservation) in
                 (select task, worker, reservation from {})",
                d.rows(&early)
            )),
            forget_early: sql("delete from early_marks where at < $1".into()),
            held_jobs: sql(format!(
                "select j.id from jobs j join {} on j.id = r.id and j.fence = r.fence where j.closed = 0
                 order by j.id {}",
                d.rows(&[("id", "bigint"), ("fence", "bigint")]),
                d.locking("for update of j")
            )),
            delete_calls: sql(format!("delete from calls where conference {any}")),
            delete_keys_of: sql(format!("delete from keys where conference {any}")),
            delete_timers_of: sql(format!("delete from timers where conference {any}")),
            save_calls: sql(format!(
                "insert into calls (conference, state) select conference, {} from {} where true
                 on conflict (conference) do update set state = excluded.state",
                d.piece(),
                d.rows(&[("conference", "text"), ("at", "integer"), ("length", "integer")])
            )),
            add_keys: sql(format!(
                "insert into keys (key, conference) select key, conference from {} where true on conflict do nothing",
                d.rows(&[("key", "text"), ("conference", "text")])
            )),
            clear_timers: sql(format!(
                "delete from timers where (conference, timer) in (select conference, timer from {})",
                d.rows(&timer[..2])
            )),
            set_timers: sql(format!(
                "insert into timers (conference, timer, at, owner) select conference, timer, at, $2 from {} where true
                 on conflict (conference, timer) do update set at = excluded.at, owner = excluded.owner",
                d.rows(&timer)
            )),
            add_jobs: sql(format!(
                "insert into jobs (conference, action, once, deadline, priority, owner, fence, since)
                 select conference, action, once, deadline, priority, owner, fence, {now} from {} where true
                 on conflict do nothing returning id, conference, action, deadline",
                d.rows(&[
                    ("conference", "text"),
                    ("action", "text"),
                    ("once", "text"),
                    ("deadline", "bigint"),
                    ("priority", "bigint"),
                    ("owner", "text"),
                    ("fence", "bigint"),
                ]), now = d.now("$2"))),
            close_jobs: sql(format!(
                "update jobs set closed = 1, owner = null, ended = {now}, given_up = r.given_up, action = {action} from {}
                 where jobs.id = r.id",
                d.rows(&[("id", "bigint"), ("given_up", "text")]), now = d.now("$2"), action = d.without_label())),
            add_notes: sql(format!(
                "insert into notes (at, conference, customer, note, about)
                 select at, conference, customer, note, about from {}",
                d.rows(&[
                    ("at", "bigint"),
                    ("conference", "text"),
                    ("customer", "text"),
                    ("note", "text"),
                    ("about", "text"),
                ])
            )),
            forget_notes: sql(format!(
                "delete from notes where id in (select id from notes where at < $1 order by at limit $2 {})
                 returning at, note",
                d.locking("for update skip locked")
            )),
            forget_story: sql(format!(
                "delete from story where id in (select id from story where at < $1 order by at limit $2 {})",
                d.locking("for update skip locked")
            )),
            add_switches: sql(format!(
                "insert into switches (day, what, cause, count, timed, took, calls)
                 select day, what, cause, count, timed, took, calls from {} where true
                 on conflict (day, what, cause) do update set count = switches.count + excluded.count,
                 timed = switches.timed + excluded.timed, took = switches.took + excluded.took,
                 calls = switches.calls + excluded.calls",
                d.rows(&[
                    ("day", "bigint"),
                    ("what", "text"),
                    ("cause", "text"),
                    ("count", "bigint"),
                    ("timed", "bigint"),
                    ("took", "bigint"),
                    ("calls", "bigint"),
                ])
            )),
            add_figures: sql(format!(
                "insert into figures (day, outcome, bound, count, took)
                 select day, outcome, bound, count, took from {} where true
                 on conflict (day, outcome, bound) do update set count = figures.count + excluded.count,
                 took = figures.took + excluded.took",
                d.rows(&[
                    ("day", "bigint"),
                    ("outcome", "text"),
                    ("bound", "bigint"),
                    ("count", "bigint"),
                    ("took", "bigint"),
                ])
            )),
            // An open call may request again what was done for it already.
            forget_jobs: sql(format!(
                "delete from jobs where id in (
                     select id from jobs where closed = 1 and deadline < $1
                     and conference not in (select conference from calls) order by deadline limit $2 {})",
                d.locking("for update skip locked")
            )),
            next_timers: sql(format!(
                "select conference, at + case when owner = $1 then 0 else $2 end as due from timers
                 where timer {known} and conference {without} order by at, conference limit $3"
            )),
            look_at_all: sql(
                "insert into timers (conference, timer, at, owner)
                 select conference, $1, $3 + $4 * (row_number() over (order by at desc, conference) - 1), $5 from timers
                 where timer = $2 and at > $3 on conflict (conference, timer) do nothing"
                    .into(),
            ),
            look_at: sql(format!(
                "insert into timers (conference, timer, at, owner)
                 select conference, $2, $3, $4 from timers where timer = $5 and conference in (
                     select conference from keys where key {any} union select conference from calls where conference {any}
                 ) on conflict (conference, timer) do update set at = excluded.at, owner = excluded.owner"
            )),
            give_back: sql(
                "update jobs set owner = null where id = $1 and fence = $2 and closed = 0".into(),
            ),
            claim_jobs: sql(format!(
                "update jobs set owner = $2, fence = fence + 1, since = {now} where id in (
                     select id from jobs where closed = 0 and not (id {ids}) and priority {priorities} and (
                         owner is null
                         or owner not in {running}
                         or (owner = $2 and since < {now} - 5000)
                     ) order by priority, id limit $3 {}
                 ) returning id, conference, action, deadline, fence",
                d.locking("for update skip locked"), running = d.running("$5", "$6"), now = d.now("$6"))),
            release_jobs: sql("update jobs set owner = null where owner = $1 and closed = 0".into()),
            call_of_job: sql(
                "select j.conference, c.state from jobs j left join calls c on c.conference = j.conference
                 where j.id = $1 and j.fence = $2 and j.closed = 0"
                    .into(),
            ),
            renew_server: sql(format!(
                "insert into servers (id, until) values ($1, {now} + $2)
                 on conflict (id) do update set until = excluded.until returning until - $2", now = d.now("$3"))),
            number_pushes: sql(format!(
                "insert into workers (worker, pushed, at) select worker, pushed, at from {} where true order by worker
                 on conflict (worker) do update set pushed = workers.pushed + excluded.pushed, at = excluded.at
                 returning worker, pushed",
                d.rows(&[("worker", "text"), ("pushed", "bigint"), ("at", "bigint")])
            )),
            add_pushes: sql(format!(
                "insert into pushes (worker, number, at, push) select worker, number, at, push from {}",
                d.rows(&[("worker", "text"), ("number", "bigint"), ("at", "bigint"), ("push", "text")])
            )),
            last_pushes: sql(format!(
                "select worker, pushed from workers where worker {any}"
            )),
            forget_pushes: sql(format!(
                "delete from pushes where (worker, number) in (
                     select worker, number from pushes where at < $1 order by at limit $2 {})",
                d.locking("for update skip locked")
            )),
            forget_workers: sql(format!(
                "delete from workers where worker in (
                     select worker from workers where at < $1 limit $2 {})",
                d.locking("for update skip locked")
            )),
            sessions_elsewhere: sql(format!(
                "select epoch from sessions where worker = $1 and server <> $2
                 and server in {running}", running = d.running("$3", "$4"))),
            tell: sql(format!(
                "insert into story (at, server, conference, recovery, entry)
                 select at, server, conference, recovery, entry from {}",
                d.rows(&[
                    ("at", "bigint"),
                    ("server", "text"),
                    ("conference", "text"),
                    ("recovery", "text"),
                    ("entry", "text"),
                ])
            )),
            untell: sql(format!("delete from story where conference {any}")),
            others: sql(format!("select id, until, {now} from servers where id <> $1", now = d.now("$2"))),
            end_server: sql("delete from servers where id = $1".into()),
            end_others: sql(format!("delete from servers where until < {now} - 60000", now = d.now("$1"))),
        }
    }
}
