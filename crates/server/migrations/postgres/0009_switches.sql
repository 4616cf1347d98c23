-- Switches to another database, server or fallback, by day since the epoch. `timed`: number of those whose duration is known;
-- `took`: the duration of these together, in milliseconds; `calls`: the calls that they concerned, together.
create table switches (
    day bigint not null,
    what text not null,
    cause text not null,
    count bigint not null,
    timed bigint not null,
    took bigint not null,
    calls bigint not null,
    primary key (day, what, cause)
);

-- Where a worker's page was connected last, and until when. Servers of the release before do not say so.
create table former_sessions (
    worker text primary key,
    server text not null,
    epoch bigint not null,
    at bigint not null
);
create index former_sessions_at on former_sessions (at);
