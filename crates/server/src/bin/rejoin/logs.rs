//! Where logs go, and in what form.

use rejoin_server::config::{LogFormat, Logs};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// To stderr, from now on.
pub(crate) fn start(logs: &Logs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&logs.filter).map_err(|error| {
        format!(
            "REJOIN_LOG cannot be used ({error}): levels such as info or warn,rejoin_server=debug are wanted"
        )
    })?;
    // Colours are for people who look on, and for none who do not want them (https://no-color.org).
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // Where nothing can be logged, because the disk is full, nothing can be said about that either: it would end the server.
    let log = log.log_internal_errors(false);
    match logs.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
