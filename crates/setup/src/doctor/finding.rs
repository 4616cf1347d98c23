//! The result of a check, and how it is shown.

use serde::Serialize;
use std::fmt;

/// How a check ended. The order is that of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it has to be.
    Ok,
    /// Calls are recovered, but something is missing or could not be checked.
    Warning,
    /// Some calls, or all, are not recovered.
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The result of one check. The names of its fields in JSON are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name; for workflows with the SID. Names are stable.
    pub check: String,
    /// How it ended.
    pub result: Outcome,
    /// What was found.
    pub found: String,
    /// What it means for calls; `None` if all is well.
    pub means: Option<String>,
    /// What to do; `None` if all is well.
    #[serde(rename = "do")]
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), result: Outcome::Ok, found: found.into(), means: None, remedy: None }
    }

    /// Something is missing.
    pub fn warning(
        check: impl Into<String>,
        found: impl Into<String>,
        means: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (means, remedy) = (Some(means.into()), Some(remedy.into()));
        Self { result: Outcome::Warning, means, remedy, ..Self::ok(check, found) }
    }

    /// Calls are not recovered.
    pub fn failed(
        check: impl Into<String>,
        found: impl Into<String>,
        means: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { result: Outcome::Failed, ..Self::warning(check, found, means, remedy) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8} {}: {}", self.result.name(), self.check, self.found)?;
        if let Some(means) = &self.means {
            write!(f, "\n           means: {means}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n           do: {remedy}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_in_json_has_the_same_keys_whatever_its_result() {
        let keys = |finding: &Finding| {
            let json = serde_json::to_value(finding).expect("JSON");
            json.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        };
        let (ok, failed) = (Finding::ok("a", "b"), Finding::failed("a", "b", "c", "d"));
        assert_eq!(keys(&ok), keys(&failed));
        assert_eq!(keys(&ok), ["check", "do", "found", "means", "result"]);
        assert_eq!(serde_json::to_value(&failed).expect("JSON")["result"], "failed");
    }

    #[test]
    fn a_finding_is_a_line_and_what_is_wrong_is_explained_below() {
        assert_eq!(Finding::ok("clock", "it is right").to_string(), "ok       clock: it is right");
        let failed = Finding::failed("clock", "it is wrong", "late", "NTP").to_string();
        assert_eq!(failed, "failed   clock: it is wrong\n           means: late\n           do: NTP");
    }
}
