//! What is judged of what was read.

use super::certificate::Certificate;
use super::database::Tables;
use super::server::Answers;
use super::*;
use crate::workflow;
use rejoin_protocol::overrides;
use rejoin_protocol::{PluginVersionSid, SinkSid, TaskChannelSid, TaskQueueSid};
use rejoin_twilio::{
    Account, Activity, ConfiguredPlugin, ConversationWebhook, Error, Flow, PhoneNumber, Sink,
    SubscribedEvent, TaskChannel, TaskQueue, VoiceAddresses, WebhookRule, WebhookSetting, WorkerChannel,
    Workflow,
};
use serde_json::{Value, json};

const URL: &str = "https://rejoin.example.com";

fn expected() -> Expected {
    Expected {
        account: AccountSid::numbered(1),
        workspace: WorkspaceSid::numbered(1),
        public_url: URL.into(),
        other_public_urls: vec![],
        fallback_url: None,
        twiml_overrides: overrides::TWIML.to_owned(),
        ping_workflow: WorkflowSid::numbered(2),
        outbound_workflow: None,
        reconnecting_activity: Some(ActivitySid::numbered(1)),
        offline_after: None,
        gone_after: Millis::seconds(60),
        version: "1.2.3".into(),
    }
}

fn queue(number: u128, workers: &str) -> TaskQueue {
    let sid = TaskQueueSid::numbered(number);
    TaskQueue { sid, friendly_name: format!("Queue {number}"), target_workers: Some(workers.into()) }
}

fn workflow(number: u128, configuration: &str) -> Workflow {
    let sid = WorkflowSid::numbered(number);
    Workflow { sid, friendly_name: format!("Workflow {number}"), configuration: configuration.into() }
}

/// Without our filter.
fn plain(queue: u128) -> String {
    json!({"task_routing": {"filters": [], "default_filter": {"queue": TaskQueueSid::numbered(queue)}}})
        .to_string()
}

fn with_filter(own: u128) -> String {
    workflow::with_filter(&plain(1), &TaskQueueSid::numbered(own), &TaskQueueSid::numbered(1))
        .expect("a configuration")
}

fn taskrouter() -> TaskRouter {
    let channel = |number, name: &str| TaskChannel {
        sid: TaskChannelSid::numbered(number),
        friendly_name: name.into(),
        unique_name: name.into(),
    };
    TaskRouter {
        activities: vec![Activity {
            sid: ActivitySid::numbered(1),
            friendly_name: "Reconnecting".into(),
            available: true,
        }],
        channels: vec![channel(1, "voice"), channel(2, "recovery-ping"), channel(3, "chat")],
        queues: vec![queue(1, "1==1"), queue(2, "1 == 1")],
        workflows: vec![workflow(1, &with_filter(2)), workflow(2, &plain(2))],
        workers: Workers { channels: vec![worker(1, 1)], are_more: false },
    }
}

/// A worker's channels with these capacities.
fn worker(voice: u32, ping: u32) -> Vec<WorkerChannel> {
    let share = |number, name: &str, capacity| WorkerChannel {
        sid: String::new(),
        task_channel_sid: TaskChannelSid::numbered(number),
        task_channel_unique_name: name.into(),
        available: true,
        configured_capacity: capacity,
    };
    vec![share(1, "voice", voice), share(2, "recovery-ping", ping)]
}

fn survey() -> Survey {
    Survey {
        account: Ok(Account { status: "active".into(), kind: Some("Full".into()) }),
        skew: Some(0),
        voice: Ok(()),
        taskrouter: Ok(taskrouter()),
        flex: Ok(json!({
            "taskrouter_workspace_sid": WorkspaceSid::numbered(1),
            "ui_attributes": {"custom_data": {"rejoin": {"server": URL}}},
        })),
        chats: None,
        streams: Ok(Streams { sinks: vec![sink(&format!("{URL}/webhooks/events"), "active", &ALL)] }),
        flows: Ok(vec![]),
        numbers: Ok(vec![]),
        applications: Ok(vec![]),
        serverless: Ok(()),
        plugins: Ok(Some(vec![released("plugin-rejoin", "1.2.3")])),
        tokens: Ok(()),
        webhook_rules: Err(Error::Gone),
    }
}

const ALL: [&str; 8] = [
    "reservation.accepted",
    "reservation.rejected",
    "reservation.timeout",
    "reservation.canceled",
    "reservation.wrapup",
    "task.canceled",
    "task.deleted",
    "task-queue.entered",
];

fn sink(destination: &str, status: &str, names: &[&str]) -> (Sink, Vec<SubscribedEvent>) {
    let sink = Sink {
        sid: SinkSid::numbered(1),
        status: status.into(),
        sink_type: "webhook".into(),
        sink_configuration: json!({ "destination": destination }),
    };
    let one = |name: &&str| SubscribedEvent {
        kind: format!("com.twilio.taskrouter.{name}"),
        schema_version: Some(1),
    };
    (sink, names.iter().map(one).collect())
}

/// What is not ok, as `result check`.
fn faults(survey: &Survey) -> Vec<String> {
    shown(&findings(survey, &expected()))
}

fn shown(findings: &[Finding]) -> Vec<String> {
    let faults = findings.iter().filter(|finding| finding.result != Outcome::Ok);
    faults
        .map(|finding| {
            assert!(finding.means.is_some() && finding.remedy.is_some(), "{finding}");
            format!("{:?} {}", finding.result, finding.check).to_lowercase()
        })
        .collect()
}

fn released(name: &str, version: &str) -> ConfiguredPlugin {
    let plugin_version_sid = PluginVersionSid::numbered(1);
    ConfiguredPlugin { plugin_version_sid, unique_name: name.into(), version: version.into(), phase: 3 }
}

#[test]
fn an_account_as_it_has_to_be_has_no_faults() {
    assert_eq!(faults(&survey()), Vec::<String>::new());
}

type Change = fn(&mut Survey);

#[test]
fn a_right_that_is_missing_is_reported_once_and_what_depends_on_it_is_left_out() {
    let refused = || Error::Refused { status: 403, code: 70051 };
    let planted: [(Change, &str); 11] = [
        (|it| it.voice = Err(Error::Refused { status: 403, code: 70051 }), "failed rights-voice"),
        (|it| it.taskrouter = Err(Error::Unauthorized), "failed rights-taskrouter"),
        (
            |it| it.tokens = Err(Error::Unavailable { status: 503, may_have_acted: true }),
            "failed rights-tokens",
        ),
        (|it| it.tokens = Err(Error::Unauthorized), "warning rights-tokens"),
        (|it| it.flex = Err(Error::Gone), "warning rights-flex"),
        (|it| it.streams = Err(Error::Gone), "warning rights-events"),
        (|it| it.flows = Err(Error::Gone), "warning rights-studio"),
        (|it| it.numbers = Err(Error::Gone), "warning rights-numbers"),
        (|it| it.applications = Err(Error::Gone), "warning rights-applications"),
        (|it| it.serverless = Err(Error::Gone), "warning rights-serverless"),
        (|it| it.plugins = Err(Error::Gone), "warning rights-plugins"),
    ];
    for (plant, wanted) in planted {
        let mut survey = survey();
        plant(&mut survey);
        assert_eq!(faults(&survey), [wanted]);
    }
    let found = findings(&Survey { voice: Err(refused()), ..survey() }, &expected());
    let found = found.iter().find(|finding| finding.check == "rights-voice").expect("the right");
    assert!(found.found.contains("code 70051"), "{found}");
}

#[test]
fn without_an_account_nothing_else_is_said() {
    let timed_out = Error::Transport { what: "timed out", may_have_acted: false };
    for error in [Error::Unauthorized, Error::Gone, Error::Throttled { retry_after: None }, timed_out] {
        let all = findings(&Survey { account: Err(error), ..survey() }, &expected());
        assert_eq!((all.len(), all[0].result), (1, Outcome::Failed), "{all:?}");
    }
    let closed = Account { status: "closed".into(), kind: None };
    assert_eq!(faults(&Survey { account: Ok(closed), ..survey() }), ["failed account"]);
}

#[test]
fn another_workspace_is_reported_once() {
    let mut flex = survey().flex.expect("a configuration");
    flex["taskrouter_workspace_sid"] = WorkspaceSid::numbered(2).as_str().into();
    let survey = Survey { flex: Ok(flex), taskrouter: Err(Error::Gone), ..survey() };
    assert_eq!(faults(&survey), ["failed workspace"]);
    let without = Survey { flex: Ok(json!({})), ..self::survey() };
    assert_eq!(faults(&without), ["failed workspace", "failed flex-server"]);
}

/// The faults of a workspace that was changed.
fn routed(change: impl FnOnce(&mut TaskRouter)) -> Vec<String> {
    let mut taskrouter = taskrouter();
    change(&mut taskrouter);
    faults(&Survey { taskrouter: Ok(taskrouter), ..survey() })
}

#[test]
fn what_pings_need_is_found_missing() {
    assert_eq!(routed(|it| it.channels.retain(|it| it.unique_name == "voice")), ["failed ping-channel"]);
    assert_eq!(routed(|it| it.queues[1] = queue(2, "skills HAS 'x'")), ["failed ping-queue"]);
    let nowhere = plain(9);
    assert_eq!(routed(|it| it.workflows[1].configuration = nowhere), ["failed ping-workflow"]);
    let none = json!({"task_routing": {"filters": []}}).to_string();
    assert_eq!(routed(|it| it.workflows[1].configuration = none), ["failed ping-workflow"]);
    assert_eq!(routed(|it| it.activities[0].available = false), ["failed reconnecting-activity"]);
    assert_eq!(routed(|it| it.activities.clear()), ["failed reconnecting-activity"]);
}

#[test]
fn a_filter_that_does_not_bring_customers_back_is_found() {
    let name = format!("workflow-{}", WorkflowSid::numbered(1)).to_lowercase();
    let warning = [format!("warning {name}")];
    let failed = [format!("failed {name}")];
    assert_eq!(routed(|it| it.workflows[0].configuration = plain(1)), warning);
    assert_eq!(routed(|it| it.workflows[0].configuration = "no JSON".into()), warning);
    let mut shadowed: Value = serde_json::from_str(&with_filter(2)).expect("JSON");
    let filters = shadowed["task_routing"]["filters"].as_array_mut().expect("filters");
    filters.insert(0, json!({"expression": "vip == true", "targets": []}));
    assert_eq!(routed(|it| it.workflows[0].configuration = shadowed.to_string()), failed);
    assert_eq!(routed(|it| it.workflows[0].configuration = with_filter(9)), failed, "a queue that is gone");
    let narrow = routed(|it| {
        it.queues.push(queue(3, "skills HAS 'x'"));
        it.workflows[0].configuration = with_filter(3);
    });
    assert_eq!(narrow, warning);
}

#[test]
fn workers_without_pings_or_with_several_calls_are_counted() {
    let found = |channels: Vec<_>, are_more| workers::judge(&Workers { channels, are_more });
    let mut unavailable = worker(1, 1);
    unavailable[1].available = false;
    let finding = found(vec![worker(1, 1), worker(1, 0), unavailable], true);
    assert_eq!(finding.result, Outcome::Warning);
    assert_eq!(finding.found, "2 workers of 3 that were read without the channel recovery-ping");
    let finding = found(vec![worker(2, 1)], false);
    assert_eq!(finding.found, "1 worker of 1 for more than one call at a time");
    assert_eq!(found(vec![], false).result, Outcome::Ok);
}

#[test]
fn desktops_that_use_another_server_or_none_are_found() {
    let judged = |rejoin: Value| {
        flex::judge(&json!({"ui_attributes": {"custom_data": {"rejoin": rejoin}}}), &expected()).result
    };
    assert_eq!(judged(json!({"server": format!("{URL}/")})), Outcome::Ok);
    for rejoin in [
        json!({"server": "https://another.example.com"}),
        json!({"server": URL, "enabled": false}),
        json!({}),
        Value::Null,
    ] {
        assert_eq!(judged(rejoin.clone()), Outcome::Failed, "{rejoin}");
    }
    let others = Expected { other_public_urls: vec!["https://old.example.com".into()], ..expected() };
    let flex = json!({"ui_attributes": {"custom_data": {"rejoin": {"server": "https://old.example.com"}}}});
    assert_eq!(flex::judge(&flex, &others).result, Outcome::Ok);
}

#[test]
fn only_features_that_act_on_the_same_calls_are_reported() {
    let judged =
        |features: Value| features::judge(&json!({"ui_attributes": {"custom_data": {"features": features}}}));
    let off = judged(json!({"conference": {"enabled": false}, "hang_up_by": {"enabled": true}}));
    assert_eq!(off.result, Outcome::Ok);
    let on = judged(json!({"conference": {"enabled": true}, "multi_call": {"enabled": true}}));
    assert_eq!(on.result, Outcome::Warning);
    assert!(on.found.ends_with("conference, multi_call"), "{on}");
}

fn flow(widget: &Value) -> Flow {
    let action = format!("{URL}/twiml/ended");
    let redirect = |name: &str, url: &str| json!({"name": name, "type": "add-twiml-redirect", "properties": {"url": url}});
    Flow {
        sid: "FW1".into(),
        friendly_name: "Calls".into(),
        status: "published".into(),
        definition: Some(json!({"states": [
            {"name": "Trigger", "type": "trigger"}, widget, redirect("ended", &action),
            redirect("wrong", "https://another.example.com/twiml/ended"),
        ]})),
    }
}

#[test]
fn a_widget_for_calls_has_to_lead_to_the_action() {
    let ours = WorkflowSid::numbered(1);
    let to_flex = |next: &str, channel: &str| {
        json!({"name": "to_flex", "type": "send-to-flex", "transitions": [{"event": "callComplete", "next": next}],
               "properties": {"workflow": ours, "channel": channel}})
    };
    let voice = TaskChannelSid::numbered(1);
    let enqueue = json!({"name": "enqueue", "type": "enqueue-call", "transitions": [{"event": "callComplete"}],
                         "properties": {"workflow_sid": ours}});
    for (widget, wanted) in [
        (to_flex("ended", voice.as_str()), Outcome::Ok),
        (to_flex("wrong", voice.as_str()), Outcome::Warning),
        (to_flex("nowhere", "voice"), Outcome::Warning),
        (to_flex("nowhere", "{{flow.variables.channel}}"), Outcome::Warning),
        (to_flex("nowhere", TaskChannelSid::numbered(3).as_str()), Outcome::Ok),
        (enqueue, Outcome::Warning),
        (json!({"type": "send-to-flex", "properties": {"workflow": WorkflowSid::numbered(5)}}), Outcome::Ok),
        (json!({"type": "send-to-flex"}), Outcome::Ok),
    ] {
        let judged = flows::judge(&[flow(&widget)], (&[], &[]), &taskrouter(), &expected());
        assert_eq!(judged.result, wanted, "{widget} {judged}");
    }
    let studio = VoiceAddresses {
        voice_url: Some("https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1".into()),
        ..addresses("AP2", "", "POST")
    };
    let numbers = [
        number("PN1", "", "POST"),
        PhoneNumber { voice_application_sid: Some("AP1".into()), ..number("PN2", "", "POST") },
        PhoneNumber { voice_application_sid: Some("AP2".into()), ..number("PN3", "", "POST") },
    ];
    let lines = (&numbers[..], &[addresses("AP1", "", "POST"), studio][..]);
    let judged = flows::judge(&[], lines, &taskrouter(), &expected());
    assert!(judged.found.contains("1 number and 1 application with documents from elsewhere"), "{judged}");
}

/// A number or an application with documents from elsewhere than Studio.
fn addresses(sid: &str, fallback: &str, method: &str) -> VoiceAddresses {
    VoiceAddresses {
        sid: sid.into(),
        voice_url: Some("https://example.com/voice".into()),
        voice_fallback_url: Some(fallback.into()),
        voice_fallback_method: Some(method.into()),
    }
}

fn number(sid: &str, fallback: &str, method: &str) -> PhoneNumber {
    PhoneNumber { addresses: addresses(sid, fallback, method), ..PhoneNumber::default() }
}

#[test]
fn numbers_without_a_fallback_address_are_named_by_their_sids() {
    let number = |sid: &str, fallback: &str| number(sid, fallback, "POST");
    let trunk = PhoneNumber { trunk_sid: Some("TK1".into()), ..number("PN3", "") };
    let messages = PhoneNumber {
        addresses: VoiceAddresses { sid: "PN4".into(), ..VoiceAddresses::default() },
        ..PhoneNumber::default()
    };
    let good = numbers::judge(&[number("PN1", "https://example.com/sorry"), trunk, messages], &[], None);
    assert_eq!(good.result, Outcome::Ok);
    assert_eq!(
        good.found,
        "1 number for calls, with a fallback address each; 1 number with a trunk, or a missing application, not checked"
    );
    let without = numbers::judge(&[number("PN1", ""), number("PN2", "https://example.com/sorry")], &[], None);
    assert_eq!(without.found, "2 numbers for calls, 1 without a fallback address (PN1)");
}

#[test]
fn an_application_is_judged_once_instead_of_its_numbers() {
    let of = |application: &str, sid: &str| PhoneNumber {
        voice_application_sid: Some(application.into()),
        ..number(sid, "https://example.com/sorry", "POST")
    };
    let numbers = [of("AP1", "PN1"), of("AP1", "PN2"), of("AP9", "PN3")];
    // Customers do not call an application that no number has, unless it leads to a flow.
    let studio = VoiceAddresses {
        voice_url: Some("https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1".into()),
        ..addresses("AP3", "https://example.com/sorry", "POST")
    };
    let applications = [addresses("AP1", "", "POST"), addresses("AP2", "", "POST"), studio];
    let without = numbers::judge(&numbers, &applications, None);
    assert_eq!(
        without.found,
        "2 applications for calls, 1 without a fallback address (AP1); 1 number with a trunk, or a missing application, not checked"
    );
    let url = "https://fallback.example.com";
    let ours = [addresses("AP1", &format!("{url}/twiml/fallback"), "POST")];
    let good = numbers::judge(&numbers[..2], &ours, Some(url));
    assert_eq!(good.found, format!("1 application for calls, each with an address of {url} as its fallback"));
    let bad = numbers::judge(&[numbers[0].clone(), number("PN4", "", "POST")], &applications[..1], Some(url));
    let found = format!(
        "1 number and 1 application for calls, 0 with an address of {url} as the fallback; 2 without any (AP1, PN4)"
    );
    assert_eq!((bad.result, bad.found), (Outcome::Warning, found));
}

#[test]
fn numbers_are_to_lead_to_the_fallback_by_post() {
    let url = "https://fallback.example.com";
    let ours = "https://fallback.example.com/twiml/fallback?workflow=WW00000000000000000000000000000001";
    let good = numbers::judge(&[number("PN1", ours, "POST")], &[], Some(url));
    assert_eq!(good.found, format!("1 number for calls, each with an address of {url} as its fallback"));
    let all = [
        number("PN1", ours, "POST"),
        number("PN2", "", "POST"),
        number("PN3", "https://example.com/sorry", "POST"),
        number("PN4", ours, "GET"),
    ];
    let bad = numbers::judge(&all, &[], Some(url));
    assert_eq!((bad.result, numbers::judge(&[], &[], Some(url)).result), (Outcome::Warning, Outcome::Ok));
    assert_eq!(
        bad.found,
        format!(
            "4 numbers for calls, 1 with an address of {url} as the fallback; 1 without any (PN2); 2 with another, or not by POST \
             (PN3, PN4)"
        )
    );
}

#[test]
fn the_fallback_host_is_to_answer_with_a_certificate_that_lasts() {
    let judged = |certificate: Option<Certificate>, live: Result<u16, String>| {
        fallback::judge("https://fallback.example.com", certificate.as_ref(), &live).result
    };
    let valid = |days| Some(Certificate::Valid { days });
    assert_eq!(judged(valid(14), Ok(200)), Outcome::Ok);
    assert_eq!(judged(None, Ok(200)), Outcome::Ok);
    assert_eq!(judged(valid(13), Ok(200)), Outcome::Warning);
    assert_eq!(judged(valid(13), Ok(404)), Outcome::Failed);
    assert_eq!(judged(valid(90), Err("timed out".into())), Outcome::Failed);
    assert_eq!(judged(Some(Certificate::Refused("expired".into())), Ok(200)), Outcome::Failed);
    assert_eq!(judged(Some(Certificate::Unreachable("timed out".into())), Ok(200)), Outcome::Failed);
}

#[test]
fn a_sink_has_to_be_active_lead_here_and_get_all_types() {
    let judged = |sinks: Vec<_>| streams::judge(&Streams { sinks }, &expected());
    let here = format!("{URL}/webhooks/events");
    for (sinks, wanted) in [
        (vec![], "no sink"),
        (vec![sink("https://another.example.com", "active", &ALL)], "no sink"),
        (vec![sink(&format!("{URL}/events"), "active", &ALL)], "takes no events"),
        (vec![sink(&here, "failed", &ALL)], "is failed"),
        (vec![sink(&here, "active", &ALL[1..])], "does not get com.twilio.taskrouter.reservation.accepted"),
    ] {
        let finding = judged(sinks);
        assert_eq!(finding.result, Outcome::Warning, "{finding}");
        assert!(finding.found.contains(wanted), "{finding}");
    }
}

#[test]
fn the_webhook_of_conversations_has_to_lead_here_if_chats_are_watched() {
    let webhook = |url: &str, events: &[&str]| {
        Ok(ConversationWebhook {
            post_webhook_url: Some(url.to_owned()),
            method: Some("POST".to_owned()),
            filters: Some(events.iter().map(|it| (*it).to_owned()).collect()),
            target: Some("webhook".to_owned()),
        })
    };
    let here = format!("{URL}/webhooks/conversations");
    let both = ["onMessageAdded", "onConversationStateUpdated"];
    for (chats, result, wanted) in [
        (webhook(&here, &both), Outcome::Ok, "leads to https://rejoin.example.com/webhooks/conversations"),
        (webhook(&here, &both[..1]), Outcome::Warning, "is POST https://rejoin.example.com"),
        (webhook("", &[]), Outcome::Warning, "leads nowhere"),
        (
            webhook("https://u:secret@another.example.com/\u{1b}", &both),
            Outcome::Warning,
            "***@another.example.com/\\u{1b}",
        ),
        (Err(Error::Refused { status: 403, code: 0 }), Outcome::Warning, "cannot be read (HTTP status 403"),
    ] {
        let survey = Survey { chats: Some(chats), ..survey() };
        let finding = findings(&survey, &expected()).into_iter().find(|it| it.check == "conversations");
        let finding = finding.expect("a finding");
        assert_eq!(finding.result, result, "{finding}");
        assert!(finding.to_string().contains(wanted) && !finding.to_string().contains("secret"), "{finding}");
    }
    assert!(findings(&survey(), &expected()).iter().all(|it| it.check != "conversations"));
}

#[test]
fn flex_has_to_set_agents_offline_before_the_server_takes_them_for_gone_if_chats_are_watched() {
    let judged = |offline: Value, set: Option<u64>| {
        let webhook =
            ConversationWebhook { post_webhook_url: None, method: None, filters: None, target: None };
        let survey =
            Survey { chats: Some(Ok(webhook)), flex: Ok(json!({ "offline_config": offline })), ..survey() };
        let expected = Expected { offline_after: set.map(Millis::seconds), ..expected() };
        findings(&survey, &expected).into_iter().find(|it| it.check == "logout").expect("a finding")
    };
    let on = |seconds: u64| json!({ "presence": true, "presence_ttl": seconds });
    for (offline, set, result, wanted) in [
        (on(30), None, Outcome::Ok, "offline 30 s after"),
        (on(31), None, Outcome::Warning, "to 61000 or more"),
        (on(31), Some(5), Outcome::Ok, "offline 5 s after"),
        (on(30), Some(0), Outcome::Ok, "is 0"),
        (json!({ "presence": false, "presence_ttl": 30 }), None, Outcome::Warning, "does not say"),
        (Value::Null, None, Outcome::Warning, "does not say"),
        (Value::Null, Some(30), Outcome::Ok, "offline 30 s after"),
    ] {
        let finding = judged(offline, set);
        assert_eq!(finding.result, result, "{finding}");
        assert!(finding.to_string().contains(wanted), "{finding}");
    }
    assert!(findings(&survey(), &expected()).iter().all(|it| it.check != "logout"));
}

fn rule(kind: &str, url: &str, setting: &str) -> WebhookRule {
    let url = Some(url.to_owned());
    let (value, prefix) = if kind == "EXACT_MATCH" { (url, None) } else { (None, url) };
    WebhookRule { id: "r".into(), match_type: kind.into(), value, prefix, settings: vec![setting.into()] }
}

#[test]
fn a_rule_with_a_key_of_its_own_fails_where_it_applies() {
    let settings = || {
        let setting = |id: &str, signature| WebhookSetting { id: id.into(), signature };
        vec![
            setting("own", json!({"key": "k", "algorithm": "HMAC_SHA256"})),
            setting("none", Value::Null),
            setting("same", json!({"algorithm": "HMAC_SHA1"})),
        ]
    };
    let judged = |rules: Vec<_>| webhook_rules::judge(&Ok((rules, settings())), &expected()).result;
    let below = format!("{URL}/webhooks/conference");
    for rules in [
        vec![rule("EXACT_MATCH", &below, "own")],
        vec![rule("PREFIX_MATCH", "https://rejoin.", "own")],
        vec![rule("PREFIX_MATCH", &below, "own"), rule("PREFIX_MATCH", URL, "none")],
        vec![rule("PREFIX_MATCH", &format!("{URL}/web"), "own")],
        vec![rule("DEFAULT", "", "own")],
    ] {
        assert_eq!(judged(rules.clone()), Outcome::Failed, "{rules:?}");
    }
    for rules in [
        vec![],
        vec![rule("EXACT_MATCH", "https://rejoin.example.com.evil.example/", "own")],
        vec![rule("PREFIX_MATCH", "https://another.example.com", "own")],
        vec![rule("PREFIX_MATCH", &format!("{URL}/another"), "own")],
        vec![
            rule("PREFIX_MATCH", URL, "none"),
            rule("PREFIX_MATCH", "https://", "own"),
            rule("DEFAULT", "", "own"),
        ],
        vec![rule("PREFIX_MATCH", URL, "same")],
    ] {
        assert_eq!(judged(rules.clone()), Outcome::Ok, "{rules:?}");
    }
    let unreadable = Err(Error::Unreadable { may_have_acted: false });
    assert_eq!(webhook_rules::judge(&unreadable, &expected()).result, Outcome::Warning);
    assert_eq!(webhook_rules::judge(&Err(Error::Gone), &expected()).result, Outcome::Ok);
}

#[test]
fn the_released_plugin_is_of_this_version() {
    let judged = |plugins: Option<&[ConfiguredPlugin]>| plugin::judge(plugins, &expected()).result;
    assert_eq!(judged(Some(&[released("plugin-rejoin", "1.2.3")])), Outcome::Ok);
    assert_eq!(judged(Some(&[released("plugin-rejoin", "1.2.2")])), Outcome::Warning);
    assert_eq!(judged(Some(&[released("plugin-other", "1.2.3")])), Outcome::Failed);
    assert_eq!(judged(None), Outcome::Failed);
}

fn answers() -> Answers {
    Answers {
        live: Ok(200),
        version: Some("1.2.3".into()),
        unready: Some(vec![]),
        signed: Some(200),
        forged: Some(403),
        presence: Some(404),
        desktops: Some(["1.2.3".to_owned()].into()),
    }
}

#[test]
fn what_the_server_answers_is_judged_one_by_one() {
    type Planted = (fn(&mut Answers), &'static [&'static str]);
    let planted: [Planted; 16] = [
        (|_| {}, &[]),
        (|it| it.live = Err("no connection".into()), &["failed server"]),
        (|it| it.live = Ok(503), &["failed server"]),
        (|it| it.live = Ok(404), &["failed server"]),
        (|it| it.version = Some("1.3.0".into()), &["warning server-version"]),
        (|it| it.unready = Some(vec!["database: away".into()]), &["failed server-ready"]),
        (|it| it.unready = None, &["warning server-ready"]),
        (|it| it.signed = Some(403), &["failed signatures"]),
        (|it| it.signed = Some(502), &["failed signatures"]),
        (|it| it.forged = Some(200), &["failed signatures"]),
        (|it| it.desktops = Some(["1.2.3".to_owned(), "1.2.2".to_owned()].into()), &["warning desktops"]),
        (|it| it.presence = Some(101), &[]),
        (|it| it.presence = Some(400), &["warning presence"]),
        (|it| it.presence = Some(0), &["warning presence"]),
        (|it| (it.signed, it.presence) = (Some(403), Some(401)), &["failed signatures"]),
        (|it| (it.signed, it.forged, it.desktops) = (None, None, None), &[]),
    ];
    for (plant, wanted) in planted {
        let mut answers = answers();
        plant(&mut answers);
        assert_eq!(shown(&server::judge(URL, &answers, "1.2.3")), wanted, "{answers:?}");
    }
}

#[test]
fn a_certificate_is_renewed_in_time_and_a_database_is_of_this_version() {
    let certificate = |it| certificate::judge("rejoin.example.com", &it).result;
    assert_eq!(certificate(Certificate::Valid { days: 14 }), Outcome::Ok);
    assert_eq!(certificate(Certificate::Valid { days: 13 }), Outcome::Warning);
    assert_eq!(certificate(Certificate::Refused("expired".into())), Outcome::Failed);
    assert_eq!(certificate(Certificate::Unreachable("timed out".into())), Outcome::Failed);
    let database = |applied| database::judge(&Ok(Tables { applied, known: 9 })).result;
    assert_eq!([8, 9, 10].map(database), [Outcome::Warning, Outcome::Ok, Outcome::Failed]);
    assert_eq!(database::judge(&Err("away".into())).result, Outcome::Failed);
}

#[test]
fn names_that_others_have_given_are_written_out() {
    let mut taskrouter = taskrouter();
    taskrouter.workflows[0].friendly_name = "a\u{1b}[2Jb\nc".into();
    let all = findings(&Survey { taskrouter: Ok(taskrouter), ..survey() }, &expected());
    assert!(all.iter().all(|finding| !finding.found.contains(['\u{1b}', '\n'])), "{all:?}");
}
