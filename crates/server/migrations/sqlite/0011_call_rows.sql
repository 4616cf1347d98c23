-- The state of a call is longer than what SQLite keeps of a row of a table without rowid beside its key: each comparison of a key
-- read the whole state from other pages.
alter table calls rename to calls_without_rowid;
create table calls (
    conference text primary key,
    state text not null
) strict;
insert into calls (conference, state) select conference, state from calls_without_rowid;
drop table calls_without_rowid;
