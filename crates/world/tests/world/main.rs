//! The simulation as a test: the same seed gives the same world, planted defects are found, and a fixed set of seeds
//! holds.

#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

mod asked_for;
mod chats;
mod figures;
mod long;
mod page;
mod planted;
mod retries;
mod same;
mod seeds;
mod stores;
mod timelines;
