-- Why a job was given up, and when it ended: what was wanted of Twilio has not happened, and operators should know.
alter table jobs add column ended integer;
alter table jobs add column given_up text;
create index jobs_given_up on jobs (ended) where given_up is not null;
