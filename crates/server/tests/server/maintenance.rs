//! What operators do to a running server: health checks, backups, new keys.

use crate::crash::Process;
use crate::database::Database;
use crate::support::*;
use rejoin_server::{Config, Server};
use rejoin_twilio::signature;
use serde_json::json;
use sqlx::Row as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs the program beside a server, without its settings.
fn rejoin(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    program.args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_needs_nothing_but_the_program() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&twilio, folder.path());
    let at = process.desk.address.strip_prefix("http://").unwrap().to_owned();
    let listen = [("REJOIN_LISTEN", at.as_str())];
    let live = rejoin(&["health"], &listen);
    assert!(live.status.success(), "{}", said(&live));
    let ready = rejoin(&["health", "--ready"], &listen);
    assert!(
        ready.status.success() && said(&ready).contains("\"database\":{\"ok\":true}"),
        "{}",
        said(&ready)
    );
    process.kill();
    let dead = rejoin(&["health"], &listen);
    assert!(!dead.status.success());
    assert!(said(&dead).contains("does not answer"), "{}", said(&dead));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_finds_an_encrypted_server_and_one_that_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate", "key"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(vec!["rejoin.example.com".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let world = World::start_with(|config| {
        config.tls.certificate = Some(certificate.clone());
        config.tls.key = Some(key.clone());
        config.twilio_base = "http://127.0.0.1:1".into();
    })
    .await;
    let at = world.server.as_ref().unwrap().address().to_string();
    let settings =
        [("REJOIN_LISTEN", at.as_str()), ("REJOIN_TLS_CERTIFICATE", certificate.to_str().unwrap())];
    let asked = |arguments: &'static [&str]| {
        let settings = settings.map(|(name, value)| (name, value.to_owned()));
        tokio::task::spawn_blocking(move || {
            rejoin(arguments, &settings.each_ref().map(|(name, value)| (*name, value.as_str())))
        })
    };
    let live = asked(&["health"]).await.unwrap();
    assert!(live.status.success(), "{}", said(&live));
    let ready = asked(&["health", "--ready"]).await.unwrap();
    assert!(!ready.status.success() && said(&ready).contains("Twilio does not answer"), "{}", said(&ready));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_new_file_for_this_user_alone() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&twilio, folder.path());
    process.desk.lost().await;
    let url = format!("sqlite:{}", folder.path().join("rejoin.db").display());
    let copy = folder.path().join("copy");
    let backup =
        |url: &str, copy: &Path| rejoin(&["backup", copy.to_str().unwrap()], &[("DATABASE_URL", url)]);
    // What a run that was cut off has left.
    std::fs::write(folder.path().join("copy.part"), "half").unwrap();
    let made = backup(&url, &copy);
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path().join("copy.part").exists());

    let content = std::fs::read(&copy).unwrap();
    let again = backup(&url, &copy);
    assert!(!again.status.success() && said(&again).contains("name a new file"), "{}", said(&again));
    assert!(std::fs::read(&copy).unwrap() == content, "an earlier backup is not overwritten");

    let nowhere = backup(&url, &folder.path().join("no/copy"));
    assert!(!nowhere.status.success() && said(&nowhere).contains("cannot be written"), "{}", said(&nowhere));
    let missing = backup(&format!("{url}.not"), &folder.path().join("other"));
    assert!(!missing.status.success() && !folder.path().join("other").exists(), "{}", said(&missing));
    let shared = backup("postgres://rejoin@127.0.0.1/rejoin", &folder.path().join("other"));
    assert!(!shared.status.success() && said(&shared).contains("pg_dump"), "{}", said(&shared));
    // The server has noticed nothing.
    process.desk.hello(2).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
}

/// A server with an open recovery, and a folder with a backup of its database.
async fn backed_up() -> (World, tempfile::TempDir, PathBuf) {
    let world = World::start().await;
    world.desk.lost().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("rejoin.db");
    let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    assert!(rejoin(&["backup", copy.to_str().unwrap()], &[("DATABASE_URL", &url)]).status.success());
    (world, folder, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_twilio_a_restored_database_stays_as_it_is() {
    let (world, folder, copy) = backed_up().await;
    let mut arguments = arguments(&world.twilio, folder.path());
    let base = arguments.iter().position(|argument| argument == "--twilio-api-base").unwrap();
    arguments[base + 1] = "http://127.0.0.1:1".into();
    let restored: Vec<&str> = ["restored"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let refused = rejoin(&restored, &[]);
    assert!(!refused.status.success(), "{}", said(&refused));
    sqlx::any::install_default_drivers();
    let beside = sqlx::AnyPool::connect(&format!("sqlite:{}", copy.display())).await.unwrap();
    for (count, wanted) in
        [("select count(*) from calls", 1), ("select count(*) from timers where timer = 'missed'", 0)]
    {
        assert_eq!(sqlx::query(count).fetch_one(&beside).await.unwrap().get::<i64, _>(0), wanted, "{count}");
    }
    beside.close().await;
}

/// In another account Twilio knows none of the calls, and all of them would count as over.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_account_is_refused() {
    let (world, folder, copy) = backed_up().await;
    let mut arguments = arguments(&world.twilio, folder.path());
    let account = arguments.iter().position(|argument| argument == "--twilio-account-sid").unwrap();
    arguments[account + 1] = rejoin_protocol::AccountSid::numbered(2).to_string();
    sqlx::any::install_default_drivers();
    let calls = async || {
        let beside = sqlx::AnyPool::connect(&format!("sqlite:{}", copy.display())).await.unwrap();
        let rows = sqlx::query("select state from calls").fetch_all(&beside).await.unwrap();
        beside.close().await;
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>()
    };
    let before = calls().await;
    for command in ["serve", "restored"] {
        let refused = [command].into_iter().chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>();
        let refused = rejoin(&refused, &[]);
        let said = said(&refused);
        assert!(!refused.status.success() && said.contains("TWILIO_ACCOUNT_SID is AC"), "{command}: {said}");
    }
    assert_eq!((calls().await, before.len()), (before, 1));
}

/// `rejoin restored` on this database, not started yet. Twilio may take its time.
fn restored_on(twilio: &Twilio, database: &Database) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    let mut arguments = arguments_on(twilio, &database.url);
    let timeout = arguments.iter().position(|argument| argument == "--twilio-timeout-ms").unwrap();
    arguments[timeout + 1] = "60000".into();
    program.arg("restored").args(arguments).env_clear();
    program
}

/// A server on this database, with a lost call whose customer is still in the conference.
async fn serving(twilio: &Twilio, database: &Database) -> Process {
    let list = format!("GET Conferences/{}/Participants.json", conference());
    let call = format!("GET Calls/{}.json", customer());
    twilio.script(move |asked, _| match asked.what.as_str() {
        what if what == list => {
            let customer = json!({"call_sid": customer(), "hold": false, "muted": false, "coaching": false,
                                  "end_conference_on_exit": false});
            Some((200, vec![], json!({"participants": [customer]})))
        }
        what if what == call => Some((200, vec![], json!({"sid": customer(), "status": "in-progress"}))),
        _ => None,
    });
    let server = Process::on(twilio, &database.url);
    server.desk.lost().await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_servers_run_on_is_not_restored_and_then_it_is() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    let server = serving(&twilio, &database).await;
    let restored = || restored_on(&twilio, &database).output().unwrap();
    let missed = async || {
        let beside = database.beside().await;
        let count = sqlx::query("select count(*) from timers where timer = 'missed'");
        let count = count.fetch_one(&beside).await.unwrap().get::<i64, _>(0);
        beside.close().await;
        count
    };
    let refused = restored();
    assert!(
        !refused.status.success() && said(&refused).contains("1 other rejoin servers run"),
        "{}",
        said(&refused)
    );
    assert_eq!(missed().await, 0, "no call was changed");

    // Nobody says that it is gone: its lease ends by itself.
    server.kill();
    let waited = restored();
    assert!(waited.status.success(), "{}", said(&waited));
    assert_eq!(missed().await, 1, "the call is polled when a server starts");

    // A server that stops gives its lease back.
    let server = Process::on(&twilio, &database.url);
    server.terminate();
    assert!(server.ended().success());
    let again = restored();
    assert!(again.status.success(), "{}", said(&again));
}

/// The lease of a server that was killed lasts for another hour, by that clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_clock_was_set_back_is_restored() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    serving(&twilio, &database).await.kill();
    let beside = database.beside().await;
    sqlx::query("update servers set until = until + 3600000").execute(&beside).await.unwrap();
    beside.close().await;
    let restored = restored_on(&twilio, &database).output().unwrap();
    assert!(restored.status.success(), "{}", said(&restored));
}

/// As a host that was suspended with all its programs: the leases have ended, and the servers are about to renew them.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_not_restored_because_its_servers_were_suspended_for_a_moment() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    let server = serving(&twilio, &database).await;
    let beside = database.beside().await;
    let is_true = async |sql| {
        until_so(sql, async || sqlx::query(sql).fetch_one(&beside).await.unwrap().get::<bool, _>(0)).await;
    };
    server.signal("STOP");
    is_true("select max(until) < extract(epoch from clock_timestamp()) * 1000 from servers").await;
    let run = restored_on(&twilio, &database).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    is_true("select count(*) = 2 from servers").await;
    server.signal("CONT");
    let refused = tokio::task::spawn_blocking(|| run.wait_with_output().unwrap()).await.unwrap();
    beside.close().await;
    assert!(
        !refused.status.success() && said(&refused).contains("1 other rejoin servers run"),
        "{}",
        said(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_while_a_database_is_restored_is_noticed() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    let server = serving(&twilio, &database).await;
    server.terminate();
    assert!(server.ended().success());
    let is_poll = |asked: &Asked| asked.what.starts_with("GET ");
    twilio.hold_back(move |asked, _| is_poll(asked));
    let before = twilio.all().iter().filter(|asked| is_poll(asked)).count();
    let run = restored_on(&twilio, &database).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    twilio.wait_for_many(before + 1, is_poll).await;
    let _server = Process::on(&twilio, &database.url);
    twilio.let_go();
    let ended = tokio::task::spawn_blocking(|| run.wait_with_output().unwrap()).await.unwrap();
    assert!(
        !ended.status.success() && said(&ended).contains("were started on this database meanwhile"),
        "{}",
        said(&ended)
    );
}

/// A server with these keys, the same database each time.
async fn with_keys(twilio: &Twilio, folder: &Path, keys: &[(&str, &str)]) -> (Server, Desk) {
    let mut arguments = arguments(twilio, folder);
    for (name, value) in keys {
        match arguments.iter().position(|known| known == name) {
            Some(at) => (*value).clone_into(&mut arguments[at + 1]),
            None => arguments.extend([(*name).to_owned(), (*value).to_owned()]),
        }
    }
    let program = std::iter::once("rejoin".to_owned());
    let config = <Config as clap::Parser>::try_parse_from(program.chain(arguments)).unwrap();
    let server = Server::start(config).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    (server, desk)
}

/// Status of an answer to a request of Twilio's that is signed with this token.
async fn signed(desk: &Desk, token: &str) -> u16 {
    let signature = signature::sign(token, &format!("{PUBLIC}/twiml/comfort"), &[]);
    let request =
        desk.http.get(format!("{}/twiml/comfort", desk.address)).header(signature::HEADER, signature);
    request.send().await.unwrap().status().as_u16()
}

/// The steps of docs/deployment.md.
#[tokio::test]
async fn a_rotation_of_the_auth_token_refuses_no_webhook() {
    let (twilio, folder) = (Twilio::start().await, tempfile::tempdir().unwrap());
    let (old, new) = (AUTH_TOKEN, "the secondary token");
    let (server, desk) = with_keys(&twilio, folder.path(), &[]).await;
    assert_eq!(signed(&desk, old).await, 200);
    server.stop().await;

    // The secondary token is made: Twilio takes both for requests, and signs with the old one until the promotion.
    let both = [("--twilio-auth-token", new), ("--twilio-auth-token-previous", old)];
    let (server, desk) = with_keys(&twilio, folder.path(), &both).await;
    desk.lost().await;
    let ping = &twilio.wait_for("POST Tasks", 1).await[0];
    let expected =
        reqwest::Client::new().get(PUBLIC).basic_auth(rejoin_protocol::AccountSid::numbered(1), Some(new));
    assert_eq!(ping.headers["authorization"], expected.build().unwrap().headers()["authorization"]);
    // The promotion: Twilio signs with the new one.
    assert_eq!((signed(&desk, old).await, signed(&desk, new).await), (200, 200));
    server.stop().await;

    let (server, desk) = with_keys(&twilio, folder.path(), &both[..1]).await;
    assert_eq!((signed(&desk, old).await, signed(&desk, new).await), (403, 200));
    server.stop().await;
}

#[tokio::test]
async fn a_rotation_of_the_operator_token_refuses_no_operator() {
    let (twilio, folder) = (Twilio::start().await, tempfile::tempdir().unwrap());
    let (old, new) = (OPERATOR_TOKEN, "another operator token, long enough as well");
    let asked = async |desk: &Desk, token: &str| {
        let request = desk.http.get(format!("{}/operator/storm", desk.address)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let both = [("--operator-token", new), ("--operator-token-previous", old)];
    let (server, desk) = with_keys(&twilio, folder.path(), &both).await;
    assert_eq!((asked(&desk, old).await, asked(&desk, new).await), (200, 200));
    assert_eq!(asked(&desk, "neither of them, but long enough to be one").await, 401);
    server.stop().await;
    let (server, desk) = with_keys(&twilio, folder.path(), &both[..1]).await;
    assert_eq!((asked(&desk, old).await, asked(&desk, new).await), (401, 200));
    server.stop().await;
}

/// `tests/deploy.test.mjs` has the other files of the folder.
#[test]
fn the_settings_for_fly_io_are_good_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/fly.toml");
    let fly: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).expect("TOML");
    let settings = fly["env"].as_table().unwrap();
    let mut environment: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    environment.extend([("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("REJOIN_OPERATOR_TOKEN", OPERATOR_TOKEN)]);
    let checked = rejoin(&["check-config"], &environment);
    assert!(checked.status.success(), "{}", said(&checked));
    let port = fly["http_service"]["internal_port"].as_integer().unwrap();
    assert_eq!(settings["REJOIN_LISTEN"].as_str(), Some(format!("0.0.0.0:{port}").as_str()));
}
