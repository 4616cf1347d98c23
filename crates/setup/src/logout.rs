//! The logout settings of an account: whether, and after how long, Flex sets an agent offline whose last desktop is gone
//! (<https://www.twilio.com/docs/flex/admin-guide/setup/logout-settings>).

use rejoin_protocol::Millis;
use serde_json::Value;

/// How much later than its settings say Flex may set an agent offline: it has to notice that a network is cut.
pub const NOTICED_WITHIN: Millis = Millis::seconds(30);

/// The longest threshold that is believed, in seconds.
const LONGEST: u64 = 86_400;

/// After how long Flex sets an agent offline, by `offline_config` in Flex's configuration
/// (<https://www.twilio.com/docs/flex/developer/config/flex-configuration-rest-api>); `None`: it does not, or that is not to be read there.
pub fn offline_after(configuration: &Value) -> Option<Millis> {
    let settings = &configuration["offline_config"];
    let seconds = settings["presence_ttl"].as_u64().filter(|seconds| (1..=LONGEST).contains(seconds))?;
    settings["presence"].as_bool().filter(|is_on| *is_on).map(|_| Millis::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_an_account_that_sets_lost_agents_offline_has_a_time() {
        let read = |settings| offline_after(&json!({ "offline_config": settings }));
        assert_eq!(read(json!({"presence": true, "presence_ttl": 30})), Some(Millis::seconds(30)));
        for other in [
            json!({"presence": false, "presence_ttl": 30}),
            json!({"presence": true}),
            json!({"presence": true, "presence_ttl": 0}),
            json!({"presence": true, "presence_ttl": -30}),
            json!({"presence": true, "presence_ttl": "30"}),
            json!({"presence": true, "presence_ttl": 1e30}),
            json!({"presence": "true", "presence_ttl": 30}),
            json!(null),
            json!([30]),
        ] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
        assert_eq!(offline_after(&json!([])), None);
    }
}
