//! Tests of the model: stories, one behaviour each, and random sequences.

mod calls;
mod chats;
mod conferences;
mod messages;
mod outside;
mod placed;
mod random;
mod routing;
mod supervisors;
mod transfers;
mod world;
