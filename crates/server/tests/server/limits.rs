//! What one address or one user can take of the server, and what is left for the others.

use crate::crash::Process;
use crate::places::Place;
use crate::support::*;
use axum::body::Body;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use rejoin_server::Server;
use rejoin_server::surroundings::Verdict;
use rejoin_twilio::{Sending, Transport, signature};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// More than unverified requests may take, with what the connections themselves need.
const MOST: u64 = 80 * 1024 * 1024;

fn address(desk: &Desk) -> std::net::SocketAddr {
    desk.address.rsplit('/').next().unwrap().parse().unwrap()
}

/// The answer, as far as it comes.
async fn answer(stream: &mut TcpStream) -> String {
    let mut all = vec![];
    while !all.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut all).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    String::from_utf8(all).unwrap()
}

/// Four hundred connections, each with as much of a forged request as it can carry.
#[tokio::test(flavor = "multi_thread")]
async fn forged_requests_on_many_connections_take_no_memory() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&twilio, folder.path());
    let before = process.peak();
    let to = address(&process.desk);
    let forge = async |number: usize| {
        let (path, kind, length) = match number % 2 {
            0 => ("/webhooks/events?bodySHA256=00", "application/json", 1_048_000),
            _ => ("/webhooks/conference", "application/x-www-form-urlencoded", 64_000),
        };
        let mut stream = TcpStream::connect(to).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nx-twilio-signature: forged\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        // It may be closed before everything is sent. The last byte is never sent.
        let _ = stream.write_all((head + &"x".repeat(length - 1)).as_bytes()).await;
        stream
    };
    let held = join_all((0..400).map(forge)).await;
    process.desk.lost().await;
    let grown = process.peak() - before;
    assert!(grown < MOST, "{} kB more", grown / 1024);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_a_share_of_unverified_bytes_and_leaves_twilio_its_own() {
    let world = World::start_with(|config| {
        config.limits.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.unverified_bytes = 200_000;
        config.limits.unverified_bytes_per_address = 50_000;
    })
    .await;
    let desk = &world.desk;
    let (twilios, to) = ("203.0.113.1", address(desk));
    let params = ada_left();
    let signed = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}/webhooks/conference"), &params);
    let callback = async |from: &str| {
        let request = desk.http.post(format!("{}/webhooks/conference", desk.address)).form(&params);
        let request = request.header("x-forwarded-for", from).header(signature::HEADER, &signed);
        request.send().await.unwrap()
    };
    assert_eq!(callback(twilios).await.status(), 204);
    // Each holds unverified bytes, until there is no room for one more request.
    let fill = async |from: String, bytes: usize| {
        let mut held = vec![];
        loop {
            let mut stream = TcpStream::connect(to).await.unwrap();
            let head = format!(
                "POST /webhooks/conference HTTP/1.1\r\nhost: a\r\nx-twilio-signature: forged\r\nx-forwarded-for: {from}\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: 16000\r\n\r\n"
            );
            stream.write_all((head + &"x".repeat(bytes)).as_bytes()).await.unwrap();
            let mut byte = [0];
            let refused = tokio::time::timeout(std::time::Duration::from_millis(500), stream.peek(&mut byte));
            if refused.await.is_ok() {
                let refused = answer(&mut stream).await;
                assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
                assert!(
                    refused.contains("connection: close") && refused.contains("retry-after: 1"),
                    "{refused}"
                );
                return held;
            }
            held.push(stream);
            assert!(held.len() < 10, "nothing is refused");
        }
    };
    let mut held = vec![fill("192.0.2.1".into(), 15_000).await];
    assert_eq!(callback("192.0.2.2").await.status(), 204, "another address");
    for from in 10..13 {
        held.push(fill(format!("192.0.2.{from}"), 15_000).await);
    }
    held.push(fill("192.0.2.20".into(), 100).await);
    let full = callback("192.0.2.99").await;
    assert_eq!(full.status(), 503, "all strangers together");
    assert_eq!(full.json::<Value>().await.unwrap()["code"], "full");
    assert_eq!(callback(twilios).await.status(), 204, "whoever has Twilio's signature");
    drop(held);
}

#[tokio::test]
async fn an_address_has_a_limit_of_connections_and_leaves_others_theirs() {
    let world = World::start_with(|config| {
        config.limits.trusted_proxies = vec!["127.0.0.9".parse().unwrap()];
        config.limits.connections_per_address = 2;
    })
    .await;
    let to = address(&world.desk);
    let connect = async |from: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = answer(&mut stream).await;
        (answer.starts_with("HTTP/1.1 200"), stream)
    };
    let mut held = vec![];
    for number in 0..4 {
        let (served, stream) = connect("127.0.0.1").await;
        assert_eq!(served, number < 2, "{number}");
        held.push(stream);
    }
    assert!(connect("127.0.0.2").await.0, "another address");
    for _ in 0..4 {
        let (served, stream) = connect("127.0.0.9").await;
        assert!(served, "a proxy, whose clients share it");
        held.push(stream);
    }
    held.clear();
    let again = async { while !connect("127.0.0.1").await.0 {} };
    tokio::time::timeout(PATIENCE, again).await.expect("what is closed makes room");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_one_address_keep_no_agent_out() {
    let world =
        World::start_with(|config| config.limits.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()])
            .await;
    let (desk, hello) = (&world.desk, json!({"epoch": 1, "holdings": []}));
    let ask = async |token: String, from: String| {
        let request = desk.http.post(format!("{}/v1/hello", desk.address)).json(&hello);
        request.bearer_auth(token).header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    // Twilio holds the answers back.
    let guesses = join_all((0..200).map(|number| ask(format!("held-{number}"), "192.0.2.1".into())));
    let agents = async {
        world.twilio.wait_for("POST Tokens/validate", 6).await;
        let agents = join_all((1..=60).map(|number| ask(number.to_string(), format!("198.51.100.{number}"))));
        let agents = agents.await;
        world.twilio.let_go();
        agents
    };
    let (guesses, agents) = tokio::join!(guesses, agents);
    assert_eq!(agents.iter().filter(|status| **status == 200).count(), 60, "{agents:?}");
    assert!(guesses.iter().all(|status| [401, 429, 503].contains(status)), "{guesses:?}");
}

#[tokio::test]
async fn a_workers_push_channels_and_reconnects_are_limited() {
    let world = World::start().await;
    let desk = &world.desk;
    let open = async |epoch: usize| {
        let request = desk.http.get(format!("{}/v1/push?epoch={epoch}", desk.address)).bearer_auth("ada");
        request.send().await.unwrap()
    };
    let begun = std::time::Instant::now();
    let mut held = vec![];
    for epoch in 1..=16 {
        let push = open(epoch).await;
        assert_eq!(push.status(), 200, "{epoch}");
        held.push(push);
    }
    let more = open(17).await;
    assert_eq!((more.status().as_u16(), more.headers().contains_key("retry-after")), (429, true));
    for number in 18..=60 {
        assert_eq!(
            open(1).await.status(),
            200,
            "{number}: the same page again, which has lost its connection"
        );
    }
    // One more is allowed with each second that has passed.
    let mut opened = 60;
    while open(1).await.status() == 200 {
        opened += 1;
        let free = begun.elapsed().as_secs() + 1;
        assert!(opened <= 60 + free, "more than in a minute: {opened} in {free} s");
    }
    assert_eq!(desk.hello(1).await["recoveries"], json!([]), "it may ask all the same");
    let bo =
        desk.http.get(format!("{}/v1/push?epoch=1", desk.address)).bearer_auth("bo").send().await.unwrap();
    assert_eq!(bo.status(), 200, "and others may open theirs");
}

/// Declares a token valid until it is revoked.
#[derive(Debug, Default)]
struct Iam {
    is_revoked: AtomicBool,
    asked: AtomicUsize,
}

impl Transport for Iam {
    fn send(&self, _: http::Request<axum::body::Bytes>) -> Sending<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let is_good = !self.is_revoked.load(Ordering::SeqCst);
        let answer = json!({"valid": is_good, "worker_sid": ada(), "roles": ["agent"]}).to_string();
        Box::pin(async { Ok(http::Response::new(Some(answer.into()))) })
    }
}

fn get(path: &str) -> axum::extract::Request {
    http::Request::get(path).header("authorization", "Bearer ada").body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_push_channel_ends_when_its_token_is_revoked() {
    let (place, twilio, folder) = (Place::memory(false), Twilio::start().await, tempfile::tempdir().unwrap());
    let iam = Arc::new(Iam::default());
    let transport = Arc::clone(&iam) as Arc<dyn Transport>;
    let server =
        Server::in_world(config(&twilio, folder.path()), place.open().await.unwrap(), transport).unwrap();
    let mut push = server.call(get("/v1/push?epoch=1")).await.unwrap().into_body().into_data_stream();
    let (begun, asked) = (tokio::time::Instant::now(), iam.asked.load(Ordering::SeqCst));
    // Half an hour of heartbeats.
    while begun.elapsed().as_secs() < 1800 {
        push.next().await.expect("it goes on while the token is good").unwrap();
    }
    let asked = iam.asked.load(Ordering::SeqCst) - asked;
    assert!((5..=7).contains(&asked), "every five minutes, and not all the time: {asked}");
    iam.is_revoked.store(true, Ordering::SeqCst);
    let revoked = tokio::time::Instant::now();
    while push.next().await.is_some() {}
    assert!(revoked.elapsed().as_secs() <= 300, "{:?}", revoked.elapsed());
    assert_eq!(server.call(get("/v1/push?epoch=1")).await.unwrap().status(), 401);
}

#[tokio::test(start_paused = true)]
async fn one_readiness_check_serves_all_requests_of_a_second() {
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let place = Place::memory(false);
    let store = place.open_where(move |step| {
        counted.fetch_add(usize::from(step == "asking the store to renew"), Ordering::SeqCst);
        Verdict::GoOn
    });
    let (twilio, folder) = (Twilio::start().await, tempfile::tempdir().unwrap());
    let server =
        Server::in_world(config(&twilio, folder.path()), store.await.unwrap(), Arc::<Iam>::default())
            .unwrap();
    let before = looks.load(Ordering::SeqCst);
    let all = join_all((0..500).map(|_| async {
        let answer = server.call(get("/health/ready")).await.unwrap();
        let (status, body) =
            (answer.status(), axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap());
        (status, serde_json::from_slice::<Value>(&body).unwrap()["database"]["ok"].clone())
    }));
    let all = all.await;
    assert!(all.iter().all(|answer| *answer == (http::StatusCode::OK, json!(true))), "{all:?}");
    // The lease itself is renewed at times.
    let looked = looks.load(Ordering::SeqCst) - before;
    assert!((1..=3).contains(&looked), "{looked}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = looks.load(Ordering::SeqCst);
    server.call(get("/health/ready")).await.unwrap();
    assert!(looks.load(Ordering::SeqCst) > before, "what is a second old does not count");
}

#[tokio::test]
async fn an_agents_name_comes_from_twilio_and_not_from_the_page() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.join(1, &customer()).await;
    desk.join(2, &ada_leg()).await;
    let registration = json!({
        "epoch": 1, "task": task(), "reservation": reservation(), "workflow": rejoin_protocol::WorkflowSid::numbered(1),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(),
        "workerName": "IT: your session is over, call +1 555 0100",
    });
    assert_eq!(desk.registers("ada", registration).await, 204);
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    let ping = &world.twilio.wait_for("POST Tasks", 1).await[0];
    assert!(!format!("{ping:?}").contains("555 0100"), "{ping:?}");
    let stored = std::fs::read(world.folder.path().join("rejoin.db-wal")).unwrap_or_default();
    let stored = [stored, std::fs::read(world.folder.path().join("rejoin.db")).unwrap()].concat();
    let has = |text: &str| stored.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has(r#""name":"Ada""#) && !has("your session"), "the call as it is stored");
}
