//! The fallback address of the account's phone numbers.

use super::{TOKEN, Way, World, wanted};
use rejoin_setup::{Account, Change, Choice, Error, Fallback, Plan, Record, Wanted, provision, settings};
use rejoin_twilio::PhoneNumber;
use std::sync::Arc;

const FALLBACK: &str = "https://fallback.example.com";
const OURS: &str = "https://fallback.example.com/twiml/fallback?workflow=WW00000000000000000000000000000001";
const NUMBER: &str = "PN00000000000000000000000000000001";

fn fallback() -> Fallback {
    Fallback { url: FALLBACK.into(), numbers: vec![NUMBER.into()], ..Fallback::default() }
}

fn with(fallback: Fallback) -> Wanted {
    Wanted { fallback: Some(fallback), ..wanted() }
}

impl World {
    /// The number's fallback address and its method.
    async fn number(&self) -> (String, String) {
        let number = self.usual().fetch_phone_number(NUMBER).await.expect("the number");
        (number.voice_fallback_url.unwrap_or_default(), number.voice_fallback_method.unwrap_or_default())
    }

    /// An administrator sets another one.
    async fn set(&self, url: &str, method: &str) {
        self.usual().set_voice_fallback(NUMBER, url, Some(method)).await.expect("the number");
    }
}

/// A plan for an account that is set up but for the numbers.
async fn plan(world: &World, numbers: Vec<PhoneNumber>, wanted: &Wanted) -> Plan {
    let account = Account { numbers, ..world.account().await };
    Plan::of(&account, wanted).expect("a plan")
}

fn number(voice_url: &str, fallback: &str) -> PhoneNumber {
    PhoneNumber {
        sid: NUMBER.into(),
        phone_number: "+15550001111".into(),
        voice_url: Some(voice_url.into()),
        voice_fallback_url: Some(fallback.into()),
        voice_fallback_method: Some("POST".into()),
        ..PhoneNumber::default()
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.changes
        .iter()
        .filter(|change| matches!(change, Change::Fallback { .. }))
        .flat_map(Change::lines)
        .collect()
}

#[tokio::test]
async fn a_number_gets_the_fallback_address_once_and_has_its_own_back() {
    let world = World::new().await;
    let (_, done) = world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    assert_eq!(
        done.last().map(String::as_str),
        Some("~ number PN00000000000000000000000000000001: its fallback address")
    );
    assert_eq!(world.number().await, (OURS.into(), "POST".into()));

    let way = Arc::<Way>::default();
    let (plan, done) =
        world.provision(&world.client(TOKEN, &way), &with(fallback())).await.expect("nothing to do");
    assert_eq!((done, plan.left), (vec![], vec![]));
    let sent = way.sent.lock().expect("a lock").clone();
    assert!(sent.iter().all(|what| what.starts_with("GET ")), "{sent:?}");

    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(world.number().await, (String::new(), "POST".into()));
    assert!(!world.record().exists());
}

#[tokio::test]
async fn without_a_fallback_no_number_is_read_and_the_record_has_none() {
    let world = World::new().await;
    let way = Arc::<Way>::default();
    let (plan, _) = world.provision(&world.client(TOKEN, &way), &wanted()).await.expect("a set-up");
    let sent = way.sent.lock().expect("a lock").clone();
    assert!(sent.iter().all(|what| !what.contains("PhoneNumbers")), "{sent:?}");
    assert!(!std::fs::read_to_string(world.record()).expect("a record").contains("numbers"));
    assert!(!settings(&world.account().await, &wanted(), &plan).contains("fallback_url"));
    assert!(
        settings(&world.account().await, &with(fallback()), &plan)
            .contains("fallback_url = \"https://fallback.example.com\"")
    );
}

#[tokio::test]
async fn another_fallback_address_stays_unless_it_is_to_be_replaced_and_comes_back() {
    let world = World::new().await;
    let theirs = ("https://u:secret@other.example.com/sorry?a=%20b".to_owned(), "GET".to_owned());
    world.set(&theirs.0, &theirs.1).await;
    let (plan, _) = world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    assert_eq!(world.number().await, theirs);
    let [left] = plan.left.as_slice() else { panic!("{:?}", plan.left) };
    assert!(left.contains(NUMBER) && left.contains("https://***@other.example.com/sorry?a=%20b"), "{left}");
    assert!(left.contains("--replace-fallback") && !left.contains("secret"), "{left}");

    let replacing = with(Fallback { replace: true, ..fallback() });
    let (_, done) = world.provision(&world.usual(), &replacing).await.expect("a set-up");
    assert_eq!((done.len(), world.number().await), (1, (OURS.into(), "POST".into())));
    // The fallback moves, and the run ends half-way, again and again: what earlier runs have set is ours, and keeps its workflow.
    let workflows =
        Choice::Named(vec!["Assign to Anyone".into(), "WW00000000000000000000000000000001".into()]);
    for passing in 0.. {
        let record =
            Record::read(&world.record(), &world.account().await.sid).expect("a file").expect("a record");
        let written = record.numbers.iter().map(|(sid, it)| (sid.clone(), it.after.clone())).collect();
        let moved = Fallback { url: "https://moved.example.com".into(), written, ..fallback() };
        let moved = Wanted { workflows: workflows.clone(), ..with(moved) };
        let way = Arc::<Way>::default();
        way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 40]));
        if world.provision(&world.client(TOKEN, &way), &moved).await.is_ok() {
            break;
        }
        assert!(passing < 40, "it gets on");
    }
    let there = OURS.replace("fallback.example.com", "moved.example.com");
    assert_eq!(world.number().await, (there, "POST".into()));

    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(world.number().await, theirs, "byte for byte");
}

#[tokio::test]
async fn an_address_that_was_changed_since_stays_when_the_set_up_is_taken_back() {
    let world = World::new().await;
    world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    world.set("https://other.example.com/sorry", "POST").await;
    let lines = world.unprovision(&world.usual()).await.expect("taken back");
    assert!(lines[0].contains("left as it is"), "{lines:?}");
    assert_eq!(world.number().await.0, "https://other.example.com/sorry");
}

/// Twilio stops answering after each request in turn: each next run goes on, and the number's own address comes back.
#[tokio::test]
async fn a_run_that_ends_half_way_keeps_the_number_s_own_address() {
    let world = World::new().await;
    world.set("https://other.example.com/sorry", "GET").await;
    let replacing = with(Fallback { replace: true, ..fallback() });
    let mut runs = 0;
    for passing in 0.. {
        runs += 1;
        let way = Arc::<Way>::default();
        way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 40]));
        match world.provision(&world.client(TOKEN, &way), &replacing).await {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("run it again"), "{error}"),
        }
        assert!(runs < 40, "it gets on");
    }
    assert_eq!(world.number().await, (OURS.into(), "POST".into()));
    // The same on the way back.
    for passing in 0..40 {
        let way = Arc::<Way>::default();
        way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 40]));
        if world.unprovision(&world.client(TOKEN, &way)).await.is_ok() {
            break;
        }
    }
    assert!(!world.record().exists());
    assert_eq!(world.number().await, ("https://other.example.com/sorry".into(), "GET".into()));
}

/// Somebody sets another address between the plan and its execution.
#[tokio::test]
async fn an_address_that_somebody_sets_meanwhile_is_not_overwritten() {
    let world = World::new().await;
    let client = world.usual();
    let mut account = world.account().await;
    account.read_numbers(&client).await.expect("the numbers");
    let mut record = Record::new(account.sid.clone(), account.workspace.clone());
    world.set("https://other.example.com/sorry", "POST").await;
    let error = provision(&client, &mut account, &with(fallback()), &mut record, &world.record(), |_| {})
        .await
        .expect_err("a refusal");
    assert!(matches!(&error, Error::ChangedNumber(number) if number == NUMBER), "{error}");
    assert_eq!(world.number().await.0, "https://other.example.com/sorry");
    world.twin.console(|console| assert_eq!(console.fallbacks.len(), 1, "theirs alone"));
}

#[tokio::test]
async fn the_plan_chooses_numbers_of_studio_and_shows_a_diff() {
    let world = World::new().await;
    let usual = with(Fallback { numbers: vec![], ..fallback() });
    let studio = "https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1";
    let planned =
        plan(&world, vec![number(studio, ""), number("https://example.com/voice", "")], &usual).await;
    assert_eq!(
        lines(&planned),
        [format!("~ number {NUMBER}: its fallback address"), format!("    + POST {OURS}")]
    );
    assert_eq!(
        planned.left,
        [format!("number {NUMBER}: its calls do not go to Studio; --number {NUMBER} chooses it")]
    );

    let replacing = with(Fallback { replace: true, numbers: vec!["+15550001111".into()], ..fallback() });
    let planned =
        plan(&world, vec![number("https://example.com/voice", "https://other.example.com/")], &replacing)
            .await;
    assert_eq!(
        lines(&planned)[1..],
        ["    - POST https://other.example.com/".to_owned(), format!("    + POST {OURS}")]
    );

    // Another way of asking is no way: the fallback answers POST alone.
    let by_get = PhoneNumber { voice_fallback_method: Some("GET".into()), ..number(studio, OURS) };
    assert_eq!(lines(&plan(&world, vec![by_get], &usual).await)[1], format!("    - GET {OURS}"));

    let trunk = PhoneNumber { trunk_sid: Some("TK1".into()), ..number(studio, "") };
    let application = PhoneNumber { voice_application_sid: Some("AP1".into()), ..number(studio, "") };
    let planned = plan(&world, vec![trunk, application], &usual).await;
    assert_eq!((lines(&planned), planned.left.len()), (vec![], 2));
    assert!(
        planned.left[0].contains("trunk") && planned.left[1].contains("application AP1"),
        "{:?}",
        planned.left
    );
}

#[tokio::test]
async fn the_workflow_is_the_only_one_that_is_chosen_or_the_one_that_is_named() {
    let world = World::new().await;
    let after = async |fallback: Fallback, workflows: Choice, there: &str| {
        let wanted = Wanted { workflows, ..with(fallback) };
        let planned = plan(&world, vec![number("https://example.com/voice", there)], &wanted).await;
        lines(&planned).last().map(|line| line.trim_start_matches("    + POST ").to_owned())
    };
    let two = || Choice::Named(vec!["Assign to Anyone".into(), "Assign to Anyone".into()]);
    let one = || Choice::Named(vec!["Assign to Anyone".into()]);
    let bare = format!("{FALLBACK}/twiml/fallback");
    let named = |workflow: &str| Fallback { workflow: Some(workflow.into()), ..fallback() };
    let outbound = format!("{bare}?workflow=WW00000000000000000000000000000003");
    assert_eq!(
        after(fallback(), two(), "").await,
        Some(bare.clone()),
        "several: the fallback's own setting counts"
    );
    assert_eq!(after(named("Outbound"), two(), "").await, Some(outbound.clone()));
    assert_eq!(after(fallback(), one(), &bare).await.as_deref(), Some(OURS), "it is known now");
    assert_eq!(after(fallback(), one(), &outbound).await, None, "what was named stays");
    assert_eq!(after(named("Assign to Anyone"), one(), &outbound).await.as_deref(), Some(OURS));

    let account = world.account().await;
    let nobody = Fallback { numbers: vec!["+15550009999".into()], ..named("Nobody's") };
    let refusals = Plan::of(&account, &with(nobody)).expect_err("a refusal");
    let shown: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert!(
        shown[0].contains("--fallback-workflow") && shown[1].contains("no number +15550009999"),
        "{shown:?}"
    );
}
