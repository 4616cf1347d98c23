//! The machine of conversations, by stories, properties and tables.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod absence;
mod facts;
mod hostile;
mod presence;
mod properties;
mod room;
mod rows;
mod session;
mod stored;
mod tables;
