//! The plugin's files.

use crate::Refusal;
use bytes::Bytes;
use semver::Version;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The name of Rejoin's plugin.
pub const PLUGIN: &str = "plugin-rejoin";
/// Flex loads no larger file (<https://www.twilio.com/docs/flex/developer/plugins>).
const LARGEST: usize = 10 << 20;

/// A version of the plugin: its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub(crate) version: Version,
    pub(crate) script: Bytes,
    pub(crate) map: Option<Bytes>,
}

impl Bundle {
    /// A version of the plugin.
    ///
    /// # Errors
    /// When Twilio would refuse it, or Flex not load it.
    pub fn new(version: &str, script: Bytes, map: Option<Bytes>) -> Result<Self, Refusal> {
        let version = Version::parse(version).map_err(|error| {
            Refusal::new(format!("\"{version}\" is no version as of semver.org: {error}."))
        })?;
        if script.is_empty() {
            return Err(Refusal::new("The plugin's file is empty: build it again.".into()));
        }
        for (file, what) in [(Some(&script), "The plugin's file"), (map.as_ref(), "The source map")] {
            if let Some(file) = file.filter(|file| file.len() > LARGEST) {
                let megabytes = file.len().div_ceil(1 << 20);
                return Err(Refusal::new(format!(
                    "{what} has {megabytes} MB. Twilio takes at most 10 MB: is it the built plugin?"
                )));
            }
        }
        Ok(Self { version, script, map })
    }

    /// What tells these files from others of the same version. It stands in the version's changelog, since Twilio does not give
    /// the files back.
    pub(crate) fn mark(&self) -> String {
        let mut mark = String::from("sha256:");
        for byte in Sha256::digest(&self.script) {
            // Writing into a text cannot fail.
            let _ = write!(mark, "{byte:02x}");
        }
        mark
    }

    /// The path of a file under the environment's domain, as Twilio's plugin builder has it.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("/plugins/{PLUGIN}/{}/{file}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_twilio_would_refuse_is_refused_before() {
        let (script, large) = (Bytes::from_static(b"x"), Bytes::from(vec![0; 11 << 20]));
        let said = |version: &str, script: &Bytes, map: Option<&Bytes>| {
            Bundle::new(version, script.clone(), map.cloned()).map_err(|error| error.to_string())
        };
        assert!(said("1.0.0", &script, Some(&script)).is_ok());
        assert!(said("1.0", &script, None).expect_err("no version").contains("semver.org"));
        assert!(said("1.0.0", &Bytes::new(), None).expect_err("empty").contains("empty"));
        assert!(said("1.0.0", &large, None).expect_err("too large").contains("11 MB"));
        assert!(said("1.0.0", &script, Some(&large)).expect_err("too large").contains("source map"));
    }

    #[test]
    fn files_are_told_apart_by_their_content() {
        let of =
            |script: &'static [u8]| Bundle::new("1.0.0", Bytes::from_static(script), None).expect("a bundle");
        assert_ne!(of(b"a").mark(), of(b"b").mark());
        assert_eq!(of(b"abc").mark().len(), 71);
        assert_eq!(of(b"a").path("bundle.js"), "/plugins/plugin-rejoin/1.0.0/bundle.js");
    }
}
