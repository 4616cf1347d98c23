-- When a worker was last told something: the number of those who are told nothing any more is forgotten.
alter table workers add column at integer not null default 0;
