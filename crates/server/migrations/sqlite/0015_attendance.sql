-- How conversations stand, for the console and the figures. `attendance`: empty until a conversation is judged again; `absent`: since
-- when it has nobody; `ended`: when its last absence ended.
alter table conversations add column attendance text not null default '';
alter table conversations add column absent integer;
alter table conversations add column ended integer;
create index conversations_attendance on conversations (attendance);
create index conversations_absent on conversations (absent) where absent is not null;
create index conversations_ended on conversations (ended) where ended is not null;
