//! Checks of settings that only Twilio can answer.

use super::Config;
use super::check::Finding;
use rejoin_twilio::{Client, Error, Settings};
use std::time::Duration;

/// Timeout for connecting to Twilio.
const CONNECT: Duration = Duration::from_secs(2);

impl Config {
    /// A client with the account's credentials.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        Client::new(self.to_twilio())
    }

    /// The settings of the Twilio client.
    pub(crate) fn to_twilio(&self) -> Settings {
        Settings {
            account: self.account.clone(),
            auth_token: self.auth_token.clone(),
            workspace: self.workspace.clone(),
            base: self.twilio_base.clone(),
            connect_timeout: CONNECT,
            total_timeout: Duration::from_millis(self.timings.twilio_timeout_ms),
        }
    }

    /// Findings of Twilio. It is asked only about what is set.
    pub async fn findings_of_twilio(&self) -> Vec<Finding> {
        let Some(wanted) = &self.reconnecting_activity else { return vec![] };
        let name = "REJOIN_RECONNECTING_ACTIVITY_SID";
        let asked = match self.client() {
            Ok(client) => client.list_activities().await,
            Err(error) => Err(error),
        };
        let found = match asked {
            Ok(activities) => activities.into_iter().find(|activity| activity.sid == *wanted),
            Err(_) => {
                let why = "Twilio could not be asked whether there is such an activity, and whether it is available";
                return vec![Finding { name, fatal: false, why }];
            }
        };
        match found {
            Some(activity) if activity.available => vec![],
            Some(_) => {
                let why = "an activity that is available is wanted: one that is not receives no tasks";
                vec![Finding { name, fatal: true, why }]
            }
            None => {
                let why = "the workspace has no such activity: make one that is available, and used for nothing else";
                vec![Finding { name, fatal: true, why }]
            }
        }
    }
}
