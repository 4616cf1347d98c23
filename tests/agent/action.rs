use rejoin_plugin::agent::{ACTIONS, Intent};
use rejoin_protocol::api::GracefulReason;

#[test]
fn flex_asks_before_each_action_that_begins_or_ends_a_call() {
    let table = [
        ("AcceptTask", None, Some(Intent::Accept)),
        ("HangupCall", None, Some(Intent::Leave(GracefulReason::HangUp))),
        ("EndConferenceForAll", None, Some(Intent::Leave(GracefulReason::EndConference))),
        ("TransferTask", Some("COLD"), Some(Intent::Leave(GracefulReason::ColdTransfer))),
        ("TransferTask", Some("WARM"), None),
        ("TransferTask", None, None),
        ("Logout", None, Some(Intent::SignOut)),
        ("WrapupTask", None, Some(Intent::Complete)),
        ("CompleteTask", None, Some(Intent::Complete)),
        ("HoldCall", None, None),
    ];
    for (action, mode, intent) in table {
        assert_eq!(Intent::of(action, mode), intent, "{action} {mode:?}");
    }
    for action in ACTIONS {
        assert_eq!(Intent::of(action.name, action.mode), Some(action.intent), "{action:?}");
    }
}
