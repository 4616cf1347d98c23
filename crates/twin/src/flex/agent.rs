//! The agents of the demo, as Flex knows them.

use super::token::{self, LIFETIME, TokenClaims};
use rejoin_protocol::{AccountSid, Millis, WorkerSid, WorkspaceSid};

/// An agent who can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Ada.
    Ada,
    /// Bo.
    Bo,
}

impl Agent {
    /// All agents.
    pub const ALL: [Self; 2] = [Self::Ada, Self::Bo];

    /// The agent with this name in a page's address.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.name() == name)
    }

    /// The agent with this worker SID.
    pub fn of(worker: &WorkerSid) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.worker() == *worker)
    }

    /// The name in addresses of pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ada => "ada",
            Self::Bo => "bo",
        }
    }

    /// The full name.
    pub fn full_name(self) -> &'static str {
        match self {
            Self::Ada => "Ada",
            Self::Bo => "Bo",
        }
    }

    /// The worker.
    pub fn worker(self) -> WorkerSid {
        WorkerSid::numbered(match self {
            Self::Ada => 0xada,
            Self::Bo => 0xb0,
        })
    }

    /// The e-mail address, which is also the worker's friendly name.
    pub fn email(self) -> String {
        format!("{}@example.com", self.name())
    }

    /// The e-mail address as the identity of a Voice SDK client.
    pub fn identity(self) -> String {
        format!("{}_40example_2Ecom", self.name())
    }

    /// The Flex user.
    pub fn user(self) -> String {
        format!("FU{}", self.worker().digits())
    }

    /// Flex's roles. Bo is a supervisor.
    pub fn roles(self) -> Vec<String> {
        match self {
            Self::Ada => vec!["agent".into()],
            Self::Bo => vec!["agent".into(), "supervisor".into()],
        }
    }

    /// The claims of a token for this agent.
    pub fn claims(self, account: AccountSid, workspace: WorkspaceSid, now: Millis) -> TokenClaims {
        TokenClaims {
            account,
            workspace,
            worker: self.worker(),
            identity: self.identity(),
            roles: self.roles(),
            expires: Millis::seconds((now + LIFETIME).0 / 1000),
        }
    }

    /// A fresh token.
    pub fn token(self, secret: &str, account: AccountSid, workspace: WorkspaceSid, now: Millis) -> String {
        token::issue(secret, &self.claims(account, workspace, now))
    }
}
