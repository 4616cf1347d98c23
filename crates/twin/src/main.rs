//! Runs the twin.

use clap::Parser;
use rejoin_protocol::{AccountSid, Millis};
use rejoin_twin::{Twin, TwinConfig, TwinError, app, facts::Facts, latency::Latency, shell_now};
use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// A stand-in for Twilio that the real Flex UI runs on.
#[derive(Parser)]
#[command(name = "rejoin-twin")]
struct Options {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:4180")]
    listen: SocketAddr,
    /// How browsers and the server reach the twin; by default http:// and the address.
    #[arg(long)]
    public_url: Option<String>,
    /// The rejoin server.
    #[arg(long)]
    server_url: Option<String>,
    /// The account's auth token.
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true)]
    auth_token: SecretString,
    /// The rejoin server's token for its timeline.
    #[arg(long, env = "REJOIN_OPERATOR_TOKEN", hide_env_values = true)]
    operator_token: Option<SecretString>,
    /// Directory with flex-host.js.
    #[arg(long)]
    flex_host: Option<PathBuf>,
    /// The plugin's bundle.
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Another plugin's script, loaded beside it; may be given several times.
    #[arg(long = "extra-plugin", value_name = "FILE")]
    extra_plugins: Vec<PathBuf>,
    /// The account is one that nobody has set up for Rejoin: see `rejoin provision`.
    #[arg(long)]
    bare: bool,
    /// Latency of REST requests and webhooks, milliseconds each way.
    #[arg(long, default_value_t = 80)]
    latency_ms: u64,
    /// Seconds that a leg stands whose browser vanished without a goodbye.
    #[arg(long)]
    dead_leg_after: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), TwinError> {
    let address = options.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| TwinError::Listen { address, source })?;
    let listen = listener.local_addr().map_err(|source| TwinError::Listen { address, source })?;
    let without_slash = |url: String| url.trim_end_matches('/').to_owned();
    let mut facts = Facts::default();
    if let Some(seconds) = options.dead_leg_after {
        facts.dead_leg_after = Millis::seconds(seconds);
    }
    let twin = Twin::start(TwinConfig {
        listen,
        public_url: options.public_url.map_or_else(|| format!("http://{listen}"), without_slash),
        server_url: options.server_url.map(without_slash),
        auth_token: options.auth_token,
        operator_token: options.operator_token,
        flex_host: options.flex_host,
        plugin: options.plugin,
        extra_plugins: options.extra_plugins,
        latency: Latency::of_ms(options.latency_ms),
        lines: vec![],
        account: AccountSid::numbered(1),
        facts,
        // Twenty bits for SIDs of one run: more than are made in a millisecond.
        bare: options.bare,
        first_number: u128::from(shell_now().0) << 20,
    })
    .await?;
    // For the parent process that waits: connections are accepted from here on.
    println!("listening on {}", twin.config().public_url);
    // Open sockets and event streams are cut: pages reconnect, and there is nothing to save.
    tokio::select! {
        served = axum::serve(listener, app(&twin)) => served.map_err(TwinError::Serve),
        () = stopped() => Ok(()),
    }
}

async fn stopped() {
    // Without a signal handler the process is killed, which loses nothing.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
