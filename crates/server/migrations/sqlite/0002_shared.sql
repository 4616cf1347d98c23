-- Calls are no longer kept in memory: this is how those are found that an event concerns.
create table keys (
    key text not null,
    conference text not null,
    primary key (key, conference)
) strict, without rowid;
create index keys_conference on keys (conference);

-- A job belongs to the server that carries it out. Its number grows each time that somebody takes it.
alter table jobs add column priority integer not null default 0;
alter table jobs add column owner text;
alter table jobs add column since integer not null default 0;
alter table jobs add column fence integer not null default 0;
-- Those of the version before may have begun.
update jobs set fence = 1;
drop index jobs_open;
create index jobs_open on jobs (priority, id) where closed = 0;

alter table timers add column owner text;
create index timers_at on timers (at);

-- Servers that run, and until when that is sure.
create table servers (
    id text primary key,
    until integer not null
) strict, without rowid;

-- Facts about the database itself.
create table meta (
    name text primary key,
    value text not null
) strict, without rowid;
-- By which rules the keys were made; 0: not yet.
insert into meta (name, value) values ('keys', '0');
