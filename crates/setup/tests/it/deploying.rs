//! Deploys the plugin to the account of a twin, releases it, and goes back.

use super::{Other, TOKEN, Way, World};
use bytes::Bytes;
use rejoin_setup::{
    Bundle, Error, Known, Loaded, PLUGIN, Released, deploy, known, loaded, release, roll_back,
};
use rejoin_twilio::{Client, NewPluginVersion, PluginVersion};
use std::sync::Arc;

fn bundle(version: &str, script: &'static str) -> Bundle {
    let map = Bytes::from_static(br#"{"version":3}"#);
    Bundle::new(version, Bytes::from_static(script.as_bytes()), Some(map)).expect("a bundle")
}

async fn deployed(client: &Client, bundle: &Bundle) -> PluginVersion {
    deploy(client, bundle, false, |_| {}).await.expect("deployed")
}

fn of(version: &PluginVersion) -> Loaded {
    Loaded { sid: version.sid.clone(), version: version.version.clone() }
}

async fn released(client: &Client, version: &PluginVersion) -> Released {
    release(client, Some(&of(version))).await.expect("released")
}

/// Another plugin, as its own pipeline releases it: beside what is there.
async fn other(client: &Client, name: &str, version: &str) {
    if !client.has_plugin(name).await.expect("an answer") {
        client.create_plugin(name, name).await.expect("a plugin");
    }
    let url = format!("https://example.com/{name}/{version}.js");
    let new = NewPluginVersion { version, url: &url, changelog: "", private: false };
    let made = client.create_plugin_version(name, &new).await.expect("a version");
    let newest = client.list_releases(1).await.expect("releases").pop();
    let there = match newest {
        Some(newest) => client.list_configured_plugins(&newest.configuration_sid).await.expect("plugins"),
        None => vec![],
    };
    let mut plugins: Vec<_> = there
        .into_iter()
        .filter(|it| it.unique_name != name)
        .map(|it| (it.plugin_version_sid, it.phase))
        .collect();
    plugins.push((made.sid, 3));
    let made = client.create_plugin_configuration("theirs", "", &plugins).await.expect("a configuration");
    client.create_release(&made.sid).await.expect("a release");
}

/// Name and version of everything that desktops load.
async fn all(client: &Client) -> Vec<String> {
    let Some(newest) = client.list_releases(1).await.expect("releases").pop() else { return vec![] };
    let plugins = client.list_configured_plugins(&newest.configuration_sid).await.expect("plugins");
    let mut all: Vec<_> = plugins.iter().map(|it| format!("{} {}", it.unique_name, it.version)).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_version_is_deployed_once_and_released_beside_the_others() {
    let world = World::new().await;
    let client = world.usual();
    other(&client, "plugin-notes", "2.0.0").await;
    let mut done = vec![];
    let one = bundle("1.0.0", "one");
    let version = deploy(&client, &one, false, |line| done.push(line.to_owned())).await.expect("deployed");
    assert_eq!(done[0], "/plugins/plugin-rejoin/1.0.0/bundle.js is uploaded (1 kB)");
    assert_eq!(all(&client).await, ["plugin-notes 2.0.0"], "not released yet");

    let outcome = released(&client, &version).await;
    assert_eq!(
        outcome,
        Released { before: None, after: Some(of(&version)), others: vec!["plugin-notes".into()] }
    );
    assert_eq!(all(&client).await, ["plugin-notes 2.0.0", "plugin-rejoin 1.0.0"]);

    let way = Arc::<Way>::default();
    let again = world.client(TOKEN, &way);
    assert_eq!(deployed(&again, &one).await, version);
    let nothing = Released { before: Some(of(&version)), ..outcome };
    assert_eq!(release(&again, Some(&of(&version))).await.expect("nothing to do"), nothing);
    let sent = way.sent.lock().expect("a lock").clone();
    assert!(sent.iter().all(|what| what.starts_with("GET ")), "{sent:?}");
}

#[tokio::test]
async fn the_files_of_other_versions_stay() {
    let world = World::new().await;
    let client = world.usual();
    deployed(&client, &bundle("1.0.0", "one")).await;
    deployed(&client, &bundle("1.1.0", "two")).await;
    let service = client.serverless_service("default").await.expect("an answer").expect("a service");
    let environments = client.list_environments(&service.sid).await.expect("environments");
    assert_eq!(environments.len(), 1, "both are in the plugin's own");
    let build = environments[0].build_sid.clone().expect("a build");
    let build = client.fetch_build(&service.sid, &build).await.expect("a build");
    let paths: Vec<_> = build.asset_versions.into_iter().flatten().map(|it| it.path).collect();
    let wanted = |version: &str| format!("/plugins/plugin-rejoin/{version}/bundle.js");
    for version in ["1.0.0", "1.1.0"] {
        assert!(paths.contains(&wanted(version)) && paths.contains(&(wanted(version) + ".map")), "{paths:?}");
    }
}

#[tokio::test]
async fn desktops_go_back_to_the_version_before_and_keep_the_other_plugins() {
    let world = World::new().await;
    let client = world.usual();
    let one = deployed(&client, &bundle("1.0.0", "one")).await;
    released(&client, &one).await;
    let two = deployed(&client, &bundle("1.1.0", "two")).await;
    released(&client, &two).await;
    other(&client, "plugin-notes", "2.0.0").await;

    let back = roll_back(&client).await.expect("rolled back");
    assert_eq!((back.before, back.after), (Some(of(&two)), Some(of(&one))));
    assert_eq!(
        all(&client).await,
        ["plugin-notes 2.0.0", "plugin-rejoin 1.0.0"],
        "theirs came later, and stays"
    );
    let removed = release(&client, None).await.expect("removed");
    assert_eq!((removed.before, removed.after), (Some(of(&one)), None));
    assert_eq!(all(&client).await, ["plugin-notes 2.0.0"]);
    assert_eq!(loaded(&client).await.expect("an answer"), (None, vec!["plugin-notes".to_owned()]));
}

#[tokio::test]
async fn the_first_release_is_rolled_back_to_none_and_without_any_there_is_nothing() {
    let world = World::new().await;
    let client = world.usual();
    let error = roll_back(&client).await.expect_err("nothing there").to_string();
    assert!(error.contains("nothing to go back to"), "{error}");
    released(&client, &deployed(&client, &bundle("1.0.0", "one")).await).await;
    assert_eq!(roll_back(&client).await.expect("rolled back").after, None);
    assert_eq!(all(&client).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_older_version_and_other_files_of_the_same_version_are_refused() {
    let world = World::new().await;
    let client = world.usual();
    deployed(&client, &bundle("1.10.0", "ten")).await;
    for (bundle, why) in [
        (bundle("1.9.0", "nine"), "newer than 1.9.0"),
        (bundle("1.10.0", "eleven"), "give the plugin a new version"),
    ] {
        let way = Arc::<Way>::default();
        let error = deploy(&world.client(TOKEN, &way), &bundle, false, |_| {}).await.expect_err("refused");
        assert!(error.to_string().contains(why), "{error}");
        let sent = way.sent.lock().expect("a lock").clone();
        assert!(sent.iter().all(|what| what.starts_with("GET ")), "{sent:?}");
    }
    assert_eq!(known(&client, &bundle("1.10.1", "x")).await.expect("an answer"), Known::Not);
}

/// Twilio stops answering after each request in turn: each next run goes on, nothing is released in between, and no plugin is
/// lost.
#[tokio::test]
async fn a_run_that_ends_half_way_is_repeated() {
    let world = World::new().await;
    let client = world.usual();
    other(&client, "plugin-notes", "2.0.0").await;
    let bundle = bundle("1.0.0", "one");
    let mut ends = 0;
    for passing in 0.. {
        let way = Arc::<Way>::default();
        way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 30]));
        let cut = world.client(TOKEN, &way);
        let run = async {
            let version = deploy(&cut, &bundle, false, |_| {}).await?;
            release(&cut, Some(&of(&version))).await
        };
        let ended = run.await;
        let there = all(&client).await;
        assert!(there.contains(&"plugin-notes 2.0.0".to_owned()), "{there:?}");
        match ended {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("run it again"), "{error}"),
        }
        ends += 1;
        assert!(ends < 80, "it gets on");
    }
    assert!(ends > 10, "{ends}");
    assert_eq!(all(&client).await, ["plugin-notes 2.0.0", "plugin-rejoin 1.0.0"]);
    let versions = client.list_plugin_versions(PLUGIN).await.expect("versions");
    assert_eq!(versions.len(), 1, "{versions:?}");
}

#[tokio::test]
async fn a_request_that_twilio_wants_later_is_repeated() {
    let world = World::new().await;
    let way = Arc::<Way>::default();
    way.instead.lock().expect("a lock").extend((0..60).map(|n| (n % 3 != 0).then_some(429)));
    let version = deployed(&world.client(TOKEN, &way), &bundle("1.0.0", "one")).await;
    released(&world.client(TOKEN, &way), &version).await;
    assert_eq!(all(&world.usual()).await, ["plugin-rejoin 1.0.0"]);
}

/// Another pipeline releases its plugin just before or just after one of our requests, whichever: theirs is never lost.
#[tokio::test]
async fn a_release_of_another_plugin_that_crosses_ours_is_kept() {
    for after in 1..8 {
        let world = World::new().await;
        let client = world.usual();
        other(&client, "plugin-notes", "2.0.0").await;
        let version = deployed(&client, &bundle("1.0.0", "one")).await;
        let way = Arc::<Way>::default();
        let theirs = world.usual();
        let hook = async move { other(&theirs, "plugin-notes", "2.1.0").await };
        *way.after.lock().expect("a lock") = Some((after, Other(Box::pin(hook))));
        let outcome = release(&world.client(TOKEN, &way), Some(&of(&version))).await.expect("released");
        assert_eq!(outcome.after, Some(of(&version)));
        assert!(way.after.lock().expect("a lock").is_none(), "they have released");
        assert_eq!(all(&client).await, ["plugin-notes 2.1.0", "plugin-rejoin 1.0.0"], "after {after}");
    }
}

#[tokio::test]
async fn wrong_credentials_change_nothing() {
    let world = World::new().await;
    let client = world.client("ffffffffffffffffffffffffffffffff", &Arc::default());
    let error = deploy(&client, &bundle("1.0.0", "one"), false, |_| {}).await.expect_err("refused");
    assert!(
        matches!(&error, Error::Twilio { .. }) && error.to_string().contains("TWILIO_AUTH_TOKEN"),
        "{error}"
    );
    assert!(!world.usual().has_plugin(PLUGIN).await.expect("an answer"));
}
