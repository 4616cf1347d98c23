//! `rejoin deploy` as an administrator runs it.

use crate::administrator::{Account, TOKEN, guide, said};
use rejoin_twin::rest::{RESTRICTED_KEY, STANDARD_KEY};

const SCRIPT: &str = "built-plugin.js";

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_deploys_the_plugin_goes_back_and_removes_it() {
    let account = Account::new().await;
    // As large as the real one, so that the guide shows what administrators see.
    account.write(SCRIPT, &"x".repeat(154_699));
    account.write("built-plugin.js.map", &"x".repeat(195_493));
    let run = |arguments: &[&str]| account.rejoin(&[&["deploy", "--bundle", SCRIPT], arguments].concat());
    let shown = guide("plugin.md");
    let shows = |said: &str| {
        let said = said.replace(SCRIPT, "build/plugin-rejoin.js");
        assert!(shown.contains(&said), "docs/plugin.md is to show this:\n{said}");
    };

    let planned = run(&["--plan"]);
    assert!(planned.status.success());
    let unasked = run(&[]);
    assert!(!unasked.status.success(), "nobody confirms it");
    assert_eq!(said(&run(&["--plan"])), said(&planned), "nothing was changed");

    let made = run(&["--yes"]);
    assert!(made.status.success(), "{}", said(&made));
    shows(&said(&made));
    assert!(said(&run(&["--yes"])).ends_with("  nothing to do\n"));

    account.write(SCRIPT, "other files");
    let other = run(&["--yes"]);
    assert!(!other.status.success() && String::from_utf8(other.stderr).unwrap().contains("a new version"));
    let draft = run(&["--yes", "--draft", "--plugin-version", "9.0.0"]);
    assert!(said(&draft).ends_with("Desktops do not load it yet. Without --draft it is released.\n"));
    let newer = run(&["--yes", "--plugin-version", "9.0.0"]);
    assert!(said(&newer).contains("Desktops load plugin-rejoin 9.0.0"), "{}", said(&newer));
    let back = run(&["--yes", "--rollback"]);
    shows(&said(&back));
    let removed = run(&["--yes", "--remove"]);
    assert!(said(&removed).contains("Desktops load no plugin-rejoin"), "{}", said(&removed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_and_one_that_twilio_would_not_take_are_refused() {
    let account = Account::new().await;
    let refused = |arguments: &[&str]| {
        let output = account.rejoin(&[&["deploy", "--yes"], arguments].concat());
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--bundle", "nowhere.js"]).contains("npm run build"));
    account.write("large.js", &"x".repeat(11 << 20));
    assert!(refused(&["--bundle", "large.js"]).contains("11 MB"));
    account.write("small.js", "x");
    assert!(refused(&["--bundle", "small.js", "--plugin-version", "1.0"]).contains("semver.org"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standard_key_does_and_a_restricted_one_is_refused_before_anything_changes() {
    let account = Account::new().await;
    account.write(SCRIPT, "x");
    let with = |key: &str, arguments: &[&str]| {
        account.signed_in(&[("TWILIO_API_KEY", key), ("TWILIO_API_KEY_SECRET", TOKEN)], arguments)
    };
    let provision = ["provision", "--yes", "--workflow", "Assign to Anyone"];
    let deploy = ["deploy", "--yes", "--bundle", SCRIPT];
    for command in [&provision[..], &deploy] {
        let refused = with(RESTRICTED_KEY, command);
        assert!(!refused.status.success());
        let why = String::from_utf8(refused.stderr).unwrap();
        assert!(why.contains("use a standard key"), "{why}");
    }
    assert!(
        said(&account.rejoin(&["deploy", "--plan", "--bundle", SCRIPT]))
            .contains("desktops load no plugin-rejoin")
    );
    for command in [&provision[..], &deploy] {
        let made = with(STANDARD_KEY, command);
        assert!(made.status.success(), "{}", String::from_utf8(made.stderr).unwrap());
    }
    let unknown = with("SK00000000000000000000000000000009", &deploy);
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("TWILIO_API_KEY_SECRET"));
}
