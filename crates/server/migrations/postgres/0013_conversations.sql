-- Conversations, as long as something may follow: facts and requests, no text of anybody. `due`: when it is judged again.
create table conversations (
    conversation text not null primary key,
    state text not null,
    due bigint
);
create index conversations_due on conversations (due) where due is not null;

-- What a conversation is found by: its SID, its tasks, its agents.
create table conversation_keys (
    key text not null,
    conversation text not null,
    primary key (key, conversation)
);
create index conversation_keys_of on conversation_keys (conversation);

-- The pages of agents of conversations. `at`: when it changed last.
create table desks (
    worker text not null primary key,
    state text not null,
    at bigint not null
);

-- Actions for conversations that a server carries out. `until`: when it is given up.
create table conversation_actions (
    id bigint generated always as identity primary key,
    conversation text not null,
    action text not null,
    until bigint not null,
    server text not null
);
