-- The state of a call is longer than what SQLite keeps of a row of a table without rowid beside its key: each comparison of a key
-- read the whole state from other pages.
create table call_rows (
    conference text primary key,
    state text not null
) strict;
insert into call_rows (conference, state) select conference, state from calls;
drop table calls;
alter table call_rows rename to calls;
