//! Hostile and broken clients: refused, cut off, and without effect.

use crate::crash::Process;
use crate::support::*;
use futures_util::{StreamExt as _, stream};
use rejoin_twilio::signature;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A raw connection.
async fn connect(desk: &Desk) -> TcpStream {
    TcpStream::connect(desk.address.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All bytes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = vec![];
    // A reset closes it, too.
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8(all).unwrap()
}

fn leave() -> (String, String) {
    let params = ada_left();
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
    assert_eq!(desk.hello(2).await["recoveries"], json!([]), "no agent was lost");
}

#[tokio::test]
async fn a_client_that_reads_no_response_is_cut_off() {
    let world = World::start_with(|config| config.limits.head_within_ms = 300).await;
    let mut stream = connect(&world.desk).await;
    let requests = "GET /audio/comfort.wav HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    let cut = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), cut).await.expect("it is cut");
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
    // Truncated, and complete as far as HTTP is concerned.
    let mut stream = connect(desk).await;
    let request = head("/webhooks/conference", &signature, 40) + &body[..40];
    stream.write_all(request.replace("x-twilio", "connection: close\r\nx-twilio").as_bytes()).await.unwrap();
    let reply = until_closed(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
    assert_eq!(desk.hello(2).await["recoveries"], json!([]), "no agent was lost");
}

/// A client that shares its connections, as a proxy does, sends no other request on one that closes. A connection
/// whose request was read to its end stays open.
#[tokio::test]
async fn an_early_answer_announces_that_the_connection_closes() {
    let world = World::start().await;
    let answer = async |path: &str, length: usize, body: &str| {
        let mut stream = connect(&world.desk).await;
        stream.write_all((head(path, "forged", length) + body).as_bytes()).await.unwrap();
        let mut all = vec![];
        while !all.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "{path} {length}: no whole head");
        }
        String::from_utf8(all).unwrap()
    };
    // No more is sent than is read, so that the connection ends gracefully: nothing of a body that announces to be
    // too long.
    for (path, length, sent) in
        [("/webhooks/conference", 100_000, 0), ("/v1/hello", 100, 99), ("/nowhere", 100, 99)]
    {
        let reply = answer(path, length, &"x".repeat(sent)).await;
        assert!(reply.contains("\r\nconnection: close\r\n"), "{path}: {reply}");
    }
    for (path, length) in [("/webhooks/conference", 100), ("/nowhere", 0)] {
        let reply = answer(path, length, &"x".repeat(length)).await;
        assert!(reply.starts_with("HTTP/1.1 4") && !reply.contains("\r\nconnection:"), "{path}: {reply}");
    }
}

#[tokio::test]
async fn a_connection_without_http_is_closed() {
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
        // The answer may come before everything is sent.
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
async fn connections_beyond_the_limit_wait_for_a_place() {
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

/// One of many invalid requests. The number makes it unique.
async fn attack(desk: &Desk, number: usize) {
    let to = |path: &str| desk.http.post(format!("{}{path}", desk.address));
    let signed = |request: reqwest::RequestBuilder, signature: &str| {
        request
            .header(signature::HEADER, signature)
            .header("content-type", "application/x-www-form-urlencoded")
    };
    let long = format!("ConferenceSid={}&Padding{number}={}", conference(), "x".repeat(30_000));
    let nested = format!("{{\"epoch\":{number},\"holdings\":{}", "[".repeat(30_000));
    let request = match number % 9 {
        0 => signed(to("/webhooks/conference"), &format!("forged{number}")).body(long),
        1 => to("/webhooks/conference").body(long),
        2 => {
            // Signed, but malformed: as if the token were known.
            let params = [(format!("Nonsense{number}"), "x".repeat(20_000))];
            let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}/webhooks/conference"), &params);
            signed(to("/webhooks/conference"), &signature).form(&params)
        }
        3 => to("/webhooks/events?bodySHA256=00").header(signature::HEADER, "forged").body(nested),
        4 => to("/v1/hello").bearer_auth("bo").body("x".repeat(200_000)),
        5 => to("/v1/calls").bearer_auth("bo").body(nested),
        6 => to("/v1/hello").bearer_auth(format!("guess{number}")).body(nested),
        7 => to(&format!("/nowhere/{number}")).body(long),
        _ => {
            let mut stream = connect(desk).await;
            let _ =
                stream.write_all(format!("POST /v1/hello HTTP/1.1\r\nx-{number}: {long}").as_bytes()).await;
            return;
        }
    };
    // A client that sends too much may be cut off before the answer.
    if let Ok(reply) = request.send().await {
        assert!(!reply.status().is_success(), "{number}: {}", reply.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_leave_nothing_in_memory() {
    /// A leak of a kilobyte per request would exceed this.
    const MOST: u64 = 8 * 1024 * 1024;
    const ATTACKS: usize = 9000;
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&twilio, folder.path());
    let attack = async |numbers: std::ops::Range<usize>| {
        stream::iter(numbers).for_each_concurrent(16, |number| attack(&process.desk, number)).await;
    };
    // Caches for later requests of the same kind are filled then.
    attack(0..ATTACKS / 3).await;
    let before = process.memory();
    attack(ATTACKS / 3..ATTACKS / 3 + ATTACKS).await;
    let grown = process.memory().saturating_sub(before);
    assert!(grown < MOST, "{} kB more after {ATTACKS} requests, {} kB before", grown / 1024, before / 1024);
    process.desk.lost().await;
    assert_eq!(process.desk.hello(2).await["recoveries"].as_array().unwrap().len(), 1, "it serves as before");
}
