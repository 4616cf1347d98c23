//! `rejoin health`: a health check for images without a shell.

use crate::output::say;
use clap::Args;
use rejoin_server::config::Tls;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Timeout of the answer.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Asks whether it is ready, and prints what is missing, instead of whether it is live.
    #[arg(long)]
    ready: bool,
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    /// Address that the server listens on.
    #[arg(long, env = "REJOIN_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Its second address, for operators.
    #[arg(long, env = "REJOIN_OPERATOR_LISTEN")]
    operator_listen: Option<SocketAddr>,
    #[command(flatten)]
    tls: Tls,
}

impl Options {
    fn url(&self) -> String {
        let path = if self.ready { "ready" } else { "live" };
        // The operators' address is never encrypted, and has both.
        let (scheme, at) = match (self.operator_listen, &self.tls.certificate) {
            (Some(at), _) => ("http", at),
            (None, None) => ("http", self.listen),
            (None, Some(_)) => ("https", self.listen),
        };
        format!("{scheme}://{}/health/{path}", reachable(at))
    }
}

/// A server that listens on all addresses is asked on this machine's own.
fn reachable(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, at.port())
}

/// Asks the server.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let url = options.url();
    let asked = async {
        // The certificate names the public address. Nothing secret is sent, and the question stays on this machine.
        let client = reqwest::Client::builder().no_proxy().timeout(WITHIN).danger_accept_invalid_certs(true);
        let answer = client.build()?.get(&url).send().await?;
        Ok((answer.status(), answer.text().await?))
    };
    let (status, body) = asked.await.map_err(|error: reqwest::Error| {
        format!("{url} does not answer ({}): is the server running, with these settings?", cause(&error))
    })?;
    if options.ready {
        say!("{body}");
    }
    if status.is_success() { Ok(ExitCode::SUCCESS) } else { Err(format!("{url}: {status}")) }
}

/// The innermost cause: the outer ones only say that there is one.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_address_that_is_asked_follows_from_the_settings() {
        let url = |arguments: &[&str]| {
            let program = Program::try_parse_from([&["rejoin"], arguments].concat()).expect("parses");
            program.options.url()
        };
        let tls = ["--tls-certificate", "a", "--tls-key", "b"];
        for (arguments, wanted) in [
            (&["--listen=0.0.0.0:8080"][..], "http://127.0.0.1:8080/health/live"),
            (&["--listen=[::]:8080"], "http://[::1]:8080/health/live"),
            (&["--listen=10.0.0.1:1", "--ready"], "http://10.0.0.1:1/health/ready"),
            (&[&["--listen=0.0.0.0:443"][..], &tls].concat(), "https://127.0.0.1:443/health/live"),
            (&[&["--operator-listen=0.0.0.0:8081"][..], &tls].concat(), "http://127.0.0.1:8081/health/live"),
        ] {
            assert_eq!(url(arguments), wanted);
        }
    }
}
