//! What is wrong with settings that can be read, and what it means.

use super::{Config, address};

/// Something that a reader of the settings should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The environment variable.
    pub name: &'static str,
    /// Does the server not start with it?
    pub fatal: bool,
    /// What is wrong, and what it means or what is wanted.
    pub why: &'static str,
}

impl Config {
    /// Everything that is wrong or doubtful.
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
        let absolute = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let why = "an address such as https://example.com/after-call is wanted";
        say(true, "REJOIN_ENDED_URL", self.ended_url.as_ref().is_some_and(|url| !absolute(url)), why);
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

        let why = "REJOIN_TLS_CERTIFICATE and this belong together: set both or neither";
        say(true, "REJOIN_TLS_KEY", self.tls.certificate.is_some() != self.tls.key.is_some(), why);

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
        let why = "not set: nobody can read timelines and metrics";
        say(false, "REJOIN_OPERATOR_TOKEN", self.operator_token.is_none(), why);
        let some = self.allowed_numbers.iter().any(|number| !number.is_empty());
        let why = "set: calls whose customer has another number are left alone; unset it in production";
        say(false, "REJOIN_ALLOWED_NUMBERS", some, why);
        let timings = &self.timings;
        let why = "not shorter than REJOIN_PING_TTL_MS: customers go to the next agent before they are told anything";
        say(false, "REJOIN_ANNOUNCE_AFTER_MS", timings.announce_after_ms >= timings.ping_ttl_ms, why);
        let why = "longer than 5 s: so long a hang-up by a lost agent's page and one on purpose are not told apart, and the \
                   customer hears nothing";
        say(false, "REJOIN_GRACE_MS", timings.grace_ms > 5000, why);
        let why =
            "shorter than 3 s: most pages are back after 3 s, and their customers would go to somebody else";
        say(false, "REJOIN_PING_TTL_MS", timings.ping_ttl_ms < 3000, why);
        let why = "shorter than 500 ms: requests that Twilio carries out count as failed, and are looked up and repeated";
        say(false, "REJOIN_TWILIO_TIMEOUT_MS", timings.twilio_timeout_ms < 500, why);
        all
    }
}
