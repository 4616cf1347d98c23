-- What the history of recoveries is made of. `about`: what is known of a recovery whose end the line tells. `counted`: 1 once the
-- history has it, 2 when this line cannot be read; a server that does not know of it leaves it 0, and so do older lines.
alter table notes add column about text;
alter table notes add column counted bigint not null default 0;
create index notes_uncounted on notes (id) where counted = 0 and substr(note, 1, 15) = '{"what":"ended"';

-- Each recovery, for as long as its timeline is kept. `at`: its end; `took`: from the loss until then; `heard`: from the loss
-- until the first sound, in milliseconds. An empty text: not known.
create table recoveries (
    id bigint generated always as identity primary key,
    at bigint not null,
    took bigint not null,
    heard bigint,
    worker text not null,
    workflow text not null,
    queue text not null,
    rung text not null,
    outcome text not null,
    cause text not null
);
create index recoveries_at on recoveries (at);
create index recoveries_worker on recoveries (worker, at);

-- Sums of them by hour (`span` 1) and by day (`span` 24). `start`: in hours since the epoch; `v0` to `v20`: until the customer had
-- an agent again, by bound; `s0` to `s20`: until the first sound.
create table history (
    span bigint not null,
    start bigint not null,
    workflow text not null,
    queue text not null,
    rung text not null,
    outcome text not null,
    cause text not null,
    n bigint not null,
    took bigint not null,
    v0 bigint not null default 0,
    v1 bigint not null default 0,
    v2 bigint not null default 0,
    v3 bigint not null default 0,
    v4 bigint not null default 0,
    v5 bigint not null default 0,
    v6 bigint not null default 0,
    v7 bigint not null default 0,
    v8 bigint not null default 0,
    v9 bigint not null default 0,
    v10 bigint not null default 0,
    v11 bigint not null default 0,
    v12 bigint not null default 0,
    v13 bigint not null default 0,
    v14 bigint not null default 0,
    v15 bigint not null default 0,
    v16 bigint not null default 0,
    v17 bigint not null default 0,
    v18 bigint not null default 0,
    v19 bigint not null default 0,
    v20 bigint not null default 0,
    s0 bigint not null default 0,
    s1 bigint not null default 0,
    s2 bigint not null default 0,
    s3 bigint not null default 0,
    s4 bigint not null default 0,
    s5 bigint not null default 0,
    s6 bigint not null default 0,
    s7 bigint not null default 0,
    s8 bigint not null default 0,
    s9 bigint not null default 0,
    s10 bigint not null default 0,
    s11 bigint not null default 0,
    s12 bigint not null default 0,
    s13 bigint not null default 0,
    s14 bigint not null default 0,
    s15 bigint not null default 0,
    s16 bigint not null default 0,
    s17 bigint not null default 0,
    s18 bigint not null default 0,
    s19 bigint not null default 0,
    s20 bigint not null default 0,
    primary key (span, start, workflow, queue, rung, outcome, cause)
);

-- Losses by day and agent. `c0` to `c34`: by rung and outcome.
create table history_agents (
    start bigint not null,
    worker text not null,
    workflow text not null,
    queue text not null,
    c0 bigint not null default 0,
    c1 bigint not null default 0,
    c2 bigint not null default 0,
    c3 bigint not null default 0,
    c4 bigint not null default 0,
    c5 bigint not null default 0,
    c6 bigint not null default 0,
    c7 bigint not null default 0,
    c8 bigint not null default 0,
    c9 bigint not null default 0,
    c10 bigint not null default 0,
    c11 bigint not null default 0,
    c12 bigint not null default 0,
    c13 bigint not null default 0,
    c14 bigint not null default 0,
    c15 bigint not null default 0,
    c16 bigint not null default 0,
    c17 bigint not null default 0,
    c18 bigint not null default 0,
    c19 bigint not null default 0,
    c20 bigint not null default 0,
    c21 bigint not null default 0,
    c22 bigint not null default 0,
    c23 bigint not null default 0,
    c24 bigint not null default 0,
    c25 bigint not null default 0,
    c26 bigint not null default 0,
    c27 bigint not null default 0,
    c28 bigint not null default 0,
    c29 bigint not null default 0,
    c30 bigint not null default 0,
    c31 bigint not null default 0,
    c32 bigint not null default 0,
    c33 bigint not null default 0,
    c34 bigint not null default 0,
    primary key (start, worker, workflow, queue)
);

-- Pages that were loaded, by day and version of their plugin.
create table plugin_versions (
    day bigint not null,
    version text not null,
    count bigint not null,
    primary key (day, version)
);
