//! `rejoin demo`: a server in this process, and the twin as another program beside it.
//!
//! The twin is never linked into this program: a stand-in for Twilio does not belong in a production binary.
//!
//! The twin's account is not set up when it starts. `rejoin provision` and `rejoin deploy` set it up, so a newcomer's way is an
//! administrator's.

use crate::output::progress;
use crate::signals::Signals;
use clap::{Args, Parser};
use rejoin_protocol::{AccountSid, WorkflowSid};
use rejoin_server::config::Key;
use rejoin_server::config::layers::File;
use rejoin_server::{Config, Server};
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Latency of the twin's REST requests and webhooks, milliseconds each way: as from afar.
const LATENCY_MS: u64 = 80;
/// Port of the page to open.
const PORT: u16 = 4180;
/// The system may give a port from this one on to any outgoing connection: Linux from 32768, other systems from a higher one
/// (`net.ipv4.ip_local_port_range`, <https://docs.kernel.org/networking/ip-sysctl.html>).
const GIVEN_OUT: u16 = 32_768;
/// From 1024 on, the ports that no browser opens (<https://fetch.spec.whatwg.org/#port-blocking>).
const BLOCKED: [u16; 19] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
    6697, 10_080,
];
/// How long an agent of a chat may be away, in milliseconds: as short as it can be set, so that nobody waits a minute for the
/// next agent.
const AWAY_MS: u64 = 15_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Port of the page to open.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The twin's program; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    twin: Option<PathBuf>,
    /// The plugin's bundle, as `npm run build` makes it.
    #[arg(long, value_name = "FILE", default_value = "build/plugin-rejoin.js")]
    plugin: PathBuf,
    /// The directory with the Flex UI as one script, as `npm start` makes it.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/flex-host")]
    flex_host: PathBuf,
}

/// Runs until a signal comes, or one of the two ends.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    if BLOCKED.contains(&options.port) {
        return Err(format!("browsers do not open port {}: give another one with --port", options.port));
    }
    let mut signals = Signals::new();
    let twin = options.twin.clone().map_or_else(beside, Ok)?;
    for (what, path) in
        [("the twin", &twin), ("the plugin", &options.plugin), ("the Flex UI", &options.flex_host)]
    {
        if !path.exists() {
            let path = path.display();
            return Err(format!(
                "{what} is not at {path}. `npm start` in the sources builds and runs all of it"
            ));
        }
    }
    let folder = folder()?;
    let ended = with_both(&options, &twin, &folder, &mut signals).await;
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        tracing::warn!(%error, folder = %folder.display(), "the demo's database could not be removed");
    }
    ended
}

async fn with_both(
    options: &Options,
    twin: &Path,
    folder: &Path,
    signals: &mut Signals,
) -> Result<ExitCode, String> {
    let (auth_token, operator_token) = (secret()?, secret()?);
    let address = free_port(options.port)?;
    let twin_url = format!("http://localhost:{}", options.port);
    let server_url = format!("http://{address}");
    let account = [
        ("TWILIO_ACCOUNT_SID", AccountSid::numbered(1).to_string()),
        ("TWILIO_AUTH_TOKEN", auth_token.clone()),
        ("TWILIO_API_BASE", format!("http://127.0.0.1:{}/__tw", options.port)),
        ("REJOIN_PUBLIC_URL", server_url.clone()),
    ];
    let mut twin = Command::new(twin)
        .args(["--listen", &format!("127.0.0.1:{}", options.port)])
        .args(["--server-url", &server_url])
        // Setting the account up takes dozens of requests: latency begins after it.
        .args(["--bare", "--latency-ms", "0"])
        .arg("--flex-host")
        .arg(&options.flex_host)
        .env("TWILIO_AUTH_TOKEN", &auth_token)
        .env("REJOIN_OPERATOR_TOKEN", &operator_token)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the twin cannot be started: {error}"))?;
    is_up(&mut twin).await?;

    let bundle = std::path::absolute(&options.plugin).map_err(|error| error.to_string())?;
    let bundle = bundle.to_string_lossy();
    let provision = ["provision", "--yes", "--workflow", "Assign to Anyone", "--conversations"];
    administer(folder, &account, &provision).await?;
    administer(folder, &account, &["deploy", "--yes", "--bundle", &bundle]).await?;

    let latency = format!("http://127.0.0.1:{}/__twin/latency", options.port);
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let set =
        client.post(latency).json(&LATENCY_MS).send().await.and_then(|answer| answer.error_for_status());
    set.map_err(|error| format!("the twin does not take its latency: {error}"))?;

    let [_, (_, auth_token), (_, base), _] = account;
    let text = [
        ("twilio-auth-token", auth_token),
        ("twilio-api-base", base),
        ("listen", address.to_string()),
        ("conversation-goodbye-ms", AWAY_MS.to_string()),
        ("conversation-push-closed-ms", AWAY_MS.to_string()),
        ("conversation-polling-stopped-ms", AWAY_MS.to_string()),
        // The twin's workflow for outbound calls matches no agent.
        ("outbound-workflow-sid", WorkflowSid::numbered(1).to_string()),
        ("allowed-origins", format!("{twin_url},http://127.0.0.1:{}", options.port)),
        ("operator-token", operator_token),
        ("database-url", format!("sqlite:{}", folder.join("rejoin.sqlite").display())),
    ];
    let config = settings(&folder.join("rejoin.toml"), &text)?;
    let mut server = Server::start(config).await.map_err(|error| error.to_string())?;
    progress!(
        "Open {twin_url}/ in a browser: sign in as Agent Ada, call from the customer phone, accept, refresh Ada's tab. \
         The console shows it live."
    );
    progress!("Ctrl-C stops it.");
    let code = tokio::select! {
        () = signals.next() => ExitCode::SUCCESS,
        () = server.failed() => ExitCode::FAILURE,
        _ = twin.wait() => ExitCode::FAILURE,
    };
    server.stop().await;
    // Killed and waited for: in a container whose first process buries nobody, it would stay behind as a zombie.
    if let Err(error) = twin.kill().await {
        tracing::warn!(%error, "the twin could not be stopped");
    }
    Ok(code)
}

/// Runs a command of an administrator. It is a program of its own, so that nothing of the user's environment, such as the
/// credentials of a real account, reaches it.
async fn administer(folder: &Path, account: &[(&str, String)], command: &[&str]) -> Result<(), String> {
    let this =
        std::env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let run = Command::new(this)
        .args(command)
        .current_dir(folder)
        .env_clear()
        .envs(account.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = run.await.map_err(|error| format!("`rejoin {}` cannot be started: {error}", command[0]))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "`rejoin {}` could not set up the account of the demo, which does not start. It said:\n{}",
        command[0],
        String::from_utf8_lossy(&said).trim_end()
    ))
}

/// The settings that `rejoin provision` wrote, and those of this demo. They win over the environment, which may belong to a real
/// account.
fn settings(file: &Path, demo: &[(&str, String)]) -> Result<Config, String> {
    let arguments = demo.iter().map(|(name, value)| format!("--{name}={value}").into());
    let arguments = std::iter::once("demo".into()).chain(arguments).collect();
    let layered = File::open(file).and_then(|file| file.under(arguments, &Key::all(), |_| None));
    let layered = layered.map_err(|mistakes| {
        let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        format!("{}: {}", file.display(), lines.join("\n"))
    })?;
    let parsed = DemoConfig::try_parse_from(layered.arguments).map_err(|error| error.to_string())?;
    Ok(parsed.config)
}

#[derive(Parser)]
struct DemoConfig {
    #[command(flatten)]
    config: Config,
}

/// Path of the twin beside this program.
fn beside() -> Result<PathBuf, String> {
    let this =
        std::env::current_exe().map_err(|error| format!("where this program is cannot be told: {error}"))?;
    Ok(this.with_file_name("rejoin-twin"))
}

/// Creates a temporary folder.
fn folder() -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("rejoin-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    Ok(folder)
}

/// A new token for each start.
fn secret() -> Result<String, String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|error| format!("no random numbers: {error}"))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// The first free port after the twin's, which must know the server's address before the server can be started. Meanwhile
/// dozens of connections are made: the port must be none that the system gives to one of them.
fn free_port(twin: u16) -> Result<SocketAddr, String> {
    let after = if twin < GIVEN_OUT { twin } else { PORT };
    let free =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|bound| bound.local_addr()).ok();
    let mut ports = (after + 1..GIVEN_OUT).filter(|port| !BLOCKED.contains(port));
    ports.find_map(free).ok_or_else(|| {
        format!("no port from {} to {} is free: the server cannot listen", after + 1, GIVEN_OUT - 1)
    })
}

/// Waits until the twin reports that it listens.
async fn is_up(twin: &mut Child) -> Result<(), String> {
    let ended = || "the twin has ended: is its port taken? Give another one with --port".to_owned();
    let stdout = twin.stdout.take().ok_or_else(ended)?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
        if line.starts_with("listening on") {
            // Later output is read, so that a full pipe never blocks the twin.
            tokio::spawn(async move { while matches!(lines.next_line().await, Ok(Some(_))) {} });
            return Ok(());
        }
    }
    Err(ended())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_no_port_that_browsers_do_not_open_or_that_connections_get() {
        assert!(free_port(4189).unwrap().port() > 4190);
        let other = free_port(46_645).unwrap().port();
        assert!(other > PORT && other < GIVEN_OUT);
    }
}
