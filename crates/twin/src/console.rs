//! What an administrator keeps in Twilio's console beside TaskRouter and Flex: the account, its number, Studio's flows, and the
//! rules of webhooks. It is shown by the REST API, for programs that check an account; calls do not depend on it.

use crate::model::Addresses;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the console shows. Tests change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Console {
    /// The account's `status`: `active`, `suspended` or `closed`.
    pub account_status: String,
    /// The number's `voice_fallback_url`, as it is shown.
    pub voice_fallback_url: Option<String>,
    /// `voice_fallback_url` and `voice_fallback_method` of each number that was updated by REST, by its SID.
    pub fallbacks: BTreeMap<String, (String, String)>,
    /// The TwiML application of each number that has one, by the number's SID.
    pub number_applications: BTreeMap<String, String>,
    /// TwiML applications, in the order of their creation.
    pub applications: Vec<Application>,
    /// How many applications were ever created: no SID is given twice.
    pub applications_made: u128,
    /// Studio's flows.
    pub flows: Vec<StudioFlow>,
    /// The Webhooks configuration API, a public beta; `None`: the account does not have it.
    pub webhooks: Option<WebhookConfiguration>,
}

/// A TwiML application (<https://www.twilio.com/docs/usage/api/applications>): addresses that several numbers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its SID (`AP…`).
    pub sid: String,
    /// Its name.
    pub name: String,
    /// Where the documents of calls are fetched.
    pub addresses: Addresses,
}

/// A flow of Studio.
#[derive(Clone, Debug, PartialEq)]
pub struct StudioFlow {
    /// Its name.
    pub name: String,
    /// Published, or only a draft.
    pub published: bool,
    /// Its definition (<https://www.twilio.com/docs/studio/flow-definition>).
    pub definition: Value,
}

/// Rules and settings (<https://www.twilio.com/docs/usage/webhooks/webhook-configuration>), as they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookConfiguration {
    /// `GET Rules`.
    pub rules: Vec<Value>,
    /// `GET Settings`.
    pub settings: Vec<Value>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            account_status: "active".into(),
            voice_fallback_url: None,
            fallbacks: BTreeMap::new(),
            number_applications: BTreeMap::new(),
            applications: vec![],
            applications_made: 0,
            flows: vec![],
            webhooks: None,
        }
    }
}
