//! TaskRouter's log of what has happened to tasks, also to those that it has deleted
//! (<https://www.twilio.com/docs/taskrouter/api/event>).

use super::{Model, requests::ok};
use crate::dates::iso;
use crate::model::api::Reply;
use rejoin_protocol::{Millis, ReservationSid, TaskSid};
use serde_json::{Value, json};

/// Twilio keeps it for 30 days.
const KEPT: Millis = Millis::seconds(30 * 24 * 3600);

/// `Minutes` of a request that does not say it.
const MINUTES: u32 = 15;

#[derive(Clone, Debug)]
pub(super) struct Happened {
    number: u128,
    at: Millis,
    /// As in `task.created`.
    name: String,
    task: TaskSid,
    /// Of an event of a reservation, or of a transfer: the one that hands the task over.
    reservation: Option<ReservationSid>,
}

impl Happened {
    fn is_of_reservation(&self) -> bool {
        self.name.starts_with("reservation.")
    }
}

impl Model {
    pub(super) fn record(&mut self, name: &str, task: &TaskSid, reservation: Option<&ReservationSid>) {
        while self.history.front().is_some_and(|first| first.at + KEPT < self.now) {
            self.history.pop_front();
        }
        let number = self.history.back().map_or(0, |last| last.number) + 1;
        let (name, task, reservation) = (name.to_owned(), task.clone(), reservation.cloned());
        self.history.push_back(Happened { number, at: self.now, name, task, reservation });
    }

    /// `GET Events`, the oldest first.
    pub(super) fn event_list(
        &self,
        task: Option<&TaskSid>,
        kind: Option<&str>,
        minutes: Option<u32>,
    ) -> Reply {
        let minutes = Millis::seconds(u64::from(minutes.unwrap_or(MINUTES)) * 60);
        let listed = |it: &&Happened| {
            task.is_none_or(|task| *task == it.task)
                && kind.is_none_or(|kind| kind == it.name)
                && self.now <= it.at + minutes
        };
        let items = self.history.iter().filter(listed).map(|it| self.rest_event(it)).collect();
        ok(self.taskrouter_page("Events", "events", items), Value::Null)
    }

    fn rest_event(&self, it: &Happened) -> Value {
        let sid = format!("EV{:032x}", it.number);
        let of_reservation = it.reservation.as_ref().filter(|_| it.is_of_reservation());
        let initiating = it.reservation.as_ref().filter(|_| !it.is_of_reservation());
        let data = json!({
            "task_sid": it.task, "reservation_sid": of_reservation, "initiating_reservation_sid": initiating,
        });
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "event_type": it.name, "event_date": iso(it.at), "event_date_ms": it.at.0, "event_data": data,
            "resource_type": if of_reservation.is_some() { "reservation" } else { "task" },
            "resource_sid": of_reservation.map_or(it.task.as_str(), ReservationSid::as_str),
            "url": self.taskrouter_url(&format!("Events/{sid}")),
        })
    }
}
