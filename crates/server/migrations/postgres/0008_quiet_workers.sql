-- When a worker was last told something: the number of those who are told nothing any more is forgotten. Servers of the release
-- before do not say when, and their pages go by the numbers.
alter table workers add column at bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint;
