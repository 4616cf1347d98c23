//! Why some events change nothing in some states.

const KNOWN: &str = "it is known";
const UNKNOWN: &str = "the call is not known";
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
        "an announcement has ended" if over || no_recovery => "nobody waits here",
        "an announcement has ended" => {
            "the customer hears us on hold, or is not here, or is about to be talked to"
        }
        "the customer's leg joins"
        | "the agent's leg leaves"
        | "the customer hangs up"
        | "the customer's leg is moved" => KNOWN,
        "the conference ends under the customer"
        | "the call is ended for all"
        | "the conference has ended" => KNOWN,
        "the colleague's leg leaves" | "another agent's page registers a leg" => KNOWN,
        "the agent says that she leaves" | "the agent says that she transfers the call" => KNOWN,
        "a newer page finds the call wrapping" => KNOWN,
        "the newest page says goodbye" => "the call is over",
        "the agent's page is not heard of any more" => "the agent is not on the call by that page",
        "the music is asked for" if sent => KNOWN,
        "the queue lets the customer go" if sent => "he is sent in for any agent already",
        "an agent takes the customer out of the queue" if sent => {
            "who it is will be told by the next conference"
        }
        "the music is asked for"
        | "the customer hangs up in the queue"
        | "the queue lets the customer go"
        | "an agent takes the customer out of the queue" => of_recovery(NOT_SENT),
        "Twilio asks how to go on without a conference" if sent => "the customer is not here any more",
        "Twilio asks how to go on without a conference" => "the call is over",
        _ if row.starts_with("the ping") => {
            of_recovery("nobody waits for the ping, or its answer changes nothing")
        }
        "the task for the agent is in the queue" | "the task for any agent is in the queue" if sent => {
            "it is known, or was for somebody else"
        }
        "somebody does not take it" if sent => "others may take it",
        "the agent does not take it" | "it is canceled" | "it is canceled, because the customer hung up"
            if sent =>
        {
            "the customer waits for any agent already"
        }
        "the task for any agent is canceled" if sent => {
            "the queue's document may have sent him in again; the watchdog will see"
        }
        "the task for the agent is in the queue"
        | "the agent does not take it"
        | "it is canceled"
        | "it is canceled, because the customer hung up"
        | "the task for any agent is in the queue"
        | "somebody does not take it"
        | "the task for any agent is canceled" => of_recovery(NOT_SENT),
        "the agent's reservation is wrapping up" => "her leg is known to be gone, or to be on purpose",
        "nobody has said in time whose the reservations are" => "it is known, or nobody asks",
        "Twilio says whose the reservations are" => KNOWN,
        "nothing was heard for long" if over => "the call is over, or watched later",
        "nothing was heard for long" => "something was heard since: it is waited anew",
        "callbacks may have been missed" if over => "the call is over, or watched later",
        "callbacks may have been missed" => "Twilio is being asked",
        "the call is to be forgotten" => "it is not over",
        "a customer left on purpose is alone too long" => "he is not alone, or not left on purpose",
        "nobody has registered in time" => "the call is known",
        "the leave did not come" => "no leave is missed",
        "no mark has come in time"
        | "the customer is to be told"
        | "the agent is not back in time"
        | "the agent has not joined, or taken the call, in time"
        | "who is away beside a colleague is not back in time" => of_recovery("it is not waited for here"),
        "our hold: done" | "our hold: not wanted any more" | "our hold: refused" | "our hold has ended" => {
            "there is no hold of ours, or the customer is not here"
        }
        _ if row.starts_with("sending the customer") => of_recovery("it is not what the customer waits for"),
        _ if row.starts_with("the customer was told") || row.starts_with("the customer hung up before") => {
            of_recovery("the customer waits for somebody")
        }
        _ if row.starts_with("asked how it stands") => "it is known, or the call is over",
        "the task cannot be read" | "the customer is free: done" => NOBODY_WAITS,
        "the dead leg is removed" | "the dead leg cannot be removed" => NOBODY_WAITS,
        "the exit flag is undone" | "the task is looked up" | "the task cannot be looked up" => NOBODY_WAITS,
        "an announcement is made"
        | "her activity is known"
        | "an activity is lent to her"
        | "she is back in her activity"
        | "the old reservation is completed"
        | "a third party is moved"
        | "a leg is on hold"
        | "a coach is heard by the new leg"
        | "a leg is off hold"
        | "the conference is ended" => NOBODY_WAITS,
        _ => return None,
    })
}
