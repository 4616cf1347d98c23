//! Talking to Twilio: signatures, TwiML, webhook parsing and a thin REST client.
//!
//! Nothing in here decides anything about a call, and nothing in here logs.

pub mod signature;
