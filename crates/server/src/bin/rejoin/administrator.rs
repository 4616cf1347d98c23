//! What the commands of an administrator have in common: the account, and a question at the terminal.

use crate::output::{self, say};
use clap::Args;
use rejoin_protocol::{AccountSid, ApiKeySid, WorkspaceSid};
use rejoin_setup::Account;
use rejoin_twilio::{Client, Settings};
use secrecy::SecretString;
use std::convert::Infallible;
use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

/// Timeout for connecting to Twilio.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout for one request.
const TOTAL: Duration = Duration::from_secs(20);

/// The account, and how to sign in to it.
#[derive(Debug, Args)]
pub(crate) struct Twilio {
    /// The Twilio account.
    #[arg(long = "twilio-account-sid", env = "TWILIO_ACCOUNT_SID", value_parser = AccountSid::parse)]
    pub(crate) account: AccountSid,
    /// Its auth token, or instead of it an API key of the account.
    #[arg(
        long = "twilio-auth-token", env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_parser = secret,
        required_unless_present = "key"
    )]
    auth_token: Option<SecretString>,
    /// A standard API key. A restricted one does not reach Flex's configuration and plugins.
    #[arg(
        id = "key", long = "twilio-api-key", env = "TWILIO_API_KEY", value_name = "SID", value_parser = ApiKeySid::parse,
        requires = "key_secret"
    )]
    key: Option<ApiKeySid>,
    /// The API key's secret.
    #[arg(
        id = "key_secret", long = "twilio-api-key-secret", env = "TWILIO_API_KEY_SECRET", hide_env_values = true,
        value_parser = secret
    )]
    key_secret: Option<SecretString>,
    /// Base URL for requests: `{base}/{host}{path}`. Empty: Twilio itself.
    #[arg(long = "twilio-api-base", env = "TWILIO_API_BASE", default_value = "")]
    base: String,
}

// Clap wants a result.
#[allow(clippy::unnecessary_wraps)]
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl Twilio {
    /// A client for this workspace.
    pub(crate) fn client(&self, workspace: WorkspaceSid) -> Result<Client, String> {
        let settings = Settings {
            account: self.account.clone(),
            auth_token: self.auth_token.clone().unwrap_or_default(),
            workspace,
            base: self.base.clone(),
            connect_timeout: CONNECT,
            total_timeout: TOTAL,
        };
        let client = Client::new(settings).map_err(|error| error.to_string())?;
        Ok(match (&self.key, &self.key_secret) {
            (Some(key), Some(secret)) => client.with_key(key.clone(), secret.clone()),
            _ => client,
        })
    }

    /// A client for what belongs to no workspace.
    pub(crate) fn of_account(&self) -> Result<Client, String> {
        self.client(WorkspaceSid::numbered(0))
    }

    /// A client for Flex's workspace.
    pub(crate) async fn of_flex(&self) -> Result<(Client, WorkspaceSid), String> {
        let client = self.of_account()?;
        let workspace = Account::workspace(&client).await.map_err(|error| error.to_string())?;
        Ok((self.client(workspace.clone())?, workspace))
    }
}

/// True when an administrator can be asked.
pub(crate) fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// What is answered at the terminal; nothing, if that cannot be read.
pub(crate) fn answer_to(question: &str) -> String {
    output::write(format_args!("{question} "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_or_else(|_| String::new(), |_| answer)
}

/// Asks at a terminal. Without one, nothing is changed.
pub(crate) fn is_confirmed(question: &str) -> bool {
    if !is_terminal() {
        say!("{question} There is no terminal to ask at: `--yes` says so.");
        return false;
    }
    matches!(answer_to(&format!("{question} [y/N]")).trim(), "y" | "Y" | "yes")
}
