//! Session inactivity: whom our server alerts, or whose chat it closes, has said nothing for long.

use super::ChatWorld;
use super::twilio::Author;
use crate::rules::Rule;
use rejoin_conversations::{ChannelState, Step};

/// What an alert says.
pub(super) const ALERT: &str = "(our server) are you still there?";
/// How much earlier than it arrives a request may have been decided on: attempts that Twilio does not answer, and the look.
const SLACK: u64 = 15_000;

impl ChatWorld {
    /// An alert arrives at Twilio. `began`: when our server decided on it.
    pub(super) fn check_alert(&mut self, room: usize, step: Step, began: u64) {
        let [alert, second_alert, _] = self.of.setup.silence;
        let silence = match step {
            Step::Alert => alert,
            Step::SecondAlert => second_alert,
            // These times are not set here.
            Step::Close | Step::AsyncAlert | Step::AsyncClose => 0,
        };
        self.check_silence(room, silence, began, "is alerted");
    }

    /// A chat is closed. True if it is for its silence, which is checked: the customer was alerted twice since they wrote, or
    /// Twilio took no alert.
    pub(super) fn is_closed_for_silence(&mut self, room: usize, began: u64) -> bool {
        let [_, second_alert, close] = self.of.setup.silence;
        let it = &self.rooms[room];
        if close == 0 || it.seats().next().is_none() {
            return false;
        }
        if it.state == ChannelState::Closed {
            return true; // by an earlier attempt
        }
        // What is said while the request is on its way cannot be known.
        let is_late = |at: u64| at + SLACK >= began;
        let since =
            it.messages.iter().rev().filter(|said| said.author == Author::System || !is_late(said.at));
        let since = since.take_while(|said| said.author == Author::System);
        let alerts = since.filter(|said| said.body == ALERT).map(|said| said.at);
        let last = it.messages.iter().rev().filter(|said| said.author != Author::System && !is_late(said.at));
        let last = last.map(|said| said.at).next().unwrap_or_default();
        let refused = self.rules.telling_refused(room).filter(|at| *at > last);
        let alerts: Vec<u64> = alerts.chain(refused).collect();
        let Some(newest) = alerts.iter().max().filter(|_| alerts.len() > 1) else { return false };
        if newest + (close - second_alert) > began + 1_000 {
            let what =
                format!("chat {room} is closed {} ms after the second alert", began.saturating_sub(*newest));
            self.broken(Rule::ChatSilence, what);
        }
        self.check_silence(room, close, began, "is closed for its silence");
        true
    }

    fn check_silence(&mut self, room: usize, silence: u64, began: u64, what: &str) {
        let it = &self.rooms[room];
        let said = it.messages.iter().filter(|said| said.author != Author::System).map(|said| said.at);
        let joined = it.guests.iter().map(|guest| guest.joined);
        // Messages have Twilio's time, and are compared with the servers' clock.
        let slack = SLACK + self.plan.setup.skew.unsigned_abs();
        // What is said while the request is on its way cannot be known.
        let last = said.chain(joined).filter(|at| at + SLACK < began).max().unwrap_or_default();
        if last + silence > began + slack {
            let what = format!("chat {room} {what}, and was silent for {} ms", began - last);
            self.broken(Rule::ChatSilence, what);
        }
    }
}
