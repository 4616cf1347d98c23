-- Marks that have overtaken everything else that is told of their call: they wait until it is known.
create table early_marks (
    task text not null,
    worker text not null,
    reservation text not null,
    at bigint not null,
    mark text not null,
    primary key (task, worker, reservation)
);
create index early_marks_worker on early_marks (worker);
