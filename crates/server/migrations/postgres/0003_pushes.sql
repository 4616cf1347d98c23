-- What was said to desktops lately, numbered for each worker without gaps.
create table workers (
    worker text primary key,
    pushed bigint not null
);
create table pushes (
    worker text not null,
    number bigint not null,
    at bigint not null,
    push text not null,
    primary key (worker, number)
);
create index pushes_at on pushes (at);

-- Desktops that are connected, and to which server. They count while that one's lease lasts.
create table sessions (
    id bigint generated always as identity primary key,
    server text not null,
    worker text not null,
    epoch bigint not null
);
create index sessions_worker on sessions (worker);

-- Numbers of another database mean nothing here.
insert into meta (name, value) values ('instance', floor(random() * 9e18)::bigint::text);
