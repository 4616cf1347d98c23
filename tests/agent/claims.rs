//! The conversations that the agent has, and what the server is told of them.

use crate::desk::*;
use rejoin_protocol::api::{ConversationClaim, Conversations};
use rejoin_protocol::{ConversationSid, InteractionChannelSid, InteractionSid};

fn chat(number: u128) -> ConversationClaim {
    ConversationClaim {
        conversation: ConversationSid::numbered(number),
        interaction: InteractionSid::numbered(number),
        channel: InteractionChannelSid::numbered(number),
    }
}

fn has(numbers: &[u128]) -> Event {
    Event::Conversations(numbers.iter().copied().map(chat).collect())
}

/// What the server is told, with the number of the request.
fn told(effects: &[Effect]) -> Vec<(PostId, Conversations)> {
    let claims = posts(effects).into_iter().filter_map(|(id, request)| match request {
        Request::Claim(claims) => Some((id, claims)),
        Request::Hello(_) | Request::Register(_) | Request::Graceful(_) => None,
    });
    claims.collect()
}

/// The conversations of the only claim, and the number of its request.
fn claim(effects: &[Effect]) -> (PostId, Vec<ConversationClaim>) {
    let [(id, claims)] = &told(effects)[..] else { panic!("{effects:?}") };
    (*id, claims.conversations.clone())
}

fn accepted(desk: &mut Desk, id: PostId) -> Vec<Effect> {
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })
}

/// The beacons of these effects: epoch of a page that goes with conversations.
fn gone(effects: &[Effect]) -> Vec<Option<u64>> {
    let beacons = effects.iter().filter_map(|effect| match effect {
        Effect::Beacon { gone, .. } => Some(*gone),
        _ => None,
    });
    beacons.collect()
}

/// Otherwise the server would take the page for gone, and tell the customers so.
#[test]
fn without_a_push_channel_a_page_with_conversations_says_every_ten_seconds_that_it_is_there() {
    let hellos = |desk: &mut Desk| {
        let mut times = vec![];
        for _ in 0..120 {
            let effects = desk.wait(Millis::seconds(1));
            if posts(&effects).iter().any(|(_, request)| matches!(request, Request::Hello(_))) {
                times.push(desk.now);
                desk.greeted(vec![]);
            }
        }
        times.windows(2).map(|pair| pair[0].until(pair[1]).0 / 1000).collect::<Vec<_>>()
    };
    // With a call whose polls have become slow before.
    for calls in [false, true] {
        let mut desk = if calls { Desk::on_a_call() } else { Desk::idle() };
        desk.handle(Event::PushState { up: false });
        hellos(&mut desk);
        let (id, _) = claim(&desk.handle(has(&[1])));
        accepted(&mut desk, id);
        let pauses = hellos(&mut desk);
        assert!(pauses.len() > 9 && pauses.iter().all(|pause| *pause <= 10), "{pauses:?}");
        desk.handle(Event::PushState { up: true });
        assert!(hellos(&mut desk).is_empty());
    }
}

#[test]
fn each_change_is_told_once_and_the_last_one_counts() {
    let mut desk = Desk::idle();
    assert_eq!(told(&desk.handle(has(&[]))), [], "nothing to say");
    let (first, all) = claim(&desk.handle(has(&[1])));
    assert_eq!(all, [chat(1)]);
    assert_eq!(told(&desk.handle(has(&[1, 2]))), [], "one at a time");
    let (second, all) = claim(&accepted(&mut desk, first));
    assert_eq!(all, [chat(1), chat(2)]);
    assert_eq!(told(&accepted(&mut desk, second)), []);
    assert_eq!(told(&desk.handle(has(&[1, 2]))), [], "nothing new");
    assert_eq!(claim(&desk.handle(has(&[]))).1, [], "the last one has ended");
}

#[test]
fn a_page_with_conversations_says_goodbye_and_one_without_does_not() {
    let mut desk = Desk::idle();
    assert_eq!(gone(&desk.handle(page_hide())), []);
    let mut desk = Desk::idle();
    let (id, _) = claim(&desk.handle(has(&[1])));
    accepted(&mut desk, id);
    let beacons = gone(&desk.handle(page_hide()));
    assert!(matches!(beacons[..], [Some(_)]), "{beacons:?}");
}

#[test]
fn a_claim_that_fails_waits_for_the_servers_next_answer() {
    let mut desk = Desk::idle();
    let (id, _) = claim(&desk.handle(has(&[1])));
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(503)) });
    assert_eq!(told(&effects), [], "not at once");
    desk.wait(Millis::seconds(30));
    desk.handle(Event::Ask);
    let effects = desk.answered(HelloReply::default());
    assert_eq!(claim(&effects).1, [chat(1)]);
}

#[test]
fn a_server_that_does_not_know_of_conversations_is_told_once() {
    let mut desk = Desk::idle();
    let (id, _) = claim(&desk.handle(has(&[1])));
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(404)) });
    assert_eq!(told(&effects), []);
    desk.wait(Millis::seconds(30));
    desk.handle(Event::Ask);
    assert_eq!(told(&desk.answered(HelloReply::default())), []);
    assert_eq!(told(&desk.handle(has(&[1]))), []);
}

#[test]
fn a_page_that_waits_claims_nothing() {
    let (mut desk, _) = Desk::waiting(vec![], &[]);
    assert_eq!(told(&desk.handle(has(&[1]))), []);
    assert_eq!(gone(&desk.handle(page_hide())), []);
}
