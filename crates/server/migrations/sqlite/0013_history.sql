-- What the history of recoveries is made of. `about`: what is known of a recovery whose end the line tells. `counted`: 1 once the
-- history has it, 2 when this line cannot be read; a server that does not know of it leaves it 0, and so do older lines.
alter table notes add column about text;
alter table notes add column counted integer not null default 0;
create index notes_uncounted on notes (id) where counted = 0 and substr(note, 1, 15) = '{"what":"ended"';

-- Each recovery, for as long as its timeline is kept. `at`: its end; `took`: from the loss until then; `heard`: from the loss
-- until the first sound, in milliseconds. An empty text: not known.
create table recoveries (
    id integer primary key autoincrement,
    at integer not null,
    took integer not null,
    heard integer,
    worker text not null,
    workflow text not null,
    queue text not null,
    rung text not null,
    outcome text not null,
    cause text not null
) strict;
create index recoveries_at on recoveries (at);
create index recoveries_worker on recoveries (worker, at);

-- Sums of them by hour (`span` 1) and by day (`span` 24). `start`: in hours since the epoch; `v0` to `v20`: until the customer had
-- an agent again, by bound; `s0` to `s20`: until the first sound.
create table history (
    span integer not null,
    start integer not null,
    workflow text not null,
    queue text not null,
    rung text not null,
    outcome text not null,
    cause text not null,
    n integer not null,
    took integer not null,
    v0 integer not null default 0,
    v1 integer not null default 0,
    v2 integer not null default 0,
    v3 integer not null default 0,
    v4 integer not null default 0,
    v5 integer not null default 0,
    v6 integer not null default 0,
    v7 integer not null default 0,
    v8 integer not null default 0,
    v9 integer not null default 0,
    v10 integer not null default 0,
    v11 integer not null default 0,
    v12 integer not null default 0,
    v13 integer not null default 0,
    v14 integer not null default 0,
    v15 integer not null default 0,
    v16 integer not null default 0,
    v17 integer not null default 0,
    v18 integer not null default 0,
    v19 integer not null default 0,
    v20 integer not null default 0,
    s0 integer not null default 0,
    s1 integer not null default 0,
    s2 integer not null default 0,
    s3 integer not null default 0,
    s4 integer not null default 0,
    s5 integer not null default 0,
    s6 integer not null default 0,
    s7 integer not null default 0,
    s8 integer not null default 0,
    s9 integer not null default 0,
    s10 integer not null default 0,
    s11 integer not null default 0,
    s12 integer not null default 0,
    s13 integer not null default 0,
    s14 integer not null default 0,
    s15 integer not null default 0,
    s16 integer not null default 0,
    s17 integer not null default 0,
    s18 integer not null default 0,
    s19 integer not null default 0,
    s20 integer not null default 0,
    primary key (span, start, workflow, queue, rung, outcome, cause)
) strict, without rowid;

-- Losses by day and agent. `c0` to `c34`: by rung and outcome.
create table history_agents (
    start integer not null,
    worker text not null,
    workflow text not null,
    queue text not null,
    c0 integer not null default 0,
    c1 integer not null default 0,
    c2 integer not null default 0,
    c3 integer not null default 0,
    c4 integer not null default 0,
    c5 integer not null default 0,
    c6 integer not null default 0,
    c7 integer not null default 0,
    c8 integer not null default 0,
    c9 integer not null default 0,
    c10 integer not null default 0,
    c11 integer not null default 0,
    c12 integer not null default 0,
    c13 integer not null default 0,
    c14 integer not null default 0,
    c15 integer not null default 0,
    c16 integer not null default 0,
    c17 integer not null default 0,
    c18 integer not null default 0,
    c19 integer not null default 0,
    c20 integer not null default 0,
    c21 integer not null default 0,
    c22 integer not null default 0,
    c23 integer not null default 0,
    c24 integer not null default 0,
    c25 integer not null default 0,
    c26 integer not null default 0,
    c27 integer not null default 0,
    c28 integer not null default 0,
    c29 integer not null default 0,
    c30 integer not null default 0,
    c31 integer not null default 0,
    c32 integer not null default 0,
    c33 integer not null default 0,
    c34 integer not null default 0,
    primary key (start, worker, workflow, queue)
) strict, without rowid;

-- Pages that were loaded, by day and version of their plugin.
create table plugin_versions (
    day integer not null,
    version text not null,
    count integer not null,
    primary key (day, version)
) strict, without rowid;
