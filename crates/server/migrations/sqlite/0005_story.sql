-- What came in about a call and what followed, and each request to Twilio, for whoever has to understand it later.
-- Stories of calls of which nobody was lost go with the call.
create table story (
    id integer primary key autoincrement,
    at integer not null,
    server text not null,
    conference text not null,
    recovery text,
    entry text not null
) strict;
create index story_conference on story (conference);
create index story_recovery on story (recovery) where recovery is not null;
create index story_at on story (at);
