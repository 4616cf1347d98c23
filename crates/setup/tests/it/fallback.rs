//! The fallback address of the account's phone numbers and TwiML applications.

use super::{TOKEN, Way, World, wanted};
use rejoin_protocol::AccountSid;
use rejoin_setup::{Account, Change, Choice, Error, Fallback, Plan, Record, Wanted, provision, settings};
use rejoin_twilio::{PhoneNumber, VoiceAddresses};
use serde_json::Value;
use std::sync::Arc;

const FALLBACK: &str = "https://fallback.example.com";
const OURS: &str = "https://fallback.example.com/twiml/fallback?workflow=WW00000000000000000000000000000001";
const NUMBER: &str = "PN00000000000000000000000000000001";
const APPLICATION: &str = "AP00000000000000000000000000000001";
/// What has the addresses of the number's calls: itself, or its application. The same is done to both.
const HOLDERS: [&str; 2] = [NUMBER, APPLICATION];

fn fallback() -> Fallback {
    Fallback { url: FALLBACK.into(), numbers: vec![NUMBER.into()], ..Fallback::default() }
}

fn with(fallback: Fallback) -> Wanted {
    Wanted { fallback: Some(fallback), ..wanted() }
}

impl World {
    /// An account whose number has its own addresses, or has an application.
    async fn with(holder: &str) -> Self {
        let world = Self::new().await;
        if holder == APPLICATION {
            let form = [("FriendlyName", "Calls"), ("VoiceUrl", "https://example.com/voice")];
            assert_eq!(world.post("Applications", &form).await["sid"], APPLICATION);
            world.assign(APPLICATION).await;
        }
        world
    }

    /// An administrator gives the number this application.
    async fn assign(&self, application: &str) {
        let path = format!("IncomingPhoneNumbers/{NUMBER}");
        let answer = self.post(&path, &[("VoiceApplicationSid", application)]).await;
        assert_eq!(answer["voice_application_sid"], application);
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let account = AccountSid::numbered(1);
        let url = format!("{}/api.twilio.com/2010-04-01/Accounts/{account}/{path}.json", self.base);
        let request = reqwest::Client::new().post(url).basic_auth(account, Some(TOKEN)).form(form);
        let answer = request.send().await.expect("an answer").bytes().await.expect("a body");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// The fallback address and its method.
    async fn fallback(&self, holder: &str) -> (String, String) {
        let there = self.usual().fetch_voice_addresses(holder).await.expect("the addresses");
        (there.voice_fallback_url.unwrap_or_default(), there.voice_fallback_method.unwrap_or_default())
    }

    /// An administrator sets another one.
    async fn set(&self, holder: &str, url: &str, method: &str) {
        self.usual().set_voice_fallback(holder, url, Some(method)).await.expect("the addresses");
    }

    /// Runs that end after each request in turn, until one gets to its end.
    async fn half_way(&self, wanted: &Wanted) {
        for passing in 0..40 {
            match self.provision(&self.client(TOKEN, &ending(passing)), wanted).await {
                Ok(_) => return,
                Err(error) => assert!(error.to_string().contains("run it again"), "{error}"),
            }
        }
        panic!("it does not get on");
    }
}

/// Twilio answers this number of requests, and refuses those that follow.
fn ending(passing: usize) -> Arc<Way> {
    let way = Arc::<Way>::default();
    way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 40]));
    way
}

/// A plan for an account that is set up but for the numbers.
async fn plan(world: &World, numbers: Vec<PhoneNumber>, wanted: &Wanted) -> Plan {
    let account = Account { numbers, ..world.account().await };
    Plan::of(&account, wanted).expect("a plan")
}

fn number(voice_url: &str, fallback: &str) -> PhoneNumber {
    let addresses = addresses(NUMBER, voice_url, fallback);
    PhoneNumber { addresses, phone_number: "+15550001111".into(), ..PhoneNumber::default() }
}

fn addresses(sid: &str, voice_url: &str, fallback: &str) -> VoiceAddresses {
    VoiceAddresses {
        sid: sid.into(),
        voice_url: Some(voice_url.into()),
        voice_fallback_url: Some(fallback.into()),
        voice_fallback_method: Some("POST".into()),
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
async fn a_number_or_its_application_gets_the_fallback_address_once_and_has_its_own_back() {
    for (holder, change) in [
        (NUMBER, "~ number PN00000000000000000000000000000001: its fallback address"),
        (
            APPLICATION,
            "~ application AP00000000000000000000000000000001 (of PN00000000000000000000000000000001): its fallback address",
        ),
    ] {
        let world = World::with(holder).await;
        let (_, done) = world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
        assert_eq!(done.last().map(String::as_str), Some(change));
        assert_eq!(world.fallback(holder).await, (OURS.into(), "POST".into()));
        if holder == APPLICATION {
            assert_eq!(world.fallback(NUMBER).await.0, "", "its own address does not count");
        }

        let way = Arc::<Way>::default();
        let (plan, done) =
            world.provision(&world.client(TOKEN, &way), &with(fallback())).await.expect("nothing to do");
        assert_eq!((done, plan.left), (vec![], vec![]));
        let sent = way.sent.lock().expect("a lock").clone();
        assert!(sent.iter().all(|what| what.starts_with("GET ")), "{sent:?}");

        world.unprovision(&world.usual()).await.expect("taken back");
        assert_eq!(world.fallback(holder).await, (String::new(), "POST".into()));
        assert!(!world.record().exists());
    }
}

#[tokio::test]
async fn without_a_fallback_no_number_is_read_and_the_record_has_none() {
    let world = World::new().await;
    let way = Arc::<Way>::default();
    let (plan, _) = world.provision(&world.client(TOKEN, &way), &wanted()).await.expect("a set-up");
    let sent = way.sent.lock().expect("a lock").clone();
    let is_about_calls = |what: &String| what.contains("PhoneNumbers") || what.contains("Applications");
    assert!(!sent.iter().any(is_about_calls), "{sent:?}");
    assert!(!std::fs::read_to_string(world.record()).expect("a record").contains("fallbacks"));
    assert!(!settings(&world.account().await, &wanted(), &plan).contains("fallback_url"));
    assert!(
        settings(&world.account().await, &with(fallback()), &plan)
            .contains("fallback_url = \"https://fallback.example.com\"")
    );
}

#[tokio::test]
async fn another_fallback_address_stays_unless_it_is_to_be_replaced_and_comes_back() {
    for holder in HOLDERS {
        let world = World::with(holder).await;
        let theirs = ("https://u:secret@other.example.com/sorry?a=%20b".to_owned(), "GET".to_owned());
        world.set(holder, &theirs.0, &theirs.1).await;
        let (plan, _) = world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
        assert_eq!(world.fallback(holder).await, theirs);
        let [left] = plan.left.as_slice() else { panic!("{:?}", plan.left) };
        assert!(
            left.contains(holder) && left.contains("https://***@other.example.com/sorry?a=%20b"),
            "{left}"
        );
        assert!(left.contains("--replace-fallback") && !left.contains("secret"), "{left}");

        let replacing = with(Fallback { replace: true, ..fallback() });
        let (_, done) = world.provision(&world.usual(), &replacing).await.expect("a set-up");
        assert_eq!((done.len(), world.fallback(holder).await), (1, (OURS.into(), "POST".into())));
        // The fallback moves, and the run ends half-way, again and again: what earlier runs have set is ours, and keeps its
        // workflow.
        let workflows =
            Choice::Named(vec!["Assign to Anyone".into(), "WW00000000000000000000000000000001".into()]);
        for passing in 0.. {
            let record =
                Record::read(&world.record(), &world.account().await.sid).expect("a file").expect("a record");
            let written = record.fallbacks.iter().map(|(sid, it)| (sid.clone(), it.after.clone())).collect();
            let moved = Fallback { url: "https://moved.example.com".into(), written, ..fallback() };
            let moved = Wanted { workflows: workflows.clone(), ..with(moved) };
            if world.provision(&world.client(TOKEN, &ending(passing)), &moved).await.is_ok() {
                break;
            }
            assert!(passing < 40, "it gets on");
        }
        let there = OURS.replace("fallback.example.com", "moved.example.com");
        assert_eq!(world.fallback(holder).await, (there, "POST".into()));

        world.unprovision(&world.usual()).await.expect("taken back");
        assert_eq!(world.fallback(holder).await, theirs, "byte for byte");
    }
}

#[tokio::test]
async fn an_address_that_was_changed_since_stays_when_the_set_up_is_taken_back() {
    for holder in HOLDERS {
        let world = World::with(holder).await;
        world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
        world.set(holder, "https://other.example.com/sorry", "POST").await;
        let lines = world.unprovision(&world.usual()).await.expect("taken back");
        assert!(lines[0].contains(holder) && lines[0].contains("left as it is"), "{lines:?}");
        assert_eq!(world.fallback(holder).await.0, "https://other.example.com/sorry");
    }
}

/// Twilio stops answering after each request in turn: each next run goes on, and the own address comes back.
#[tokio::test]
async fn a_run_that_ends_half_way_keeps_the_own_address() {
    for holder in HOLDERS {
        let world = World::with(holder).await;
        world.set(holder, "https://other.example.com/sorry", "GET").await;
        world.half_way(&with(Fallback { replace: true, ..fallback() })).await;
        assert_eq!(world.fallback(holder).await, (OURS.into(), "POST".into()));
        // The same on the way back.
        for passing in 0..40 {
            if world.unprovision(&world.client(TOKEN, &ending(passing))).await.is_ok() {
                break;
            }
        }
        assert!(!world.record().exists());
        assert_eq!(world.fallback(holder).await, ("https://other.example.com/sorry".into(), "GET".into()));
    }
}

#[tokio::test]
async fn a_request_for_an_address_that_twilio_wants_later_is_repeated() {
    for holder in HOLDERS {
        let world = World::with(holder).await;
        world.provision(&world.usual(), &wanted()).await.expect("a set-up without a fallback");
        let way = Arc::<Way>::default();
        let client = world.client(TOKEN, &way);
        let mut account = world.account().await;
        account.read_numbers(&client).await.expect("the numbers");
        // Every other request is to be sent once more.
        way.instead.lock().expect("a lock").extend((0..8).map(|n| (n % 2 == 0).then_some(429)));
        let mut record = Record::read(&world.record(), &account.sid).expect("a file").expect("a record");
        provision(&client, &mut account, &with(fallback()), &mut record, &world.record(), |_| {})
            .await
            .expect("a set-up");
        assert_eq!(world.fallback(holder).await, (OURS.into(), "POST".into()));
        assert_eq!(way.instead.lock().expect("a lock").len(), 4, "one was for reading, one for writing");
    }
}

/// Somebody sets another address between the plan and its execution.
#[tokio::test]
async fn an_address_that_somebody_sets_meanwhile_is_not_overwritten() {
    for holder in HOLDERS {
        let world = World::with(holder).await;
        let client = world.usual();
        let mut account = world.account().await;
        account.read_numbers(&client).await.expect("the numbers");
        let mut record = Record::new(account.sid.clone(), account.workspace.clone());
        world.set(holder, "https://other.example.com/sorry", "POST").await;
        let error = provision(&client, &mut account, &with(fallback()), &mut record, &world.record(), |_| {})
            .await
            .expect_err("a refusal");
        assert!(matches!(&error, Error::ChangedFallback(label) if label.ends_with(holder)), "{error}");
        assert_eq!(world.fallback(holder).await.0, "https://other.example.com/sorry");
        assert_eq!(record.fallbacks.len(), 0, "theirs alone");
    }
}

/// The number gets its application after our run: both have the address then, and both get back what they had.
#[tokio::test]
async fn a_number_that_gets_an_application_later_is_handled_through_it_from_then_on() {
    let world = World::with(APPLICATION).await;
    world.assign("").await;
    world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    assert_eq!(
        (world.fallback(NUMBER).await.0.as_str(), world.fallback(APPLICATION).await.0.as_str()),
        (OURS, "")
    );
    world.assign(APPLICATION).await;
    let (_, done) = world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    assert_eq!((done.len(), world.fallback(APPLICATION).await.0.as_str()), (1, OURS));
    let lines = world.unprovision(&world.usual()).await.expect("taken back");
    assert!(lines[0].starts_with("application AP") && lines[1].starts_with("number PN"), "{lines:?}");
    for holder in HOLDERS {
        assert_eq!(world.fallback(holder).await.0, "");
    }
}

#[tokio::test]
async fn an_application_that_is_deleted_since_does_not_stop_the_way_back() {
    let world = World::with(APPLICATION).await;
    world.provision(&world.usual(), &with(fallback())).await.expect("a set-up");
    world.twin.console(|console| console.applications.clear());
    let lines = world.unprovision(&world.usual()).await.expect("taken back");
    assert!(lines[0].contains("gone since"), "{lines:?}");
    assert!(!world.record().exists());
}

/// The version before wrote numbers alone, under another name.
#[test]
fn a_record_of_numbers_alone_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("record");
    let text = format!(
        r#"{{"account": "{}", "workspace": "WS00000000000000000000000000000001",
            "numbers": {{"{NUMBER}": {{"url": "", "method": "POST", "after": ["{OURS}"]}}}}}}"#,
        AccountSid::numbered(1)
    );
    std::fs::write(&file, text).expect("a file");
    let record = Record::read(&file, &AccountSid::numbered(1)).expect("a file").expect("a record");
    assert_eq!(record.fallbacks[NUMBER].after, [OURS]);
}

#[tokio::test]
async fn the_plan_chooses_numbers_of_studio_and_shows_a_diff() {
    let world = World::new().await;
    let usual = with(Fallback { numbers: vec![], ..fallback() });
    let studio = "https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1";
    let mut other = number("https://example.com/voice", "");
    other.addresses.sid = "PN2".into();
    let planned = plan(&world, vec![number(studio, ""), other], &usual).await;
    assert_eq!(
        lines(&planned),
        [format!("~ number {NUMBER}: its fallback address"), format!("    + POST {OURS}")]
    );
    assert_eq!(planned.left, ["number PN2: its calls do not go to Studio; --number PN2 chooses it"]);

    let replacing = with(Fallback { replace: true, numbers: vec!["+15550001111".into()], ..fallback() });
    let planned =
        plan(&world, vec![number("https://example.com/voice", "https://other.example.com/")], &replacing)
            .await;
    assert_eq!(
        lines(&planned)[1..],
        ["    - POST https://other.example.com/".to_owned(), format!("    + POST {OURS}")]
    );

    // Another way of asking is no way: the fallback answers POST alone.
    let mut by_get = number(studio, OURS);
    by_get.addresses.voice_fallback_method = Some("GET".into());
    assert_eq!(lines(&plan(&world, vec![by_get], &usual).await)[1], format!("    - GET {OURS}"));

    let trunk = PhoneNumber { trunk_sid: Some("TK1".into()), ..number(studio, "") };
    let application = PhoneNumber { voice_application_sid: Some("AP1".into()), ..number(studio, "") };
    let planned = plan(&world, vec![trunk, application], &usual).await;
    assert_eq!((lines(&planned), planned.left.len()), (vec![], 2));
    assert!(
        planned.left[0].contains("trunk") && planned.left[1].contains("AP1 has its calls, and is not there"),
        "{:?}",
        planned.left
    );
}

/// Of an application its own voice URL counts, not that of its numbers.
#[tokio::test]
async fn the_plan_chooses_applications_of_studio_or_by_number_or_sid_each_once() {
    let world = World::new().await;
    let (studio, elsewhere) =
        ("https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1", "https://example.com/");
    let of = |sid: &str, application: &str, voice_url: &str| PhoneNumber {
        addresses: addresses(sid, voice_url, ""),
        phone_number: format!("+1555{}", &sid[2..]),
        voice_application_sid: Some(application.into()),
        trunk_sid: None,
    };
    let account = Account {
        numbers: vec![of("PN1", "AP1", elsewhere), of("PN2", "AP1", studio), of("PN3", "AP2", studio)],
        applications: vec![
            addresses("AP1", studio, ""),
            addresses("AP2", elsewhere, ""),
            // The Voice SDK's, for calls from a website.
            addresses("AP3", studio, ""),
            addresses("AP4", elsewhere, ""),
            addresses("AP5", "", ""),
        ],
        ..world.account().await
    };
    let planned = |numbers: &[&str], applications: &[&str]| {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = Fallback { numbers: all(numbers), applications: all(applications), ..fallback() };
        Plan::of(&account, &with(chosen))
    };
    let titles =
        |plan: &Plan| lines(plan).into_iter().filter(|line| line.starts_with('~')).collect::<Vec<_>>();
    let (first, third) = (
        "~ application AP1 (of PN1, PN2): its fallback address".to_owned(),
        "~ application AP3 (of no number): its fallback address".to_owned(),
    );
    let usual = planned(&[], &[]).expect("a plan");
    assert_eq!(titles(&usual), [first.clone(), third.clone()]);
    assert_eq!(
        usual.left,
        ["application AP2: its calls do not go to Studio; --application AP2 chooses it"],
        "an application that no number has is nobody's concern"
    );
    let named = planned(&["PN1", "+15552"], &["AP3", "AP5"]).expect("a plan");
    assert_eq!(titles(&named), [first, third]);
    assert_eq!(
        named.left,
        ["application AP5: it takes no calls: without a voice URL Twilio keeps no fallback address"]
    );
    let refusals = planned(&[], &["AP9", "PN1"]).expect_err("a refusal");
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert!(refusals[0].to_string().contains("no TwiML application AP9 (--application"), "{}", refusals[0]);
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
