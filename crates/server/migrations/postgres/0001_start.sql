-- One row per open call: the machine's state of it, as JSON. Empty while the first event of a call is being handled.
create table calls (
    conference text primary key,
    state text not null
);

-- How calls are found that an event concerns.
create table keys (
    key text not null,
    conference text not null,
    primary key (key, conference)
);
create index keys_conference on keys (conference);

-- What Twilio is to be asked to do. A closed job is kept, so that what may be done only once is not done again.
-- A job belongs to the server that carries it out. Its number (fence) grows each time that somebody takes it.
create table jobs (
    id bigint generated always as identity primary key,
    conference text not null,
    action text not null,
    once text,
    deadline bigint not null,
    closed bigint not null default 0,
    priority bigint not null default 0,
    owner text,
    since bigint not null default 0,
    fence bigint not null default 0
);
create unique index jobs_once on jobs (conference, once) where once is not null;
create index jobs_open on jobs (priority, id) where closed = 0;

create table timers (
    conference text not null,
    timer text not null,
    at bigint not null,
    owner text,
    primary key (conference, timer)
);
create index timers_at on timers (at);

-- Timelines. They outlive their calls for a while.
create table notes (
    id bigint generated always as identity primary key,
    at bigint not null,
    conference text not null,
    customer text,
    note text not null
);
create index notes_customer on notes (customer);
create index notes_conference on notes (conference);
create index notes_at on notes (at);

-- Servers that run, and until when that is sure.
create table servers (
    id text primary key,
    until bigint not null
);

-- Facts about the database itself. 'keys': by which rules the keys were made; 0: not yet.
create table meta (
    name text primary key,
    value text not null
);
insert into meta (name, value) values ('keys', '0');
