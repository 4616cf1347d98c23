//! What the twin takes for true of Twilio, in one place.
//!
//! Each field says how sure it is: *confirmed* (seen on a real account), *read* (in Twilio's documentation or in its
//! shipped code) or *assumed* (neither). The fields are switches, to be set once the answer has been measured on a real account.
//!
//! What is built into the model's structure, without a switch (without a word: *assumed*):
//!
//! - connection overrides count in every address of a webhook, in TwiML and in REST requests (*read* for webhooks in general:
//!   <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>), also for audio that is the document itself, not
//!   for audio that a `<Play>` names (*assumed*); a part of a fragment that is no override, or is out of range, is ignored
//!   alone (*assumed*); the fragment is neither sent nor signed (*read*: <https://github.com/openclaw/openclaw>,
//!   `docs/channels/sms.md`);
//! - the lists of the Webhooks configuration API are called `rules` and `settings` (*assumed*; the fields of a rule are *read*:
//!   <https://www.twilio.com/docs/usage/webhooks/webhook-rules>);
//! - a leg whose call is redirected by REST runs the new document at once;
//! - a call that is updated with a document of its own (`Twiml`) runs it at once, with nothing to fetch and without a
//!   fallback (*read*: `FallbackUrl` is for the TwiML at `Url`, which wins when both are sent,
//!   <https://github.com/twilio/twilio-oai>, `twilio_api_v2010.json`), also for what it requests later (*assumed*);
//! - a call that the account places to a number of its own is two calls there, one `outbound-api` and one `inbound` that
//!   runs the number's document; when one is ended by REST, the other one was hung up on (*assumed*);
//! - call messages (<https://www.twilio.com/docs/voice/sdks/call-message-events>): the SDK gets the content as JSON, not as text
//!   (*assumed*: the documentation's example formats it with `JSON.stringify`); `Sid` of the callback is the SDK's
//!   `voiceEventSid` (*assumed*: both begin with `KX`); `SequenceNumber` counts the messages of the call from 0 (*read*),
//!   also those without a subscription (*assumed*); a request with an `IdempotencyKey` of an earlier one for the same
//!   call gets that one's answer and has no effect (*assumed*); a subscription ends with its call (*assumed*);
//! - a worker with reservations that are not completed cannot be deleted (*assumed*; the documentation does not say);
//! - a caller who hangs up in a queue causes one request to `action`, with `QueueResult=hangup`, whose answer is
//!   dropped;
//! - a canceled task leaves its call where it is, waiting (*read* for the TTL, *assumed* for cancellation by API);
//! - the document of a `waitUrl` loops without being fetched again (*read*); while it cannot be fetched the caller
//!   waits in silence;
//! - the conference of a reservation is made with the customer's leg first, the agent's second; `conference-start`
//!   follows the second join;
//! - when a conference ends, the leave events of the remaining participants come before `conference-end`;
//! - a flag that is set to its current value gives no webhook, but `participant.modified` to Flex;
//! - ending a leg through `Calls` looks like a removal from the conference (`kick_reason`);
//! - a worker who rejected a task is not offered it again in the same step of the workflow, unless the worker's
//!   activity changes;
//! - a worker's phone rings where it was registered last;
//! - the `identity` that a Flex token is validated with is the worker's friendly name, with `_` and two hexadecimal
//!   digits for each other character (*read*: the escape, <https://www.twilio.com/docs/voice/sdks/javascript>;
//!   *assumed*: that the names are the same, as Flex makes both from the name that the user signs in with);
//! - in an outbound call the agent's leg makes the conference, the customer is dialled into it, and the reservation
//!   is accepted when the customer answers; without an answer, reservation and task are canceled and the conference
//!   ends (*read*: `test/integration/voice/outbound` of <https://github.com/twilio/twilio-taskrouter.js>, which
//!   Twilio runs against itself); it ends as if by API, and nobody hears why (*assumed*);
//! - a worker may read the task of their reservation anew and write its attributes (*read*: `Task.fetchLatestVersion`
//!   and `setAttributes` of `twilio-taskrouter` 2.1.1, which send a version along only with the option
//!   `enableVersionCheck`);
//! - such a task goes through no workflow: it belongs to its worker alone (*read* in the same place), and its queue
//!   is the requested one;
//! - a phone that rings for a conference stops when the conference ends;
//! - a third party whom Flex adds does not end the conference by leaving it (*assumed*: Flex does not ask for it, and
//!   false is the default of Twilio's own participants);
//! - closing the channel of an interaction ends its conference as ending it by API does (*assumed*; that Flex's "End
//!   call" requests that, and waits for the reservation to wrap, is *read* in 2.17.1);
//! - an error of `UpdateReservation` on a reservation that is not pending is 400 with code 40136;
//! - a leg that waits alone in a conference before it starts hears nothing (real conferences play music);
//! - the leg of an agent is in one conference only, as Flex gives each reservation a leg of its own (*assumed*; if this is
//!   false, the second call is not registered before Twilio has shown the leg in that conference);
//! - an agent's reservation wraps up with the first of their legs that leaves, before another one has joined (*assumed*; the
//!   recovery machine does not take it for news of a second leg, whichever is true);
//! - announcements to one conference play one after the other;
//! - `SequenceNumber` also counts events that nobody has subscribed to;
//! - `EndConferenceOnExit` cannot be changed while the participant is on hold (*read*: Twilio's own Flex project
//!   template ends the hold first, and holds again);
//! - a transfer puts the customer on hold, leaves the task `reserved` until the other worker has answered (so that another
//!   transfer is refused meanwhile, *assumed*), and is refused when that worker is not available (*read*: the tests that
//!   Twilio runs against its own service, <https://github.com/twilio/twilio-taskrouter.js>, `test/integration/voice`); the
//!   customer stays on hold until an agent ends it, also when the transfer fails or is canceled (*assumed*; Flex ends it by
//!   itself after a cold one, *read* in its code);
//! - a cold transfer removes the first worker's leg at once, as a kick does (*read*, apart from the reason that the
//!   webhook gives: `transfer_reason`); a refused one goes on through the workflow (*read*:
//!   <https://www.twilio.com/docs/flex/end-user-guide/dialpad-use>), no longer as a transfer (*assumed*);
//! - after a transfer `conference.participants.worker` of the task is still the first worker's leg (*assumed*);
//! - a transfer to a queue is offered to one worker of the queue after the other, never to the worker who hands over
//!   and is still on the call (*read*: `TaskTransferToQueue.js` of the same tests, for cold ones and capacity); a
//!   worker who does not accept it makes that attempt fail and not the transfer (*read*: the events that
//!   `twilio-taskrouter` knows); as long as it is offered to nobody, the task stays as it is, `assigned` or, after a
//!   cold one, `pending` (*assumed*);
//! - TaskRouter's log of a task (`GET Events`) has its transfers (*read*: they are sent to the workspace's
//!   `EventCallbackUrl`, of which it is the record, <https://www.twilio.com/docs/taskrouter/api/event>), and none of
//!   a refused one (*assumed*); it goes back 30 days, and 15 minutes without `Minutes` (*read* in the same place),
//!   also for deleted tasks (*assumed*); `event_data` has the SIDs alone;
//! - a supervisor joins muted, and the conference goes on when the supervisor leaves (*read* in the same tests);
//! - a supervisor coaches by `Muted=false`, `Coaching=true` and `CallSidToCoach`, and barges in by `Muted=false` and
//!   `Coaching=false` (*read*: `supervisor-barge-coach` of Twilio's own Flex project template); a change of
//!   `Coaching` is reported as `participant-modify`, which does not say who is coached (*read*); a coach whose
//!   coached leg has left is heard by nobody (*assumed*);
//! - Flex's teams view is made of live queries of Sync, `tr-worker` and `tr-reservation`, and of a Sync map for each
//!   task, `WT….CS` (*read* in 2.17.1; what else their records say is not known); legs that have left stay in the map
//!   (*read*: Flex throws when one is removed);
//! - an invite of an interaction has none of the attributes of the task before; Twilio adds `flexInteractionSid`,
//!   `flexInteractionChannelSid`, `flexChannelInviteSid` and `conversationSid` (*read*:
//!   <https://www.twilio.com/docs/flex/developer/conversations/interactions-api/invites-subresource>, and what Flex 2.17.1 reads in
//!   a task);
//! - a worker who is invited by name and declines leaves the conversation without anybody (*read*: the best practices in the same
//!   place); a task that is canceled does so, too;
//! - an agent's part in a conversation ends with their reservation (*assumed*), and a closed channel leaves it open while they
//!   wrap up (*read* in Flex 2.17.1, which shows the conversation then);
//! - a channel becomes inactive, and its agent's task completed, by Flex's own "leave" or the same by REST only (*assumed*). If
//!   an account's state timers do both, a customer who waits for our invite, and for an answer, is not invited for again once it
//!   ends, but when they write;
//! - in a conversation everybody's own messages count as read by them (*assumed*);
//! - media is fetched once for each address and kept, and its content type must be audio (*read*:
//!   <https://www.twilio.com/docs/api/errors/12300>);
//! - webhooks arrive in the order of their events, unless the network reverses them: Twilio does not promise that,
//!   and the rules that must not rely on it are tested without the twin.
//!
//! Twilio does not document at all what Flex's own sockets and boot end points send. [`crate::flex`] has what the
//! shipped clients accept.

use rejoin_protocol::Millis;

/// Response header that names the request: `RQ` and 32 digits. *Assumed*: answers that users of the API show have it,
/// its documentation does not mention it.
pub const REQUEST_ID: &str = "twilio-request-id";

/// How long a build of uploaded files takes. *Assumed*: Twilio's plugin builder waits for it, for a minute at most.
pub const BUILD_TIME: Millis = Millis(300);
/// Where files of plugins are: Twilio deploys them with `IsPlugin` only. *Read* (`@twilio/flex-plugin-scripts`, and
/// <https://github.com/twilio/flex-plugin-builder/issues/1119>).
pub const PLUGIN_FILES: &str = "/plugins/";
/// Maximum size of an uploaded file, in bytes. *Read* (<https://www.twilio.com/docs/flex/developer/plugins>).
pub const LARGEST_FILE: usize = 10 << 20;
/// Maximum number of plugins in a configuration. *Read* (<https://www.twilio.com/docs/flex/developer/plugins>).
pub const MOST_PLUGINS: usize = 25;
/// Items of a page without `PageSize`. *Read* (<https://www.twilio.com/docs/usage/twilios-response>).
pub const PAGE_SIZE: usize = 50;

/// Switches and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How long a leg stands whose media has stopped without a goodbye. *Assumed*: reports say 15 s to 5 min
    /// (<https://github.com/twilio/twilio-voice.js/issues/118>, `…/210`).
    pub dead_leg_after: Millis,
    /// True when a leg ends as its browser closes DTLS. *Assumed*: false; users report calls that went on.
    pub dtls_close_ends_leg: bool,
    /// True when a second leg of an agent is refused while the first one stands. *Assumed*: false; Flex's own "Join
    /// Call" button asks for one (*read* in `@twilio/flex-ui` 2.17.1).
    pub second_agent_leg_refused: bool,
    /// How long a worker without an event bridge socket stays in an available activity. *Read*: the default of
    /// `offline_config.presence_ttl` (<https://www.twilio.com/docs/flex/admin-guide/setup/logout-settings>).
    pub presence_ttl: Millis,
    /// How long a reservation may stay pending. *Read*: workflow default, 120 s
    /// (<https://www.twilio.com/docs/taskrouter/limits>).
    pub reservation_timeout: Millis,
    /// True when a reservation that times out takes the worker out of `Available`. *Read* for Flex: the workspace's
    /// `TimeoutActivitySid` is typically `Offline`.
    pub timeout_makes_offline: bool,
    /// `Timeout` of a task without its own. *Read*: 24 h (<https://www.twilio.com/docs/taskrouter/api/task>).
    pub task_timeout: Millis,
    /// How long after its end a completed or canceled task is deleted. *Read*: 5 min
    /// (<https://www.twilio.com/docs/taskrouter/lifecycle-task-state>).
    pub task_deleted_after: Millis,
    /// How long a phone rings, an agent's or an outside one. *Assumed*: 60 s, the default of `Timeout` of other
    /// dialling verbs.
    pub ring_timeout: Millis,
    /// `canceled_reason_code` of an outbound call's reservation whose customer does not answer. *Read* in
    /// `@twilio/flex-ui` 2.17.1, which shows "no answer" for it.
    pub no_answer_code: u32,
    /// The same when the customer's phone is busy. *Read* in the same place.
    pub busy_code: u32,
    /// The same when the agent's leg leaves before the customer answers. *Assumed*: one of the codes for which the
    /// same Flex shows nothing (45302, 45306, 45307).
    pub agent_gone_code: u32,
    /// Code in the body of a 412. *Assumed*; the status is *read*.
    pub if_match_code: u32,
    /// True when `If-Match` is also accepted with the quotes of the `ETag`. *Assumed*: false. The bare number is
    /// *read*, in Twilio's own Flex project template.
    pub if_match_in_quotes: bool,
    /// `ReasonParticipantLeft` after `DELETE` of a participant. *Assumed*, by the value's name. The recovery machine takes
    /// `participant_hung_up` of a leg that it removed for a leg that was gone before: if this is false, a customer whose conference
    /// ended with the removal is kept, too.
    pub kick_reason: &'static str,
    /// `ReasonParticipantLeft` of the leg that a cold transfer removes. *Assumed*: the same. The recovery machine
    /// takes `participant_hung_up` of an agent who completes the task at that moment for a graceful departure; and when
    /// an agent has hung up after the mark of a transfer, and the task only wraps up, it takes the transfer for refused.
    pub transfer_reason: &'static str,
    /// True when an announcement whose document cannot be fetched causes `announcement-fail`. *Assumed*: true.
    /// *Read*: the event is for errors inside Twilio, so there may be none at all
    /// (<https://twilio.com/changelog/conference-announce-events>).
    pub failed_fetch_fails_announcement: bool,
    /// True when a `HoldUrl`'s document begins again at its end. *Assumed*: false. *Read*: an audio file there plays
    /// once, and a document loops with `<Play loop="0">`
    /// (<https://twilio-professional-services.github.io/flex-project-template/feature-library/custom-hold-music>); it
    /// may say, play, pause and redirect (<https://www.twilio.com/docs/api/errors/13238>).
    pub hold_document_loops: bool,
    /// True when the task's own attribute wins as `<Enqueue>` merges the call's into it. *Assumed*: true.
    pub task_attributes_win: bool,
    /// True when a task is canceled as its queued call is redirected by REST. *Assumed* from the documentation of
    /// queues.
    pub redirect_cancels_task: bool,
    /// True when a `waitUrl` whose document cannot be fetched is requested again, after a second of silence.
    /// *Assumed*: true, because it is when its verbs run out.
    pub failed_wait_is_requested_again: bool,
    /// True when the `action` of an `<Enqueue>` is requested, with `QueueResult=redirected`, as a queued call is
    /// redirected by REST. Its document is not executed then. *Assumed*: false. `redirected` is *read* as one of its
    /// results (<https://www.twilio.com/docs/voice/twiml/enqueue#action>); nothing says which redirect is meant.
    pub redirect_requests_action: bool,
    /// How long Twilio waits between two attempts of one webhook. *Assumed*: not at all. The page about connection overrides
    /// does not say it, and without a pause retries help least.
    pub retry_pause: Millis,
    /// True when a call message to a client whose signalling is gone is refused. *Assumed*: false, Twilio accepts it and it
    /// is lost. No page says what happens then.
    pub lost_message_refused: bool,
    /// Code of a refused message or subscription of a call that is not active, or has no Voice SDK client. *Assumed*: that
    /// of other requests for a call in the wrong state. That both are refused is *read*
    /// (<https://www.twilio.com/docs/voice/api/userdefinedmessage-resource>); active is ringing or in progress (*read*:
    /// <https://www.twilio.com/docs/voice/sdks/call-message-events>).
    pub no_message_code: u32,
    /// Maximum size of a call message, in bytes. *Read* for messages of the Android SDK
    /// (<https://twilio.github.io/twilio-voice-android/docs/6.3.3/com/twilio/voice/CallMessage.html>); *assumed* for others.
    pub message_limit: usize,
    /// Code of a longer one. *Read* (<https://www.twilio.com/docs/api/errors/31212>) for messages of the SDK; *assumed* for
    /// those of the REST API.
    pub message_too_long_code: u32,
    /// True when the callback of a subscription to call messages is a form, like other callbacks. *Assumed*: false, it is
    /// JSON, signed by its hash like the events of Event Streams. *Read*: an end point must accept `application/json`
    /// (<https://www.twilio.com/docs/voice/sdks/call-message-events>), and in the example there even the number is a text.
    pub message_callback_is_form: bool,
    /// True when a customer who writes into a conversation that its agent has left is sent to Flex again by Twilio, for
    /// anybody. *Read* for Flex's own "leave"
    /// (<https://www.twilio.com/docs/flex/end-user-guide/leave-and-pause>), *assumed* for the same by REST.
    pub left_chat_invites_itself: bool,
    /// True when the interaction's webhook tells that a channel is inactive or transferred. *Assumed*: the documentation of
    /// `onChannelStatusUpdated` names active and closed
    /// (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/interaction-webhooks>).
    pub inactive_is_told: bool,
    /// True when an agent who transfers a conversation stays a participant of its channel until the next one has joined.
    /// *Assumed*: false, they leave at once. Flex 2.17.1 lets go of the conversation as soon as the transfer is accepted,
    /// and looks for the participant among all, not only the active ones, when the agent completes the task (*read* in
    /// `@twilio/flex-ui` 2.17.1).
    pub transfer_keeps_agent: bool,
    /// Maximum length of TwiML in a parameter, in characters. *Read* for creating calls
    /// (<https://www.twilio.com/docs/voice/api/call-resource>); *assumed* for updating them.
    pub twiml_limit: usize,
    /// Maximum size of a TwiML document, in bytes. *Assumed*: 64 kB, error 11750.
    pub document_limit: usize,
    /// How long after an event Event Streams delivers it; events in between come in the same batch. *Assumed*: Twilio
    /// says "near real time" (<https://www.twilio.com/docs/events>).
    pub event_delay: Millis,
    /// Played to a caller when a document fails and there is no fallback. *Read*: the wording of many reports.
    pub error_message: &'static str,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            dead_leg_after: Millis::seconds(30),
            dtls_close_ends_leg: false,
            second_agent_leg_refused: false,
            presence_ttl: Millis::seconds(30),
            reservation_timeout: Millis::seconds(120),
            timeout_makes_offline: true,
            task_timeout: Millis::seconds(86_400),
            task_deleted_after: Millis::seconds(300),
            ring_timeout: Millis::seconds(60),
            no_answer_code: 45305,
            busy_code: 45303,
            agent_gone_code: 45302,
            if_match_code: 20412,
            if_match_in_quotes: false,
            kick_reason: "participant_updated_via_api",
            transfer_reason: "participant_updated_via_api",
            failed_fetch_fails_announcement: true,
            hold_document_loops: false,
            task_attributes_win: true,
            redirect_cancels_task: true,
            failed_wait_is_requested_again: true,
            redirect_requests_action: false,
            retry_pause: Millis(0),
            lost_message_refused: false,
            no_message_code: 21220,
            message_limit: 10_240,
            message_too_long_code: 31212,
            message_callback_is_form: false,
            left_chat_invites_itself: true,
            inactive_is_told: true,
            transfer_keeps_agent: false,
            twiml_limit: 4000,
            document_limit: 65_536,
            event_delay: Millis(300),
            error_message: "We are sorry, an application error has occurred. Goodbye.",
        }
    }
}
