//! What befell the pages and servers of a world, in its order: chats and calls of an agent share it.

use crate::page::PageId;

/// What happened to a page, an agent or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An agent opens a page in a browser.
    Loads { page: PageId, agent: usize, number: usize, browser: usize },
    /// Flex is up in it.
    FlexUp(PageId),
    /// The plugin has started in it.
    PluginUp(PageId),
    /// It ends in order: its listeners run.
    Hides(PageId),
    /// It ends without a word.
    Crashes(PageId),
    /// Its machine sleeps (`true`), or has no network.
    Stops(PageId, bool),
    /// Its machine is back.
    Wakes(PageId),
    /// An agent signs out.
    SignsOut(usize),
    /// An agent takes work, or does not for now.
    TakesWork(usize, bool),
    /// The server with this number runs.
    ServerUp(usize),
    /// It was stopped in order (`true`), or killed.
    ServerDown(usize, bool),
}

/// All of it, each with its time.
#[derive(Debug, Default)]
pub(crate) struct Fates(pub(crate) Vec<(u64, Fate)>);
