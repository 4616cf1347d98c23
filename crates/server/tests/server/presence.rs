//! Presence sockets, with real sockets: pages that answer pings, that do not any more, and liars.

use crate::crash::Process;
use crate::database::Database;
use crate::support::*;
use axum::http::HeaderValue;
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a page may take to answer, in these tests, in milliseconds.
const WITHIN: u64 = 400;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn world() -> World {
    World::start_with(|config| {
        config.limits.heartbeat_ms = 100;
        config.limits.acknowledged_within_ms = WITHIN;
    })
    .await
}

/// Opens a presence socket; the status of a refusal.
async fn open(desk: &Desk, ticket: &str) -> Result<Socket, u16> {
    let address = desk.address.replacen("http", "ws", 1);
    let mut request = format!("{address}/v1/presence").into_client_request().unwrap();
    if !ticket.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(ticket).unwrap());
    }
    match connect_async(request).await {
        Ok((socket, answer)) => {
            assert_eq!(answer.headers()["sec-websocket-protocol"], ticket, "a browser requires it");
            Ok(socket)
        }
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Answers this many pings. The client does so while it is read.
async fn answers(socket: &mut Socket, pings: usize) {
    for _ in 0..pings {
        let frame = timeout(PATIENCE, socket.next()).await.expect("no ping came").unwrap().unwrap();
        assert!(matches!(frame, Message::Ping(_)), "{frame:?}");
    }
    socket.flush().await.unwrap();
}

/// Waits until the server has ended it.
async fn ends(mut socket: Socket) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(PATIENCE, end).await.expect("it stays open");
}

async fn loses_its_channel(page: &mut Events) {
    let end = async { while page.next().await.is_some() {} };
    timeout(PATIENCE, end).await.expect("the push channel stays open");
}

/// Nothing of this ends a push channel: it outlives a multiple of the time that an answer may take.
async fn stays(page: &mut Events) {
    let end = async { while page.next().await.is_some() {} };
    let end = timeout(Duration::from_millis(4 * WITHIN), end).await;
    assert!(end.is_err(), "the push channel ended");
}

async fn figure(desk: &Desk, name: &str) -> String {
    let figures = desk.figures().await;
    let line = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_answers_keeps_its_channel_and_one_that_does_not_any_more_loses_it() {
    let world = world().await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let mut another = Events::open(&world.desk, "/v1/push?epoch=2", "ada").await;
    let mut socket = open(&world.desk, &page.ticket()).await.unwrap();
    assert_eq!(page.next().await.unwrap(), json!({"push": "superseded"}));
    answers(&mut socket, 8).await;
    // It is not read any more: the connection stands, as behind a proxy, and nobody answers.
    loses_its_channel(&mut page).await;
    stays(&mut another).await;
    ends(socket).await;
}

/// The customer is told as if the channel had ended by itself: the machine is without a network, and Twilio has not noticed.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_does_not_answer_any_more_is_asked_for_over_the_leg() {
    let world = world().await;
    world.desk.answering().await;
    let page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let mut socket = open(&world.desk, &page.ticket()).await.unwrap();
    answers(&mut socket, 2).await;
    world.twilio.wait_for(&format!("POST Calls/{}/UserDefinedMessages.json", ada_leg()), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_closed_cut_or_never_answered_says_nothing_about_the_page() {
    let world = world().await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    let ticket = page.ticket();
    // A path over which no answer comes back, from the first ping on.
    let deaf = open(&world.desk, &ticket).await.unwrap();
    let mut closed = open(&world.desk, &ticket).await.unwrap();
    answers(&mut closed, 2).await;
    closed.close(None).await.unwrap();
    let mut cut = open(&world.desk, &ticket).await.unwrap();
    answers(&mut cut, 2).await;
    drop(cut);
    stays(&mut page).await;
    ends(deaf).await;
    answers(&mut open(&world.desk, &ticket).await.unwrap(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_ticket_of_an_open_channel_opens_a_socket() {
    let world = world().await;
    let page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let ticket = page.ticket();
    let forged = ticket.replace(&ada().to_string(), "WK000000000000000000000000000000b0");
    for wrong in ["ada", "1", &forged, &ticket[..ticket.len() - 2], &"x".repeat(10_000)] {
        assert_eq!(open(&world.desk, wrong).await.err(), Some(401), "{wrong}");
    }
    assert_eq!(open(&world.desk, "").await.err(), Some(401), "none");
    let plain = world.desk.http.get(format!("{}/v1/presence", world.desk.address));
    let plain = plain.header("sec-websocket-protocol", &ticket).send().await.unwrap();
    assert_eq!(plain.status(), 400, "no WebSocket");
    let mut socket = open(&world.desk, &ticket).await.unwrap();
    answers(&mut socket, 1).await;
    drop(page);
    // Its end is noticed when something is sent.
    ends(socket).await;
    assert_eq!(open(&world.desk, &ticket).await.err(), Some(404), "its channel is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_says_more_than_its_answers_is_closed() {
    let world = world().await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    let ticket = page.ticket();
    let flood = vec![Message::Ping("x".into()); 10_000];
    let unasked = vec![Message::Pong("x".into()); 10_000];
    let lies = [vec![Message::text("hello")], vec![Message::binary(vec![0; 100_000])], flood, unasked];
    for lie in lies {
        let mut socket = open(&world.desk, &ticket).await.unwrap();
        for frame in lie {
            if socket.send(frame).await.is_err() {
                break;
            }
        }
        ends(socket).await;
    }
    stays(&mut page).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_a_share_of_the_sockets_and_leaves_others_theirs() {
    let world = world().await;
    let page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let of_another = Events::open(&world.desk, "/v1/push?epoch=1", "bo").await;
    let ticket = page.ticket();
    let mut many = join_all((0..40).map(|_| open(&world.desk, &ticket))).await;
    let refused: Vec<_> = many.iter().filter_map(|socket| socket.as_ref().err()).collect();
    assert_eq!(refused, [&429; 8]);
    let mut socket = open(&world.desk, &of_another.ticket()).await.unwrap();
    answers(&mut socket, 1).await;
    many.clear();
    let mut again = loop {
        match open(&world.desk, &ticket).await {
            Ok(socket) => break socket,
            Err(status) => assert_eq!(status, 429),
        }
        // Until the server has seen one of them end.
        answers(&mut socket, 1).await;
    };
    answers(&mut again, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_wait_for_sockets() {
    let mut world = world().await;
    let page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let mut socket = open(&world.desk, &page.ticket()).await.unwrap();
    answers(&mut socket, 1).await;
    let stops = world.server.take().unwrap().stop();
    // Requests in progress would be given 5 s.
    timeout(Duration::from_secs(4), stops).await.expect("it waits");
    ends(socket).await;
}

/// The answers of the pages lie unread while the server stands still. Otherwise every page would lose its channel then.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_takes_no_page_for_silent() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&twilio, folder.path());
    let mut pages = vec![];
    for epoch in 1..=10 {
        let page = Events::open(&server.desk, &format!("/v1/push?epoch={epoch}"), "ada").await;
        let mut socket = open(&server.desk, &page.ticket()).await.unwrap();
        answers(&mut socket, 2).await;
        pages.push(page);
        // A slow line: half of the time an answer is under way.
        tokio::spawn(async move {
            while let Some(Ok(_)) = socket.next().await {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
    }
    server.signal("STOP");
    // Longer than an answer may take (2 s).
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.signal("CONT");
    join_all(pages.iter_mut().map(stays)).await;
    assert_eq!(figure(&server.desk, "rejoin_silent_pages_total").await, "0");
    assert_eq!(figure(&server.desk, "rejoin_presence_sockets").await, "10");
}

/// Behind a balancer the socket may lead to another server than the channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_silent_at_another_server_loses_its_channel() {
    let database = Database::postgres().await;
    let twilio = Twilio::start().await;
    let (first, second) = (Process::on(&twilio, &database.url), Process::on(&twilio, &database.url));
    let mut page = Events::open(&first.desk, "/v1/push?epoch=1", "ada").await;
    let mut other = Events::open(&second.desk, "/v1/push?epoch=2", "ada").await;
    assert_eq!(page.next().await.unwrap(), json!({"push": "superseded"}));
    other.position().await;
    let mut socket = open(&second.desk, &page.ticket()).await.unwrap();
    answers(&mut socket, 3).await;
    assert_eq!(figure(&second.desk, "rejoin_presence_sockets").await, "1");
    assert_eq!(figure(&second.desk, "rejoin_silent_pages_total").await, "0");
    loses_its_channel(&mut page).await;
    stays(&mut other).await;
    assert_eq!(figure(&second.desk, "rejoin_silent_pages_total").await, "1");
    assert_eq!(figure(&second.desk, "rejoin_presence_sockets").await, "0");
}
