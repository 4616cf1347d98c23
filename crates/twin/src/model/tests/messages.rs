//! Call messages.

use super::world::{Talk, World, value};
use crate::{
    facts::Facts,
    model::{ApiError, Assumptions, Effect, Event, Reply, Request},
};
use rejoin_protocol::CallSid;

const LISTENER: &str = "http://server/messages";

impl World {
    fn send(&mut self, call: &CallSid, content: &str, key: Option<&str>) -> Result<Reply, ApiError> {
        let key = key.map(str::to_owned);
        self.ask(Request::SendMessage { call: call.clone(), content: content.into(), key })
    }

    fn subscribe(&mut self, call: &CallSid, callback: &str, key: Option<&str>) -> Result<Reply, ApiError> {
        let (callback, key) = (callback.into(), key.map(str::to_owned));
        self.ask(Request::SubscribeToMessages { call: call.clone(), callback, method: None, key })
    }

    fn client_says(&mut self, call: &CallSid, content: &str) {
        self.tell(Event::Message { call: call.clone(), content: content.into(), sid: "KX1".into() });
    }

    /// Messages to clients, with their SIDs.
    fn messages(&self) -> Vec<(CallSid, String, String)> {
        let messages = self.done.iter().filter_map(|effect| match effect {
            Effect::Message { call, content, sid } => Some((call.clone(), content.clone(), sid.clone())),
            _ => None,
        });
        messages.collect()
    }

    /// Callbacks of subscriptions, and whether they are JSON.
    fn told_listener(&self) -> Vec<(bool, Vec<(String, String)>)> {
        let told = self.done.iter().filter_map(|effect| match effect {
            Effect::JsonWebhook { url, params, .. } if url == LISTENER => Some((true, params.clone())),
            Effect::Webhook { url, params, .. } if url == LISTENER => Some((false, params.clone())),
            _ => None,
        });
        told.collect()
    }
}

#[test]
fn a_message_reaches_the_client_once_for_each_idempotency_key() {
    let (mut world, Talk { agent, .. }) = World::talk(false);
    let first = world.send(&agent, "{\"a\":1}", Some("k")).expect("accepted");
    assert_eq!((first.status, &first.body["call_sid"]), (201, &agent.as_str().into()));
    assert_eq!(world.send(&agent, "{\"a\":2}", Some("k")).expect("accepted").body, first.body);
    let other = world.send(&agent, "{\"a\":3}", None).expect("accepted");
    let sent = world.messages();
    let contents: Vec<_> = sent.iter().map(|(call, content, _)| (call, content.as_str())).collect();
    assert_eq!(contents, [(&agent, "{\"a\":1}"), (&agent, "{\"a\":3}")]);
    assert_eq!(sent[1].2, other.body["sid"].as_str().expect("a SID"));
    // The same key means another thing to another operation.
    world.subscribe(&agent, LISTENER, Some("k")).expect("subscribed");
    world.client_says(&agent, "{}");
    assert_eq!(world.told_listener().len(), 1);
}

#[test]
fn only_active_calls_of_a_client_have_messages() {
    let (mut world, Talk { customer, agent, .. }) = World::talk(false);
    let code = |answer: Result<Reply, ApiError>| answer.map_err(|error| (error.status, error.code)).err();
    assert_eq!(code(world.send(&customer, "{}", None)), Some((400, 21220)));
    assert_eq!(code(world.subscribe(&customer, LISTENER, None)), Some((400, 21220)));
    assert_eq!(code(world.send(&CallSid::numbered(99), "{}", None)), Some((404, 20404)));
    assert_eq!(code(world.subscribe(&agent, "http://my_host/", None)), Some((400, 21205)));
    let longest = Facts::default().message_limit;
    assert_eq!(code(world.send(&agent, &format!("\"{}\"", "x".repeat(longest)), None)), Some((400, 31212)));
    world.subscribe(&agent, LISTENER, None).expect("subscribed");
    world.tell(Event::HungUp { call: agent.clone() });
    world.clear();
    assert_eq!(code(world.send(&agent, "{}", None)), Some((400, 21220)));
    assert_eq!(code(world.subscribe(&agent, LISTENER, None)), Some((400, 21220)));
    world.client_says(&agent, "{}");
    world.client_says(&customer, "{}");
    assert!(world.messages().is_empty() && world.told_listener().is_empty());
}

#[test]
fn each_subscription_is_told_of_each_message_of_the_client() {
    let (mut world, Talk { agent, .. }) = World::talk(false);
    world.client_says(&agent, "{\"early\":true}");
    let sid = world.subscribe(&agent, LISTENER, None).expect("subscribed").body["sid"].clone();
    world.subscribe(&agent, LISTENER, None).expect("subscribed");
    world.client_says(&agent, "{\"a\":\"ü\"}");
    let told = world.told_listener();
    assert_eq!(told.len(), 2);
    for (json, params) in told {
        assert!(json);
        let names = ["ContentType", "Content", "SequenceNumber", "CallSid", "AccountSid", "Sid"];
        let account = "AC00000000000000000000000000000001";
        let wanted = ["application/json", "{\"a\":\"ü\"}", "1", agent.as_str(), account, "KX1"];
        assert_eq!(names.map(|name| value(&params, name)), wanted);
        assert!(crate::dates::parse_rfc2822(value(&params, "Timestamp")).is_some());
    }
    let subscription = sid.as_str().expect("a SID").to_owned();
    let unsubscribe = Request::UnsubscribeFromMessages { call: agent.clone(), subscription };
    assert_eq!(world.ask(unsubscribe.clone()).expect("deleted").status, 204);
    assert_eq!(world.ask(unsubscribe).map_err(|error| error.status).err(), Some(404));
    world.clear();
    world.client_says(&agent, "{}");
    assert_eq!(world.told_listener().len(), 1);
}

#[test]
fn a_callback_is_a_form_if_twilio_sends_one() {
    let (mut world, Talk { agent, .. }) = World::talk(false);
    world.subscribe(&agent, LISTENER, None).expect("subscribed");
    let form = Assumptions { message_callback_is_form: Some(true), ..Assumptions::default() };
    world.tell(Event::Assume(form));
    world.client_says(&agent, "{}");
    assert_eq!(world.told_listener().iter().map(|(json, _)| *json).collect::<Vec<_>>(), [false]);
}

#[test]
fn a_message_without_signalling_is_lost_or_refused() {
    let (mut world, Talk { agent, .. }) = World::talk(false);
    let signalling = |open| Event::Signalling { call: agent.clone(), open };
    let lost = |world: &World| {
        world
            .done
            .iter()
            .any(|effect| matches!(effect, Effect::Log(line) if line.contains("a message is lost")))
    };
    assert!(world.send(&agent, "{}", None).is_ok() && lost(&world));
    world.clear();
    // A second socket takes over before the first one is known to be gone.
    for open in [true, true, false] {
        world.tell(signalling(open));
    }
    assert!(world.send(&agent, "{}", None).is_ok() && !lost(&world));
    world.tell(signalling(false));
    world.tell(Event::Assume(Assumptions { lost_message_refused: Some(true), ..Assumptions::default() }));
    world.clear();
    let refused = world.send(&agent, "{}", None).expect_err("refused");
    assert_eq!((refused.status, refused.code), (400, 32700));
    assert!(world.messages().is_empty());
    world.tell(signalling(true));
    assert!(world.send(&agent, "{}", None).is_ok());
}
