//! Webhooks to servers that fail in each way, over real sockets.

use super::*;
use crate::{
    TwinConfig,
    log::Log,
    webhooks::{Format, Webhooks},
};
use std::{future::Future, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::Instant,
};

/// What a server does with one connection.
#[derive(Clone, Copy)]
enum Does {
    /// It answers with this status, this long (milliseconds) after it has the request.
    Answers(u16, u64),
    /// It sends the head of an answer, and no body.
    Stalls,
    /// It reads the request, and is silent.
    Waits,
}

/// A server that does this with its first, second, … connection, and the last with all others. The receiver gets the
/// token of each request.
async fn server(does: &'static [Does]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, tokens) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let does = does[number.min(does.len() - 1)];
            number += 1;
            tokio::spawn(serve(stream, does, sender.clone()));
        }
    });
    (format!("http://{address}/hook"), tokens)
}

async fn serve(mut stream: TcpStream, does: Does, tokens: mpsc::UnboundedSender<String>) {
    let mut request = String::new();
    while !request.ends_with("a=1") {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap_or_default();
        if read == 0 {
            return;
        }
        request.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let token = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("i-twilio-idempotency-token").then(|| value.to_owned())
    });
    let _ = tokens.send(token.unwrap_or_default());
    match does {
        Does::Answers(status, after) => {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Does::Stalls => {
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n").await;
            std::future::pending::<()>().await;
        }
        Does::Waits => std::future::pending().await,
    }
}

/// A port at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("bound")
}

fn webhooks(log: &Log) -> Webhooks {
    let config = TwinConfig::at(([127, 0, 0, 1], 0).into(), "a token");
    Webhooks::new(&config, log.clone()).expect("a client")
}

/// Delivers a webhook: the result, how long it took, and the lines of the log.
async fn delivered(url: &str) -> (Result<(), String>, Millis, Vec<String>) {
    delivered_with(url, Millis(0)).await
}

async fn delivered_with(url: &str, pause: Millis) -> (Result<(), String>, Millis, Vec<String>) {
    let log = Log::default();
    let webhooks = webhooks(&log);
    webhooks.set_retry_pause(pause);
    let (result, took) = timed(async {
        webhooks.deliver(Format::Form, url, "POST", &[("a".to_owned(), "1".to_owned())]).await
    })
    .await;
    (result, took, log.lines())
}

async fn timed<T>(what: impl Future<Output = T>) -> (T, Millis) {
    let since = Instant::now();
    let result = what.await;
    (result, Millis(since.elapsed().as_millis() as u64))
}

fn all(mut tokens: mpsc::UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| tokens.try_recv().ok()).collect()
}

#[tokio::test]
async fn a_refused_connection_is_tried_once_more_without_overrides() {
    let url = format!("http://{}/hook", nobody().await);
    let (result, _, lines) = delivered(&url).await;
    assert!(result.expect_err("refused").starts_with("11205: no connection"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with("no connection (/hook); retry 1 of 1"), "{lines:?}");
}

#[tokio::test]
async fn a_failing_answer_is_not_tried_again_without_overrides() {
    for status in [404, 503] {
        let does: &'static [Does] = Box::leak(Box::new([Does::Answers(status, 0)]));
        let (url, tokens) = server(does).await;
        let (result, ..) = delivered(&url).await;
        assert!(result.expect_err("refused").starts_with("11200"));
        assert_eq!(all(tokens).len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_comes_up_meanwhile_gets_the_webhook() {
    let address = nobody().await;
    let url = format!("http://{address}/hook#rc=5&rp=all");
    let log = Log::default();
    let webhooks = webhooks(&log);
    webhooks.set_retry_pause(Millis(20));
    let delivery = tokio::spawn(async move {
        webhooks.deliver(Format::Form, &url, "POST", &[("a".to_owned(), "1".to_owned())]).await
    });
    while log.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let listener = TcpListener::bind(address).await.expect("the same port");
    let (stream, _) = listener.accept().await.expect("a retry");
    let (sender, tokens) = mpsc::unbounded_channel();
    serve(stream, Does::Answers(204, 0), sender).await;
    delivery.await.expect("no panic").expect("delivered");
    assert_eq!(all(tokens).len(), 1);
}

#[tokio::test]
async fn a_503_is_tried_again_as_configured_with_the_same_token() {
    let (url, tokens) = server(&[Does::Answers(503, 0), Does::Answers(500, 0), Does::Answers(204, 0)]).await;
    let (result, _, lines) = delivered(&format!("{url}#rc=3&rp=5xx")).await;
    assert_eq!(result, Ok(()));
    assert_eq!(lines.len(), 2, "{lines:?}");
    let tokens = all(tokens);
    assert_eq!(tokens.len(), 3);
    assert!(!tokens[0].is_empty() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test]
async fn another_failure_than_those_of_the_policy_is_not_tried_again() {
    for (fragment, status, attempts) in
        [("rc=2&rp=4xx", 503, 1), ("rc=2&rp=4xx", 429, 3), ("rc=2&rp=ct,rt", 503, 1), ("rc=0&rp=all", 503, 1)]
    {
        let does: &'static [Does] = Box::leak(Box::new([Does::Answers(status, 0)]));
        let (url, tokens) = server(does).await;
        assert!(delivered(&format!("{url}#{fragment}")).await.0.is_err(), "{fragment}");
        assert_eq!(all(tokens).len(), attempts, "{fragment} {status}");
    }
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_read_timeout() {
    for stalls in [Does::Waits, Does::Stalls] {
        let does: &'static [Does] = Box::leak(Box::new([stalls, Does::Answers(204, 0)]));
        let (url, tokens) = server(does).await;
        let (result, took, lines) = delivered(&format!("{url}#rt=1000&rc=5&rp=rt")).await;
        assert_eq!(result, Ok(()));
        assert!(took >= Millis(1_000), "{took:?}");
        // On a busy machine, the answer to a further attempt may come too late as well.
        assert!(lines[0].ends_with("no answer in time (/hook); retry 1 of 5"), "{lines:?}");
        assert_eq!(all(tokens).len(), lines.len() + 1);
    }
}

#[tokio::test]
async fn an_answer_within_the_read_timeout_is_taken() {
    let (url, tokens) = server(&[Does::Answers(204, 300)]).await;
    let (result, took, lines) = delivered(&format!("{url}#rt=5000&rc=5&rp=all")).await;
    assert_eq!((result, lines.len()), (Ok(()), 0));
    assert!(took >= Millis(300), "{took:?}");
    assert_eq!(all(tokens).len(), 1);
}

#[tokio::test]
async fn all_attempts_together_take_no_longer_than_the_total() {
    let (url, tokens) = server(&[Does::Waits]).await;
    let (result, took, _) = delivered(&format!("{url}#rt=200&tt=500&rc=5&rp=all")).await;
    assert!(result.expect_err("silent").starts_with("11205"));
    assert!((Millis(490)..Millis(5_000)).contains(&took), "{took:?}");
    // At 0, 200 and 400 ms; on a busy machine the server takes fewer of them, or none. Without the total there would be six.
    assert!(all(tokens).len() <= 3);
}

#[tokio::test]
async fn no_retry_begins_after_the_total() {
    let url = format!("http://{}/hook#tt=500&rc=5&rp=all", nobody().await);
    let (result, took, lines) = delivered_with(&url, Millis(200)).await;
    assert!(result.is_err());
    // At 200 and 400 ms; on a busy machine the last ones come too late. Without the total there would be five.
    assert!(lines.len() <= 2, "{lines:?}");
    assert!(took < Millis(5_000), "{took:?}");
}

/// A port whose queue of connections is full: further ones get no answer at all.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_is_not_made_is_left_after_the_connect_timeout() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut taken = vec![];
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        taken.push(stream);
    }
    for (fragment, retries) in [("ct=150&rt=10000&rc=2&rp=ct", 2), ("ct=150&rt=10000&rc=2&rp=rt", 0)] {
        let (result, took, lines) = delivered(&format!("http://{address}/hook#{fragment}")).await;
        assert!(result.expect_err("no connection").starts_with("11205: no connection"), "{fragment}");
        assert_eq!(lines.len(), retries, "{lines:?}");
        assert!((Millis(150 * (retries as u64 + 1))..Millis(8_000)).contains(&took), "{took:?}");
    }
    drop((listener, taken));
}

#[tokio::test]
async fn what_is_no_override_is_ignored_and_the_log_tells_it() {
    let (url, tokens) = server(&[Does::Answers(503, 0)]).await;
    let (result, _, lines) = delivered(&format!("{url}#rc=6&rp=all")).await;
    assert!(result.is_err());
    assert_eq!(all(tokens).len(), 2, "once more, as without the count");
    assert!(lines[0].contains("rc=6") && lines[0].ends_with("ignored"), "{lines:?}");
}
