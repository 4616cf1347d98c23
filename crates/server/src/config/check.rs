//! Checks of settings that can be read, and what the findings mean.

use super::{Config, address};
use crate::store::hosts::{Hosts, Unusable};
use rejoin_protocol::overrides::Overrides;
use secrecy::ExposeSecret as _;

/// Minimum length of an operator token and of a monitor's key, in characters: that of 16 random bytes in hexadecimal.
pub(crate) const OPERATOR_TOKEN: usize = 32;

/// A finding about the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The environment variable.
    pub name: &'static str,
    /// True when the server does not start with it.
    pub fatal: bool,
    /// What is wrong, and what it means or what is expected.
    pub why: &'static str,
}

impl Config {
    /// All errors and doubts.
    pub fn findings(&self) -> Vec<Finding> {
        let mut all = vec![];
        let mut say = |fatal, name, when: bool, why| {
            if when {
                all.push(Finding { name, fatal, why });
            }
        };
        let url = "an address such as https://rejoin.example.com is wanted, without query and fragment";
        say(true, "REJOIN_PUBLIC_URL", address(&self.public_url).is_none(), url);
        let mut others = self.other_public_urls.iter().filter(|url| !url.trim().is_empty());
        say(true, "REJOIN_OTHER_PUBLIC_URLS", others.any(|url| address(url).is_none()), url);
        let wrong = self.fallback_url.as_ref().is_some_and(|url| address(url).is_none());
        say(true, "REJOIN_FALLBACK_URL", wrong, url);
        let same = self.fallback_url.as_deref().and_then(address).is_some_and(|fallback| {
            let own = std::iter::once(&self.public_url).chain(&self.other_public_urls);
            own.filter_map(|url| address(url)).any(|url| url == fallback)
        });
        let why = "an address of this server: it is to answer when this server does not, so it has to be another host";
        say(true, "REJOIN_FALLBACK_URL", same, why);
        let lonely = self.fallback_url.is_none()
            && (self.fallback_workflow.is_some() || !self.fallback_attributes.is_empty());
        let why = "not set, and REJOIN_FALLBACK_WORKFLOW_SID or REJOIN_FALLBACK_ATTRIBUTES is: no address leads to a fallback";
        say(false, "REJOIN_FALLBACK_URL", lonely, why);
        let absolute = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let why = "an address such as https://example.com/after-call is wanted";
        say(true, "REJOIN_ENDED_URL", self.ended_url.as_ref().is_some_and(|url| !absolute(url)), why);
        let why = "a part of it does not exist or is out of range, so that Twilio would ignore it: parts with & between them are \
                   wanted, of ct=100..10000, rt=100..15000, tt=100..15000 (milliseconds), rc=0..5, rp= with all, or 4xx, 5xx, \
                   ct, rt and commas, e= with Twilio's edges, sni=y or n; empty for none";
        let wrong = |text: &str| !text.is_empty() && Overrides::parse(text).is_err();
        say(true, "REJOIN_TWIML_OVERRIDES", wrong(&self.twiml_overrides), why);
        say(true, "REJOIN_CALLBACK_OVERRIDES", wrong(&self.callback_overrides), why);
        let why = "list the origins that Flex is loaded from; any origin at all is not safe";
        say(
            true,
            "REJOIN_ALLOWED_ORIGINS",
            self.allowed_origins.iter().any(|origin| origin.trim() == "*"),
            why,
        );
        let database = &self.storage.database_url;
        let is_file = database.starts_with("sqlite:") && !database.contains(":memory:");
        let is_shared = ["postgres://", "postgresql://"].iter().any(|begin| database.starts_with(begin));
        let why = "sqlite: and the path of a file is wanted, or postgres://user@host/name";
        say(true, "DATABASE_URL", !is_file && !is_shared, why);
        let hosts = Hosts::of(database);
        let why =
            "not usable: postgres://user@host/name is wanted, or several hosts with commas between them";
        say(true, "DATABASE_URL", is_shared && hosts == Err(Unusable::NotOne), why);
        let why = "target_session_attrs has to be read-write: the server has to write";
        say(true, "DATABASE_URL", is_shared && hosts == Err(Unusable::ReadOnly), why);
        let why = "a remote PostgreSQL without verified TLS: who is on the way can read calls, change them, and pass for the \
                   database; use sslmode=verify-full with sslrootcert";
        say(false, "DATABASE_URL", hosts.is_ok_and(|hosts| !hosts.are_verified()), why);

        let why = "REJOIN_TLS_CERTIFICATE and this belong together: set both or neither";
        say(true, "REJOIN_TLS_KEY", self.tls.certificate.is_some() != self.tls.key.is_some(), why);

        let short = |token: &secrecy::SecretString| token.expose_secret().chars().count() < OPERATOR_TOKEN;
        let why = "shorter than 32 characters, so it can be guessed: `openssl rand -hex 32` makes a good one";
        say(true, "REJOIN_OPERATOR_TOKEN", self.operator_token.as_ref().is_some_and(short), why);
        let previous = self.previous_operator_token.as_ref();
        say(true, "REJOIN_OPERATOR_TOKEN_PREVIOUS", previous.is_some_and(short), why);
        let why = "set without REJOIN_OPERATOR_TOKEN: set that one to the new token, or, after the rotation, unset this one";
        say(true, "REJOIN_OPERATOR_TOKEN_PREVIOUS", previous.is_some() && self.operator_token.is_none(), why);
        let why = "shorter than 32 characters, so it can be guessed: `openssl rand -hex 32` makes a good one";
        say(true, "REJOIN_MONITOR_KEY", self.monitoring.monitor_key.as_ref().is_some_and(short), why);
        let same = self.operator_listen.is_some_and(|address| address == self.listen && address.port() != 0);
        let why = "the same as REJOIN_LISTEN: give operators an address of their own, or unset it";
        say(true, "REJOIN_OPERATOR_LISTEN", same, why);

        let here = |url: &str| {
            ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|h| url.starts_with(h))
        };
        let why = "not encrypted: webhooks and the agents' tokens can be read on their way; use https";
        say(
            false,
            "REJOIN_PUBLIC_URL",
            self.public_url.starts_with("http://") && !here(&self.public_url),
            why,
        );
        let why = "not Twilio itself: no call of a real account is kept";
        say(false, "TWILIO_API_BASE", !self.twilio_base.is_empty(), why);
        let why = "not set: no operator can use the console or read timelines and metrics";
        say(false, "REJOIN_OPERATOR_TOKEN", self.operator_token.is_none(), why);
        let apart = self.operator_listen.is_none();
        let why = "not set: /operator, /metrics and /health/ready are served where everybody comes; set it, or let the proxy \
                   keep them for those inside";
        say(false, "REJOIN_OPERATOR_LISTEN", apart && !self.listen.ip().is_loopback(), why);
        let open = |ip: std::net::IpAddr| !ip.is_loopback();
        let why = "not an address of this machine alone: what operators read is not encrypted there";
        say(false, "REJOIN_OPERATOR_LISTEN", self.operator_listen.is_some_and(|at| open(at.ip())), why);
        let nameless = self.listen.ip().is_loopback() && !self.limits.names_proxies();
        let why = "not set: the proxy in front is not asked who its clients are, so no limit per address applies; name \
                   the proxy, and let it set X-Forwarded-For";
        say(false, "REJOIN_TRUSTED_PROXIES", nameless && !here(&self.public_url), why);
        let some = self.allowed_numbers.iter().any(|number| !number.is_empty());
        let why = "set: calls whose customer has another number are left alone; unset it in production";
        say(false, "REJOIN_ALLOWED_NUMBERS", some, why);
        let timings = &self.timings;
        let why = "not shorter than REJOIN_PING_TTL_MS: customers go to the next agent before they are told anything";
        say(false, "REJOIN_ANNOUNCE_AFTER_MS", timings.announce_after_ms >= timings.ping_ttl_ms, why);
        let why = "longer than 5 s: for so long the server waits to hear whether the agent left on purpose, and a customer who has lost them \
                   customer hears nothing";
        say(false, "REJOIN_GRACE_MS", timings.grace_ms > 5000, why);
        let why = "shorter than 3 s: hardly any page has loaded by then, so that most customers would go to another agent";
        say(false, "REJOIN_PING_TTL_MS", timings.ping_ttl_ms < 3000, why);
        let why = "shorter than 500 ms: requests that Twilio carries out count as failed, and are looked up and repeated";
        say(false, "REJOIN_TWILIO_TIMEOUT_MS", timings.twilio_timeout_ms < 500, why);
        all
    }
}
