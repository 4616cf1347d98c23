//! Twilio in the world: the twin's model, driven by the queue, and the network around it.

mod asked;
mod asks;

use crate::coming::Coming;
use crate::net::Way;
use crate::page::PageId;
use crate::plan::Plan;
use crate::run::Failures;
use crate::server::SECRET;
use crate::timeline::{Kind, Lane};
use crate::world::World;
pub(crate) use asked::copied;
use rejoin_plugin::agent::PostId;
use rejoin_protocol::{AccountSid, Millis};
use rejoin_twin::facts::Facts;
use rejoin_twin::model::{
    Account, Effect, Event, FetchId, Model, ModelError, Sound, StreamEvent, WorkerSetup, demo_account,
};
use rejoin_twin::rest::Owner;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who waits for an answer of our server.
#[derive(Debug)]
pub(crate) enum Reply {
    /// No receiver: the request was the page's last.
    Nobody,
    /// Twilio, for an attempt to send a callback or to fetch a document, by its number.
    Attempt(u64),
    /// A page.
    Page(PageId, PostId),
    /// Event Streams, which retry.
    Batch(Vec<StreamEvent>, u64),
}

/// A callback or the fetch of a document, which Twilio may send more than once.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// `None`: it is a callback.
    pub(crate) fetch: Option<FetchId>,
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) params: Vec<(String, String)>,
    /// True when the parameters are sent as JSON.
    pub(crate) in_json: bool,
    /// The idempotency token.
    pub(crate) token: u64,
    /// Number of attempts after the first one.
    pub(crate) retries: u32,
    /// When the time for all attempts is over, since the first one.
    pub(crate) end: Option<u64>,
    /// True for a copy that arrives although Twilio has sent it once.
    pub(crate) is_copy: bool,
}

/// The model and its surroundings.
#[derive(Debug)]
pub(crate) struct Twilio {
    pub(crate) model: Model,
    pub(crate) account: Account,
    owner: Owner,
    pub(crate) requests: u64,
    /// Events of the stream that are not delivered yet.
    stream: Vec<StreamEvent>,
    tokens: u64,
    /// Conferences whose callbacks have just arrived, and when, if that is counted.
    just_told: Vec<(u64, String)>,
    pub(crate) failed: Failures,
    /// Number of attempts that have reached a server.
    attempts: u64,
    /// Those that it has not answered yet.
    waiting: BTreeMap<u64, Delivery>,
}

/// How long a phone or Flex hears one round of a looping sound.
const ROUND: u64 = 20_000;
/// How long the tone plays (milliseconds).
const TONE: u64 = 1_000;
const FLOW: &str = "http://flow.example.com/voice";

impl Twilio {
    pub(crate) fn new(plan: &Plan, workers: Vec<WorkerSetup>) -> Result<Self, ModelError> {
        let mut account = demo_account(AccountSid::numbered(1), FLOW.into());
        account.workers = workers;
        let facts = Facts {
            dead_leg_after: Millis(plan.setup.dead_leg),
            dtls_close_ends_leg: plan.setup.dtls_ends,
            second_agent_leg_refused: plan.setup.second_leg_refused,
            redirect_requests_action: plan.setup.redirects_reported,
            ..Facts::default()
        };
        let model = Model::new(facts, account.clone(), 0x1_0000)?;
        let owner = Owner {
            account: account.sid.clone(),
            workspace: account.workspace.clone(),
            auth_token: secrecy::SecretString::from(SECRET),
        };
        Ok(Self {
            model,
            account,
            owner,
            requests: 0,
            stream: vec![],
            tokens: 0,
            just_told: vec![],
            failed: Failures::default(),
            attempts: 0,
            waiting: BTreeMap::new(),
        })
    }
}

impl World {
    /// Something happens at Twilio.
    pub(crate) fn at_twilio(&mut self, event: Event) {
        let answered = if let Event::Answered { call } = &event { Some(call.clone()) } else { None };
        for effect in self.twilio.model.handle(self.wall(), event) {
            self.twilio_does(effect);
        }
        if let Some(leg) = answered {
            self.meets(&leg);
        }
    }

    pub(crate) fn twilio_does(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { .. }
            | Effect::Place { .. }
            | Effect::Mute { .. }
            | Effect::Coach { .. }
            | Effect::Hold { .. }
            | Effect::StopPlaying { .. } => {}
            Effect::Message { call, content, .. } => self.message_sent(call, content),
            Effect::Log(line) => self.note(Lane::Twilio, None, Kind::Does, || line),
            Effect::SetTimer { timer, at } => {
                let after = self.wall().until(at);
                self.put(after.0, Coming::Twilio(Event::Timer(timer)));
            }
            Effect::FetchTwiml { fetch, url, method, params } => self.fetch(fetch, url, method, params),
            Effect::Webhook { url, method, params } => self.webhook(url, method, params),
            Effect::JsonWebhook { url, method, params } => self.json_webhook(url, method, params),
            Effect::Tell { worker, event_type, payload } => {
                let pages: Vec<PageId> = (0..self.pages.len())
                    .filter(|page| {
                        let it = &self.pages[*page];
                        it.alive && it.socket && self.agents[it.agent].worker == worker
                    })
                    .collect();
                let payload = Arc::new(payload);
                for page in pages {
                    let mut chance = self.chance(Way::Bridge, 100_000 + page);
                    let after = Self::latency(&mut chance);
                    let at = (self.now + after).max(self.told_at.get(&page).copied().unwrap_or_default());
                    self.told_at.insert(page, at);
                    self.put_at(at, Coming::Tell(page, event_type.clone(), Arc::clone(&payload)));
                }
            }
            // Nobody has a chat open.
            Effect::Sync(_) => {}
            Effect::Stream(event) => {
                if self.plan.setup.streams {
                    if self.twilio.stream.is_empty() {
                        self.put(300, Coming::CollectBatch);
                    }
                    self.twilio.stream.push(event);
                }
            }
            Effect::Ring { call, worker, .. } => {
                let phone = self.agents.iter().find(|agent| agent.worker == worker);
                let phone = phone.and_then(|agent| agent.phones.last().copied());
                let mut chance = self.chance(Way::Phone, 200_000);
                let after = Self::latency(&mut chance);
                match phone {
                    Some(page) => self.put(after, Coming::Invite(page, call)),
                    None => self.put(after, Coming::Twilio(Event::NotAnswered { call })),
                }
            }
            Effect::Dial { call, to, .. } => self.dialled(call, &to),
            Effect::Drop { call } => self.dropped(&call),
            Effect::Play { play, what, to } => {
                self.plays(&to, &what);
                let takes = match what {
                    Sound::Say(text) => 1_000 + 50 * text.len() as u64,
                    Sound::Url(url) if url.contains("/tone.wav") => TONE,
                    Sound::Url(_) => ROUND,
                    Sound::Silence(time) => time.0,
                };
                self.put(takes, Coming::Twilio(Event::Played { play }));
            }
        }
    }
}
