//! The timeline of a call as HTML: an overview to scale, then swim lanes from left to right, time downwards, with filters, keys
//! and details. `npm run simulate` draws what happened in a simulated world with it, `rejoin explain` what the database has about
//! a call.
//!
//! [`Timeline`] is plain data. [`page()`] makes a file of it that needs nothing else. [`fragment()`] makes one element for a page of
//! a server:
//!
//! - The element is `<rejoin-timeline>`. It has no heading, no `id`, no inline style and no inline handler. The host serves [`STYLE`]
//!   and [`SCRIPT`] as files of its own, so a policy of `style-src 'self'; script-src 'self'` is enough.
//! - The script defines a custom element. Load it with `defer`, or as a module. It also starts an element that is inserted later,
//!   so the host can replace one by a newer one at any time.
//! - `--timeline-width` (default `100vw`) is the width that the element has, and `--timeline-top` (default `0px`) the height of
//!   what stays at the top of the host's page. The element takes both from its surroundings.
//! - The host has its own rules in a [cascade layer](https://developer.mozilla.org/en-US/docs/Web/CSS/@layer): then they do not
//!   reach into the element, however specific they are.
//! - Without the script there is a readable list instead of lanes.
//!
//! Every text is data: it is escaped, control characters become U+FFFD, and so do characters that turn the direction of text.

mod escape;
mod legend;
mod overview;
mod page;
mod scale;
mod table;

pub use page::{SCRIPT, STYLE, fragment, page};

/// What is drawn. Times are milliseconds since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Title of the page. A fragment leaves it to its host.
    pub title: String,
    /// What happens, in a few sentences; empty: unknown.
    pub summary: String,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Figures and names, in a line; empty: none.
    pub about: String,
    /// The command that shows this again; empty: none.
    pub command: String,
    /// When it began, in milliseconds since 1970 (UTC): the details then have the time of day, too.
    pub began_at: Option<u64>,
    /// What belongs to it and has no place in a lane.
    pub lists: Vec<List>,
    /// Words of this timeline and their meaning. How a page is read stands below them in any case.
    pub help: Vec<(String, String)>,
    /// The lanes, from left to right.
    pub lanes: Vec<Lane>,
    /// What happened, oldest first.
    pub entries: Vec<Entry>,
    /// What goes wrong for a while.
    pub faults: Vec<Fault>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One sentence.
    pub text: String,
    /// False: it is shown as something that went wrong.
    pub is_good: bool,
}

/// A list that is folded up at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The line that unfolds it.
    pub title: String,
    /// Its items.
    pub items: Vec<Item>,
}

/// An item of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// One line.
    pub text: String,
    /// True for something that goes wrong.
    pub is_fault: bool,
}

/// A lane: somebody, or something, that acts or is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its name, in a word or two.
    pub name: String,
    /// Its states, which the overview shows. Later ones lie above earlier ones.
    pub states: Vec<State>,
}

/// A state that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// When it begins.
    pub from: u64,
    /// When it ends.
    pub to: u64,
    /// What it is.
    pub kind: StateKind,
    /// A word or two; may be empty.
    pub text: String,
}

/// What a lasting state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// A customer and an agent hear each other.
    Talk,
    /// A customer hears music or words.
    Music,
    /// A customer hears nothing.
    Silence,
    /// A page loads.
    Loading,
    /// A page is there, or a server is up.
    Here,
    /// A page sleeps, or has no network.
    Away,
}

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins.
    pub from: u64,
    /// When it ends.
    pub to: u64,
    /// What goes wrong, in a few words.
    pub text: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: u64,
    /// Index of the lane that causes it; `None`, or a lane that there is not: it is about all of them.
    pub from: Option<usize>,
    /// Index of the lane that it reaches; `None`: it concerns only `from`.
    pub to: Option<usize>,
    /// Who causes it, and whom it reaches, in words: `page 0.2 → server 1`.
    pub who: String,
    /// Its kind.
    pub kind: Kind,
    /// What happened, in a few words.
    pub text: String,
    /// More about it, in lines; may be empty.
    pub details: String,
    /// True when the message does not arrive.
    pub is_lost: bool,
    /// Set when it stands out: the overview then has a high mark for it, and these words where there is room.
    pub words: Option<Words>,
}

/// Words of the overview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// A word or two.
    pub text: String,
    /// True for words that take only the room that is left by others.
    pub is_minor: bool,
}

/// Kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What a person does.
    Person,
    /// What a customer hears from now on.
    Hears,
    /// A decision.
    Decision,
    /// A request.
    Request,
    /// An answer to a request.
    Answer,
    /// A webhook, or a document that Twilio fetches.
    Webhook,
    /// A message over an open connection.
    Push,
    /// Something that a part does by itself.
    Does,
    /// Something that goes wrong.
    Fault,
    /// A broken rule.
    Broken,
}
