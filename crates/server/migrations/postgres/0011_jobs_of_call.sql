-- What is wanted of Twilio for a call is found by the call. Where `once` is null two rows are never the same, so this index also does what
-- the other one did.
create unique index jobs_of_call on jobs (conference, once);
drop index jobs_once;
