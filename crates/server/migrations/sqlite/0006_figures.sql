-- How recoveries have ended of which nothing else is known any more. `day`: since the epoch; `bound`: how long they took
-- at most, in milliseconds, 0: longer than all bounds; `took`: all of them together.
create table figures (
    day integer not null,
    outcome text not null,
    bound integer not null,
    count integer not null,
    took integer not null,
    primary key (day, outcome, bound)
) strict, without rowid;
