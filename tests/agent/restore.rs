use crate::desk::*;

const OFFLINE: u128 = 0;
const AVAILABLE: u128 = 1;
const BREAK: u128 = 2;

fn stored(effects: &[Effect]) -> Vec<Option<ActivitySid>> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::StoreActivity(activity) => Some(activity.clone()),
        _ => None,
    });
    mine.collect()
}

fn set(effects: &[Effect]) -> Vec<ActivitySid> {
    let mine = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::SetActivity { activity } => Some(activity),
        _ => None,
    });
    mine.collect()
}

/// Loaded, with that activity now, after an earlier page stored the other.
fn loaded(now: u128, before: Option<u128>) -> Desk {
    let mut desk = Desk::new(&[1]);
    desk.agent.recall_activity(before.map(ActivitySid::numbered));
    desk.handle(activity(now));
    desk.start(vec![], true);
    desk
}

#[test]
fn the_next_page_knows_what_the_agent_wanted() {
    let mut desk = Desk::idle();
    let of = |number| vec![Some(ActivitySid::numbered(number))];
    assert_eq!(stored(&desk.handle(activity(AVAILABLE))), of(AVAILABLE));
    assert_eq!(stored(&desk.handle(activity(AVAILABLE))), []);
    assert_eq!(stored(&desk.handle(activity(BREAK))), of(BREAK));
    assert_eq!(stored(&desk.handle(activity(OFFLINE))), [None], "the agent has gone offline on purpose");
}

#[test]
fn after_a_loss_a_change_by_taskrouter_is_undone_once() {
    let break_of = |number: u128| ActivitySid::numbered(number);
    for stage in [Stage::Interrupted, Stage::WaitingForOther, Stage::HandedOver { worker_name: None }] {
        let mut desk = loaded(OFFLINE, Some(BREAK));
        assert_eq!(set(&desk.greeted(vec![view(stage.clone())])), [break_of(BREAK)], "{stage:?}");
        desk.handle(activity(BREAK));
        desk.handle(activity(OFFLINE));
        desk.wait(Millis::seconds(2));
        desk.handle(Event::PushState { up: false });
        desk.handle(Event::PushState { up: true });
        if desk.hello.is_some() {
            assert_eq!(set(&desk.greeted(vec![view(stage)])), [], "once");
        }
    }
    // now, before, what the server says, what is set
    let lost = || vec![view(Stage::Interrupted)];
    let table = [
        (OFFLINE, Some(BREAK), vec![], "no agent was lost"),
        (OFFLINE, None, lost(), "offline before, too"),
        (AVAILABLE, Some(BREAK), lost(), "the activity was set elsewhere"),
        (BREAK, Some(BREAK), lost(), "nothing has changed"),
    ];
    for (now, before, recoveries, why) in table {
        assert_eq!(set(&loaded(now, before).greeted(recoveries)), [], "{why}");
    }
}

/// The server has lent the agent an activity before the page hears that they were lost.
#[test]
fn an_activity_that_is_lent_before_the_answer_is_replaced_by_what_the_agent_wanted() {
    const LENT: u128 = 3;
    let lost = || vec![view(Stage::Queued)];
    let mut desk = loaded(OFFLINE, Some(AVAILABLE));
    desk.handle(activity(LENT));
    assert_eq!(set(&desk.greeted(lost())), [ActivitySid::numbered(AVAILABLE)]);
    // The agent has chosen: a break, or the activity from before.
    for chosen in [BREAK, AVAILABLE] {
        let mut desk = loaded(OFFLINE, Some(AVAILABLE));
        let sid = ActivitySid::numbered(chosen);
        let chosen = Activity { sid, offline: false, unavailable: chosen == BREAK };
        desk.handle(Event::Desktop(FromDesktop::ActivityChanged(chosen)));
        assert_eq!(set(&desk.greeted(lost())), []);
    }
}

#[test]
fn mute_follows_the_agent_through_the_queue() {
    for muted in [true, false] {
        let mut desk = Desk::new(&[]);
        let call = StoredCall { reservation: wr(1), muted };
        desk.agent = Agent::new(Config::new(SERVER), 7, vec![call]);
        desk.microphone(Microphone::Granted);
        desk.start(vec![task(1, ReservationStatus::Wrapping)], true);
        desk.greeted(vec![view(Stage::Queued)]);
        desk.task(reconnect(2, Some(me())));
        desk.task(task(1, ReservationStatus::Over));
        let mut facts = task(2, ReservationStatus::Accepted);
        assert!(!desktop(&desk.task(facts.clone())).contains(&ToDesktop::Mute {}), "no call yet");
        facts.live_call = true;
        let effects = desktop(&desk.task(facts.clone()));
        assert_eq!(effects.contains(&ToDesktop::Mute {}), muted);
        assert!(
            effects.contains(&ToDesktop::Select { reservation: wr(2) }),
            "and it is the one that is shown"
        );
        assert!(!desktop(&desk.task(facts)).contains(&ToDesktop::Mute {}), "once");
    }
}

/// What the hellos of these effects say.
fn says_unavailable(effects: &[Effect]) -> Vec<bool> {
    let hellos = posts(effects).into_iter().filter_map(|(_, request)| match request {
        Request::Hello(hello) => Some(hello.unavailable),
        Request::Register(_) | Request::Graceful(_) | Request::Claim(_) => None,
    });
    hellos.collect()
}

#[test]
fn the_server_is_told_that_the_activity_takes_no_tasks() {
    let at = |number, unavailable| {
        let activity = Activity { sid: ActivitySid::numbered(number), offline: false, unavailable };
        Event::Desktop(FromDesktop::ActivityChanged(activity))
    };
    // Flex tells it a moment after the page has said hello.
    let mut desk = Desk::new(&[1]);
    assert_eq!(says_unavailable(&desk.start(vec![task(1, ReservationStatus::Wrapping)], true)), [false]);
    let mut said = desk.handle(at(BREAK, true));
    said.extend(desk.greeted(vec![view(Stage::Interrupted)]));
    said.extend(desk.wait(Millis::seconds(2)));
    assert_eq!(says_unavailable(&said), [true]);
    desk.greeted(vec![view(Stage::Requeueing)]);
    assert!(says_unavailable(&desk.handle(at(BREAK, true))).is_empty(), "once");
    let mut said = desk.handle(at(AVAILABLE, false));
    said.extend(desk.wait(Millis::seconds(2)));
    assert_eq!(says_unavailable(&said), [false], "and when it is over");
    // A page without anything to recover has nothing to say.
    let mut desk = Desk::idle();
    assert!(says_unavailable(&desk.handle(at(BREAK, true))).is_empty());
}
