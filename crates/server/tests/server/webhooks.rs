//! Conference status callbacks.

use crate::support::*;
use rejoin_twilio::signature;

#[tokio::test]
async fn a_request_that_twilio_did_not_sign_changes_nothing() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let url = format!("{}/webhooks/conference", desk.address);
    let params = ada_left();
    let right = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}/webhooks/conference"), &params);
    let of_others = signature::sign("another token", &format!("{PUBLIC}/webhooks/conference"), &params);
    let other_url = signature::sign(AUTH_TOKEN, &url, &params);
    let mut changed = params.clone();
    changed[3].1 = "4".into();
    let attempts = [
        (None, &params),
        (Some(""), &params),
        (Some(of_others.as_str()), &params),
        (Some(other_url.as_str()), &params),
        (Some(right.as_str()), &changed),
    ];
    for (signature, params) in attempts {
        let mut request = desk.http.post(&url).form(params);
        if let Some(signature) = signature {
            request = request.header(signature::HEADER, signature);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 403, "{signature:?}");
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = reply.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&"signature-invalid".into(), &403.into()));
    }
    // A malformed request without a signature is treated like any other.
    let reply =
        desk.http.post(format!("{}/twiml/wait/nonsense", desk.address)).body("?").send().await.unwrap();
    assert_eq!(reply.status(), 403);
    assert_eq!(desk.hello(2).await["recoveries"], serde_json::json!([]), "no agent was lost");

    let request = desk.http.post(&url).form(&params).header(signature::HEADER, right);
    assert_eq!(request.send().await.unwrap().status(), 204);
    assert_eq!(desk.hello(3).await["recoveries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nonsense_with_a_signature_is_refused() {
    let world = World::start().await;
    let desk = &world.desk;
    assert_eq!(desk.callback(1, "participant-join", &[]).await, 400);
    assert_eq!(desk.callback(1, "participant-join", &[("CallSid", "CA1")]).await, 400);
    assert_eq!(desk.signed("/webhooks/conference", &[("a", "b")]).await.status(), 400);
    assert_eq!(desk.callback(1, "participant-speech-start", &[]).await, 204, "not ours, but Twilio's");
    let long = "x".repeat(70_000);
    assert_eq!(desk.signed("/webhooks/conference", &[("a", &long)]).await.status(), 413);
    assert_eq!(desk.signed("/twiml/wait/RJ1", &[("CallSid", customer().as_str())]).await.status(), 404);
}

#[tokio::test]
async fn a_callback_that_comes_twice_and_at_once_counts_once() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let leg = ada_leg();
    let (one, two, three) = tokio::join!(desk.leave(3, &leg), desk.leave(3, &leg), desk.leave(3, &leg));
    assert_eq!((one.as_u16(), two.as_u16(), three.as_u16()), (204, 204, 204));
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204, "late");
    let mut timeline =
        Events::open(desk, &format!("/operator/timeline/{}", customer()), OPERATOR_TOKEN).await;
    let mut lost = 0;
    loop {
        let line = timeline.next().await.unwrap();
        lost += usize::from(line["note"]["what"] == "agent-lost");
        if line["note"]["what"] == "holding-the-line" {
            break;
        }
    }
    assert_eq!(lost, 1);
    assert_eq!(world.twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test]
async fn during_a_rotation_a_signature_with_the_previous_token_counts() {
    use clap::Parser as _;
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = arguments(&twilio, folder.path());
    arguments.extend(["--twilio-auth-token-previous".into(), "the token before".into()]);
    let program = std::iter::once("rejoin".to_owned());
    let config = rejoin_server::Config::try_parse_from(program.chain(arguments)).unwrap();
    let server = rejoin_server::Server::start(config).await.unwrap();
    let url = format!("http://{}/twiml/comfort", server.address());
    let http = reqwest::Client::new();
    for (token, status) in [(AUTH_TOKEN, 200), ("the token before", 200), ("some token", 403)] {
        let signature = signature::sign(token, &format!("{PUBLIC}/twiml/comfort"), &[]);
        let reply = http.get(&url).header(signature::HEADER, signature).send().await.unwrap();
        assert_eq!(reply.status(), status, "{token}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_signature_over_any_of_the_servers_addresses_counts() {
    let world = World::start_with(|config| {
        config.other_public_urls = vec!["http://10.0.0.1:8080/rejoin/".into(), "https://old.test".into()];
    })
    .await;
    for (address, status) in [
        (PUBLIC, 200),
        ("https://rejoin.test:443", 200),
        ("https://old.test", 200),
        ("http://10.0.0.1:8080/rejoin", 200),
        ("http://10.0.0.1:8080", 403),
        ("http://rejoin.test", 403),
        ("https://other.test", 403),
    ] {
        let signature = signature::sign(AUTH_TOKEN, &format!("{address}/twiml/comfort"), &[]);
        let request = world.desk.http.get(format!("{}/twiml/comfort", world.desk.address));
        // The request's own claim about the address is not trusted.
        let request = request.header("x-forwarded-host", "other.test").header(signature::HEADER, signature);
        assert_eq!(request.send().await.unwrap().status(), status, "{address}");
    }
}
