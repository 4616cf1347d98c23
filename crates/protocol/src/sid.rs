//! Twilio's identifiers: two letters and 32 hexadecimal digits
//! (<https://www.twilio.com/docs/glossary/what-is-a-sid>).

mod text;

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use text::Text;

/// A string that is not the expected SID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSid {
    /// The expected prefix.
    pub wanted: &'static str,
}

impl fmt::Display for InvalidSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The string itself is not repeated: it came from outside and may be anything.
        write!(f, "not a SID: {} and 32 hexadecimal digits were expected", self.wanted)
    }
}

impl std::error::Error for InvalidSid {}

fn fits(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

macro_rules! sids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Text);

        impl $name {
            /// The prefix of these SIDs.
            pub const PREFIX: &'static str = $prefix;

            /// Checks the form. Only Twilio knows whether the resource exists.
            pub fn parse(text: &str) -> Result<Self, InvalidSid> {
                if fits(text, $prefix) { Ok(Self(Text::of(text))) } else { Err(InvalidSid { wanted: $prefix }) }
            }

            /// The SID with this number, for tests and simulations that count instead of drawing at random.
            pub fn numbered(number: u128) -> Self {
                Self(Text::of(format!("{}{number:032x}", $prefix)))
            }

            /// The whole SID.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The 32 digits without the prefix.
            pub fn digits(&self) -> &str {
                &self.as_str()[2..]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidSid;
            fn try_from(text: String) -> Result<Self, InvalidSid> {
                if fits(&text, $prefix) { Ok(Self(Text::of(text))) } else { Err(InvalidSid { wanted: $prefix }) }
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let pattern = format!("^{}[0-9a-fA-F]{{32}}$", $prefix);
                crate::schema::text(&pattern)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> String {
                sid.0.into()
            }
        }
    )*};
}

sids! {
    /// An account.
    AccountSid = "AC";
    /// A call: one leg, of the customer, an agent or a third party.
    CallSid = "CA";
    /// A conference: where legs meet.
    ConferenceSid = "CF";
    /// A TaskRouter workspace.
    WorkspaceSid = "WS";
    /// A task.
    TaskSid = "WT";
    /// A reservation: a task offered to a worker.
    ReservationSid = "WR";
    /// A transfer of a task from one worker to another.
    TransferSid = "TT";
    /// A worker: an agent.
    WorkerSid = "WK";
    /// A workflow.
    WorkflowSid = "WW";
    /// A task queue.
    TaskQueueSid = "WQ";
    /// An activity of workers, such as "Available".
    ActivitySid = "WA";
    /// A task channel, such as "voice".
    TaskChannelSid = "TC";
    /// A worker's share of a task channel.
    WorkerChannelSid = "WC";
    /// A participant of an interaction channel, as Flex sees a leg, or somebody in a conversation.
    ParticipantSid = "UT";
    /// An interaction: what connects a conversation with the tasks of its agents.
    InteractionSid = "KD";
    /// The channel of an interaction: a conversation as Flex sees it.
    InteractionChannelSid = "UO";
    /// An invite: the task by which an agent is asked into an interaction channel.
    InviteSid = "KG";
    /// A conversation: a chat.
    ConversationSid = "CH";
    /// A message of a conversation.
    MessageSid = "IM";
    /// Somebody in a conversation, as Conversations sees them.
    MemberSid = "MB";
    /// A sink of Event Streams.
    SinkSid = "DG";
    /// A subscription of Event Streams.
    SubscriptionSid = "DF";
    /// An API key.
    ApiKeySid = "SK";
    /// A version of a Flex plugin.
    PluginVersionSid = "FV";
    /// A configuration of Flex plugins: which versions a release loads.
    PluginConfigurationSid = "FJ";
    /// A Serverless service: what hosts the files of plugins.
    ServiceSid = "ZS";
    /// An environment of a Serverless service: a domain.
    EnvironmentSid = "ZE";
    /// An asset of a Serverless service: a file.
    AssetSid = "ZH";
    /// A version of an asset.
    AssetVersionSid = "ZN";
    /// A build of a Serverless service: the files of a deployment.
    BuildSid = "ZB";
    /// Ours: one recovery. It carries the digits of the agent's lost leg, because a leg is lost once.
    RecoveryId = "RJ";
}

impl RecoveryId {
    /// The recovery that the loss of this leg starts.
    pub fn of(lost_leg: &CallSid) -> Self {
        Self(Text::of(format!("{}{}", Self::PREFIX, lost_leg.digits())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_sids_are_accepted() {
        let digits = "0123456789abcdefABCDEF0123456789";
        assert!(CallSid::parse(&format!("CA{digits}")).is_ok());
        for text in [
            "",
            "CA",
            &format!("CF{digits}"),
            &format!("CA{digits}0"),
            &format!("CA{}g", &digits[1..]),
            "CA\u{e9}",
        ] {
            assert_eq!(CallSid::parse(text), Err(InvalidSid { wanted: "CA" }), "{text}");
        }
    }

    #[test]
    fn sids_sort_like_their_texts() {
        let digits = ["0", "9", "A", "F", "a", "f"];
        let texts = digits.iter().flat_map(|digit| {
            [0, 13, 14, 29, 30, 31].map(|at| format!("CA{}{digit}{}", "5".repeat(at), "5".repeat(31 - at)))
        });
        let texts: Vec<String> = texts.collect();
        for (one, other) in texts.iter().flat_map(|one| texts.iter().map(move |other| (one, other))) {
            let sid = |text: &str| CallSid::parse(text).expect("a SID");
            assert_eq!(sid(one).cmp(&sid(other)), one.cmp(other), "{one} {other}");
            assert_eq!(sid(one) == sid(other), one == other);
        }
    }

    #[test]
    fn a_sid_of_another_kind_does_not_deserialise() {
        let text = serde_json::to_string(&TaskSid::numbered(7)).expect("serialises");
        assert_eq!(text, "\"WT00000000000000000000000000000007\"");
        assert!(serde_json::from_str::<TaskSid>(&text).is_ok());
        assert!(serde_json::from_str::<CallSid>(&text).is_err());
    }

    #[test]
    fn a_recovery_is_named_after_the_lost_leg() {
        assert_eq!(RecoveryId::of(&CallSid::numbered(0xabc)), RecoveryId::numbered(0xabc));
    }
}
