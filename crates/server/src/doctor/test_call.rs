//! `rejoin doctor --staging` and `--live`: a call that is played by script, from the queue over the loss of its agent to the end.
//!
//! No browser takes part. The customer is a call that is placed by REST into a workflow of our own, and the agent is a worker
//! of our own, whose phone is a number of the account. What Twilio does is read by its REST API, what the server makes of it
//! from the server's database, as `rejoin explain` reads it. Everything that is created has a name of ours, and is deleted at
//! the end, also after a failure or an interruption; what a killed run has left, the next run deletes.

mod account;
mod line;
mod patience;
mod play;
mod questions;
mod seen;

pub use questions::{Answer, BROWSER};

use crate::allowed::Number;
use crate::config::Config;
use crate::error::Error;
use play::Play;
use rejoin_protocol::WorkflowSid;
use rejoin_setup::doctor::Finding;
use rejoin_twilio::twiml::{Document, Enqueue};

/// When Twilio ends the customer's call, and the agent's with it, in seconds, whatever becomes of this program.
const LIMIT_SECONDS: u64 = 300;
/// How long a key is waited for that a person is asked for, in seconds.
const KEY_SECONDS: u32 = 5;
/// What a person hears who answers a call of `--phone`.
const ASKS: &str = "This is an automated test call of Rejoin. To take part, press 1.";
/// The key that they are asked for.
pub(crate) const KEY: &str = "1";
/// The attribute of the task by which it is seen whose value wins when Twilio adds those of the call, and our value.
const MERGED: (&str, &str) = ("call_status", "rejoin");

/// The numbers of a test call.
#[derive(Clone, Debug)]
pub struct Request {
    /// A number of the account: every call comes from it.
    pub from: String,
    /// Another number of the account, whose document keeps the line: the agent's phone, and the customer's.
    pub to: String,
    /// The customer's phone instead: a person's, who is asked for a key first.
    pub phone: Option<String>,
    /// Also asks the questions that only an account can answer.
    pub live: bool,
}

/// What a test call has found.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each step, in order.
    pub findings: Vec<Finding>,
    /// The questions with their answers; empty without `live`.
    pub answers: Vec<Answer>,
}

impl Request {
    /// The number that plays the customer.
    fn customer(&self) -> &str {
        self.phone.as_deref().unwrap_or(&self.to)
    }

    /// Checks the numbers, before anything is asked of Twilio.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self, config: &Config) -> Result<(), String> {
        let numbers =
            [("--from", Some(&self.from)), ("--to", Some(&self.to)), ("--phone", self.phone.as_ref())];
        for (option, number) in numbers {
            if number.is_some_and(|number| !is_number(number)) {
                return Err(format!(
                    "{option}: a number in the form +15550100001 is wanted. Nothing was dialled"
                ));
            }
        }
        if self.phone.is_some() && !self.live {
            return Err("--phone: a person's phone is called with --live alone. Nothing was dialled".into());
        }
        if self.from == self.to
            || self.phone.as_ref().is_some_and(|phone| [&self.from, &self.to].contains(&phone))
        {
            return Err("--from, --to and --phone have to be different numbers. Nothing was dialled".into());
        }
        // The server takes the caller of the task for the customer.
        let listed = |number: &str| config.allowed_numbers.contains(&Number::from(number));
        let is_allowed = config.allowed_numbers.is_empty() || (listed(&self.from) && listed(self.customer()));
        if !is_allowed {
            return Err("REJOIN_ALLOWED_NUMBERS does not have the numbers of --from and of the customer (--phone, else --to): \
                        the server would leave the test call alone. Add them. Nothing was dialled"
                .into());
        }
        Ok(())
    }

    /// What a run creates, whom it calls, and what it costs at most.
    pub fn plan(&self, config: &Config) -> Vec<String> {
        let (from, to) = (shortened(&self.from), shortened(&self.to));
        let legs = if self.phone.is_some() { 5 } else { 6 };
        let customer = match &self.phone {
            Some(phone) => format!(
                "The customer: {from} calls {}, a person's phone. The person who answers is asked to press {KEY} within {KEY_SECONDS} s; \
                 without it the call is ended at once.",
                shortened(phone)
            ),
            None => format!("The customer: {from} calls {to}, which keeps the line and says nothing."),
        };
        let mut plan = vec![
            format!("A test call on the account {}, through the server {}:", config.account, config.public_url),
            "Created in TaskRouter, each with a name that begins with \"Rejoin test call\": a worker, a queue for that worker alone, a \
             workflow with Rejoin's filter. No task of the test goes to an agent."
                .into(),
            customer,
            format!("The agent: {from} calls {to}, twice: before the agent is lost, and when the customer is back."),
            format!(
                "Costs: at most {legs} call legs of {} minutes each, {} leg-minutes at your account's prices for voice, and a conference's; \
                 usually one minute each.",
                LIMIT_SECONDS / 60,
                legs * LIMIT_SECONDS / 60
            ),
            "Everything that is created is deleted at the end, also after a failure or Ctrl-C. What a run leaves that is killed, the next \
             one deletes; Twilio ends its calls after the time above."
                .into(),
        ];
        if self.live {
            plan.push(
                "For the questions, the agent is then removed by REST, and the customer sent to the queue once more: one call more, \
                 to a client that does not exist, if Twilio takes it."
                    .into(),
            );
        }
        if config.ended_url.is_some() {
            plan.push(
                "REJOIN_ENDED_URL is set: if the test fails while customer and agent are connected, the customer's call may go on there \
                 until it is ended."
                    .into(),
            );
        }
        plan
    }
}

/// Plays the call. `tell` gets each finding as it is made. `interrupted` ends the run early: what it has created is deleted
/// nevertheless.
///
/// # Errors
/// When the settings cannot be used, or there is no client. Nothing was created then.
pub async fn run(
    config: Config,
    request: &Request,
    interrupted: impl Future<Output = ()>,
    tell: &mut dyn FnMut(&Finding),
) -> Result<Report, Error> {
    let config = config.checked()?;
    let client = config.client()?;
    let mut play = Play::new(&client, &config, request, tell)?;
    let stopped = tokio::select! {
        stopped = play.all() => stopped,
        () = interrupted => Err(Finding::failed(
            "call-interrupted",
            "the run was interrupted",
            "the rest of the call was not played",
            "run it again",
        )),
    };
    if let Err(finding) = stopped {
        play.add(finding);
    }
    play.clean_up().await;
    let answers = if request.live { questions::answers(&play.seen) } else { vec![] };
    Ok(Report { findings: play.findings, answers })
}

/// The document that puts the customer of a test call into a workflow, as the document of an administrator's flow does.
pub(crate) fn enqueue(config: &Config, workflow: &WorkflowSid) -> Document {
    let (wait, action) = (config.public("/twiml/comfort"), config.public("/twiml/ended"));
    let attributes = serde_json::json!({ "name": "Rejoin test call", MERGED.0: MERGED.1 }).to_string();
    Document::new().enqueue(&Enqueue {
        workflow,
        wait_url: &wait,
        action: &action,
        // Before calls that wait for any worker: ours is one, too.
        priority: rejoin_protocol::attributes::PRIORITY,
        timeout_seconds: LIMIT_SECONDS,
        attributes: &attributes,
    })
}

/// The document for a person's phone: the key is asked for, and without it the call ends.
fn asking(config: &Config, workflow: &WorkflowSid) -> Document {
    let action = config.public(&format!("/twiml/test-call/{workflow}"));
    Document::new().gather(&action, KEY_SECONDS, "en-US", ASKS).hang_up()
}

/// A number as it is shown at a terminal: its first two and its last two characters.
fn shortened(number: &str) -> String {
    let (first, last) = (number.get(..2).unwrap_or_default(), number.len().saturating_sub(2));
    format!("{first}…{}", number.get(last..).unwrap_or_default())
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_in_shortened_form_and_other_text_is_refused() {
        assert_eq!(shortened("+15550100001"), "+1…01");
        assert_eq!(shortened(""), "…");
        assert!(is_number("+15550100001"));
        for text in
            ["", "+", "15550100001", "+1555010000x", "+1 555 0100001", "client:ada", "+1234567890123456"]
        {
            assert!(!is_number(text), "{text}");
        }
    }
}
