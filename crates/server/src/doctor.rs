//! Reads for `rejoin doctor`: Twilio, the server at its public address, its certificate, the database. The judgement is in
//! [`rejoin_setup::doctor`].

mod answers;
pub(crate) mod certificate;
pub mod test_call;

use crate::beside;
use crate::config::{Config, Switch};
use crate::error::Error;
use rejoin_protocol::Millis;
use rejoin_setup::doctor::database::Tables;
use rejoin_setup::doctor::{self, Expected, Finding, Outcome, Survey};

/// Everything that is found, in a fixed order. Changes nothing: apart from reads it sends an invalid token to be validated,
/// and three requests to our own server: two for a piece of comfort audio, one of them with a forged signature, and one for the
/// presence socket of nobody.
///
/// # Errors
/// When the settings cannot be used, or there is no client.
pub async fn findings(config: Config) -> Result<Vec<Finding>, Error> {
    let config = config.checked()?;
    let expected = expected(&config);
    let client = config.client()?;
    let (survey, certificate, database) = tokio::join!(
        Survey::read(&client, &config.public_url, config.conversations.on == Switch::On),
        certificate::read(&config.public_url),
        tables(&config),
    );
    let mut all = doctor::findings(&survey, &expected);
    let is_known = survey.account.is_ok();
    if is_known {
        all.push(doctor::clock::judge(survey.skew));
    }
    let certificate = certificate.map(|(host, it)| doctor::certificate::judge(&host, &it));
    let is_closed = certificate.as_ref().is_some_and(|finding| finding.result == Outcome::Failed);
    all.extend(certificate);
    // Without a connection there is nothing else to say about the server.
    if !is_closed {
        // With a token that Twilio does not accept, the server's answer says nothing about the server.
        let is_refused = matches!(survey.account, Err(rejoin_twilio::Error::Unauthorized));
        let answers = answers::read(&config, !is_refused).await?;
        all.extend(doctor::server::judge(&config.public_url, &answers, &expected.version));
    }
    if let Some(url) = &config.fallback_url {
        let certificate = certificate::read(url).await.map(|(_, certificate)| certificate);
        let live = answers::is_alive(url).await?;
        all.push(doctor::fallback::judge(url, certificate.as_ref(), &live));
    }
    all.push(doctor::database::judge(&database));
    Ok(all)
}

fn expected(config: &Config) -> Expected {
    Expected {
        account: config.account.clone(),
        workspace: config.workspace.clone(),
        public_url: config.public_url.clone(),
        other_public_urls: config.other_public_urls.clone(),
        fallback_url: config.fallback_url.clone(),
        twiml_overrides: config.twiml_overrides.clone(),
        ping_workflow: config.ping_workflow.clone(),
        outbound_workflow: config.outbound_workflow.clone(),
        reconnecting_activity: config.reconnecting_activity.clone(),
        offline_after: config.conversations.offline_after_ms.map(Millis),
        gone_after: config.conversations.gone_after(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// `Err`: why the database cannot be read. Its URL is not repeated: it may have a password.
async fn tables(config: &Config) -> Result<Tables, String> {
    beside::tables(&config.storage.database_url).await.map_err(|error| match error {
        Error::Database(error) => format!("it cannot be read ({error})"),
        Error::Away(why) => format!("it cannot be reached ({why})"),
        Error::Refused(why) => format!("it refuses this server ({why})"),
        Error::Unanswered(within) => format!("it does not answer within {} s", within.as_secs()),
        error => error.to_string(),
    })
}
