//! Why some events change nothing in some states.

const KNOWN: &str = "already known";
const UNKNOWN: &str = "the call is unknown";
const NOT_LOST: &str = "no agent is lost";
const OVER: &str = "the recovery is over";
const NOT_SENT: &str = "the customer was not sent to the queue";
const NOBODY_WAITS: &str = "nothing waits for it";

/// The reason. `None` if there is none, so that the event must not be ignored there.
pub(super) fn why(row: &str, code: &str) -> Option<&'static str> {
    let no_recovery = matches!(code, "U" | "T" | "TT" | "TA" | "M" | "O");
    let (sent, over) = (matches!(code, "RA" | "RN" | "QA" | "QN"), code.starts_with('E'));
    // The event concerns open recoveries only.
    let of_recovery = |here: &'static str| match code {
        _ if no_recovery => NOT_LOST,
        _ if over => OVER,
        _ => here,
    };
    Some(match row {
        "the conference starts" => "nothing follows from it",
        _ if code == "–" => UNKNOWN,
        "an announcement has ended" if over || no_recovery => "no customer waits here",
        "an announcement has ended" => {
            "the customer is on our hold, or not here, or about to hear words or to have an agent"
        }
        "the customer's leg joins"
        | "the agent's leg leaves"
        | "the customer hangs up"
        | "the customer's leg is moved" => KNOWN,
        "the conference ends under the customer"
        | "the call is ended for all"
        | "the conference has ended" => KNOWN,
        "the colleague's leg leaves" | "another agent's page registers a leg" => KNOWN,
        "a graceful mark: the agent leaves" | "a graceful mark: the agent transfers the call" => KNOWN,
        "a newer page finds the call wrapping" => KNOWN,
        "the newest page says goodbye" => "the call is over",
        "the push channel of the agent's page is back" | "the agent's page answers a call message" => {
            "the page is not doubted"
        }
        "the page has not answered in time"
        | "the page is asked whether it lives"
        | "the page cannot be asked" => "no page is being asked",
        "the push channel of the agent's page is lost" => "the agent is not on the call through that page",
        "Twilio fetches the waiting music" if sent => KNOWN,
        "the customer leaves the queue without an agent" if sent => "the customer already goes to any agent",
        "an agent takes the customer out of the queue" if sent => {
            "the next conference shows which agent it is"
        }
        "Twilio fetches the waiting music"
        | "the customer hangs up in the queue"
        | "the customer leaves the queue without an agent"
        | "an agent takes the customer out of the queue" => of_recovery(NOT_SENT),
        "Twilio asks what comes after the conference" if sent => "the customer is not here any more",
        "Twilio asks what comes after the conference" => "the call is over",
        _ if row.starts_with("the ping") => {
            of_recovery("no recovery waits for the ping, or its answer changes nothing")
        }
        "the reconnect task for the agent is in the queue"
        | "the reconnect task for any agent is in the queue"
            if sent =>
        {
            "already known, or for another agent"
        }
        "an agent does not take the reconnect task for any agent" if sent => "other agents may take it",
        "the agent does not take the reconnect task"
        | "the reconnect task for the agent is canceled"
        | "the reconnect task for the agent is canceled by a hang-up"
            if sent =>
        {
            "the customer already waits for any agent"
        }
        "the reconnect task for any agent is canceled" if sent => {
            "the queue's document may have requeued the customer; the watchdog finds out"
        }
        "the reconnect task for the agent is in the queue"
        | "the agent does not take the reconnect task"
        | "the reconnect task for the agent is canceled"
        | "the reconnect task for the agent is canceled by a hang-up"
        | "the reconnect task for any agent is in the queue"
        | "an agent does not take the reconnect task for any agent"
        | "the reconnect task for any agent is canceled" => of_recovery(NOT_SENT),
        "the agent's reservation is wrapping up" => "the leg is known to be gone, or to leave on purpose",
        "the reservations' agents are not reported in time" => "already known, or not awaited",
        "Twilio reports the reservations' agents" => KNOWN,
        "the watchdog is due" if over => "the call is over, or watched later",
        "the watchdog is due" => "evidence arrived meanwhile: the watchdog starts anew",
        "callbacks may have been missed" if over => "the call is over, or watched later",
        "callbacks may have been missed" => "Twilio is being asked",
        "the call is to be forgotten" => "the call is not over",
        "a customer left on purpose is alone for too long" => {
            "the customer is not alone, or not left on purpose"
        }
        "no page registered in time" => "the call is known",
        "the leave did not arrive" => "no leave is missed",
        "no mark arrived in time"
        | "the announcement is due"
        | "the agent is not back in time"
        | "the agent did not join, or take the call, in time"
        | "a covered agent is not back in time" => of_recovery("not awaited here"),
        "our hold: done" | "our hold: no longer wanted" | "our hold: refused" | "our hold has ended" => {
            "there is no hold of ours, or the customer is not here"
        }
        _ if row.starts_with("requeue for") => of_recovery("the customer does not wait for this requeue"),
        _ if row.starts_with("giving up") => of_recovery("the customer still waits for an agent"),
        _ if row.starts_with("poll") || row.starts_with("restored") => "already known, or the call is over",
        "the task cannot be read" | "the customer's exit flag is cleared" => NOBODY_WAITS,
        "the dead leg is removed" | "the dead leg cannot be removed" => NOBODY_WAITS,
        "the agent's exit flag is cleared" | "the task is looked up" | "the task cannot be looked up" => {
            NOBODY_WAITS
        }
        "an announcement is made"
        | "the agent's activity is read"
        | "an activity is lent to the agent"
        | "the agent is back in their own activity"
        | "the old reservation is completed"
        | "a bystander is moved"
        | "a leg is on hold"
        | "a supervisor coaches the new leg"
        | "a leg is off hold"
        | "the conference is ended" => NOBODY_WAITS,
        _ => return None,
    })
}
