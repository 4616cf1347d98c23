//! Whoever means harm, or is broken: refused, cut off, and nothing has changed.

use crate::support::*;
use rejoin_twilio::signature;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection without any manners.
async fn connect(desk: &Desk) -> TcpStream {
    TcpStream::connect(desk.address.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = vec![];
    // A reset closes it, too.
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8(all).unwrap()
}

fn leave() -> (String, String) {
    let params: Vec<(String, String)> = [
        ("StatusCallbackEvent", "participant-leave"),
        ("ConferenceSid", conference().as_str()),
        ("FriendlyName", task().as_str()),
        ("SequenceNumber", "3"),
        ("CallSid", ada_leg().as_str()),
        ("ReasonParticipantLeft", "participant_hung_up"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}/webhooks/conference"), &params);
    let body: Vec<String> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (body.join("&"), signature)
}

fn head(path: &str, signature: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: rejoin.test\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         x-twilio-signature: {signature}\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_client_that_keeps_us_waiting_is_cut_off() {
    let world = World::start_with(|config| {
        config.limits.head_within_ms = 300;
        config.limits.body_within_ms = 300;
    })
    .await;
    let desk = &world.desk;
    desk.talking().await;
    let (body, signature) = leave();
    for beginning in ["", "POST /webhooks/conference HTTP/1.1\r\nhost: rejoin.test\r\nx-slow: "] {
        let mut stream = connect(desk).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut stream).await, "", "{beginning:?}");
    }
    for path in ["/webhooks/conference", "/v1/goodbye"] {
        let mut stream = connect(desk).await;
        stream.write_all(head(path, &signature, body.len()).as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..40]).await.unwrap();
        let reply = until_closed(&mut stream).await;
        assert!(reply.starts_with("HTTP/1.1 408") && reply.contains("too-slow"), "{path}: {reply}");
    }
    assert_eq!(desk.hello(2).await["recoveries"], json!([]), "nobody was lost");
}

#[tokio::test]
async fn a_request_that_breaks_off_changes_nothing() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let (body, signature) = leave();
    for sent in [0, 1, body.len() - 1] {
        let mut stream = connect(desk).await;
        stream.write_all(head("/webhooks/conference", &signature, body.len()).as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let reply = until_closed(&mut stream).await;
        assert!(!reply.starts_with("HTTP/1.1 2"), "{reply}");
    }
    // Truncated, and complete as far as HTTP goes.
    let mut stream = connect(desk).await;
    let request = head("/webhooks/conference", &signature, 40) + &body[..40];
    stream.write_all(request.replace("x-twilio", "connection: close\r\nx-twilio").as_bytes()).await.unwrap();
    let reply = until_closed(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
    assert_eq!(desk.hello(2).await["recoveries"], json!([]), "nobody was lost");
}

#[tokio::test]
async fn what_is_no_http_is_closed() {
    let world = World::start().await;
    let long = format!("GET /health/live HTTP/1.1\r\nx-long: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /health/live HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    for (sent, status) in [
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        ("GET /health/live HTTP/1.1\r\n\r\nGET nonsense", "200"),
        (&long, "431"),
        (&many, "431"),
    ] {
        let mut stream = connect(&world.desk).await;
        // The answer may come before all is said.
        let _ = stream.write_all(sent.as_bytes()).await;
        let _ = stream.shutdown().await;
        let reply = until_closed(&mut stream).await;
        let fits = reply.starts_with(&format!("HTTP/1.1 {status}")) || (status != "200" && reply.is_empty());
        assert!(fits, "{sent:.30}: {reply}");
    }
    assert_eq!(
        world.desk.http.get(format!("{}/health/live", world.desk.address)).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_for_one() {
    let world = World::start_with(|config| config.limits.connections = 2).await;
    let mut one = connect(&world.desk).await;
    let two = connect(&world.desk).await;
    // Both are served, so both have their places.
    let mut three = connect(&world.desk).await;
    three.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    one.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    one.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut byte = [0];
    assert!(three.try_read(&mut byte).is_err(), "nothing was said to who waits");
    drop(two);
    assert!(until_closed(&mut three).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn json_that_is_nested_without_end_or_broken_off_is_refused() {
    let world = World::start().await;
    let desk = &world.desk;
    let post = async |path: &str, body: String| {
        let request = desk.http.post(format!("{}{path}", desk.address)).bearer_auth("ada");
        let reply = request.header("content-type", "application/json").body(body).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap()["code"].clone())
    };
    for path in ["/v1/hello", "/v1/calls", "/v1/graceful", "/v1/goodbye"] {
        for body in [
            "[".repeat(60_000),
            "{\"a\":".repeat(10_000),
            format!("{{\"holdings\":{}", "[".repeat(50_000)),
            format!("{{\"epoch\":1,\"holdings\":[],\"more\":{}{}", "[".repeat(20_000), "]".repeat(20_000)),
            "{\"epoch\":1,\"holdings\":[".into(),
            "\u{0}".repeat(100),
            "{\"epoch\":1e999,\"holdings\":[]}".into(),
        ] {
            assert_eq!(post(path, body.clone()).await, (400, json!("body-invalid")), "{path} {body:.40}");
        }
    }
}
