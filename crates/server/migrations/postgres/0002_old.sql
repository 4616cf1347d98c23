-- Jobs that have ended, the oldest first: they are not kept for ever.
create index jobs_closed on jobs (deadline) where closed = 1;
