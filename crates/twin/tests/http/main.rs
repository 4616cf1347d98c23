//! The twin over HTTP: its REST API, and its requests to others.

#![allow(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod console;
mod conversations;
mod lists;
mod refusals;
mod streams;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rejoin_protocol::{AccountSid, CallSid, TaskSid, WorkerSid, WorkspaceSid};
use rejoin_twilio::signature::{self, Signed};
use rejoin_twin::model::LineSetup;
use rejoin_twin::{LegNews, Twin, TwinConfig, app};
use serde_json::Value;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A request that the twin made.
#[derive(Debug)]
struct Asked {
    path: String,
    method: Method,
    params: HashMap<String, String>,
    signed: bool,
    headers: HeaderMap,
    /// For a body that is not a form.
    json: Value,
}

#[derive(Clone)]
struct Far {
    base: String,
    asked: mpsc::UnboundedSender<Asked>,
    /// Refuses the first delivery of events.
    refused: Arc<AtomicBool>,
}

/// Records requests, and answers by path.
async fn far(State(far): State<Far>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = if method == Method::GET {
        uri.query().unwrap_or_default()
    } else {
        std::str::from_utf8(&body).expect("a form")
    };
    let pairs = pairs(text);
    let form: &[(String, String)] = if method == Method::GET { &[] } else { &pairs };
    let url = format!("{}{uri}", far.base);
    let header = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = uri.path().to_owned();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let signed = if json.is_null() { Signed::Form(form) } else { Signed::Body(&body) };
    let signed = signature::validate(&[TOKEN], &url, signed, header);
    let document = match path.as_str() {
        "/room" => format!(
            r#"<Dial><Conference statusCallback="{0}/events" statusCallbackEvent="join leave announcement">room</Conference></Dial>"#,
            far.base
        ),
        "/labelled" => format!(
            r#"<Dial><Conference participantLabel="the customer" statusCallback="{0}/events" statusCallbackEvent="join">room</Conference></Dial>"#,
            far.base
        ),
        "/say" => "<Say>Hello</Say>".into(),
        "/plays-mp3" => "<Play loop=\"0\">/tone.mp3</Play>".into(),
        "/plays" => "<Play>/page</Play>".into(),
        "/fallback" | "/page" => "<Pause length=\"60\"/>".into(),
        _ => String::new(),
    };
    far.asked
        .send(Asked {
            path: path.clone(),
            method,
            params: pairs.into_iter().collect(),
            signed,
            headers,
            json,
        })
        .expect("the test listens");
    let document = format!("<Response>{document}</Response>");
    match path.as_str() {
        "/stream" | "/single" if !far.refused.swap(true, Ordering::Relaxed) => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        "/events" => StatusCode::NO_CONTENT.into_response(),
        "/broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/page" => ([(header::CONTENT_TYPE, "text/html")], document).into_response(),
        "/tone.mp3" => ([(header::CONTENT_TYPE, "audio/mpeg")], TONE_MP3).into_response(),
        "/tone.wav" => ([(header::CONTENT_TYPE, "audio/wav")], tone()).into_response(),
        _ => ([(header::CONTENT_TYPE, "text/xml")], document).into_response(),
    }
}

/// One second of 440 Hz.
const TONE_MP3: &[u8] = include_bytes!("tone.mp3");

/// Half a second of 440 Hz, 16 bit, 16 kHz.
fn tone() -> Vec<u8> {
    let samples = (0..8000_u16).map(|i| {
        let phase = f64::from(i) * 440.0 * std::f64::consts::TAU / 16_000.0;
        (phase.sin() * 8000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(16_000_u32.to_le_bytes());
    wav.extend(32_000_u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

fn pairs(form: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://form/?{form}")).expect("a form");
    url.query_pairs().into_owned().collect()
}

struct Setup {
    twin: Twin,
    base: String,
    far: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    client: reqwest::Client,
}

async fn bound() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

impl Setup {
    async fn new() -> Self {
        Self::with_lines(vec![]).await
    }

    async fn with_lines(lines: Vec<LineSetup>) -> Self {
        let (listener, listen) = bound().await;
        let config = TwinConfig { lines, ..TwinConfig::at(listen, TOKEN) };
        let twin = Twin::start(config).await.expect("a twin");
        let service = app(&twin);
        tokio::spawn(async move { axum::serve(listener, service).await });

        let (listener, address) = bound().await;
        let (sender, asked) = mpsc::unbounded_channel();
        let base = format!("http://{address}");
        let state = Far { base: base.clone(), asked: sender, refused: Arc::default() };
        let router = Router::new().fallback(far).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { twin, base: format!("http://{listen}"), far: base, asked, client: reqwest::Client::new() }
    }

    fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/__tw/{url}", self.base);
        self.client.request(method, url).basic_auth(AccountSid::numbered(1), Some(TOKEN))
    }

    fn voice(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let account = AccountSid::numbered(1);
        self.request(method, &format!("api.twilio.com/2010-04-01/Accounts/{account}/{path}.json"))
    }

    fn taskrouter(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let workspace = WorkspaceSid::numbered(1);
        self.request(method, &format!("taskrouter.twilio.com/v1/Workspaces/{workspace}/{path}"))
    }

    /// The next request of the twin for this path.
    async fn next(&mut self, path: &str) -> Asked {
        let wait = async {
            loop {
                let asked = self.asked.recv().await.expect("the far side runs");
                if asked.path == path {
                    return asked;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the twin asks")
    }

    async fn redirect(&self, call: &CallSid, path: &str, more: &[(&str, &str)]) {
        let url = format!("{}{path}", self.far);
        let mut form = vec![("Url", url.as_str())];
        form.extend(more);
        let response =
            self.voice(Method::POST, &format!("Calls/{call}")).form(&form).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
    }
}

/// The request with this query.
fn queried(request: reqwest::RequestBuilder, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.expect("a request");
    request.url_mut().query_pairs_mut().extend_pairs(query);
    reqwest::RequestBuilder::from_parts(client, request)
}

async fn body(response: reqwest::Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, response.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_latency_that_is_set_while_the_twin_runs_delays_each_request_both_ways() {
    let setup = Setup::new().await;
    for ms in [150, 0] {
        let set = setup.client.post(format!("{}/__twin/latency", setup.base)).json(&ms).send().await;
        assert_eq!(set.expect("an answer").status(), StatusCode::NO_CONTENT);
        let begun = std::time::Instant::now();
        setup.taskrouter(Method::GET, "Activities").send().await.expect("an answer");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(2 * ms), "{took:?}");
    }
    let (mut setup, begun) = (setup, std::time::Instant::now());
    setup.twin.config().latency.set_ms(150);
    let call = setup.twin.dial_native("+15550100002".into(), 660.0);
    setup.redirect(&call, "/room", &[]).await;
    setup.next("/events").await;
    // The request for the redirect, the one for the document and its answer, and the callback.
    assert!(begun.elapsed() >= Duration::from_millis(4 * 150), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn refusals_look_like_twilios() {
    let setup = Setup::new().await;
    let path = format!("Tasks/{}", TaskSid::numbered(9));
    let missing = body(setup.taskrouter(Method::GET, &path).send().await.expect("an answer")).await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
    assert_eq!((&missing.1["code"], &missing.1["status"]), (&20404.into(), &404.into()));
    assert_eq!(missing.1["more_info"], "https://www.twilio.com/docs/errors/20404");

    for (user, password) in [("AC0", TOKEN), (AccountSid::numbered(1).as_str(), "wrong")] {
        let url = format!("{}/__tw/taskrouter.twilio.com/v1/Workspaces", setup.base);
        let request = setup.client.get(url).basic_auth(user, Some(password));
        let (status, refusal) = body(request.send().await.expect("an answer")).await;
        assert_eq!((status, &refusal["code"]), (StatusCode::UNAUTHORIZED, &20003.into()));
    }
    let response = setup.taskrouter(Method::PUT, "Nothing").send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_task_is_created_read_and_changed() {
    let setup = Setup::new().await;
    let worker = WorkerSid::numbered(0xada);
    let form = [
        ("WorkflowSid", "WW00000000000000000000000000000002"),
        ("TaskChannel", "recovery-ping"),
        ("RoutingTarget", worker.as_str()),
        ("Timeout", "15"),
        ("Attributes", r#"{"a":"b & c"}"#),
    ];
    let response = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
    let (status, task) = body(response).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!((&task["attributes"], &task["timeout"]), (&r#"{"a":"b & c"}"#.into(), &15.into()));
    assert_eq!((&task["routing_target"], &task["ignore_capacity"]), (&worker.as_str().into(), &true.into()));

    let path = format!("Tasks/{}", task["sid"].as_str().expect("a SID"));
    let response = setup.taskrouter(Method::GET, &path).send().await.expect("an answer");
    let etag = response.headers()[header::ETAG].to_str().expect("text").to_owned();
    let bare = etag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).expect("an ETag is in quotes");
    assert_eq!(body(response).await.1["assignment_status"], "reserved");
    let failed = StatusCode::PRECONDITION_FAILED;
    for (if_match, wanted) in [("99", failed), (etag.as_str(), failed), (bare, StatusCode::OK)] {
        let request = setup.taskrouter(Method::POST, &path).header(header::IF_MATCH, if_match);
        let response = request.form(&[("Attributes", "{}")]).send().await.expect("an answer");
        assert_eq!(response.status(), wanted);
    }
    let list =
        setup.taskrouter(Method::GET, &format!("{path}/Reservations")).send().await.expect("an answer");
    let list = body(list).await.1;
    let reservation = list["reservations"][0]["sid"].as_str().expect("a SID");
    for (owner, wanted) in [
        (path.clone(), StatusCode::OK),
        (format!("Tasks/{}", TaskSid::numbered(9)), StatusCode::NOT_FOUND),
        (format!("Workers/{worker}"), StatusCode::OK),
        (format!("Workers/{}", WorkerSid::numbered(0xb0)), StatusCode::NOT_FOUND),
    ] {
        let request = setup.taskrouter(Method::GET, &format!("{owner}/Reservations/{reservation}"));
        assert_eq!(request.send().await.expect("an answer").status(), wanted, "{owner}");
    }
    let list = body(setup.taskrouter(Method::GET, "Tasks").send().await.expect("an answer")).await.1;
    assert_eq!(list["tasks"][0]["attributes"], Value::Null);
    assert_eq!(list["meta"]["next_page_url"], Value::Null);
    let response = setup.taskrouter(Method::DELETE, &path).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn documents_and_events_are_signed() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    setup.redirect(&call, "/room", &[]).await;
    let document = setup.next("/room").await;
    assert!(document.signed);
    assert_eq!((document.method, document.params["CallSid"].as_str()), (Method::POST, call.as_str()));
    let join = setup.next("/events").await;
    assert!(join.signed);
    assert!(join.headers.contains_key("I-Twilio-Idempotency-Token"));
    assert_eq!(
        (join.params["StatusCallbackEvent"].as_str(), join.params["FriendlyName"].as_str()),
        ("participant-join", "room")
    );
    let conference = join.params["ConferenceSid"].clone();
    let participants = format!("Conferences/{conference}/Participants");
    let list = body(setup.voice(Method::GET, &participants).send().await.expect("an answer")).await.1;
    assert_eq!(list["participants"][0]["call_sid"], call.as_str());
    assert_eq!(list["next_page_uri"], Value::Null);

    // An announcement by GET: signed with its query.
    let url = format!("{}/say", setup.far);
    let form = [("AnnounceUrl", url.as_str()), ("AnnounceMethod", "GET")];
    let conference_path = format!("Conferences/{conference}");
    let request = setup.voice(Method::POST, &conference_path).form(&form);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    let document = setup.next("/say").await;
    assert!(document.signed);
    assert_eq!(document.method, Method::GET);
    let end = setup.next("/events").await;
    assert_eq!(end.params["StatusCallbackEvent"], "announcement-end");
    // The customer's phone has heard it.
    let heard = setup.twin.media().heard(call.clone()).await.expect("media runs").expect("a leg");
    assert!(heard.transcript.iter().any(|line| line.heard.contains("Hello")), "{heard:?}");

    let participant = format!("{participants}/{call}");
    let response = setup.voice(Method::DELETE, &participant).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let leave = setup.next("/events").await;
    assert_eq!(leave.params["StatusCallbackEvent"], "participant-leave");
    assert!(!setup.twin.is_live(&call));
}

#[tokio::test]
async fn a_document_that_fails_is_replaced_by_the_fallback() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    let fallback = format!("{}/fallback", setup.far);
    for (path, code) in [("/broken", "11200"), ("/page", "12300")] {
        setup.redirect(&call, path, &[("FallbackUrl", &fallback)]).await;
        let asked = setup.next("/fallback").await;
        assert!(asked.signed);
        assert_eq!(asked.params["ErrorCode"], code);
        assert_eq!(asked.params["ErrorUrl"], format!("{}{path}", setup.far));
    }
    assert!(setup.twin.is_live(&call));
}

#[tokio::test]
async fn audio_is_accepted_in_place_of_a_document() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    let mut news = setup.twin.leg_news();
    setup.redirect(&call, "/tone.wav", &[]).await;
    assert_eq!(setup.next("/tone.wav").await.method, Method::POST);
    // Played once, then the document ends.
    let mut heard = vec![];
    let end = async {
        loop {
            match news.recv().await.expect("news") {
                LegNews::Heard(of, line) if of == call => heard.push(line.heard),
                LegNews::Gone(of) if of == call => return,
                LegNews::Heard(..) | LegNews::Gone(_) | LegNews::Message { .. } => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the call ends");
    assert!(heard.contains(&"tone audio".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn an_mp3_is_heard() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    setup.redirect(&call, "/plays-mp3", &[]).await;
    setup.next("/tone.mp3").await;
    let hears = async {
        loop {
            let heard = setup.twin.media().heard(call.clone()).await.expect("media runs").expect("a leg");
            if heard.peak_hz.is_some_and(|hz| hz.abs_diff(440) <= 10) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), hears).await.expect("the tone is heard");
}

#[tokio::test]
async fn media_without_an_audio_content_type_is_not_played() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    let mut news = setup.twin.leg_news();
    setup.redirect(&call, "/plays", &[]).await;
    assert_eq!(setup.next("/page").await.method, Method::GET);
    // The document goes on to its end.
    let end = async { while news.recv().await.expect("news") != LegNews::Gone(call.clone()) {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the call ends");
    let skipped = |line: &String| line.contains("a <Play> is skipped: 12300");
    assert!(setup.twin.log_lines().iter().any(skipped), "{:?}", setup.twin.log_lines());
}
