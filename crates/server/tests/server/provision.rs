//! `rejoin provision` as an administrator runs it, on an account that nobody has set up.

use crate::administrator::{Account, TOKEN, guide, said};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sets_up_an_account_checks_the_settings_and_takes_it_back() {
    let account = Account::new().await;
    let run = |arguments: &[&str]| account.rejoin(arguments);
    let choice = ["--workflow", "Assign to Anyone"];

    let planned = run(&["provision", "--plan", choice[0], choice[1]]);
    assert!(planned.status.success());
    let shown = guide("deployment.md");
    assert!(shown.contains(&said(&planned)), "docs/deployment.md is to show this:\n{}", said(&planned));

    let unasked = run(&["provision", choice[0], choice[1]]);
    assert!(!unasked.status.success(), "nobody confirms it");
    assert_eq!(
        said(&run(&["provision", "--plan", choice[0], choice[1]])),
        said(&planned),
        "nothing was changed"
    );

    let made = run(&["provision", "--yes", choice[0], choice[1]]);
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains("rejoin.toml is written"));
    let checked = run(&["check-config", "--config", "rejoin.toml"]);
    assert!(checked.status.success(), "{}", said(&checked));

    let again = run(&["provision", "--yes", choice[0], choice[1]]);
    assert!(said(&again).contains("  nothing to do\n") && said(&again).contains("rejoin.toml fits."));

    let back = run(&["unprovision", "--yes"]);
    assert!(back.status.success(), "{}", said(&back));
    assert_eq!(said(&run(&["provision", "--plan", choice[0], choice[1]])), said(&planned), "as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_tls_and_a_missing_choice_are_refused() {
    let account = Account::new().await;
    let open = account.rejoin(&["provision", "--plan", "--public-url", "http://example.com"]);
    assert!(String::from_utf8(open.stderr).unwrap().contains("https is wanted"));
    let unchosen = account.rejoin(&["provision", "--yes"]);
    assert!(!unchosen.status.success());
    assert!(said(&unchosen).contains("--all-workflows") && said(&unchosen).contains("Outbound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_get_the_fallback_address_and_lose_it_again() {
    let account = Account::new().await;
    let run = |more: &[&str]| {
        let arguments = [&["provision", "--workflow", "Assign to Anyone"], more].concat();
        let environment =
            [("TWILIO_AUTH_TOKEN", TOKEN), ("REJOIN_FALLBACK_URL", "https://fallback.example.com/")];
        account.signed_in(&environment, &arguments)
    };
    let first = account.rejoin(&["provision", "--yes", "--workflow", "Assign to Anyone"]);
    assert!(first.status.success() && !said(&first).contains("number"), "{}", said(&first));
    let unchosen = run(&["--plan"]);
    assert!(said(&unchosen).contains("  left: number PN") && said(&unchosen).contains("nothing to do"));

    let planned = run(&["--plan", "--number", "+15550001111"]);
    let shown = guide("deployment.md");
    assert!(shown.contains(&said(&planned)), "docs/deployment.md is to show this:\n{}", said(&planned));
    let made = run(&["--yes", "--number", "+15550001111"]);
    assert!(
        made.status.success() && said(&made).contains("  fallback_url = \"https://fallback.example.com\"")
    );
    let again = run(&["--yes", "--number", "+15550001111"]);
    assert!(said(&again).contains("  nothing to do\n"), "{}", said(&again));

    let back = account.rejoin(&["unprovision", "--yes"]);
    let restored = "number PN00000000000000000000000000000001, its fallback address: as before\n";
    assert!(said(&back).contains(restored), "{}", said(&back));
    assert!(said(&run(&["--plan", "--number", "+15550001111"])).contains("    + POST https://fallback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_s_application_gets_the_fallback_address_and_loses_it_again() {
    let account = Account::new().await;
    account.has_an_application();
    let run = |more: &[&str]| {
        let choice = ["--workflow", "Assign to Anyone", "--fallback-url", "https://fallback.example.com"];
        account.rejoin(&[&["provision"], &choice[..], more].concat())
    };
    let first = account.rejoin(&["provision", "--yes", "--workflow", "Assign to Anyone"]);
    assert!(first.status.success(), "{}", said(&first));
    let unchosen = run(&["--plan"]);
    let left = "  left: application AP00000000000000000000000000000001: its calls do not go to Studio";
    assert!(said(&unchosen).contains(left), "{}", said(&unchosen));

    let planned = run(&["--plan", "--number", "+15550001111"]);
    let lines: Vec<_> = said(&planned).lines().skip(1).take(2).map(str::to_owned).collect();
    let shown = guide("deployment.md");
    assert!(shown.contains(&lines.join("\n")), "docs/deployment.md is to show this:\n{}", said(&planned));
    assert_eq!(
        said(&run(&["--plan", "--application", "AP00000000000000000000000000000001"])),
        said(&planned)
    );

    assert!(run(&["--yes", "--number", "+15550001111"]).status.success());
    let again = run(&["--yes", "--number", "+15550001111"]);
    assert!(said(&again).contains("  nothing to do\n"), "{}", said(&again));
    let back = account.rejoin(&["unprovision", "--yes"]);
    let restored = "application AP00000000000000000000000000000001, its fallback address: as before\n";
    assert!(said(&back).contains(restored), "{}", said(&back));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_can_be_none_and_options_without_one_are_refused() {
    let account = Account::new().await;
    let why = |url: &str, more: &[&str]| {
        let arguments = [&["provision", "--yes", "--workflow", "Assign to Anyone"], more].concat();
        let mut environment = vec![("TWILIO_AUTH_TOKEN", TOKEN)];
        environment.extend((!url.is_empty()).then_some(("REJOIN_FALLBACK_URL", url)));
        let output = account.signed_in(&environment, &arguments);
        assert!(!output.status.success(), "{url} {more:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(why("http://fallback.example.com", &[]).contains("https is wanted"));
    assert!(why("https://rejoin.example.com/", &[]).contains("the server's own address"));
    assert!(why("", &["--number", "+15550001111"]).contains("--fallback-url"));
    assert!(why("", &["--application", "AP1"]).contains("--fallback-url"));
    assert!(why("", &["--replace-fallback"]).contains("--fallback-url"));
    assert!(!account.folder().join("rejoin.provision.json").exists(), "nothing was changed");
}
