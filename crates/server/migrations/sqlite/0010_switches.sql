-- Switches to another server or fallback, by day since the epoch. `timed`: number of those whose duration is known; `took`: the
-- duration of these together, in milliseconds; `calls`: the calls that they concerned, together.
create table switches (
    day integer not null,
    what text not null,
    cause text not null,
    count integer not null,
    timed integer not null,
    took integer not null,
    calls integer not null,
    primary key (day, what, cause)
) strict, without rowid;
