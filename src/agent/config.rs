//! The account's configuration. It was written by hand, so each mistake is reported; only a missing server is fatal.

use crate::value::{Value, cut, joined};
use rejoin_protocol::Millis;

/// Settings of the machine. Durations are in milliseconds. [`KEYS`] has names and ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Base URL of the server in use, without a slash at its end. Twilio sends the conference's events there.
    pub server: String,
    /// All servers after [`Config::read`], `server` the first. They share one database; the page uses one at a time.
    pub servers: Vec<String>,
    /// True when the plugin is enabled.
    pub enabled: bool,
    /// True when the browser asks before a page with a call is left.
    pub leave_prompt: bool,
    /// True when calls that come back to this agent are accepted unasked.
    pub auto_accept: bool,
    /// True when Twilio is to try a callback again that failed, by [connection overrides](rejoin_protocol::overrides::CALLBACKS).
    pub retry_callbacks: bool,
    /// True when a leg may be left standing over a reload. The server must allow it, too.
    pub in_place: bool,
    /// True when a user who may look at the console gets a link to it.
    pub console_link: bool,
    /// Where drafts and unsent messages of conversations are kept.
    pub drafts: Place,
    /// True when a message that could not be sent is sent again.
    pub resend_messages: bool,
    /// How long Flex waits for the plugin before the agent leaves a call.
    pub leave_within: Millis,
    /// How long a dialog may wait for news from the server before it says so.
    pub silence: Millis,
    /// How long the customer's way through the queue may take when the server gives no time.
    pub queue_within: Millis,
    /// How long "Reconnected" is shown.
    pub rejoined_for: Millis,
    /// How long the hello waits for the conference of a found reservation.
    pub look_for: Millis,
    /// How long joining a conference again may take.
    pub join_within: Millis,
    /// How long a call may be unprotected before the agent is told.
    pub unprotected_after: Millis,
    /// Minimum time between two hellos.
    pub hello_every: Millis,
    /// Delay before the first retry of a failed request; it doubles.
    pub first_retry: Millis,
    /// Maximum delay between retries.
    pub longest_retry: Millis,
    /// How long a mark is worth delivering: later the call has gone its way without it.
    pub keep_marks_for: Millis,
    /// How long the registration of a call is worth delivering once its reservation is over: the customer may be alone, and unknown to
    /// the server. Until then it always is.
    pub keep_for: Millis,
    /// Delay before the first poll by hello while the push channel is down; it doubles.
    pub first_poll: Millis,
    /// Maximum delay between those polls.
    pub longest_poll: Millis,
    /// The same while the agent has conversations. A server that has not heard of a page for 15 s may take the page for gone.
    pub chat_poll: Millis,
    /// How long a call waits for a browser that does not report whether there is a microphone.
    pub microphone_within: Millis,
    /// How often the plugin tries to accept a reservation of its own.
    pub accept_attempts: u32,
}

/// Where the browser keeps what an agent has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Off,
    /// In the tab: it survives a reload, and is gone when the tab is closed.
    Tab,
    /// In the browser: it also survives a crash and a closed tab.
    Browser,
}

impl Place {
    const ALL: [Self; 3] = [Self::Off, Self::Tab, Self::Browser];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Tab => "tab",
            Self::Browser => "browser",
        }
    }
}

/// A setting of an account.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Kind,
}

/// The kind of a value, and the field that it sets.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A base URL: https, or http on the same machine.
    Address(fn(&mut Config) -> &mut String),
    /// A list of base URLs, or one.
    Addresses(fn(&mut Config) -> &mut Vec<String>),
    /// `true` or `false`.
    Switch(fn(&mut Config) -> &mut bool),
    /// `off`, `tab` or `browser`.
    Place(fn(&mut Config) -> &mut Place),
    /// Whole milliseconds, from the first number to the second.
    Duration(fn(&mut Config) -> &mut Millis, u32, u32),
}

/// All settings.
pub static KEYS: [Key; 18] = [
    Key { name: "server", kind: Kind::Address(|config| &mut config.server) },
    Key { name: "servers", kind: Kind::Addresses(|config| &mut config.servers) },
    Key { name: "enabled", kind: Kind::Switch(|config| &mut config.enabled) },
    Key { name: "leavePrompt", kind: Kind::Switch(|config| &mut config.leave_prompt) },
    Key { name: "autoAccept", kind: Kind::Switch(|config| &mut config.auto_accept) },
    Key { name: "retryCallbacks", kind: Kind::Switch(|config| &mut config.retry_callbacks) },
    Key { name: "inPlace", kind: Kind::Switch(|config| &mut config.in_place) },
    Key { name: "consoleLink", kind: Kind::Switch(|config| &mut config.console_link) },
    Key { name: "drafts", kind: Kind::Place(|config| &mut config.drafts) },
    Key { name: "resendMessages", kind: Kind::Switch(|config| &mut config.resend_messages) },
    Key { name: "leaveWithinMs", kind: Kind::Duration(|config| &mut config.leave_within, 200, 1_500) },
    Key { name: "silenceMs", kind: Kind::Duration(|config| &mut config.silence, 2_000, 60_000) },
    Key { name: "queueWithinMs", kind: Kind::Duration(|config| &mut config.queue_within, 5_000, 120_000) },
    Key { name: "rejoinedForMs", kind: Kind::Duration(|config| &mut config.rejoined_for, 0, 10_000) },
    Key { name: "lookForMs", kind: Kind::Duration(|config| &mut config.look_for, 0, 5_000) },
    Key { name: "joinWithinMs", kind: Kind::Duration(|config| &mut config.join_within, 1_000, 30_000) },
    Key {
        name: "unprotectedAfterMs",
        kind: Kind::Duration(|config| &mut config.unprotected_after, 1_000, 300_000),
    },
    Key { name: "longestRetryMs", kind: Kind::Duration(|config| &mut config.longest_retry, 1_000, 300_000) },
];

/// Where a server takes the events of a conference.
const CALLBACK: &str = "/webhooks/conference";

/// Supported versions of Flex UI, in the syntax of package.json.
pub const FLEX_UI: &str = ">=2.0.0 <3";

/// True when this version of Flex UI, such as `2.17.1`, is supported.
pub(super) fn is_supported(version: &str) -> bool {
    version.starts_with("2.")
}

/// Worker attributes that name the worker's team: the ones that Flex Insights reads
/// (<https://www.twilio.com/docs/flex/developer/insights/enhance-integration>).
pub const TEAM_ATTRIBUTES: [&str; 2] = ["team_name", "team_id"];

/// A mistake in the configuration. The setting is ignored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The setting, such as `rejoin.teams.Sales.silenceMs`.
    pub path: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The setting does not exist.
    Unknown,
    /// It must be an address.
    NoAddress,
    /// It must be `true` or `false`.
    NoSwitch,
    /// It must be `off`, `tab` or `browser`.
    NoPlace,
    /// It must be a number within these two.
    NoDuration(u32, u32),
    /// It must be an object.
    NoGroup,
}

impl Mistake {
    /// The console's text. (Formatting would be more code.)
    pub fn text(&self) -> String {
        let range;
        let wrong = match self.wrong {
            Wrong::Unknown => "is not a setting",
            Wrong::NoAddress => "must be an https address (http only for localhost)",
            Wrong::NoSwitch => "must be true or false",
            Wrong::NoPlace => "must be \"off\", \"tab\" or \"browser\"",
            Wrong::NoDuration(least, most) => {
                let (least, most) = (least.to_string(), most.to_string());
                range = joined(&["must be a whole number from ", &least, " to ", &most, ", in milliseconds"]);
                &range
            }
            Wrong::NoGroup => "must be an object",
        };
        joined(&[&self.path, " ", wrong, "; it is ignored."])
    }
}

/// The source of a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// The account's Flex configuration.
    Account,
    /// An entry of its `teams`.
    Team,
    /// The worker's attributes.
    Worker,
}

/// Why the plugin is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It is switched off.
    SwitchedOff,
    /// There is no usable address of a server.
    NoServer,
}

impl Idle {
    /// The console's text.
    pub fn text(self) -> &'static str {
        match self {
            Self::SwitchedOff => "switched off for this worker by rejoin.enabled",
            Self::NoServer => "rejoin.server is missing in ui_attributes.custom_data",
        }
    }
}

impl Config {
    /// The defaults, with this server.
    pub fn new(server: &str) -> Self {
        let server = base(server);
        Self {
            servers: Vec::from_iter((!server.is_empty()).then(|| server.clone())),
            server,
            enabled: true,
            leave_prompt: true,
            auto_accept: true,
            retry_callbacks: true,
            in_place: true,
            console_link: true,
            drafts: Place::Browser,
            resend_messages: true,
            leave_within: Millis(1_500),
            silence: Millis::seconds(10),
            queue_within: Millis::seconds(20),
            rejoined_for: Millis(1_500),
            look_for: Millis(3_000),
            join_within: Millis::seconds(6),
            unprotected_after: Millis::seconds(15),
            hello_every: Millis::seconds(1),
            first_retry: Millis::seconds(1),
            longest_retry: Millis::seconds(30),
            keep_marks_for: Millis::seconds(120),
            keep_for: Millis::seconds(900),
            first_poll: Millis::seconds(5),
            longest_poll: Millis::seconds(60),
            chat_poll: Millis::seconds(10),
            microphone_within: Millis::seconds(2),
            accept_attempts: 3,
        }
    }

    /// Reads the configuration: defaults, over them the account's `rejoin`, its `teams`, and `rejoin` of the worker's
    /// attributes. The worker's layer cannot name the server: the page sends the agent's Flex token there, and more
    /// people may write worker attributes than the account's configuration.
    pub fn read(account: &Value, worker: &Value) -> (Self, Vec<Mistake>) {
        let mut config = Self::new("");
        let mut mistakes = Vec::new();
        config.take("rejoin", account, Layer::Account, &mut mistakes);
        if let Value::Object(teams) = account.get("teams") {
            // All teams are checked, so that whoever tries a configuration hears of every mistake, not only of their
            // own team's.
            for (team, layer) in teams.iter() {
                Self::new("").take(&joined(&["rejoin.teams.", team]), layer, Layer::Team, &mut mistakes);
            }
        }
        for attribute in TEAM_ATTRIBUTES {
            if let Value::Text(team) = worker.get(attribute) {
                config.take("", account.get("teams").get(team), Layer::Team, &mut Vec::new());
            }
        }
        config.take("worker attribute rejoin", worker.get("rejoin"), Layer::Worker, &mut mistakes);
        config.list_servers();
        (config, mistakes)
    }

    /// Makes `servers` the whole list, each server once: the first one is `server`.
    fn list_servers(&mut self) {
        let mut all = Vec::new();
        for url in std::iter::once(&self.server).chain(&self.servers) {
            if !url.is_empty() && !all.contains(url) {
                all.push(url.clone());
            }
        }
        if let Some(first) = all.first() {
            self.server.clone_from(first);
        }
        self.servers = all;
    }

    /// Why the plugin can or should do nothing, if so.
    pub fn idle(&self) -> Option<Idle> {
        match self {
            Self { enabled: false, .. } => Some(Idle::SwitchedOff),
            Self { server, .. } if server.is_empty() => Some(Idle::NoServer),
            Self { .. } => None,
        }
    }

    fn take(&mut self, path: &str, layer: &Value, of: Layer, mistakes: &mut Vec<Mistake>) {
        let mut complain = |path: String, wrong| mistakes.push(Mistake { path, wrong });
        let entries = match layer {
            Value::Object(entries) => entries,
            Value::Nothing => return,
            _ => return complain(path.to_owned(), Wrong::NoGroup),
        };
        // A team's own server is not one of the account's others, which may have another database.
        if of == Layer::Team && entries.iter().any(|(name, _)| name == "server") {
            self.servers.clear();
        }
        for (name, value) in entries.iter() {
            let wrong = match KEYS.iter().find(|key| key.name == name) {
                Some(Key { kind: Kind::Address(_) | Kind::Addresses(_), .. }) if of == Layer::Worker => {
                    Some(Wrong::Unknown)
                }
                // A wrong entry costs the others nothing.
                Some(Key { kind: Kind::Addresses(place), .. }) => {
                    let one = std::slice::from_ref(value);
                    let entries = match value {
                        Value::List(entries) => entries,
                        Value::Nothing => &[][..],
                        _ => one,
                    };
                    place(self).clear();
                    for (at, entry) in entries.iter().enumerate() {
                        match entry {
                            Value::Text(text) if is_address(text) => place(self).push(base(text)),
                            _ => {
                                let number = (at + 1).to_string();
                                complain(joined(&[path, ".", name, ".", &number]), Wrong::NoAddress);
                            }
                        }
                    }
                    None
                }
                Some(key) => self.set(key.kind, value),
                None if of == Layer::Account && name == "teams" => match value {
                    Value::Object(_) | Value::Nothing => None,
                    _ => Some(Wrong::NoGroup),
                },
                None => Some(Wrong::Unknown),
            };
            if let Some(wrong) = wrong {
                complain(joined(&[path, ".", name]), wrong);
            }
        }
    }

    /// `null` counts as absent.
    fn set(&mut self, kind: Kind, value: &Value) -> Option<Wrong> {
        match (kind, value) {
            (_, Value::Nothing) => {}
            (Kind::Address(place), Value::Text(text)) if is_address(text) => {
                *place(self) = base(text);
            }
            (Kind::Address(_) | Kind::Addresses(_), _) => return Some(Wrong::NoAddress),
            (Kind::Switch(place), Value::Flag(on)) => *place(self) = *on,
            (Kind::Switch(_), _) => return Some(Wrong::NoSwitch),
            (Kind::Place(place), value) => {
                let named = |it: &Place| matches!(value, Value::Text(text) if text == it.name());
                let Some(found) = Place::ALL.into_iter().find(named) else { return Some(Wrong::NoPlace) };
                *place(self) = found;
            }
            (Kind::Duration(place, least, most), Value::Number(number))
                if *number >= f64::from(least) && *number <= f64::from(most) && number.fract() == 0.0 =>
            {
                *place(self) = Millis(*number as u64);
            }
            (Kind::Duration(_, least, most), _) => return Some(Wrong::NoDuration(least, most)),
        }
        None
    }

    /// The current values of [`KEYS`].
    pub fn tell(&self) -> Value {
        let mut config = self.clone();
        let entries = KEYS.iter().map(|key| {
            let value = match key.kind {
                Kind::Address(place) => Value::Text(place(&mut config).clone()),
                Kind::Addresses(place) => {
                    Value::List(place(&mut config).iter().map(|url| url.as_str().into()).collect())
                }
                Kind::Switch(place) => Value::Flag(*place(&mut config)),
                Kind::Place(place) => place(&mut config).name().into(),
                Kind::Duration(place, ..) => Value::Number(place(&mut config).0 as f64),
            };
            (key.name.to_owned(), value)
        });
        Value::Object(entries.collect())
    }

    /// True when this is the address for a conference's events at any of the servers.
    pub(super) fn is_callback(&self, url: &str) -> bool {
        let mut servers = self.servers.iter().chain([&self.server]);
        servers.any(|server| url.strip_prefix(server.as_str()).is_some_and(|path| path.starts_with(CALLBACK)))
    }

    /// The address for the events of a conference, at the server in use.
    pub fn conference_callback(&self) -> String {
        joined(&[&self.server, CALLBACK])
    }

    /// The delay before a request is retried that has failed this many times.
    pub fn retry_after(&self, failures: u32) -> Millis {
        let doubled = self.first_retry.0.saturating_mul(1 << failures.saturating_sub(1).min(16));
        Millis(doubled.min(self.longest_retry.0))
    }
}

/// A base URL without slashes at its end.
fn base(mut url: &str) -> String {
    while let Some(shorter) = url.strip_suffix('/') {
        url = shorter;
    }
    url.to_owned()
}

/// True for a usable base URL. Twilio and browsers send call data there: without TLS only within one machine.
fn is_address(text: &str) -> bool {
    let (open, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return false,
    };
    let authority = cut(rest, b'/').map_or(rest, |(authority, _)| authority);
    // An IPv6 address has colons of its own, in brackets.
    let (host, port) = match authority.bytes().rposition(|byte| byte == b':') {
        Some(at) if !authority.ends_with(']') => (authority.get(..at), authority.get(at + 1..)),
        _ => (Some(authority), None),
    };
    let host = host.unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#@\\<>\"'`{}|^".contains(&byte);
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost");
    rest.bytes().all(plain)
        && !host.is_empty()
        && port.is_none_or(|port| port.parse::<u64>().is_ok_and(|port| port <= 65_535))
        && (local || !open)
}
