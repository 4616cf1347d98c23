//! The operators' console: its pages, its texts and its sessions. The routes are in [`http`](crate::http).
//!
//! A page is made from what the server has read before ([`Overview`]); nothing here reads or decides anything. Whatever comes
//! from the database is escaped by the templates. No page has a number or a name of a customer or an agent.

mod assets;
pub(crate) mod history;
mod now;
mod overview;
mod page;
mod session;
mod table;
mod texts;

pub(crate) use assets::Asset;
pub(crate) use now::{Section, sections, summary};
pub(crate) use overview::{DatabaseSeen, Overview, Requests};
pub(crate) use page::{
    Confirm, call, clock, confirm, held_back, moved_on, no_call, now, refused, sign_in, story_summary,
    timeline,
};
pub(crate) use session::{COOKIE, Role, Session};
#[cfg(test)]
pub(crate) use texts::LANGUAGES;
pub(crate) use texts::{Language, fill};
