//! A batch, or a part of one that could not be committed as a whole: it is retried in halves, until only the failing
//! event is refused.

use super::{After, Work};
use rejoin_protocol::{ConferenceSid, Millis};

/// Events in the order of arrival, followed by calls with due timers.
pub(super) struct Piece {
    pub(super) works: Vec<Work>,
    /// For each event, what runs after the commit.
    pub(super) answers: Vec<After>,
    pub(super) due: Vec<ConferenceSid>,
    /// Timers go off that are due by then.
    pub(super) timers_by: Millis,
}

impl Piece {
    pub(super) fn new(batch: Vec<(Work, After)>, due: Vec<ConferenceSid>, timers_by: Millis) -> Self {
        let (works, answers) = batch.into_iter().unzip();
        Self { works, answers, due, timers_by }
    }

    /// Its one event without the timers that are due after it: those may be what fails. `Err`: there are none.
    pub(super) fn without_later_timers(self) -> Result<Self, Self> {
        match self.works.last().map(|work| work.at) {
            Some(at) if at < self.timers_by => Ok(Self { timers_by: at, ..self }),
            _ => Err(self),
        }
    }

    /// Its two halves; itself, if it is one event, or the timers of one call.
    pub(super) fn split(mut self) -> Result<(Self, Self), Self> {
        let works = match (self.works.len(), self.due.len()) {
            (0 | 1, 0) | (0, 1) => return Err(self),
            (0, due) => {
                let due = self.due.split_off(due / 2);
                let rest = Self::new(vec![], due, self.timers_by);
                return Ok((self, rest));
            }
            // Timers may be what is refused.
            (works, 1..) => works,
            (works, 0) => works / 2,
        };
        let (rest, answers) = (self.works.split_off(works), self.answers.split_off(works));
        let due = std::mem::take(&mut self.due);
        let timers_by = self.timers_by;
        Ok((self, Self { works: rest, answers, due, timers_by }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_keeps_the_order_and_ends_with_single_events() {
        let works = (0..5).map(|at| (Work::nothing(Millis(at)), Box::new(|_: Result<&_, _>| ()) as After));
        let due = (1..4).map(ConferenceSid::numbered).collect();
        let mut pieces = vec![Piece::new(works.collect(), due, Millis(9))];
        let (mut at, mut rooms) = (vec![], vec![]);
        while let Some(piece) = pieces.pop() {
            match piece.split() {
                Ok((first, second)) => pieces.extend([second, first]),
                Err(single) => {
                    assert_eq!(
                        (single.works.len() + single.due.len(), single.answers.len()),
                        (1, single.works.len())
                    );
                    at.extend(single.works.iter().map(|work| work.at.0));
                    rooms.extend(single.due);
                }
            }
        }
        assert_eq!(at, [0, 1, 2, 3, 4]);
        assert_eq!(rooms, [1, 2, 3].map(ConferenceSid::numbered));
    }
}
