use rejoin_protocol::{ConversationSid, Millis};

/// How many drafts are kept; the oldest ones beyond it are forgotten.
pub const DRAFTS: usize = 50;

/// The longest text that is kept, in bytes of UTF-8: the longest that a conversation takes
/// (<https://www.twilio.com/docs/conversations/conversations-limits>).
pub const LONGEST: usize = 32 * 1024;

/// How long a draft is kept.
pub const DRAFT_FOR: Millis = Millis::seconds(7 * 24 * 3600);

/// What an agent has typed in a conversation and not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The conversation.
    pub conversation: ConversationSid,
    /// When it was typed (point in time). Of two versions the newer one counts.
    pub at: Millis,
    /// The text, [`LONGEST`] at most.
    pub text: String,
    /// Where the selection starts, in UTF-16 code units.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// Names of the files that were attached. Only the names are kept.
    pub files: Vec<String>,
}

impl Draft {
    /// True when there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.files.is_empty()
    }

    /// True when both say the same, whenever it was typed.
    pub(super) fn says(&self, other: &Self) -> bool {
        self.text == other.text
            && self.files == other.files
            && (self.start, self.end) == (other.start, other.end)
    }
}

/// The beginning of a text, as far as it is kept.
pub(super) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// Length of a text in UTF-16 code units, as browsers count.
pub(super) fn units(text: &str) -> u32 {
    text.encode_utf16().count() as u32
}
