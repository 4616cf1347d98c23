//! A stand-in for Twilio, good enough that the real Flex UI runs on it.

pub mod media;
pub mod model;
