//! Call messages: how the server asks a page over the signalling of its own call whether the page still lives, and how the page
//! answers (<https://www.twilio.com/docs/voice/sdks/call-message-events>).
//!
//! A question is a JSON object with the key [`ASKS`], whose value identifies the question; the answer is an object with the key
//! [`ANSWERS`] and the same value. Neither side reads anything else of it, and both ignore the messages of others.

/// The key of a question.
pub const ASKS: &str = "rejoinAsks";
/// The key of an answer.
pub const ANSWERS: &str = "rejoinAnswers";
/// Maximum length of the value, in characters. A page does not answer a longer one.
pub const LONGEST: usize = 64;
