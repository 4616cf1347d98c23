//! Flex, other plugins and the server say whatever bytes make them say: the core must not panic, and must answer every
//! question once. `npm test` plays a fixed number of the same stories.
#![no_main]

#[path = "../../tests/boundary/outside.rs"]
mod outside;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outside::play(bytes));
