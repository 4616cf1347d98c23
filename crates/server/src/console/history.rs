//! The view "History": what it shows as tables, as pictures of them, and as files.

mod chart;
mod files;
mod page;
mod report;
mod tables;
mod texts;

pub(crate) use files::{csv, json};
pub(crate) use page::page;
pub(crate) use report::report;
pub(crate) use tables::Table;
pub(crate) use texts::title;

use super::Language;
use crate::history::{Asked, Sums};
use tables::tables;

/// The tables, with their headings in this language.
pub(crate) fn tables_in(language: Language, asked: &Asked, sums: &Sums) -> Vec<Table> {
    tables(texts::of(language), asked, sums)
}

#[cfg(test)]
mod tests;
