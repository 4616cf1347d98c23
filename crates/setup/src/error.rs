//! Why a set-up ends.

use crate::refusal::Refusal;
use rejoin_protocol::BuildSid;
use std::path::PathBuf;

/// Why a set-up ends, what it means, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Twilio has refused a request, or not answered it.
    #[error("{doing}: {}", explained(.source))]
    Twilio {
        /// What was being done.
        doing: String,
        /// The cause.
        source: rejoin_twilio::Error,
    },
    /// The account has no Flex.
    #[error(
        "Flex's configuration names no TaskRouter workspace: create a Flex project in this account first (https://console.twilio.com)"
    )]
    NoFlex,
    /// The account cannot be set up as it is.
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    /// A workflow was changed since it was read.
    #[error("the workflow \"{0}\" was changed meanwhile. It was not written: run it again")]
    Changed(String),
    /// A phone number or a TwiML application was changed since it was read, or does not keep what was written.
    #[error(
        "the fallback address of the {0} is not what was read or written a moment ago: another program or administrator changes it. Run it again"
    )]
    ChangedFallback(String),
    /// The webhook of Conversations was changed since it was read, or does not keep what was written.
    #[error(
        "the webhook of Conversations is not what was read or written a moment ago: another program or administrator changes it. Run it again"
    )]
    ChangedChats,
    /// Flex's configuration is not what was written.
    #[error(
        "another program or administrator writes Flex's configuration at the same time: `ui_attributes.custom_data.rejoin` was written twice and is not there. Find out who (a deployment of another plugin?), and run it again"
    )]
    NotKept,
    /// Files were not built.
    #[error("the build {sid} {why}. Desktops load what they loaded before: run it again")]
    Build {
        /// The build.
        sid: BuildSid,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another run deploys at the same time.
    #[error(
        "another run has deployed files of the plugin meanwhile. Desktops load what they loaded before: run it again"
    )]
    Deploying,
    /// Another program or administrator releases at the same time.
    #[error(
        "another program or administrator releases plugins at the same time, again and again. Find out who (a pipeline?), and run it again"
    )]
    Releasing,
    /// The record cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The record is not one, or is of another account.
    #[error("{path} {why}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// What a refusal means for a set-up, and what to do.
fn explained(error: &rejoin_twilio::Error) -> String {
    match error {
        rejoin_twilio::Error::Unauthorized => {
            "Twilio does not accept the credentials: compare TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN (or TWILIO_API_KEY and \
             TWILIO_API_KEY_SECRET) with the console"
                .to_owned()
        }
        rejoin_twilio::Error::Refused { status: 403, .. } => {
            "Twilio does not allow this with these credentials. A restricted API key does not reach Flex: use a standard key, or the \
             account's auth token"
                .to_owned()
        }
        rejoin_twilio::Error::Gone => {
            "Twilio does not know it: is this the account that Flex runs in, and does it have Flex?"
                .to_owned()
        }
        error => {
            format!("{error}. What was done stays, nothing is half-changed: run it again, and it goes on")
        }
    }
}

fn lines(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
