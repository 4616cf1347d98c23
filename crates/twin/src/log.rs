//! What the twin did.

use crate::clock::now;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Lines that are kept.
const LINES: usize = 5000;

/// The latest lines. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Adds a line. No phone numbers, names or attributes.
    pub(crate) fn add(&self, line: impl Into<String>) {
        let line = line.into();
        tracing::info!("{line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{} {line}", now().0));
    }

    /// All that are kept, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
