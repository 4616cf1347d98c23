//! `rejoin provision` as an administrator runs it, on an account that nobody has set up.

use crate::administrator::{Account, guide, said};

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
