//! `rejoin provision` as an administrator runs it, on an account that nobody has set up.

use rejoin_protocol::AccountSid;
use rejoin_twin::{Twin, TwinConfig, app, facts::Facts};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The address of a bare account.
async fn account() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let config = TwinConfig {
        listen,
        public_url: format!("http://{listen}"),
        server_url: None,
        auth_token: TOKEN.into(),
        operator_token: None,
        flex_host: None,
        plugin: None,
        extra_plugins: vec![],
        latency: Duration::ZERO,
        account: AccountSid::numbered(1),
        facts: Facts::default(),
        bare: true,
        first_number: 0x1000,
    };
    let service = app(&Twin::start(config).await.unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{listen}/__tw")
}

fn rejoin(base: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("TWILIO_ACCOUNT_SID", AccountSid::numbered(1).as_str())
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("TWILIO_API_BASE", base)
        .env("REJOIN_PUBLIC_URL", "https://rejoin.example.com")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sets_up_an_account_checks_the_settings_and_takes_it_back() {
    let (base, folder) = (account().await, tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| rejoin(&base, folder.path(), arguments);
    let choice = ["--workflow", "Assign to Anyone"];

    let planned = run(&["provision", "--plan", choice[0], choice[1]]);
    assert!(planned.status.success());
    let guide = include_str!("../../../../docs/deployment.md");
    assert!(guide.contains(&said(&planned)), "docs/deployment.md is to show this:\n{}", said(&planned));

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
    let (base, folder) = (account().await, tempfile::tempdir().unwrap());
    let open = rejoin(&base, folder.path(), &["provision", "--plan", "--public-url", "http://example.com"]);
    assert!(String::from_utf8(open.stderr).unwrap().contains("https is wanted"));
    let unchosen = rejoin(&base, folder.path(), &["provision", "--yes"]);
    assert!(!unchosen.status.success());
    assert!(said(&unchosen).contains("--all-workflows") && said(&unchosen).contains("Outbound"));
}
