//! The operators' console: who gets in, what is shown, and what may be done.

use crate::database::{Database, on_both};
use crate::support::*;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

on_both!(
    operators_see_an_open_recovery_and_no_person,
    operators_read_and_follow_one_call,
    what_others_have_written_about_a_call_is_only_text,
    a_recovery_appears_on_an_open_page_and_all_pages_share_what_is_read,
    a_quarantined_call_is_listed_and_released,
);

/// A browser at a server.
pub(crate) struct Browser {
    http: reqwest::Client,
    address: String,
    cookie: Option<String>,
}

impl Browser {
    fn at(address: &str) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, address: address.to_owned(), cookie: None }
    }

    pub(crate) async fn signed_in(address: &str) -> Self {
        let mut browser = Self::at(address);
        assert_eq!(browser.sign_in("token", OPERATOR_TOKEN).await.status(), 303);
        browser
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.cookie {
            Some(cookie) => request.header("cookie", format!("other=1; rejoin_console={cookie}")),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.with_cookie(self.http.get(format!("{}{path}", self.address))).send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status(), 200, "{path}");
        reply.text().await.unwrap()
    }

    /// A form of one of the server's own pages is sent.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post_from(path, form, Some(&self.address)).await
    }

    async fn post_from(&self, path: &str, form: &[(&str, &str)], origin: Option<&str>) -> Response {
        let mut request = self.with_cookie(self.http.post(format!("{}{path}", self.address))).form(form);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send().await.unwrap()
    }

    async fn sign_in(&mut self, field: &str, token: &str) -> Response {
        let reply = self.post("/console/session", &[(field, token)]).await;
        self.keep(&reply);
        reply
    }

    fn keep(&mut self, reply: &Response) {
        if let Some(set) = reply.headers().get("set-cookie") {
            let (cookie, _) = set.to_str().unwrap().split_once(';').unwrap();
            self.cookie = Some(cookie.strip_prefix("rejoin_console=").unwrap().to_owned());
        }
    }
}

/// Server-sent events of an open page.
pub(crate) struct Following {
    response: Response,
    /// What has arrived of the next line. A chunk may end in the middle of a character.
    bytes: Vec<u8>,
}

impl Following {
    pub(crate) async fn of(browser: &Browser) -> Self {
        Self::at(browser, "/console/now/events").await
    }

    pub(crate) async fn at(browser: &Browser, path: &str) -> Self {
        let response = browser.get(path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, bytes: vec![] }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data: ") {
                    return Some(serde_json::from_slice(data).unwrap());
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("no line came");
            self.bytes.extend_from_slice(&chunk.ok()??);
        }
    }

    /// Waits until a section contains this.
    pub(crate) async fn shows(&mut self, id: &str, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let event = self.next().await.expect("it goes on");
            assert!(begun.elapsed() < PATIENCE, "{id} does not show {wanted}: {event}");
            let section = event["sections"].as_array().unwrap().iter().find(|section| section["id"] == id);
            let html = section.and_then(|section| section["html"].as_str()).unwrap_or_default();
            if html.contains(wanted) {
                return html.to_owned();
            }
        }
    }
}

pub(crate) async fn world_on(database: &Database, change: impl FnOnce(&mut rejoin_server::Config)) -> World {
    World::start_with(|config| {
        config.storage.database_url.clone_from(&database.url);
        change(config);
    })
    .await
}

const PAGES: [&str; 8] = [
    "/console",
    "/console/now/events",
    "/console/calls",
    "/console/held-back",
    "/console/storm/go-on",
    "/console/history",
    "/console/history.csv",
    "/console/history.json",
];

#[tokio::test]
async fn without_a_session_nothing_is_shown() {
    let world = World::start().await;
    world.desk.lost().await;
    let mut browser = Browser::at(&world.desk.address);
    let known = format!("/console/held-back/{}/release", conference());
    let unknown = "/console/held-back/CF000000000000000000000000000000ff/release".to_owned();
    let mut answers = BTreeSet::new();
    let forged = ["", ".", "e30.e30", &"x".repeat(5000)].map(|cookie| Some(cookie.to_owned()));
    for cookie in std::iter::once(None).chain(forged) {
        browser.cookie = cookie;
        for path in PAGES.into_iter().chain([known.as_str(), &unknown]) {
            let reply = browser.get(path).await;
            assert_eq!(reply.status(), 401, "{path}");
            answers.insert(reply.text().await.unwrap());
        }
        for path in ["/console/storm/go-on", &known, &unknown] {
            let reply = browser.post(path, &[]).await;
            assert_eq!(reply.status(), 401, "{path}");
            answers.insert(reply.text().await.unwrap());
        }
    }
    assert_eq!(answers.len(), 1, "the answer depends on what there is: {answers:#?}");
    assert!(answers.iter().all(|page| page.contains("name=\"token\"")));
}

/// A browser sends no cookie along with a link on another site, as in an alert, and does when the page loads itself again.
#[tokio::test]
async fn a_link_on_another_site_leads_who_is_signed_in_to_the_page() {
    let world = World::start().await;
    let browser = Browser::at(&world.desk.address);
    for (site, again) in
        [("cross-site", Some("0; url=/console/held-back")), ("same-origin", None), ("none", None)]
    {
        let request = browser.http.get(format!("{}/console/held-back", browser.address));
        let reply = request.header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(reply.status(), 401, "{site}");
        let refresh = reply.headers().get("refresh").map(|refresh| refresh.to_str().unwrap());
        assert_eq!(refresh, again, "{site}: once, and not for ever");
    }
}

#[tokio::test]
async fn only_operators_supervisors_and_administrators_get_in() {
    let world = World::start().await;
    let mut browser = Browser::at(&world.desk.address);
    for (field, token, status) in [
        ("token", "a guess", 401),
        ("token", "", 401),
        ("token", "supervisor", 401),
        ("flexToken", "ada", 403),
        ("flexToken", "unknown", 401),
        ("flexToken", "stale", 401),
        ("flexToken", "twilio-is-down", 503),
        ("flexToken", OPERATOR_TOKEN, 401),
        ("other", OPERATOR_TOKEN, 401),
    ] {
        let reply = browser.sign_in(field, token).await;
        assert_eq!(reply.status(), status, "{field} {token}");
        assert_eq!(browser.cookie, None, "{field} {token}");
        assert!(!reply.text().await.unwrap().contains(OPERATOR_TOKEN));
    }
    assert_eq!(browser.sign_in("flexToken", "supervisor").await.status(), 303);
    let page = browser.page("/console").await;
    assert!(page.contains("Signed in as supervisor"), "{page}");
    // A supervisor may look.
    let release = format!("/console/held-back/{}/release", conference());
    browser.page("/console/held-back").await;
    for path in ["/console/storm/go-on", release.as_str()] {
        assert_eq!(browser.get(path).await.status(), 403, "{path}");
        assert_eq!(browser.post(path, &[]).await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_supervisor_may_come_from_flex() {
    let world = World::start().await;
    let mut browser = Browser::at(&world.desk.address);
    let flex = Some("https://flex.twilio.com");
    let reply = browser.post_from("/console/session", &[("flexToken", "supervisor")], flex).await;
    // The browser does not send the cookie with a redirect of a request that another site began.
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["refresh"], "0; url=/console");
    browser.keep(&reply);
    browser.page("/console").await;
    // A link to a call leads to its page, and nothing else leads anywhere else.
    let call = format!("/console/calls/{}", customer());
    for (wanted, to) in [
        (customer().as_str(), call.as_str()),
        ("", "/console"),
        ("//evil.example", "/console"),
        ("x\"><script>", "/console"),
        ("../sign-out", "/console"),
    ] {
        let form = [("flexToken", "supervisor"), ("call", wanted)];
        let reply = browser.post_from("/console/session", &form, flex).await;
        assert_eq!(reply.headers()["refresh"], format!("0; url={to}"), "{wanted}");
        assert!(reply.text().await.unwrap().contains(&format!("href=\"{to}\"")), "{wanted}");
        let form = [("token", OPERATOR_TOKEN), ("call", wanted)];
        assert_eq!(browser.post("/console/session", &form).await.headers()["location"], to, "{wanted}");
    }
    // The operator token is only for our own form.
    let reply = browser.post_from("/console/session", &[("token", OPERATOR_TOKEN)], flex).await;
    assert_eq!(reply.status(), 401);
    let bearer = browser.http.post(format!("{}/console/session", browser.address)).bearer_auth("supervisor");
    let reply = bearer.header("origin", &browser.address).send().await.unwrap();
    assert_eq!(reply.status(), 303);
}

#[tokio::test]
async fn a_hello_says_who_finds_the_console_at_this_address() {
    for (operators, finds) in [(None, true), ("127.0.0.1:0".parse().ok(), false)] {
        let world = World::start_with(|config| config.operator_listen = operators).await;
        for (token, finds) in [("ada", false), ("supervising", finds)] {
            let hello = json!({"epoch": 1, "holdings": []});
            let said: Value = world.desk.plugin("/v1/hello", token, hello).await.json().await.unwrap();
            assert_eq!(said["console"], if finds { json!(true) } else { Value::Null }, "{token} {said}");
        }
    }
}

/// What a page shows to whom Flex's token has brought there too late.
#[tokio::test]
async fn a_flex_token_that_no_longer_counts_is_told_from_an_operators_mistake() {
    let world = World::start().await;
    let browser = Browser::at(&world.desk.address);
    let flex = Some("https://flex.twilio.com");
    let reply = browser.post_from("/console/session", &[("flexToken", "stale")], flex).await;
    assert_eq!(reply.status(), 401);
    let page = reply.text().await.unwrap();
    assert!(page.contains("Reload Flex, and open the console from there again."), "{page}");
    assert!(!page.contains("stale"), "the token is not repeated");
}

#[tokio::test]
async fn a_post_counts_only_from_a_page_of_the_console() {
    let world = World::start_with(|config| {
        (config.pacing.storm_at, config.pacing.failsafe_at) = (1, 1);
    })
    .await;
    world.desk.lost().await;
    crate::storm::wait_until(&world.desk, |status| status["failsafe"] == true).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    for origin in
        [None, Some("null"), Some("https://evil.example"), Some("https://flex.twilio.com"), Some("x")]
    {
        for path in ["/console/storm/go-on", "/console/sign-out"] {
            assert_eq!(browser.post_from(path, &[], origin).await.status(), 403, "{path} {origin:?}");
        }
        if origin != Some("https://flex.twilio.com") {
            let form = [("token", OPERATOR_TOKEN)];
            let reply = browser.post_from("/console/session", &form, origin).await;
            assert_eq!(reply.status(), 403, "{origin:?}");
            assert!(!reply.headers().contains_key("set-cookie"));
        }
    }
    // What the browser itself says counts, too.
    let url = format!("{}/console/storm/go-on", browser.address);
    let request = browser.with_cookie(browser.http.post(url)).header("origin", &browser.address);
    assert_eq!(request.header("sec-fetch-site", "cross-site").send().await.unwrap().status(), 403);
    assert_eq!(crate::storm::status(&world.desk).await["failsafe"], true, "nothing was changed");
    // Behind a proxy that names another host, the public URL counts.
    let reply = browser.post_from("/console/storm/go-on", &[], Some(PUBLIC)).await;
    assert_eq!(reply.status(), 303);
}

#[tokio::test]
async fn an_operator_ends_the_failsafe_after_a_question() {
    let world = World::start_with(|config| {
        (config.pacing.storm_at, config.pacing.failsafe_at) = (1, 1);
    })
    .await;
    world.desk.lost().await;
    crate::storm::wait_until(&world.desk, |status| status["failsafe"] == true).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let page = browser.page("/console").await;
    assert!(page.contains("href=\"/console/storm/go-on\""), "{page}");
    let question = browser.page("/console/storm/go-on").await;
    assert!(question.contains("method=\"post\" action=\"/console/storm/go-on\""), "{question}");
    assert_eq!(crate::storm::status(&world.desk).await["failsafe"], true, "a question changes nothing");
    let reply = browser.post("/console/storm/go-on", &[]).await;
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["location"]),
        (303, &"/console?done=go-on".parse().unwrap())
    );
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(crate::storm::status(&world.desk).await["failsafe"], false);
    // Nobody is told that they have ended what has ended already, or is another server's.
    let again = browser.post("/console/storm/go-on", &[]).await;
    assert_eq!(again.headers()["location"], "/console?done=not-active");
    let told = browser.page("/console?done=not-active").await;
    assert!(told.contains("The failsafe is not active on the server that answered"), "{told}");
    let page = browser.page("/console?done=go-on").await;
    assert!(
        page.contains("The held-back requests go out.") && page.contains("The failsafe is not active."),
        "{page}"
    );
}

#[tokio::test]
async fn a_session_ends_with_signing_out_and_its_cookie_is_for_the_console_alone() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let out = browser.post("/console/sign-out", &[]).await;
    assert_eq!(out.status(), 303);
    let set = out.headers()["set-cookie"].to_str().unwrap();
    assert_eq!(set, "rejoin_console=; Path=/console; HttpOnly; SameSite=Strict; Secure; Max-Age=0");

    let reply = Browser::at(&world.desk.address).sign_in("token", OPERATOR_TOKEN).await;
    let set = reply.headers()["set-cookie"].to_str().unwrap();
    let (_, attributes) = set.split_once("; ").unwrap();
    let (attributes, lasts) = attributes.rsplit_once("; Max-Age=").unwrap();
    assert_eq!(attributes, "Path=/console; HttpOnly; SameSite=Strict; Secure");
    // Eight hours, less what the answer took.
    let lasts: u64 = lasts.parse().unwrap();
    assert!((28_700..=28_800).contains(&lasts), "{lasts}");
    // Over plain HTTP, for a developer or behind no proxy, a browser would not send it back.
    let plain = World::start_with(|config| config.public_url = "http://127.0.0.1:1".into()).await;
    let reply = Browser::at(&plain.desk.address).sign_in("token", OPERATOR_TOKEN).await;
    assert!(!reply.headers()["set-cookie"].to_str().unwrap().contains("Secure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_valid_on_each_server_until_the_operator_token_changes() {
    let database = Database::postgres().await;
    let (first, second) = (world_on(&database, |_| {}).await, world_on(&database, |_| {}).await);
    let mut browser = Browser::signed_in(&first.desk.address).await;
    browser.address.clone_from(&second.desk.address);
    let page = browser.page("/console").await;
    assert_eq!(page.matches("lasts ").count(), 2, "two servers have leases: {page}");
    assert_eq!(page.matches("(this one)").count(), 1);
    let new = "another operator token, long enough to be one";
    // During a rotation the previous token counts.
    let third = world_on(&database, |config| {
        config.previous_operator_token = config.operator_token.replace(new.into());
    })
    .await;
    browser.address.clone_from(&third.desk.address);
    browser.page("/console").await;
    let fourth = world_on(&database, |config| config.operator_token = Some(new.into())).await;
    browser.address.clone_from(&fourth.desk.address);
    assert_eq!(browser.get("/console").await.status(), 401);
}

#[tokio::test]
async fn without_an_operator_token_the_console_says_what_to_set() {
    let world = World::start_with(|config| config.operator_token = None).await;
    let mut browser = Browser::at(&world.desk.address);
    let reply = browser.get("/console").await;
    assert_eq!(reply.status(), 401);
    let page = reply.text().await.unwrap();
    assert!(page.contains("The console is off") && page.contains("REJOIN_OPERATOR_TOKEN"), "{page}");
    assert!(!page.contains("name=\"token\""));
    for token in ["", OPERATOR_TOKEN, AUTH_TOKEN] {
        assert_eq!(browser.sign_in("token", token).await.status(), 401, "{token}");
    }
    // A session of an operator from before the token was removed does not count.
    let other = World::start().await;
    browser.cookie = Browser::signed_in(&other.desk.address).await.cookie;
    assert_eq!(browser.get("/console").await.status(), 401);
    assert_eq!(browser.sign_in("flexToken", "supervisor").await.status(), 303);
    browser.page("/console").await;
}

#[tokio::test]
async fn guesses_and_requests_are_limited() {
    let world = World::start_with(|config| {
        config.limits.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let browser = Browser::at(&world.desk.address);
    let guess = async |token: &str, from: &str| {
        let request = browser.http.post(format!("{}/console/session", browser.address));
        let request = request.form(&[("token", token)]).header("origin", &browser.address);
        request.header("x-forwarded-for", from).send().await.unwrap()
    };
    for number in 0..10 {
        assert_eq!(guess(&format!("guess{number}"), "192.0.2.1").await.status(), 401);
    }
    let late = guess(OPERATOR_TOKEN, "192.0.2.1").await;
    assert_eq!(late.status(), 429);
    assert!(late.headers().contains_key("retry-after") && !late.headers().contains_key("set-cookie"));
    // The same limit as for the operators' other routes.
    let metrics = browser.http.get(format!("{}/metrics", browser.address)).bearer_auth(OPERATOR_TOKEN);
    assert_eq!(metrics.header("x-forwarded-for", "192.0.2.1").send().await.unwrap().status(), 429);
    assert_eq!(guess(OPERATOR_TOKEN, "192.0.2.2").await.status(), 303);

    let browser = Browser::signed_in(&world.desk.address).await;
    let mut statuses = BTreeMap::<u16, usize>::new();
    for _ in 0..400 {
        *statuses.entry(browser.get("/console/storm/go-on").await.status().as_u16()).or_default() += 1;
    }
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200, 429], "{statuses:?}");
}

#[tokio::test]
async fn each_answer_has_the_headers_of_a_safe_page() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let stranger = Browser::at(&world.desk.address);
    let page = browser.page("/console").await;
    let files: Vec<&str> = page.split('"').filter(|part| part.starts_with("/console/files/")).collect();
    assert_eq!(files.len(), 2, "{page}");
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (who, path) in
        [(&browser, "/console"), (&stranger, "/console"), (&stranger, files[0]), (&stranger, files[1])]
    {
        let reply = who.get(path).await;
        let is_file = path != "/console";
        let cached = if is_file { "public, max-age=31536000, immutable" } else { "no-store" };
        for (name, wanted) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", cached),
        ] {
            assert_eq!(reply.headers()[name], wanted, "{path} {name}");
        }
        assert!(!is_file || reply.status() == 200, "{path}");
        assert!(!reply.headers().contains_key("access-control-allow-origin"));
        // Nothing that the policy would block.
        let text = reply.text().await.unwrap();
        assert!(
            is_file || !(text.contains(" style=") || text.contains(" onclick=") || text.contains("//")),
            "{text}"
        );
    }
    assert_eq!(stranger.get("/console/files/console-0000000000000000.js").await.status(), 404);
    assert_eq!(stranger.get("/console/elsewhere").await.status(), 404);
}

#[tokio::test]
async fn an_address_that_asks_for_what_there_cannot_be_shows_the_usual_view() {
    let world = World::start().await;
    world.desk.lost().await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let unknown = "The address asks for a number of rows";
    for good in ["", "?rows=1", "?rows=500", "?other=%3Cb%3E", "?done=%3Cb%3E"] {
        assert!(!browser.page(&format!("/console{good}")).await.contains(unknown), "{good}");
    }
    for wrong in ["0", "501", "-1", "x", "", "99999999999999999999", "%22%3E%3Cscript%3E"] {
        let page = browser.page(&format!("/console?rows={wrong}")).await;
        assert!(page.contains(unknown) && page.contains(ada().as_str()), "{wrong}: {page}");
        assert!(!page.contains("<script>"), "{page}");
    }
    assert!(browser.page("/console?rows=7").await.contains("data-events=\"/console/now/events?rows=7\""));
    for (path, status) in [("/console/held-back/x/release", 404), ("/console/held-back/%3Cb%3E/release", 404)]
    {
        let reply = browser.get(path).await;
        assert_eq!(reply.status(), status);
        assert!(!reply.text().await.unwrap().contains("<b>"));
    }
}

async fn operators_see_an_open_recovery_and_no_person(database: &Database) {
    let world = world_on(database, |_| {}).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let empty = browser.page("/console").await;
    assert!(empty.contains("No recovery is open.") && empty.contains("There is no storm."), "{empty}");
    let kind = if database.is_postgres() { "PostgreSQL" } else { "SQLite" };
    assert!(empty.contains(&format!("<dd>{kind}</dd>")), "{empty}");
    assert!(empty.contains("lasts "), "the server has a lease: {empty}");

    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let mut follows = Following::of(&browser).await;
    follows.shows("recoveries", "Holding the line").await;
    let page = browser.page("/console").await;
    for shown in [customer().as_str(), task().as_str(), ada().as_str(), "Open recoveries: 1."] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert!(page.contains("In the last "), "it was read before: {page}");
    // The call's names and attributes are not shown: those of the task, of the agent, and of the page.
    for hidden in ["Ada", "Tom", "CA1\"", "call_sid", AUTH_TOKEN, OPERATOR_TOKEN] {
        assert!(!page.contains(hidden), "{hidden} is in {page}");
    }
    // The agent is back, and their customer is not in the list any more when it is over.
    world.desk.hello(2).await;
    follows.shows("recoveries", "for the same agent").await;
}

async fn operators_read_and_follow_one_call(database: &Database) {
    let world = world_on(database, |_| {}).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let leg = customer().to_string();
    let nothing = browser.get(&format!("/console/calls/{leg}")).await;
    assert_eq!(nothing.status(), 404);
    assert!(nothing.text().await.unwrap().contains("The database has nothing about this call"));
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let mut follows = Following::of(&browser).await;
    let link = format!("href=\"/console/calls/{leg}\"");
    follows.shows("recoveries", &link).await;
    for id in [leg.clone(), conference().to_string(), recovery().to_string()] {
        // What was asked of Twilio is told a moment later.
        let mut follows = Following::at(&browser, &format!("/console/calls/{id}/events")).await;
        follows.shows("call", "creating the ping, done").await;
        let page = browser.page(&format!("/console/calls/{id}")).await;
        for shown in ["<rejoin-timeline", &id, ada().as_str(), "A recovery of this call is open."] {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
        for hidden in ["Ada", "Tom", "call_sid", AUTH_TOKEN, OPERATOR_TOKEN] {
            assert!(!page.contains(hidden), "{hidden} is in {page}");
        }
    }
    // It goes on before the reader's eyes.
    let mut follows = Following::at(&browser, &format!("/console/calls/{leg}/events")).await;
    let first = follows.next().await.unwrap();
    assert!(!first["sections"][0]["html"].as_str().unwrap().contains("requeueing"), "{first}");
    world.desk.hello(2).await;
    follows.shows("call", "requeueing").await;
    // The search leads to the page of the call, or says what the name of a call is.
    let found = browser.get(&format!("/console/calls?id=%20{leg}%20")).await;
    assert_eq!(found.status(), 303);
    assert_eq!(found.headers()["location"], format!("/console/calls/{leg}"));
    for wrong in
        ["/console/calls?id=%2B15550100", "/console/calls", "/console/calls/CA1", "/console/calls/CA1/events"]
    {
        let answer = browser.get(wrong).await;
        assert_eq!(answer.status(), 404, "{wrong}");
        assert!(answer.text().await.unwrap().contains("That is not the name of a call"), "{wrong}");
    }
    nobody_else_learns_whether_there_is(&world, &leg).await;
}

/// Without a token, with a forged one, and with one of an agent, be it that of the call, the answer is the same for each call.
async fn nobody_else_learns_whether_there_is(world: &World, leg: &str) {
    let mut agent = Browser::at(&world.desk.address);
    assert_eq!(agent.sign_in("flexToken", "ada").await.status(), 403);
    assert_eq!(agent.cookie, None);
    let unknown = "CA".to_owned() + &"7".repeat(32);
    let mut answers = BTreeSet::new();
    for (cookie, bearer) in [
        (None, None),
        (Some("e30.e30"), None),
        (Some(OPERATOR_TOKEN), None),
        (None, Some("ada")),
        (None, Some("supervisor")),
        (None, Some(OPERATOR_TOKEN)),
        (None, Some("a guess")),
    ] {
        agent.cookie = cookie.map(str::to_owned);
        for path in [leg, &unknown, "x"] {
            for path in [
                format!("/console/calls/{path}"),
                format!("/console/calls/{path}/events"),
                format!("/console/calls?id={path}"),
            ] {
                let mut request = agent.http.get(format!("{}{path}", agent.address));
                if let Some(token) = bearer {
                    request = request.bearer_auth(token);
                }
                let answer = agent.with_cookie(request).send().await.unwrap();
                assert_eq!(answer.status(), 401, "{path} {cookie:?} {bearer:?}");
                answers.insert(answer.text().await.unwrap());
            }
        }
    }
    assert_eq!(answers.len(), 1, "the answer depends on what there is: {answers:#?}");
}

/// A callback's reason, and what another version has stored.
async fn what_others_have_written_about_a_call_is_only_text(database: &Database) {
    let world = world_on(database, |_| {}).await;
    let markup = "</script><img src=x onerror=alert(1)>\"'";
    world.desk.talking().await;
    let reason = [("CallSid", ada_leg().to_string()), ("ReasonParticipantLeft", markup.to_owned())];
    let reason = reason.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(world.desk.callback(3, "participant-leave", &reason).await, 204);
    let beside = database.beside().await;
    let (conference, leg) = (conference().to_string(), customer().to_string());
    for text in [json!({"what": markup, "by": markup}).to_string(), markup.to_owned()] {
        let notes = "insert into notes (at, conference, customer, note) values (1, $1, $2, $3)";
        sqlx::query(notes).bind(&conference).bind(&leg).bind(&text).execute(&beside).await.unwrap();
        let story = "insert into story (at, conference, server, entry) values (2, $1, $2, $3)";
        sqlx::query(story).bind(&conference).bind(markup).bind(&text).execute(&beside).await.unwrap();
    }
    let conversation = rejoin_protocol::ConversationSid::numbered(1).to_string();
    let reason = json!({"what": "answered", "action": {"name": "tell", "what": {"name": "agent-gone", "absence": 1}}, "outcome": {"Failed": {"reason": markup}}});
    for text in [json!({"what": markup}).to_string(), markup.to_owned(), reason.to_string()] {
        let story = "insert into story (at, conference, server, entry) values (2, $1, $2, $3)";
        sqlx::query(story).bind(&conversation).bind(markup).bind(&text).execute(&beside).await.unwrap();
    }
    beside.close().await;
    let browser = Browser::signed_in(&world.desk.address).await;
    for subject in [leg, conversation] {
        let page = browser.page(&format!("/console/calls/{subject}")).await;
        let mut follows = Following::at(&browser, &format!("/console/calls/{subject}/events")).await;
        let live = follows.shows("call", "&lt;img src=x").await;
        for html in [&page, &live] {
            assert!(html.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"), "{html}");
            assert!(!html.contains("<img") && !html.contains("\"'"), "{html}");
        }
    }
}

async fn a_recovery_appears_on_an_open_page_and_all_pages_share_what_is_read(database: &Database) {
    let world = world_on(database, |_| {}).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let mut pages = vec![];
    for _ in 0..5 {
        pages.push(Following::of(&browser).await);
    }
    let mut times = BTreeSet::new();
    for page in &mut pages {
        let first = page.next().await.unwrap();
        assert_eq!(first["sections"].as_array().unwrap().len(), 7, "all of it: {first}");
        times.insert(first["at"].as_u64().unwrap());
    }
    world.desk.lost().await;
    for page in &mut pages {
        let shown = page.shows("recoveries", customer().as_str()).await;
        assert!(shown.starts_with("<section id=\"recoveries\""), "{shown}");
        // What has not changed is not sent again.
        let next = page.next().await.unwrap();
        times.insert(next["at"].as_u64().unwrap());
        let ids: Vec<_> = next["sections"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
        assert!(!ids.contains(&json!("storm")), "{ids:?}");
    }
    // However many pages there are, it is read once in two seconds at most.
    let times: Vec<u64> = times.into_iter().collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1900), "{times:?}");
    // A server that stops ends the streams.
    let World { server, .. } = world;
    server.unwrap().stop().await;
    while pages[0].next().await.is_some() {}
}

async fn a_quarantined_call_is_listed_and_released(database: &Database) {
    let world = world_on(database, |_| {}).await;
    world.desk.talking().await;
    let beside = database.beside().await;
    let find = sqlx::query_scalar::<_, String>("select state from calls where conference = $1");
    let state: String = find.bind(conference().as_str()).fetch_one(&beside).await.unwrap();
    beside.close().await;
    let (format, rest) = state.split_once(',').expect("the format is first");
    let hostile = "<img src=x onerror=alert(1)>";
    let quarantine = json!({"at": 1_000_000, "event": hostile});
    database.put_state(&conference(), &format!("{format},\"quarantine\":{quarantine},{rest}")).await;
    assert_eq!(world.desk.leave(3, &ada_leg()).await, 503, "it is held back");

    let browser = Browser::signed_in(&world.desk.address).await;
    let now = browser.page("/console").await;
    assert!(now.contains("1 <code>quarantined</code>"), "{now}");
    let page = browser.page("/console/held-back").await;
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;") && !page.contains(hostile), "{page}");
    let path = format!("/console/held-back/{}/release", conference());
    assert!(page.contains(&format!("href=\"{path}\"")), "{page}");
    assert!(browser.page(&path).await.contains(&format!("action=\"{path}\"")));
    assert_eq!(browser.post(&path, &[]).await.status(), 303);
    assert_eq!(world.desk.leave(3, &ada_leg()).await, 204, "it goes on");
    assert_eq!(browser.post(&path, &[]).await.status(), 404, "it is not quarantined any more");
    assert!(browser.page("/console/held-back").await.contains("Nothing is held back."));
}

/// A table that only the console waits for here is locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_ends_and_the_engine_goes_on() {
    let database = Database::postgres().await;
    let world = world_on(&database, |_| {}).await;
    let browser = Browser::signed_in(&world.desk.address).await;
    let beside = database.beside().await;
    let mut lock = beside.begin().await.unwrap();
    sqlx::query("lock table sessions in access exclusive mode").execute(&mut *lock).await.unwrap();
    let page = browser.page("/console").await;
    assert!(page.contains("The database did not answer in time"), "{page}");
    assert!(page.contains("Requests of this server to Twilio"), "the rest is shown");
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let mut follows = Following::of(&browser).await;
    lock.rollback().await.unwrap();
    follows.shows("recoveries", customer().as_str()).await;
}

#[tokio::test]
async fn the_console_is_where_operators_are() {
    let world = World::start_with(|config| config.operator_listen = "127.0.0.1:0".parse().ok()).await;
    let operators = world.server.as_ref().unwrap().operator_address().unwrap();
    assert_eq!(Browser::at(&world.desk.address).get("/console").await.status(), 404);
    let mut browser = Browser::at(&format!("http://{operators}"));
    let reply = browser.sign_in("token", OPERATOR_TOKEN).await;
    // That address is not encrypted.
    assert!(!reply.headers()["set-cookie"].to_str().unwrap().contains("Secure"));
    browser.page("/console").await;
}
