-- What was said to desktops lately, numbered for each worker without gaps.
create table workers (
    worker text primary key,
    pushed integer not null
) strict, without rowid;
create table pushes (
    worker text not null,
    number integer not null,
    at integer not null,
    push text not null,
    primary key (worker, number)
) strict, without rowid;
create index pushes_at on pushes (at);

-- Numbers of another database mean nothing here.
insert into meta (name, value) values ('instance', cast(abs(random() >> 1) as text));
