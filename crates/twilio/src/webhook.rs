//! Twilio's requests to us, as types. Unknown parameters are ignored: Twilio adds new ones without notice.

use crate::resource::days;
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use thiserror::Error;

/// A signed request that is not as documented.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A required parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter is malformed. Its value is not repeated: it may be personal data.
    #[error("the parameter {0} is not of the form that Twilio documents")]
    Invalid(&'static str),
}

/// Decoded parameters of a form.
pub type Params = [(String, String)];

/// A form's parameters, decoded, in their order.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// When the reported event happened: the callback's `Timestamp`, such as `Thu, 1 Jun 2017 20:48:32 +0000`, in whole
/// seconds.
pub fn timestamp(params: &Params) -> Option<Millis> {
    date(get(params, "Timestamp")?)
}

/// A date as in mails and in HTTP's headers, in UTC (`+0000` or `GMT`) and in whole seconds
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>).
pub(crate) fn date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(',')?.1.split_whitespace();
    let day: u64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let year = parts.next()?.parse().ok()?;
    let mut time = parts.next()?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_utc = matches!(parts.next()?, "+0000" | "GMT");
    let good = (1970..10_000).contains(&year) && (1..=31).contains(&day) && is_utc;
    let days = good.then(|| days(year, month, day)).flatten()?;
    (hour < 24 && minute < 60 && second <= 60)
        .then(|| Millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000))
}

/// A conference status callback
/// (<https://www.twilio.com/docs/voice/twiml/conference#attributes-statusCallbackEvent>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceCallback {
    /// The conference.
    pub conference: ConferenceSid,
    /// The conference's name; in Flex, its task.
    pub friendly_name: String,
    /// Grows by one with every event of the conference.
    pub sequence: u64,
    /// `ParticipantLabel` of the leg, if it has one.
    pub label: Option<String>,
    /// What happened.
    pub event: ConferenceCallbackEvent,
}

/// What happened in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceCallbackEvent {
    /// `conference-start`.
    Start,
    /// `conference-end`.
    End,
    /// `participant-join`.
    Join {
        /// The leg that joined.
        leg: CallSid,
        /// Its flags.
        flags: Flags,
    },
    /// `participant-leave`.
    Leave {
        /// The leg that left.
        leg: CallSid,
        /// `ReasonParticipantLeft`, as it was sent.
        reason: Option<String>,
    },
    /// `participant-modify`, `-hold`, `-unhold`, `-mute`, `-unmute`.
    Modify {
        /// The leg that changed.
        leg: CallSid,
        /// Its current flags.
        flags: Flags,
    },
    /// `announcement-end` or `announcement-fail`, of an announcement to all or, with a leg, to one.
    AnnouncementEnd {
        /// The only leg that heard it.
        leg: Option<CallSid>,
        /// `AnnounceUrl`: the document that was played.
        url: Option<String>,
    },
    /// Any other event: speech, or one that Twilio may add.
    Other,
}

/// Flags of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `EndConferenceOnExit`.
    pub end_conference_on_exit: bool,
    /// `Hold`.
    pub hold: bool,
    /// `Muted`.
    pub muted: bool,
    /// `Coaching`: only one participant hears this one.
    pub coaching: bool,
}

impl ConferenceCallback {
    /// Reads the parameters.
    pub fn parse(params: &Params) -> Result<Self, Malformed> {
        let conference = ConferenceSid::parse(required(params, "ConferenceSid")?)
            .map_err(|_| Malformed::Invalid("ConferenceSid"))?;
        let sequence =
            required(params, "SequenceNumber")?.parse().map_err(|_| Malformed::Invalid("SequenceNumber"))?;
        let event = match required(params, "StatusCallbackEvent")? {
            "conference-start" => ConferenceCallbackEvent::Start,
            "conference-end" => ConferenceCallbackEvent::End,
            "participant-join" => ConferenceCallbackEvent::Join { leg: leg(params)?, flags: flags(params)? },
            "participant-leave" => ConferenceCallbackEvent::Leave {
                leg: leg(params)?,
                reason: get(params, "ReasonParticipantLeft").map(str::to_owned),
            },
            "participant-modify" | "participant-hold" | "participant-unhold" | "participant-mute"
            | "participant-unmute" => {
                ConferenceCallbackEvent::Modify { leg: leg(params)?, flags: flags(params)? }
            }
            "announcement-end" | "announcement-fail" => ConferenceCallbackEvent::AnnouncementEnd {
                leg: get(params, "CallSid").map(|_| leg(params)).transpose()?,
                url: get(params, "AnnounceUrl").map(str::to_owned),
            },
            _ => ConferenceCallbackEvent::Other,
        };
        let friendly_name = get(params, "FriendlyName").unwrap_or_default().to_owned();
        let label = get(params, "ParticipantLabel").map(str::to_owned);
        Ok(Self { conference, friendly_name, sequence, label, event })
    }
}

/// A request for TwiML, or of an `<Enqueue>`'s `action`
/// (<https://www.twilio.com/docs/voice/twiml/enqueue>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceRequest {
    /// The leg that the document is for.
    pub call: CallSid,
    /// How the stay in the queue ended; only with `action`.
    pub queue_result: Option<QueueResult>,
}

/// How a caller left a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueResult {
    /// `bridged` or `bridging-in-process`: the caller was, or is being, connected.
    Bridged,
    /// `redirected` or `redirected-from-bridged`: a request redirected the call.
    Redirected,
    /// `hangup`: the caller hung up.
    HungUp,
    /// `leave`, `queue-full`, `error`, `system-error`, or what Twilio may add: the caller is still on the line.
    Left,
}

impl QueueResult {
    /// Reads `QueueResult`. `None`: the request has none.
    pub fn of(params: &Params) -> Option<Self> {
        get(params, "QueueResult").map(|result| match result {
            "bridged" | "bridging-in-process" => Self::Bridged,
            "redirected" | "redirected-from-bridged" => Self::Redirected,
            "hangup" => Self::HungUp,
            _ => Self::Left,
        })
    }
}

impl VoiceRequest {
    /// Reads the parameters.
    pub fn parse(params: &Params) -> Result<Self, Malformed> {
        Ok(Self { call: leg(params)?, queue_result: QueueResult::of(params) })
    }
}

pub(crate) fn get<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(crate) fn required<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, Malformed> {
    get(params, name).ok_or(Malformed::Missing(name))
}

fn leg(params: &Params) -> Result<CallSid, Malformed> {
    CallSid::parse(required(params, "CallSid")?).map_err(|_| Malformed::Invalid("CallSid"))
}

fn flags(params: &Params) -> Result<Flags, Malformed> {
    Ok(Flags {
        end_conference_on_exit: flag(params, "EndConferenceOnExit")?,
        hold: flag(params, "Hold")?,
        muted: flag(params, "Muted")?,
        coaching: flag(params, "Coaching")?,
    })
}

/// Parses a boolean, which Twilio sends as text. A missing one counts as false: Twilio documents them for every event
/// of a participant.
fn flag(params: &Params, name: &'static str) -> Result<bool, Malformed> {
    match get(params, name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Malformed::Invalid(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_of_a_callback_is_parsed() {
        for (text, wanted) in [
            ("Thu, 1 Jun 2017 20:48:32 +0000", Some(1_496_350_112_000)),
            ("Fri, 20 Nov 2026 00:00:00 +0000", Some(1_795_132_800_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000)),
            ("Thu, 1 Jun 2017 20:48:32 +0100", None),
            ("Thu, 1 Jux 2017 20:48:32 +0000", None),
            ("Thu, 99 Jun 2017 20:48:32 +0000", None),
            ("now", None),
        ] {
            let params = vec![("Timestamp".to_owned(), text.to_owned())];
            assert_eq!(timestamp(&params), wanted.map(Millis), "{text}");
        }
    }

    fn callback(event: &str, extra: &[(&str, &str)]) -> Vec<(String, String)> {
        let conference = ConferenceSid::numbered(3).to_string();
        [("StatusCallbackEvent", event), ("ConferenceSid", &conference), ("SequenceNumber", "7")]
            .iter()
            .chain(extra)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_participant_leave_of_twilio_is_parsed() {
        let body = b"StatusCallbackEvent=participant-leave&AccountSid=AC00000000000000000000000000000001&\
            ConferenceSid=CF00000000000000000000000000000003&FriendlyName=WT00000000000000000000000000000004&\
            SequenceNumber=7&Timestamp=Thu%2C+1+Jun+2017+20%3A48%3A32+%2B0000&\
            CallSid=CA00000000000000000000000000000002&Muted=false&Hold=false&Coaching=false&\
            EndConferenceOnExit=false&StartConferenceOnEnter=true&ParticipantCallStatus=completed&\
            ReasonParticipantLeft=participant_hung_up&SomethingNew=1";
        assert_eq!(
            ConferenceCallback::parse(&form(body)),
            Ok(ConferenceCallback {
                conference: ConferenceSid::numbered(3),
                friendly_name: "WT00000000000000000000000000000004".into(),
                sequence: 7,
                label: None,
                event: ConferenceCallbackEvent::Leave {
                    leg: CallSid::numbered(2),
                    reason: Some("participant_hung_up".into())
                },
            })
        );
    }

    #[test]
    fn each_conference_event_is_mapped_to_its_kind() {
        let leg = CallSid::numbered(5);
        let who = ("CallSid", leg.as_str());
        let flags = Flags { end_conference_on_exit: true, hold: false, muted: true, coaching: false };
        let all = [who, ("EndConferenceOnExit", "true"), ("Hold", "false"), ("Muted", "true")];
        let modify = ConferenceCallbackEvent::Modify { leg: leg.clone(), flags };
        let table = [
            ("conference-start", vec![], ConferenceCallbackEvent::Start),
            ("conference-end", vec![], ConferenceCallbackEvent::End),
            ("participant-join", all.to_vec(), ConferenceCallbackEvent::Join { leg: leg.clone(), flags }),
            (
                "participant-leave",
                vec![who],
                ConferenceCallbackEvent::Leave { leg: leg.clone(), reason: None },
            ),
            ("participant-modify", all.to_vec(), modify.clone()),
            ("participant-hold", all.to_vec(), modify.clone()),
            ("participant-unhold", all.to_vec(), modify.clone()),
            ("participant-mute", all.to_vec(), modify.clone()),
            ("participant-unmute", all.to_vec(), modify),
            ("announcement-end", vec![], ConferenceCallbackEvent::AnnouncementEnd { leg: None, url: None }),
            (
                "announcement-fail",
                vec![who, ("AnnounceUrl", "https://example.com/words")],
                ConferenceCallbackEvent::AnnouncementEnd {
                    leg: Some(leg.clone()),
                    url: Some("https://example.com/words".to_owned()),
                },
            ),
            ("participant-speech-start", vec![], ConferenceCallbackEvent::Other),
        ];
        for (name, extra, wanted) in table {
            let parsed = ConferenceCallback::parse(&callback(name, &extra));
            assert_eq!(parsed.map(|callback| callback.event), Ok(wanted), "{name}");
        }
    }

    #[test]
    fn a_malformed_parameter_is_refused_by_its_name() {
        let leg = CallSid::numbered(5);
        let parse = |event, extra: &[(&str, &str)]| ConferenceCallback::parse(&callback(event, extra));
        assert_eq!(ConferenceCallback::parse(&[]), Err(Malformed::Missing("ConferenceSid")));
        assert_eq!(parse("participant-join", &[]), Err(Malformed::Missing("CallSid")));
        assert_eq!(parse("participant-leave", &[("CallSid", "CA1")]), Err(Malformed::Invalid("CallSid")));
        let odd = [("CallSid", leg.as_str()), ("Hold", "1")];
        assert_eq!(parse("participant-modify", &odd), Err(Malformed::Invalid("Hold")));
        let mut params = callback("conference-end", &[]);
        params[2].1 = "-1".into();
        assert_eq!(ConferenceCallback::parse(&params), Err(Malformed::Invalid("SequenceNumber")));
        params[1].1 = "CF".into();
        assert_eq!(ConferenceCallback::parse(&params), Err(Malformed::Invalid("ConferenceSid")));
    }

    #[test]
    fn each_queue_result_is_one_of_four() {
        let call = CallSid::numbered(5);
        let table = [
            (None, None),
            (Some("bridged"), Some(QueueResult::Bridged)),
            (Some("bridging-in-process"), Some(QueueResult::Bridged)),
            (Some("hangup"), Some(QueueResult::HungUp)),
            (Some("redirected"), Some(QueueResult::Redirected)),
            (Some("redirected-from-bridged"), Some(QueueResult::Redirected)),
            (Some("leave"), Some(QueueResult::Left)),
            (Some("queue-full"), Some(QueueResult::Left)),
            (Some("something-new"), Some(QueueResult::Left)),
        ];
        for (text, wanted) in table {
            let mut params = vec![("CallSid".to_owned(), call.to_string())];
            params.extend(text.map(|text| ("QueueResult".to_owned(), text.to_owned())));
            assert_eq!(VoiceRequest::parse(&params).map(|r| r.queue_result), Ok(wanted), "{text:?}");
        }
    }
}
