-- How recoveries have ended of which nothing else is known any more. `day`: since the epoch; `bound`: how long they took
-- at most, in milliseconds, 0: longer than all bounds; `took`: all of them together.
create table figures (
    day bigint not null,
    outcome text not null,
    bound bigint not null,
    count bigint not null,
    took bigint not null,
    primary key (day, outcome, bound)
);
