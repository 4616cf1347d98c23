//! Destination and format of the log.

use rejoin_server::config::{LogFormat, Logs};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging to stderr.
pub(crate) fn start(logs: &Logs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&logs.filter).map_err(|error| {
        format!(
            "REJOIN_LOG cannot be used ({error}): levels such as info or warn,rejoin_server=debug are wanted"
        )
    })?;
    // Colours only on a terminal, and not with NO_COLOR (https://no-color.org).
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // When logging fails, because the disk is full, the failure must not be reported either: that would end the
    // server.
    let log = log.log_internal_errors(false);
    match logs.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
