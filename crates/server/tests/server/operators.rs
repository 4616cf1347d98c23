//! Routes for operators only, and where they are served.

use crate::support::*;
use serde_json::Value;

/// Status of an answer to an operator.
async fn asked(desk: &Desk, base: &str, path: &str, token: &str) -> u16 {
    desk.http.get(format!("{base}{path}")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn operators_may_have_a_listener_of_their_own() {
    let world = World::start_with(|config| config.operator_listen = "127.0.0.1:0".parse().ok()).await;
    let desk = &world.desk;
    let operators = world.server.as_ref().unwrap().operator_address().unwrap();
    let (public, operators) = (desk.address.clone(), format!("http://{operators}"));
    let timeline = format!("/operator/timeline/{}", customer());
    for path in ["/metrics", "/operator/storm", "/operator/given-up", "/health/ready"] {
        assert_eq!(asked(desk, &public, path, OPERATOR_TOKEN).await, 404, "{path}");
        assert_eq!(asked(desk, &operators, path, OPERATOR_TOKEN).await, 200, "{path}");
    }
    assert_eq!(asked(desk, &public, &timeline, OPERATOR_TOKEN).await, 404);
    assert_eq!(asked(desk, &operators, "/metrics", "ada").await, 401, "the token is wanted there, too");
    for base in [&public, &operators] {
        assert_eq!(asked(desk, base, "/health/live", "").await, 200);
    }
    for path in ["/openapi.json", "/audio/comfort.wav"] {
        assert_eq!(asked(desk, &public, path, "").await, 200);
        assert_eq!(asked(desk, &operators, path, "").await, 404, "{path}");
    }
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
}

#[tokio::test]
async fn guesses_of_the_operator_token_are_limited() {
    let world = World::start_with(|config| {
        config.limits.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let desk = &world.desk;
    let ask = async |token: &str, from: &str| {
        let request = desk.http.get(format!("{}/operator/storm", desk.address)).bearer_auth(token);
        request.header("x-forwarded-for", from).send().await.unwrap()
    };
    for number in 0..10 {
        assert_eq!(ask(&format!("guess{number}"), "192.0.2.1").await.status(), 401);
    }
    let late = ask(OPERATOR_TOKEN, "192.0.2.1").await;
    assert_eq!(late.status(), 429);
    assert_eq!(late.json::<Value>().await.unwrap()["code"], "too-many-requests");
    assert_eq!(ask(OPERATOR_TOKEN, "192.0.2.2").await.status(), 200);
}
