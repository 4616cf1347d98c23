//! Versions of the plugins that talk to this server.

use crate::figures::HELLOS;
use crate::store::Store;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// This server's version.
pub(crate) const OURS: &str = env!("CARGO_PKG_VERSION");
/// The response header with this server's version.
pub(super) const HEADER: &str = "rejoin-version";

/// Maximum number of versions that are counted apart; an agent can claim any.
const KNOWN: usize = 20;
/// Maximum length of a version, in bytes.
const LONGEST: usize = 24;

/// Counts versions, and reports each one that differs from this server's once to operators.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<BTreeSet<String>>);

impl Versions {
    /// A page with this version of the plugin has said hello. `None`: it names none.
    pub(super) fn said(&self, store: &Store, version: Option<&str>) {
        let label = self.label(version);
        store.said_hello(&label);
        metrics::counter!(HELLOS, "version" => label).increment(1);
    }

    fn label(&self, version: Option<&str>) -> String {
        let version = version.unwrap_or("unknown");
        if version != OURS && !is_version(version) && version != "unknown" {
            return "other".to_owned();
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(version) || version == OURS {
            return version.to_owned();
        }
        if known.len() >= KNOWN {
            return "other".to_owned();
        }
        known.insert(version.to_owned());
        tracing::warn!(
            plugin = version,
            server = OURS,
            "plugin and server versions differ: calls are protected, but features that only one of them \
             knows are skipped; deploy the same version of both and have agents reload Flex"
        );
        version.to_owned()
    }
}

/// As in `1.20.3` or `1.20.3-rc.1`.
fn is_version(text: &str) -> bool {
    let numbers = text.split_once('-').map_or(text, |(numbers, _)| numbers);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= LONGEST
        && numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_versions_is_counted_apart() {
        let versions = Versions::default();
        assert_eq!(versions.label(Some(OURS)), OURS);
        assert_eq!(versions.label(None), "unknown");
        for nonsense in ["", "1", "1.2", "1.2.x", "1..2", "1.2.3\n", "1.2.3-<b>", &"1".repeat(100)] {
            assert_eq!(versions.label(Some(nonsense)), "other", "{nonsense:?}");
        }
        for minor in 0..1000 {
            versions.label(Some(&format!("99.{minor}.0")));
        }
        assert_eq!(versions.label(Some("99.0.0")), "99.0.0", "known already");
        assert_eq!(versions.label(Some("99.999.0")), "other");
        assert!(versions.0.lock().expect("not poisoned").len() <= KNOWN);
    }
}
