//! Settings of an account, the treatment of mistakes, and the table in docs/plugin.md.

use crate::desk::*;
use rejoin_plugin::boundary::Value;

fn text(text: &str) -> Value {
    text.into()
}

fn rejoin(entries: &[(&str, Value)]) -> Value {
    Value::Object(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn read(account: &[(&str, Value)], worker: &[(&str, Value)]) -> (Config, Vec<String>) {
    let (config, mistakes) = Config::read(&rejoin(account), &rejoin(worker));
    (config, mistakes.iter().map(Mistake::text).collect())
}

#[test]
fn without_configuration_there_are_defaults_and_no_server() {
    for account in [Value::Nothing, rejoin(&[]), rejoin(&[("server", Value::Nothing)])] {
        let (config, mistakes) = Config::read(&account, &Value::Nothing);
        assert_eq!((config.clone(), mistakes), (Config::new(""), vec![]));
        assert_eq!(config.idle(), Some(Idle::NoServer));
    }
}

#[test]
fn settings_of_worker_override_team_account_and_defaults() {
    let account = [
        ("server", text("https://one.example/")),
        ("silenceMs", Value::Number(4000.0)),
        ("inPlace", Value::Flag(false)),
        ("joinWithinMs", Value::Number(2000.0)),
        (
            "teams",
            rejoin(&[
                (
                    "Sales",
                    rejoin(&[("silenceMs", Value::Number(5000.0)), ("joinWithinMs", Value::Number(3000.0))]),
                ),
                ("7", rejoin(&[("joinWithinMs", Value::Number(9000.0))])),
                ("Care", rejoin(&[("server", text("https://two.example"))])),
            ]),
        ),
    ];
    let sales = [
        ("team_name", text("Sales")),
        ("team_id", text("7")),
        ("rejoin", rejoin(&[("silenceMs", Value::Number(6000.0)), ("leavePrompt", Value::Flag(false))])),
    ];
    let (config, mistakes) = read(&account, &sales);
    assert_eq!(mistakes, [""; 0]);
    let expected = Config {
        silence: Millis(6000),
        in_place: false,
        join_within: Millis(9000),
        leave_prompt: false,
        ..Config::new("https://one.example")
    };
    assert_eq!(config, expected);
    let (config, _) = read(&account, &[("team_name", text("Care"))]);
    assert_eq!(config.server, "https://two.example");
    assert_eq!(config.silence, Millis(4000));
}

/// The page sends the agent's Flex token to the server, and more people may write worker attributes than the
/// account's configuration.
#[test]
fn a_worker_attribute_never_names_the_server() {
    let elsewhere = [(
        "rejoin",
        rejoin(&[("server", text("https://elsewhere.example")), ("silenceMs", Value::Number(6000.0))]),
    )];
    let refused = "worker attribute rejoin.server is not a setting; it is ignored.";
    let (config, mistakes) = read(&[("server", text("https://rejoin.example"))], &elsewhere);
    assert_eq!(config.server, "https://rejoin.example");
    assert_eq!(config.silence, Millis(6000), "what else it says counts");
    assert_eq!(mistakes, [refused]);
    let (config, mistakes) = read(&[], &elsewhere);
    assert_eq!(config.idle(), Some(Idle::NoServer), "not even where the account names none");
    assert_eq!(mistakes, [refused]);
}

#[test]
fn each_mistake_is_reported_and_ignored() {
    let account = [
        ("server", text("https://rejoin.example")),
        ("serves", text("https://rejoin.example")),
        ("inPlace", text("no")),
        ("silenceMs", Value::Number(1.0)),
        ("queueWithinMs", Value::Number(6000.5)),
        ("joinWithinMs", text("6000")),
        (
            "teams",
            rejoin(&[("Sales", rejoin(&[("teams", rejoin(&[])), ("autoAccept", Value::Number(0.0))]))]),
        ),
    ];
    let worker = [("rejoin", rejoin(&[("enabled", Value::List(vec![]))])), ("team_name", text("Sales"))];
    let (config, mistakes) = read(&account, &worker);
    assert_eq!(config, Config::new("https://rejoin.example"));
    assert_eq!(
        mistakes,
        [
            "rejoin.serves is not a setting; it is ignored.",
            "rejoin.inPlace must be true or false; it is ignored.",
            "rejoin.silenceMs must be a whole number from 2000 to 60000, in milliseconds; it is ignored.",
            "rejoin.queueWithinMs must be a whole number from 5000 to 120000, in milliseconds; it is ignored.",
            "rejoin.joinWithinMs must be a whole number from 1000 to 30000, in milliseconds; it is ignored.",
            "rejoin.teams.Sales.teams is not a setting; it is ignored.",
            "rejoin.teams.Sales.autoAccept must be true or false; it is ignored.",
            "worker attribute rejoin.enabled must be true or false; it is ignored.",
        ]
    );
    let (_, mistakes) = read(&[("teams", text("Sales"))], &[("rejoin", Value::Flag(true))]);
    assert_eq!(
        mistakes,
        [
            "rejoin.teams must be an object; it is ignored.",
            "worker attribute rejoin must be an object; it is ignored."
        ]
    );
    let (config, mistakes) = Config::read(&text("https://rejoin.example"), &Value::Nothing);
    assert_eq!(mistakes.len(), 1);
    assert_eq!(config.idle(), Some(Idle::NoServer));
}

#[test]
fn a_server_needs_https_or_the_same_machine() {
    for good in [
        "https://rejoin.example.com",
        "https://rejoin.example.com:8443/",
        "https://example.com/a/rejoin",
        "https://192.0.2.7",
        "http://localhost:4181",
        "http://127.0.0.1:4181",
        "http://[::1]:4181",
        "http://[::1]",
        "http://rejoin.localhost",
    ] {
        let (config, mistakes) = read(&[("server", text(good))], &[]);
        assert_eq!((config.server.as_str(), mistakes), (good.trim_end_matches('/'), vec![]));
        assert_eq!(config.idle(), None);
    }
    for bad in [
        "",
        "rejoin.example.com",
        "http://rejoin.example.com",
        "http://localhost.example.com",
        "ftp://localhost",
        "https://",
        "https:///path",
        "https://user@rejoin.example.com",
        "https://rejoin.example.com?a",
        "https://rejoin.example.com/#a",
        "https://rejoin.example.com:99999",
        "https://rejoin.example.com: 443",
        "https://rejoin example.com",
        "javascript:alert(1)",
    ] {
        let (config, mistakes) = read(&[("server", text(bad))], &[]);
        assert_eq!(
            mistakes,
            ["rejoin.server must be an https address (http only for localhost); it is ignored."],
            "{bad:?}"
        );
        assert_eq!(config.idle(), Some(Idle::NoServer));
    }
}

#[test]
fn mistakes_are_logged_once_and_without_a_server_the_plugin_is_idle() {
    let (config, mistakes) = Config::read(&rejoin(&[("weather", Value::Flag(true))]), &Value::Nothing);
    let mut agent = Agent::new(config, 7, vec![]);
    let told = desktop(&agent.configured(mistakes.clone(), "2.17.1"));
    let notice = Complaint::Configuration(mistakes[0].clone());
    assert_eq!(
        told,
        [ToDesktop::Log { notice }, ToDesktop::StandBy { reason: Idle::NoServer, wanted: false }]
    );
    let off = Config { enabled: false, ..Config::new(SERVER) };
    let told = desktop(&Agent::new(off, 7, vec![]).configured(vec![], "2.17.1"));
    assert_eq!(told, [ToDesktop::StandBy { reason: Idle::SwitchedOff, wanted: true }]);
    assert_eq!(Agent::new(Config::new(SERVER), 7, vec![]).configured(vec![], "2.17.1"), []);
}

#[test]
fn without_auto_accept_the_agent_takes_the_call_back_by_hand() {
    let mut desk = Desk::with(Config { auto_accept: false, ..Config::new(SERVER) });
    desk.start(vec![task(1, ReservationStatus::Wrapping)], true);
    desk.greeted(vec![view(Stage::Interrupted)]);
    let effects = desk.task(ping(5));
    assert!(
        desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(5) }),
        "nothing for the agent"
    );
    desk.pushed(Stage::Queued);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    let mut offer = reconnect(6, Some(me()));
    offer.attributes.disconnected_worker_sid = Some(me());
    let effects = desk.task(offer.clone());
    assert_eq!(notify(&effects), [Notice::TakeOverOwn]);
    assert!(!desktop(&effects).contains(&ToDesktop::Accept { reservation: wr(6) }));
    assert_eq!(desk.dialog, None, "the Accept button can be reached");
    offer.status = ReservationStatus::Accepted;
    offer.live_call = true;
    desk.task(offer);
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
}

#[test]
fn with_in_place_off_no_leg_is_left_standing_and_none_is_joined() {
    let mut desk = Desk::with(Config { in_place: false, ..Config::new(SERVER) });
    desk.start(vec![], true);
    desk.greeted(vec![]);
    desk.task(live(200));
    let effects = desk.handle(conference(1, both()));
    let (id, _) = posts(&effects)[0];
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert!(keeps(&effects).is_empty());

    let mut desk = Desk::with(Config { in_place: false, ..Config::new(SERVER) });
    desk.start(vec![task(1, ReservationStatus::Accepted)], true);
    let effects = desk.handle(conference(1, both()));
    let [(_, Request::Hello(hello))] = &posts(&effects)[..] else { panic!("a hello: {effects:?}") };
    assert!(!hello.holdings[0].can_join);
}

#[test]
fn drafts_are_kept_in_one_of_three_places() {
    let read = |value: Value| {
        let (config, mistakes) = Config::read(&rejoin(&[("drafts", value)]), &Value::Nothing);
        (config.drafts, mistakes.len())
    };
    assert_eq!(read(Value::Nothing), (Place::Browser, 0));
    for place in [Place::Off, Place::Tab, Place::Browser] {
        assert_eq!(read(place.name().into()), (place, 0));
    }
    for wrong in [Value::Flag(false), "Tab".into(), "".into(), Value::Number(1.0)] {
        assert_eq!(read(wrong), (Place::Browser, 1));
    }
    let mistake = Mistake { path: "rejoin.drafts".into(), wrong: Wrong::NoPlace };
    assert_eq!(mistake.text(), "rejoin.drafts must be \"off\", \"tab\" or \"browser\"; it is ignored.");
}

#[test]
fn the_table_in_the_docs_is_complete_and_right() {
    let docs = include_str!("../../docs/plugin.md");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `rejoin."));
    let written: Vec<Vec<String>> = rows
        .map(|row| row.split('|').take(3).map(|cell| cell.replace('`', "").trim().to_owned()).collect())
        .collect();
    let mut config = Config::new("");
    let known: Vec<Vec<String>> = KEYS
        .iter()
        .map(|key| {
            let (default, range) = match key.kind {
                Kind::Address(_) => ("none".into(), "address".into()),
                Kind::Addresses(_) => ("none".into(), "addresses".into()),
                Kind::Switch(place) => (place(&mut config).to_string(), "true, false".into()),
                Kind::Place(place) => (place(&mut config).name().into(), "off, tab, browser".into()),
                Kind::Duration(place, least, most) => {
                    (place(&mut config).0.to_string(), format!("{least} to {most}"))
                }
            };
            vec![key.name.to_owned(), default, range]
        })
        .chain([vec!["teams".to_owned(), "none".to_owned(), "see below".to_owned()]])
        .collect();
    assert_eq!(written, known);
    for attribute in TEAM_ATTRIBUTES {
        assert!(docs.contains(&format!("`{attribute}`")), "{attribute}");
    }
}

#[test]
fn an_unsupported_flex_ui_is_reported_once_and_tried() {
    let told = |version| desktop(&Agent::new(Config::new(SERVER), 7, vec![]).configured(vec![], version));
    for known in ["2.0.0", "2.17.1", "2.99.0-beta.1"] {
        assert_eq!(told(known), [], "{known}");
    }
    for other in ["", "1.34.2", "3.0.0", "20.1.0"] {
        assert_eq!(told(other), [ToDesktop::Log { notice: Complaint::FlexUi }], "{other}");
    }
    let package = include_str!("../../package.json");
    assert!(package.contains(&format!(r#""@twilio/flex-ui": "{FLEX_UI}""#)), "package.json says the same");
}
