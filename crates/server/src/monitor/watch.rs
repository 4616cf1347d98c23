//! When an end point is alerted about: decided from its answers alone.

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
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Failures in a row that raise an alert.
    most: u32,
    failures: u32,
    is_open: bool,
    /// True when an earlier monitor opened the alert: whether the targets have it is not known.
    is_inherited: bool,
}

impl Watch {
    /// Without an alert. `most`: failures in a row that raise one.
    pub fn new(most: u32) -> Self {
        Self { most, failures: 0, is_open: false, is_inherited: false }
    }

    /// With an alert that an earlier monitor opened: it is resolved by the next good answer, and triggered again if there is none.
    pub fn inherited(most: u32) -> Self {
        Self { is_open: true, is_inherited: true, ..Self::new(most) }
    }

    /// True while an alert is open that this watch has triggered.
    pub fn is_open(&self) -> bool {
        self.is_open && !self.is_inherited
    }

    /// Handles what was seen, in the order of time. Returns what the targets are to be told.
    pub fn handle(&mut self, seen: &Seen) -> Option<Change> {
        match seen {
            Seen::Nothing => None,
            Seen::Well => {
                self.failures = 0;
                self.is_inherited = false;
                std::mem::take(&mut self.is_open).then_some(Change::Resolve)
            }
            Seen::Failed(_) => {
                self.failures = self.failures.saturating_add(1);
                let triggers = (!self.is_open || self.is_inherited) && self.failures >= self.most;
                self.is_open |= triggers;
                self.is_inherited &= !triggers;
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
        let mut watch = Watch::new(2);
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

    #[test]
    fn an_alert_of_an_earlier_monitor_is_resolved_or_triggered_again() {
        let mut watch = Watch::inherited(2);
        assert_eq!(watch.handle(&Seen::Nothing), None);
        assert_eq!(watch.handle(&Seen::Well), Some(Change::Resolve));
        assert_eq!(watch.handle(&Seen::Well), None);
        let mut watch = Watch::inherited(2);
        let changes = [failed(), failed(), failed(), Seen::Well].map(|seen| watch.handle(&seen));
        assert_eq!(changes, [None, Some(Change::Trigger), None, Some(Change::Resolve)]);
    }

    proptest! {
        #[test]
        fn triggers_and_resolves_alternate(
            all in prop::collection::vec(prop_oneof![Just(Seen::Well), Just(failed()), Just(Seen::Nothing)], 0..200)
        ) {
            let mut watch = Watch::new(2);
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
