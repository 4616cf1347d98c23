//! What Twilio says of a token, of whatever bytes. `npm test` plays changes of the same seeds.
#![no_main]
#![allow(dead_code, reason = "each target has an input of its own")]

#[path = "../../crates/twilio/tests/hostile/inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inputs::token(bytes));
