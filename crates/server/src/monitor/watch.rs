//! When an end point is alerted about: decided from its answers alone.

/// Failures in a row that raise an alert: one may be a lost packet, or a restart.
const IN_A_ROW: u32 = 2;

/// What asking an end point has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It works.
    Well,
    /// It does not; why. Contains no secret and no personal data.
    Failed(String),
    /// Neither: something in front of it could not be reached, which is another end point's failure.
    Nothing,
}

/// What its targets are told about an end point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has failed.
    Trigger,
    /// It works again.
    Resolve,
}

/// One end point over time. An alert is open from its trigger to its resolve, and there is one at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    failures: u32,
    is_open: bool,
}

impl Watch {
    /// Handles what was seen, in the order of time. Returns what the targets are to be told.
    pub fn handle(&mut self, seen: &Seen) -> Option<Change> {
        match seen {
            Seen::Nothing => None,
            Seen::Well => {
                self.failures = 0;
                std::mem::take(&mut self.is_open).then_some(Change::Resolve)
            }
            Seen::Failed(_) => {
                self.failures = self.failures.saturating_add(1);
                let triggers = !self.is_open && self.failures >= IN_A_ROW;
                self.is_open |= triggers;
                triggers.then_some(Change::Trigger)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed() -> Seen {
        Seen::Failed("timed out".to_owned())
    }

    #[test]
    fn the_second_failure_in_a_row_triggers_and_the_next_answer_resolves() {
        let mut watch = Watch::default();
        let seen = [
            (Seen::Well, None),
            (failed(), None),
            (Seen::Well, None),
            (failed(), None),
            (Seen::Nothing, None),
            (failed(), Some(Change::Trigger)),
            (failed(), None),
            (Seen::Nothing, None),
            (Seen::Well, Some(Change::Resolve)),
            (failed(), None),
            (failed(), Some(Change::Trigger)),
        ];
        for (at, (seen, wanted)) in seen.iter().enumerate() {
            assert_eq!(watch.handle(seen), *wanted, "{at}: {seen:?}");
        }
    }

    proptest! {
        #[test]
        fn triggers_and_resolves_alternate(
            all in prop::collection::vec(prop_oneof![Just(Seen::Well), Just(failed()), Just(Seen::Nothing)], 0..200)
        ) {
            let mut watch = Watch::default();
            let (mut open, mut row) = (false, 0);
            for seen in &all {
                match seen {
                    Seen::Well => row = 0,
                    Seen::Failed(_) => row += 1,
                    Seen::Nothing => {}
                }
                match watch.handle(seen) {
                    Some(Change::Trigger) => {
                        prop_assert!(!open, "two triggers without a resolve between");
                        prop_assert!(row == 2, "a trigger after {} failures", row);
                        open = true;
                    }
                    Some(Change::Resolve) => {
                        prop_assert!(open && *seen == Seen::Well, "a resolve of nothing");
                        open = false;
                    }
                    // Nothing is forgotten either.
                    None => prop_assert!(open == (open && row > 0) && (open || row < 2), "{seen:?} told nobody"),
                }
            }
        }
    }
}
