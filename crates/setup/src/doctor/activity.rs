//! The activity that is lent to an agent who is back in one that receives no tasks. Whether an activity receives tasks cannot be
//! changed later (<https://www.twilio.com/docs/taskrouter/api/activity>).

use super::{Expected, Finding, TaskRouter, shown};

const CHECK: &str = "reconnecting-activity";
const MEANS: &str =
    "agents on a break, or put offline by TaskRouter, do not get their customers back through the queue";

pub(super) fn judge(taskrouter: &TaskRouter, expected: &Expected) -> Finding {
    let Some(sid) = &expected.reconnecting_activity else {
        return Finding::warning(
            CHECK,
            "none is configured",
            MEANS,
            "set REJOIN_RECONNECTING_ACTIVITY_SID; `rejoin provision` makes such an activity",
        );
    };
    match taskrouter.activities.iter().find(|activity| activity.sid == *sid) {
        Some(activity) if activity.available => {
            Finding::ok(CHECK, format!("{} ({sid}) receives tasks", shown(&activity.friendly_name)))
        }
        Some(activity) => Finding::failed(
            CHECK,
            format!("{} ({sid}) receives no tasks", shown(&activity.friendly_name)),
            MEANS,
            "set REJOIN_RECONNECTING_ACTIVITY_SID to an activity that is available; Twilio cannot change one afterwards",
        ),
        None => Finding::failed(
            CHECK,
            format!("the workspace has no activity {sid}"),
            MEANS,
            "set REJOIN_RECONNECTING_ACTIVITY_SID; `rejoin provision` makes such an activity",
        ),
    }
}
