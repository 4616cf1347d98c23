//! The steps of a test call, one after the other. The first that fails is the last one.

use super::account::{self, Ours};
use super::patience::{patiently, until};
use super::seen::{self, Seen};
use super::{KEY_SECONDS, LIMIT_SECONDS, MERGED, Request, asking, enqueue, line};
use crate::beside;
use crate::config::Config;
use crate::error::Error;
use crate::explain::{Story, Subject};
use crate::story::Entry;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid};
use rejoin_recovery::Note;
use rejoin_setup::doctor::Finding;
use rejoin_twilio::{
    Client, ConferenceInstruction, Error as TwilioError, NewCall, Offer, Task, Transport, network,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How long a phone rings, in seconds.
const RINGS_SECONDS: u64 = 30;
/// How long it may take until a phone is answered, and the next thing is there.
const ANSWERED: Duration = Duration::from_secs(60);
/// How long it may take until TaskRouter offers a task, or a conference has both.
const OFFERED: Duration = Duration::from_secs(20);
/// How long a callback may take, and what the server does at once.
const TOLD: Duration = Duration::from_secs(15);
/// How long a customer may take to be in the queue again, after the ping is over.
const REQUEUED: Duration = Duration::from_secs(45);
/// How long the server may take to see that the customer is back.
const ENDED: Duration = Duration::from_secs(30);
/// Timeouts of requests that do not go to Twilio.
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(15);
/// As the plugin asks for them.
const EVENTS: &[&str] = &["start", "end", "join", "leave", "modify", "hold", "announcement"];

/// Why a step ends without what it waits for.
enum Stop {
    Twilio(TwilioError),
    /// The server's database cannot be read.
    Database(String),
    /// The customer's call is over, with this status.
    CustomerGone(String),
}

impl From<TwilioError> for Stop {
    fn from(error: TwilioError) -> Self {
        Self::Twilio(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// What a step reports when its time is over: what was found, what it means, what to do.
type Late = (String, &'static str, &'static str);

/// Customer and agent in a conference.
#[derive(Clone, Debug)]
struct Talk {
    conference: ConferenceSid,
    agent: CallSid,
    task: TaskSid,
    reservation: ReservationSid,
}

/// A test call that is being played.
pub(super) struct Play<'a> {
    client: &'a Client,
    config: &'a Config,
    request: &'a Request,
    transport: Arc<dyn Transport>,
    name: String,
    ours: Option<Ours>,
    /// True once something may have been created.
    has_begun: bool,
    customer: Option<CallSid>,
    /// Inbound calls at `--to` that are known.
    ends: BTreeSet<CallSid>,
    /// When the end of the agent's leg was requested (point in time).
    agent_ended: Option<Millis>,
    pub(super) findings: Vec<Finding>,
    pub(super) seen: Seen,
    tell: &'a mut dyn FnMut(&Finding),
}

impl<'a> Play<'a> {
    pub(super) fn new(
        client: &'a Client,
        config: &'a Config,
        request: &'a Request,
        tell: &'a mut dyn FnMut(&Finding),
    ) -> Result<Self, Error> {
        Ok(Self {
            client,
            config,
            request,
            transport: network(CONNECT, TOTAL).map_err(TwilioError::from)?,
            name: account::name(),
            ours: None,
            has_begun: false,
            customer: None,
            ends: BTreeSet::new(),
            agent_ended: None,
            findings: vec![],
            seen: Seen::default(),
            tell,
        })
    }

    pub(super) fn add(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.findings.push(finding);
    }

    fn ok(&mut self, check: &str, found: impl Into<String>) {
        self.add(Finding::ok(check, found));
    }

    /// All steps.
    pub(super) async fn all(&mut self) -> Result<(), Finding> {
        self.numbers().await?;
        self.assets().await?;
        self.leftovers().await?;
        let ours = self.set_up().await?;
        let first = self.call(&ours).await?;
        let talk = self.accept(&ours, &first, "call-accept", None).await?;
        self.callbacks(&talk).await?;
        let lost = self.lose(&ours, &talk).await?;
        self.announcement(&talk).await?;
        self.ping(&ours).await?;
        let second = self.requeue(&ours, &talk, lost).await?;
        let again = self.accept(&ours, &second, "call-rejoin", Some(lost)).await?;
        self.recovered(&talk, lost).await?;
        if self.request.live {
            self.observe(&ours, &again)
                .await
                .map_err(|stop| self.stopped("call-questions", "answer the questions", stop))?;
        }
        self.end(&again).await
    }

    /// The finding for a step that could not be completed.
    fn stopped(&self, check: &str, doing: &str, stop: Stop) -> Finding {
        let customer = self.customer.as_ref().map_or("the customer's call".to_owned(), ToString::to_string);
        match stop {
            Stop::Twilio(error) => Finding::failed(
                check,
                format!("could not {doing}: {error}"),
                "the rest of the call was not played: whether calls are recovered is not known",
                "see `rejoin doctor` without --staging and --live for what is missing, and run it again",
            ),
            Stop::Database(why) => Finding::failed(
                check,
                format!("what the server did cannot be read: {why}"),
                "the rest of the call was not played: whether calls are recovered is not known",
                "run this with the server's own settings, on its machine: DATABASE_URL is its database",
            ),
            Stop::CustomerGone(status) => Finding::failed(
                check,
                format!(
                    "the customer's call {customer} is over ({status}), so this could not be done: {doing}"
                ),
                "a customer would have been hung up on here, unless the other end hung up",
                "look at the call in Twilio's console (Monitor, Logs, Calls), and at `rejoin explain` with its SID",
            ),
        }
    }

    fn late((found, means, remedy): Late, check: &str) -> Finding {
        Finding::failed(check, found, means, remedy)
    }

    /// Waits while the customer is on the line.
    async fn wait<T>(
        &self,
        within: Duration,
        look: impl AsyncFn() -> Result<Option<T>, Stop>,
    ) -> Result<Option<T>, Stop> {
        let (client, customer) = (self.client, self.customer.clone());
        until(within, async || {
            if let Some(found) = look().await? {
                return Ok(Some(found));
            }
            let Some(customer) = &customer else { return Ok(None) };
            match patiently(async || client.fetch_call(customer).await).await?.status {
                status if matches!(status.as_str(), "queued" | "ringing" | "in-progress") => Ok(None),
                status => Err(Stop::CustomerGone(status)),
            }
        })
        .await
    }

    /// What the server has stored about a conference, or about the customer once that is known.
    async fn story(&self, conference: &ConferenceSid) -> Result<Option<Story>, Stop> {
        let subject = Subject::Conference(conference.clone());
        Ok(beside::call(&self.config.storage.database_url, &subject).await?)
    }

    /// Waits until a decision of the server is in its database, and returns when it was made (point in time).
    async fn noted(
        &self,
        conference: &ConferenceSid,
        within: Duration,
        is_it: impl Fn(&Note) -> bool,
    ) -> Result<Option<(Millis, Note)>, Stop> {
        self.wait(within, async || {
            let story = self.story(conference).await?;
            let lines = story.into_iter().flat_map(|story| story.lines);
            Ok(lines.filter(|line| is_it(&line.note)).map(|line| (line.at, line.note)).next())
        })
        .await
    }

    /// Both numbers are the account's, and the one that is called only waits.
    async fn numbers(&mut self) -> Result<(), Finding> {
        const CHECK: &str = "call-numbers";
        const NOTHING: &str = "nothing was dialled, and nothing created";
        let listed = patiently(async || self.client.list_phone_numbers().await).await;
        let listed =
            listed.map_err(|error| self.stopped(CHECK, "read the account's numbers", error.into()))?;
        let of = |number: &str| listed.iter().find(|it| it.phone_number == number);
        let (from, to) = (of(&self.request.from), of(&self.request.to));
        for (option, found) in [("--from", from), ("--to", to)] {
            if found.is_none() {
                let found = format!("the account has no number as given with {option}");
                return Err(Finding::failed(CHECK, found, NOTHING, "give two numbers of this account"));
            }
        }
        if to.is_some_and(line::is_led_elsewhere) {
            let found = "calls to the number of --to go to a TwiML app or a trunk";
            return Err(Finding::failed(CHECK, found, NOTHING, line::BIN));
        }
        let url = to.and_then(|to| to.addresses.voice_url.clone()).unwrap_or_default();
        let ends = (self.request.from.as_str(), self.request.to.as_str());
        let document = line::document(&*self.transport, self.config, &url, ends).await;
        let judged = document.and_then(|document| line::only_waits(&document, &url));
        if let Err(why) = judged {
            let found = format!("the number of --to may do more than wait: {why}");
            return Err(Finding::failed(CHECK, found, NOTHING, line::BIN));
        }
        self.ok(CHECK, "both are the account's, and the document of --to only waits");
        Ok(())
    }

    /// The audio of the server's documents can be fetched.
    async fn assets(&mut self) -> Result<(), Finding> {
        let found = self.audio("/twiml/comfort").await;
        let count = found.map_err(|why| {
            Finding::failed(
                "call-assets",
                why,
                "a customer whose agent is lost hears nothing, or is hung up on. Nothing was dialled",
                "let Twilio reach REJOIN_PUBLIC_URL and all below it: look at the server, the proxy and the firewall",
            )
        })?;
        self.ok("call-assets", format!("the comfort audio can be fetched ({count} file)"));
        Ok(())
    }

    async fn audio(&self, path: &str) -> Result<usize, String> {
        let url = self.config.public(path);
        let ends = (self.request.from.as_str(), self.request.to.as_str());
        let document = line::document(&*self.transport, self.config, &url, ends).await;
        let document = document.map_err(|why| format!("{url}: {why}"))?;
        line::audio(&*self.transport, &document).await
    }

    /// Deletes what a killed run has left.
    async fn leftovers(&mut self) -> Result<(), Finding> {
        let removed = account::remove(self.client, None).await;
        let removed = removed.map_err(|error| {
            self.stopped("call-leftovers", "delete what an earlier run has left", error.into())
        })?;
        if removed > 0 {
            self.ok("call-leftovers", format!("{removed} things of an earlier run were deleted"));
        }
        Ok(())
    }

    async fn set_up(&mut self) -> Result<Ours, Finding> {
        let (client, lent) = (self.client, self.config.reconnecting_activity.as_ref());
        let made = async {
            let Some(activities) = account::activities(client, lent).await? else { return Ok(None) };
            account::create(client, &self.name, activities).await.map(Some)
        };
        self.has_begun = true;
        let made: Result<Option<Ours>, TwilioError> = made.await;
        let made = made
            .map_err(|error| self.stopped("call-setup", "create worker, queue and workflow", error.into()))?;
        let ours = made.ok_or_else(|| {
            Finding::failed(
                "call-setup",
                "the workspace has no activity that receives tasks, or none that does not",
                "agents cannot be offered calls, or cannot pause",
                "create the activities \"Available\" and \"Offline\" in TaskRouter",
            )
        })?;
        self.ours = Some(ours.clone());
        if self.request.live {
            // Cleaned up by the name, if it is taken.
            self.seen.refuses_same_name = match client.create_queue_of(&self.name, "1==1").await {
                Ok(_) => Some(false),
                Err(TwilioError::Conflict | TwilioError::Refused { .. }) => Some(true),
                Err(_) => None,
            };
        }
        self.ok(
            "call-setup",
            "a worker, a queue for that worker alone, and a workflow with the filter were created",
        );
        Ok(ours)
    }

    /// The customer is called, and waits in our workflow; then our worker is available, and is offered the task.
    async fn call(&mut self, ours: &Ours) -> Result<Offer, Finding> {
        const CHECK: &str = "call-queue";
        let begun = Instant::now();
        let document = match &self.request.phone {
            Some(_) => asking(self.config, &ours.workflow).finish(),
            None => enqueue(self.config, &ours.workflow).finish(),
        };
        let new = NewCall {
            to: self.request.customer(),
            from: &self.request.from,
            document: &document,
            rings_seconds: RINGS_SECONDS,
            limit_seconds: LIMIT_SECONDS,
        };
        let placed = patiently(async || self.client.place_call(&new).await).await;
        let placed =
            placed.map_err(|error| self.stopped(CHECK, "place the customer's call", error.into()))?;
        self.customer = Some(placed.sid);
        let client = self.client;
        let waits = self.wait(ANSWERED, async || {
            let tasks = patiently(async || client.list_tasks_of(&ours.workflow).await).await?;
            Ok(tasks.into_iter().next())
        });
        let waits = match waits.await {
            Err(Stop::CustomerGone(status)) if self.request.phone.is_some() => {
                let found = match status.as_str() {
                    "completed" => {
                        format!(
                            "the key {} was not pressed within {KEY_SECONDS} s: the call was ended",
                            super::KEY
                        )
                    }
                    status => format!("the phone was not answered ({status})"),
                };
                return Err(Finding::failed(
                    CHECK,
                    found,
                    "the test call was not played: a machine may have answered, or the phone was not at hand",
                    "run it again, answer the phone, and press the key in time",
                ));
            }
            waits => {
                waits.map_err(|stop| self.stopped(CHECK, "wait until the customer is in the queue", stop))?
            }
        };
        let Some(waits) = waits else {
            return Err(Finding::failed(
                CHECK,
                "the customer's call was placed, and has not reached the queue within 60 s",
                "the call was not answered, or Twilio did not carry out its document",
                "look at the call in Twilio's console (Monitor, Logs, Calls)",
            ));
        };
        self.note_ends().await;
        self.judge_attributes(&waits.sid).await;
        let made = patiently(async || client.set_activity(&ours.worker, &ours.available, None).await).await;
        made.map_err(|error| self.stopped(CHECK, "make our worker available", error.into()))?;
        let offer = self
            .offer(ours, None, OFFERED)
            .await
            .map_err(|stop| self.stopped(CHECK, "wait for the offer", stop))?;
        let offer = offer.ok_or_else(|| {
            Self::late(
                (
                    "the task was not offered to our worker within 20 s".into(),
                    "TaskRouter does not match tasks and workers",
                    "look at the workflow in TaskRouter's console, and run it again",
                ),
                CHECK,
            )
        })?;
        self.ok(
            CHECK,
            format!("the customer was offered to our worker, {} after the call was placed", seconds(begun)),
        );
        Ok(offer)
    }

    /// Waits until our worker is offered a call of our workflow that is not `before`.
    async fn offer(
        &self,
        ours: &Ours,
        before: Option<&TaskSid>,
        within: Duration,
    ) -> Result<Option<Offer>, Stop> {
        self.offered(ours, within, |task| {
            task.workflow_sid.as_ref() == Some(&ours.workflow) && before != Some(&task.sid)
        })
        .await
    }

    /// Waits until our worker is offered such a task. What is neither the test call's nor a ping is rejected at once, and goes to
    /// the next worker.
    async fn offered(
        &self,
        ours: &Ours,
        within: Duration,
        is_wanted: impl Fn(&Task) -> bool,
    ) -> Result<Option<Offer>, Stop> {
        let (client, expected) = (self.client, [&ours.workflow, &self.config.ping_workflow]);
        self.wait(within, async || {
            for offer in patiently(async || client.offers(&ours.worker, "pending").await).await? {
                let task = match patiently(async || client.fetch_task(&offer.task_sid).await).await {
                    Err(TwilioError::Gone) => continue,
                    task => task?,
                };
                if is_wanted(&task) {
                    return Ok(Some(offer));
                }
                if !task.workflow_sid.as_ref().is_some_and(|workflow| expected.contains(&workflow)) {
                    // It may be over by now.
                    let _ = client.answer_offer(&ours.worker, &offer.sid, "rejected").await;
                }
            }
            Ok(None)
        })
        .await
    }

    /// The calls at `--to` that are known now.
    async fn note_ends(&mut self) {
        if let Ok(ends) = self.inbound().await {
            self.ends.extend(ends);
        }
    }

    async fn inbound(&self) -> Result<Vec<CallSid>, TwilioError> {
        let (from, to) = (&self.request.from, &self.request.to);
        let mut calls = patiently(async || self.client.list_calls(from, to, "in-progress").await).await?;
        calls.retain(|call| call.direction.as_deref() == Some("inbound"));
        Ok(calls.into_iter().map(|call| call.sid).collect())
    }

    /// Our worker's phone is called, and customer and agent meet.
    async fn accept(
        &mut self,
        ours: &Ours,
        offer: &Offer,
        check: &'static str,
        lost: Option<Instant>,
    ) -> Result<Talk, Finding> {
        let begun = Instant::now();
        self.note_ends().await;
        let address = format!("/webhooks/conference?worker={}&reservation={}", ours.worker, offer.sid);
        let address = self.config.public(&address);
        let instruction = ConferenceInstruction {
            to: &self.request.to,
            from: &self.request.from,
            status_callback: &address,
            events: EVENTS,
        };
        let client = self.client;
        let asked =
            patiently(async || client.connect_offer(&ours.worker, &offer.sid, &instruction).await).await;
        asked.map_err(|error| self.stopped(check, "connect customer and agent", error.into()))?;
        let talk = self.wait(ANSWERED, async || {
            let now = patiently(async || client.fetch_offer(&ours.worker, &offer.sid).await).await?;
            if now.reservation_status != "accepted" {
                return Ok(None);
            }
            let task = patiently(async || client.fetch_task(&offer.task_sid).await).await?;
            let Some((conference, agent)) = named(&task.attributes.unwrap_or_default()) else {
                return Ok(None);
            };
            let there = patiently(async || client.list_participants(&conference).await).await?;
            let (task, reservation) = (offer.task_sid.clone(), offer.sid.clone());
            Ok((there.len() == 2).then_some(Talk { conference, agent, task, reservation }))
        });
        let talk =
            talk.await.map_err(|stop| self.stopped(check, "wait until customer and agent talk", stop))?;
        let talk = talk.ok_or_else(|| {
            Self::late(
                (
                    "customer and agent were not in a conference within 60 s".into(),
                    "the call of --to was not answered, or TaskRouter did not connect it",
                    "look at the calls in Twilio's console (Monitor, Logs, Calls)",
                ),
                check,
            )
        })?;
        let found = match lost {
            None => {
                format!("customer and agent are in a conference, {} after the agent accepted", seconds(begun))
            }
            Some(lost) => {
                format!("customer and agent talk again, {} after the agent was lost", seconds(lost))
            }
        };
        self.ok(check, found);
        Ok(talk)
    }

    async fn callbacks(&mut self, talk: &Talk) -> Result<(), Finding> {
        const CHECK: &str = "call-callbacks";
        let begun = Instant::now();
        let came = self.wait(TOLD, async || {
            let story = self.story(&talk.conference).await?;
            Ok(story.filter(|story| seen::has_callback(story, &talk.conference)).map(drop))
        });
        let came =
            came.await.map_err(|stop| self.stopped(CHECK, "wait for the conference's callbacks", stop))?;
        came.ok_or_else(|| Self::late((
            "no callback of the conference has reached the server within 15 s".into(),
            "the server learns of lost agents by polls alone, or not at all: customers wait longer, or are not recovered",
            "compare REJOIN_PUBLIC_URL with the address that Twilio reaches; look for 403 (wrong auth token or URL) in the server's log, and \
             in Twilio's console under Monitor, Errors",
        ), CHECK))?;
        self.ok(CHECK, format!("the server got the conference's callbacks within {}", seconds(begun)));
        if self.request.live {
            let again = self.client.answer_offer(&self.worker(), &talk.reservation, "accepted").await;
            if let Err(TwilioError::Refused { code, .. }) = again {
                self.seen.not_pending = Some(code);
            }
        }
        Ok(())
    }

    fn worker(&self) -> rejoin_protocol::WorkerSid {
        self.ours.as_ref().map_or_else(|| rejoin_protocol::WorkerSid::numbered(0), |ours| ours.worker.clone())
    }

    /// The agent's leg ends without any mark, as that of a browser that is gone. Returns when it was ended.
    async fn lose(&mut self, ours: &Ours, talk: &Talk) -> Result<Instant, Finding> {
        const CHECK: &str = "call-loss";
        let Some(end) =
            self.agents_end().await.map_err(|stop| self.stopped(CHECK, "find the agent's phone", stop))?
        else {
            return Err(Finding::failed(
                CHECK,
                "the call at the number of --to was not found among the account's calls",
                "the loss of an agent could not be played",
                "give a number with --to that no other call uses at the same time",
            ));
        };
        let (asked, begun) = (now(), Instant::now());
        let ended = account::end_call(self.client, &end).await;
        ended.map_err(|error| self.stopped(CHECK, "end the agent's phone", error.into()))?;
        let lost = self.noted(&talk.conference, TOLD, |note| {
            matches!(note, Note::AgentLost { .. } | Note::ConferenceLost)
        });
        let lost = lost
            .await
            .map_err(|stop| self.stopped(CHECK, "wait until the server knows of the loss", stop))?;
        let Some((at, note)) = lost else {
            return Err(Self::late(
                (
                    "the server did not take the agent for lost within 15 s after their leg ended".into(),
                    "a customer whose agent's browser is gone stays alone in the conference",
                    "look at `rejoin explain` with the conference's SID, and whether the server runs (`rejoin health`)",
                ),
                CHECK,
            ));
        };
        let how = if note == Note::ConferenceLost { ", whose conference had ended with it" } else { "" };
        let found = format!(
            "the server knew of the lost agent{how} {} after their leg ended; the customer is on the line",
            tenths(asked.until(at).0)
        );
        self.ok(CHECK, found);
        self.agent_ended = Some(asked);
        self.look_back(talk).await;
        if let Ok(offer) = self.client.fetch_offer(&ours.worker, &talk.reservation).await {
            self.seen.after_leg = Some(offer.reservation_status);
        }
        Ok(begun)
    }

    /// What the first conference has shown so far.
    async fn look_back(&mut self, talk: &Talk) {
        let (Ok(Some(story)), Some(customer), Some(asked)) =
            (self.story(&talk.conference).await, self.customer.clone(), self.agent_ended)
        else {
            return;
        };
        let is_it = |line: &&crate::explain::Line| matches!(line.note, Note::Requeueing { .. });
        let requeued = story.lines.iter().find(is_it).map(|line| line.at);
        self.seen.take(&story, &talk.conference, (&customer, &talk.agent), (asked, requeued));
    }

    /// The other end of the agent's leg: the call at `--to` that came last.
    async fn agents_end(&self) -> Result<Option<CallSid>, Stop> {
        self.wait(OFFERED, async || {
            Ok(self.inbound().await?.into_iter().find(|end| !self.ends.contains(end)))
        })
        .await
    }

    /// The customer is told what has happened.
    async fn announcement(&mut self, talk: &Talk) -> Result<(), Finding> {
        const CHECK: &str = "call-announcement";
        const TELLS: [&str; 2] = ["telling the customer on hold", "announcing"];
        let told = self.wait(TOLD, async || {
            let Some(story) = self.story(&talk.conference).await? else { return Ok(None) };
            let lost = story
                .lines
                .iter()
                .find(|line| matches!(line.note, Note::AgentLost { .. }))
                .map(|line| line.at);
            let is_told = |entry: &Entry| match entry {
                Entry::Asked { action, status, .. } => {
                    TELLS.contains(&action.as_str()) && status.is_some_and(|status| status < 300)
                }
                _ => false,
            };
            let told = story.entries.iter().find(|found| is_told(&found.entry)).map(|found| found.at);
            Ok(told.map(|told| lost.map_or(Millis(0), |lost| lost.until(told))))
        });
        let told = told.await.map_err(|stop| self.stopped(CHECK, "wait for the announcement", stop))?;
        let told = told.ok_or_else(|| {
            Self::late(
                (
                    "the server asked Twilio for no announcement within 15 s".into(),
                    "the customer hears silence and may hang up",
                    "look at `rejoin explain` with the conference's SID for refused requests",
                ),
                CHECK,
            )
        })?;
        let recovery = RecoveryId::of(&talk.agent);
        let heard = self.audio(&format!("/twiml/hold/{recovery}?told=false")).await.map_err(|why| {
            Finding::failed(
                CHECK,
                why,
                "the announcement, or the audio behind it, cannot be fetched: the customer hears silence",
                "let Twilio reach REJOIN_PUBLIC_URL and all below it",
            )
        })?;
        self.ok(CHECK, format!(
            "the customer was told {} after the loss was known, and the audio that follows can be fetched ({heard} file)",
            tenths(told.0)
        ));
        Ok(())
    }

    /// The ping reaches the lost agent, who accepts it: they are reachable.
    async fn ping(&mut self, ours: &Ours) -> Result<(), Finding> {
        const CHECK: &str = "call-ping";
        let (client, begun) = (self.client, Instant::now());
        let is_ping = |task: &Task| task.workflow_sid.as_ref() == Some(&self.config.ping_workflow);
        let ping = self.offered(ours, TOLD, is_ping);
        let ping = ping.await.map_err(|stop| self.stopped(CHECK, "wait for the Recovery Ping", stop))?;
        let ping = ping.ok_or_else(|| Self::late((
            "no Recovery Ping was offered to the lost agent within 15 s".into(),
            "each customer waits until the ping's time is over, and goes to the next agent",
            "run `rejoin doctor` without --staging and --live: ping-workflow, ping-queue and ping-channel",
        ), CHECK))?;
        let accepted =
            patiently(async || client.answer_offer(&ours.worker, &ping.sid, "accepted").await).await;
        match accepted {
            Ok(()) | Err(TwilioError::Gone | TwilioError::Refused { .. }) => {}
            Err(error) => return Err(self.stopped(CHECK, "accept the Recovery Ping", error.into())),
        }
        self.ok(
            CHECK,
            format!("the Recovery Ping reached the lost agent within {}, who accepted it", seconds(begun)),
        );
        Ok(())
    }

    /// The customer is offered to the same agent.
    async fn requeue(&mut self, ours: &Ours, talk: &Talk, lost: Instant) -> Result<Offer, Finding> {
        const CHECK: &str = "call-requeue";
        let within = REQUEUED + Duration::from_millis(self.config.timings.ping_ttl_ms);
        let offer = self.offer(ours, Some(&talk.task), within).await;
        let offer =
            offer.map_err(|stop| self.stopped(CHECK, "wait until the customer is offered again", stop))?;
        let offer = offer.ok_or_else(|| Self::late((
            "the customer was not offered to the lost agent again".into(),
            "the customer waits, and no agent gets them: the workflow has no filter for customers who come back, or no agent fits",
            "run `rejoin doctor` without --staging and --live, and `rejoin provision` for workflows without the filter; then look at \
             `rejoin explain`",
        ), CHECK))?;
        let after = seconds(lost);
        let note = self
            .noted(&talk.conference, Duration::ZERO, |note| matches!(note, Note::Requeueing { .. }))
            .await;
        let note = note.ok().flatten();
        match note {
            Some((_, Note::Requeueing { same_agent: false, .. })) => self.add(Finding::warning(
                CHECK,
                format!("the customer was offered to the agent again after {after}, as to any agent"),
                "the server did not learn that the ping was accepted: without a page of the agent it depends on Event Streams, and customers \
                 wait until the ping's time is over",
                "run `rejoin doctor` without --staging and --live: event-streams",
            )),
            _ => self.ok(CHECK, format!("the customer was offered to the same agent {after} after the loss")),
        }
        Ok(offer)
    }

    /// The recovery ends as it should.
    async fn recovered(&mut self, talk: &Talk, lost: Instant) -> Result<(), Finding> {
        const CHECK: &str = "call-recovered";
        let ended = self.noted(&talk.conference, ENDED, |note| matches!(note, Note::Ended { .. })).await;
        let ended = ended.map_err(|stop| self.stopped(CHECK, "wait for the end of the recovery", stop))?;
        self.look_back(talk).await;
        match ended {
            Some((_, Note::Ended { outcome, .. })) if outcome == "rejoined" => {
                self.ok(
                    CHECK,
                    format!("the recovery ended as \"rejoined\", {} after the loss", seconds(lost)),
                );
                Ok(())
            }
            Some((_, Note::Ended { outcome, .. })) => Err(Finding::failed(
                CHECK,
                format!("the recovery ended as \"{outcome}\""),
                "the server takes the call for one that was not brought back to its agent",
                "look at `rejoin explain` with the conference's SID",
            )),
            _ => Err(Self::late(
                (
                    "the recovery has not ended within 30 s after customer and agent talked again".into(),
                    "the server does not know that the customer is back, and may send them to the queue once more",
                    "look at `rejoin explain` with the conference's SID: are there callbacks of the second conference?",
                ),
                CHECK,
            )),
        }
    }

    /// The customer hangs up: the call ends for both.
    async fn end(&mut self, talk: &Talk) -> Result<(), Finding> {
        const CHECK: &str = "call-end";
        let Some(customer) = self.customer.take() else { return Ok(()) };
        let begun = Instant::now();
        let ended = account::end_call(self.client, &customer).await;
        ended.map_err(|error| self.stopped(CHECK, "end the customer's call", error.into()))?;
        let client = self.client;
        let over = self.wait(OFFERED, async || {
            for leg in [&customer, &talk.agent] {
                if patiently(async || client.fetch_call(leg).await).await?.is_in_progress() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        let over = over.await.map_err(|stop| self.stopped(CHECK, "wait until both calls are over", stop))?;
        over.ok_or_else(|| {
            Self::late(
                (
                    "a call was not over 20 s after the customer's was ended".into(),
                    "an agent's leg may stay alone in a conference",
                    "look at the calls in Twilio's console (Monitor, Logs, Calls)",
                ),
                CHECK,
            )
        })?;
        self.ok(CHECK, format!("the call ended for both within {}", seconds(begun)));
        Ok(())
    }

    /// Whose value Twilio keeps, and whether a version is accepted in quotes. Neither decides anything.
    async fn judge_attributes(&mut self, task: &TaskSid) {
        if !self.request.live {
            return;
        }
        let Ok(found) = patiently(async || self.client.fetch_task(task).await).await else { return };
        let text = found.attributes.unwrap_or_default();
        let attributes: Value = serde_json::from_str(&text).unwrap_or_default();
        self.seen.own_wins = attributes[MERGED.0].as_str().map(|value| value == MERGED.1);
        if let Some(etag) = found.etag {
            let quoted = format!("\"{etag}\"");
            self.seen.quotes = match self.client.update_task_attributes(task, &text, Some(&quoted)).await {
                Ok(()) => Some(true),
                Err(TwilioError::Conflict) => Some(false),
                Err(_) => None,
            };
        }
    }

    /// Answers the questions that the call does not answer by itself, once it is recovered.
    async fn observe(&mut self, ours: &Ours, talk: &Talk) -> Result<(), Stop> {
        let client = self.client;
        let Some(customer) = self.customer.clone() else { return Ok(()) };
        patiently(async || client.remove_participant(&talk.conference, &talk.agent).await).await?;
        self.seen.removed_is =
            match patiently(async || client.fetch_participant(&talk.conference, &talk.agent).await).await {
                Ok(_) => Some("still there"),
                Err(TwilioError::Gone) => Some("HTTP status 404"),
                Err(_) => Some("refused"),
            };
        let left = self.wait(TOLD, async || {
            let story = self.story(&talk.conference).await?;
            Ok(story.and_then(|story| seen::leave(&story, &talk.conference, &talk.agent)))
        });
        self.seen.removed = left.await?.map(|(_, reason)| reason);
        // The agent is free for the next task.
        let _ = client.answer_offer(&ours.worker, &talk.reservation, "completed").await;
        let document = enqueue(self.config, &ours.workflow).finish();
        patiently(async || client.redirect_call_inline(&customer, &document).await).await?;
        let Some(offer) = self.offer(ours, Some(&talk.task), OFFERED).await? else { return Ok(()) };
        let instruction = ConferenceInstruction {
            to: "client:rejoin_test_call_other?rejoin=1",
            from: &self.request.from,
            status_callback: &self.config.public("/webhooks/conference"),
            events: EVENTS,
        };
        self.seen.takes_client = match client.connect_offer(&ours.worker, &offer.sid, &instruction).await {
            Ok(()) => Some(true),
            Err(TwilioError::Refused { .. }) => Some(false),
            Err(_) => None,
        };
        patiently(async || client.redirect_call_inline(&customer, KEEPS_THE_LINE).await).await?;
        let over = self.wait(TOLD, async || {
            match patiently(async || client.fetch_task(&offer.task_sid).await).await {
                Err(TwilioError::Gone) => Ok(Some(())),
                Err(error) => Err(error.into()),
                Ok(task) => {
                    Ok(matches!(task.assignment_status.as_str(), "canceled" | "completed").then_some(()))
                }
            }
        });
        self.seen.redirect_ends_task = Some(over.await?.is_some());
        Ok(())
    }

    /// Ends and deletes what this run has created. It is tried in any case.
    pub(super) async fn clean_up(&mut self) {
        if let Some(customer) = self.customer.take() {
            let _ = account::end_call(self.client, &customer).await;
        }
        if !self.has_begun {
            return;
        }
        match account::remove(self.client, Some(&self.name)).await {
            Ok(0) => {}
            Ok(removed) => self.ok("call-removed", format!("all {removed} things that were created are deleted")),
            Err(error) => self.add(Finding::failed(
                "call-removed",
                format!("what was created could not be deleted: {error}"),
                "a worker that takes no calls, a queue and a workflow named \"Rejoin test call\" stay in TaskRouter",
                "run it again: it deletes them first; or delete them in the console",
            )),
        }
    }
}

/// Keeps a leg on the line for a moment.
const KEEPS_THE_LINE: &str = "<Response><Pause length=\"30\"/></Response>";

/// The conference and the agent's leg that a task names.
fn named(attributes: &str) -> Option<(ConferenceSid, CallSid)> {
    let attributes: Value = serde_json::from_str(attributes).ok()?;
    let text = |pointer: &str| attributes.pointer(pointer).and_then(Value::as_str);
    let conference = ConferenceSid::parse(text("/conference/sid")?).ok()?;
    Some((conference, CallSid::parse(text("/conference/participants/worker")?).ok()?))
}

/// The time since then, as it is shown.
fn seconds(since: Instant) -> String {
    tenths(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn tenths(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// This machine's clock, which is also the server's.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
