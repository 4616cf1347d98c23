//! Where logs go, and in what form.

use rejoin_server::config::{LogFormat, Logs};
use tracing_subscriber::EnvFilter;

/// To stderr, from now on.
pub(crate) fn start(logs: &Logs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&logs.filter).map_err(|error| {
        format!(
            "REJOIN_LOG cannot be used ({error}): levels such as info or warn,rejoin_server=debug are wanted"
        )
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Where nothing can be logged, because the disk is full, nothing can be said about that either: it would end the server.
    let log = log.log_internal_errors(false);
    match logs.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
