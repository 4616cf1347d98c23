-- A state is written with each event of its call. It is kept in its row and uncompressed, up to 8 kB, and the row's page has room
-- for its next versions, so that no index has to name each of them.
alter table calls set (toast_tuple_target = 8160, fillfactor = 40);
