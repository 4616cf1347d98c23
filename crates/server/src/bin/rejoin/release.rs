//! `rejoin release`.

use crate::output::say;
use clap::Args;
use rejoin_protocol::ConferenceSid;
use rejoin_server::beside;
use rejoin_server::config::Storage;
use rejoin_server::surroundings::Surroundings;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The conference (CF…) of a quarantined call, as `rejoin held-back` lists it.
    #[arg(value_parser = conference)]
    conference: ConferenceSid,
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    storage: Storage,
}

fn conference(text: &str) -> Result<ConferenceSid, String> {
    ConferenceSid::parse(text).map_err(|_| "a conference (CF…) is wanted, with 32 digits".to_owned())
}

/// Releases a quarantined call.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let (url, now) = (&options.storage.database_url, Surroundings::system().now());
    match beside::release(url, &options.conference, now).await {
        Ok(true) => {
            say!("{} is released: Twilio is asked how the call stands, and it goes on", options.conference);
            Ok(ExitCode::SUCCESS)
        }
        Ok(false) => Err("that call is not quarantined, or the store does not have it".into()),
        Err(error) => Err(error.to_string()),
    }
}
