use crate::value::Value;
use rejoin_protocol::{ConversationSid, Millis};

/// How long a message that could not be sent is tried again. Then it goes back into the input.
pub const UNSENT_FOR: Millis = Millis::seconds(24 * 3600);

/// The longest id that is read, in bytes.
const LONGEST: usize = 64;

/// Identifies a message, in its attribute `rejoin`. It is drawn at random.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(String);

impl MessageId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageId {
    type Error = ();

    /// Takes 1 to 64 letters, digits and hyphens: it becomes part of a key of the browser's storage.
    fn try_from(text: String) -> Result<Self, ()> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if text.is_empty() || text.len() > LONGEST || !plain { Err(()) } else { Ok(Self(text)) }
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation.
    pub conversation: ConversationSid,
    /// When it was sent first (point in time).
    pub at: Millis,
    /// Its text.
    pub body: String,
    /// Its other attributes, an object: those of other plugins.
    pub attributes: Value,
    /// Names of its attachments. A message with attachments is not sent again: the files are not kept.
    pub files: Vec<String>,
    /// Index of the last message of the conversation that was known then: this one has a higher index.
    pub after: Option<u64>,
    /// True if its text went back into the input: it is looked for, and never sent again.
    pub returned: bool,
}
