//! How the twin is run.

use crate::facts::Facts;
use crate::latency::Latency;
use crate::model::{Account, LineSetup, demo_account};
use rejoin_protocol::AccountSid;
use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf};

/// How the twin is run.
#[derive(Clone, Debug)]
pub struct TwinConfig {
    /// Address that it serves HTTP on. Media uses the same IP address and a port that the system picks.
    pub listen: SocketAddr,
    /// How browsers and the server reach it, without a slash at the end.
    pub public_url: String,
    /// The rejoin server, without a slash at the end; `None`: pages work, nobody recovers anything.
    pub server_url: Option<String>,
    /// The account's auth token: signs webhooks, checks REST requests.
    pub auth_token: SecretString,
    /// For the server's timeline.
    pub operator_token: Option<SecretString>,
    /// Directory with `flex-host.js`.
    pub flex_host: Option<PathBuf>,
    /// The plugin's bundle.
    pub plugin: Option<PathBuf>,
    /// Scripts of other plugins, which Flex loads after it under the names of their files.
    pub extra_plugins: Vec<PathBuf>,
    /// One way, REST and webhooks.
    pub latency: Latency,
    /// The demo account.
    pub account: AccountSid,
    /// Numbers of the account besides the one that customers dial.
    pub lines: Vec<LineSetup>,
    /// The account is one that nobody has set up for Rejoin.
    pub bare: bool,
    /// What is assumed about Twilio.
    pub facts: Facts,
    /// Every SID is this number plus a counter. Not 0 when the rejoin server's store outlives the twin: it would
    /// take a new call for one it knows.
    pub first_number: u128,
}

impl TwinConfig {
    /// A twin at this address with this auth token: the demo account, without latency, server or pages.
    pub fn at(listen: SocketAddr, auth_token: impl Into<SecretString>) -> Self {
        Self {
            listen,
            public_url: format!("http://{listen}"),
            server_url: None,
            auth_token: auth_token.into(),
            operator_token: None,
            flex_host: None,
            plugin: None,
            extra_plugins: vec![],
            latency: Latency::default(),
            account: AccountSid::numbered(1),
            lines: vec![],
            bare: false,
            facts: Facts::default(),
            first_number: 0,
        }
    }

    /// The account that this twin serves.
    pub(crate) fn demo_account(&self) -> Account {
        let account = demo_account(self.account.clone(), format!("{}/demo/voice", self.public_url));
        let account = Account { lines: self.lines.clone(), ..account };
        if self.bare { account.bare() } else { account }
    }
}
