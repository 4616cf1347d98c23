-- One row per open call: the machine's state of it, as JSON.
create table calls (
    conference text primary key,
    state text not null
) strict, without rowid;

-- What Twilio is to be asked to do. A closed job is kept until its call is forgotten, so that what may be done only
-- once is not done again.
create table jobs (
    id integer primary key autoincrement,
    conference text not null,
    action text not null,
    once text,
    deadline integer not null,
    closed integer not null default 0
) strict;
create unique index jobs_once on jobs (conference, once) where once is not null;
create index jobs_open on jobs (id) where closed = 0;

create table timers (
    conference text not null,
    timer text not null,
    at integer not null,
    primary key (conference, timer)
) strict, without rowid;

-- Timelines. They outlive their calls for a while.
create table notes (
    id integer primary key autoincrement,
    at integer not null,
    conference text not null,
    customer text,
    note text not null
) strict;
create index notes_customer on notes (customer);
create index notes_conference on notes (conference);
create index notes_at on notes (at);
