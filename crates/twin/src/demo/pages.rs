//! Pages: chooser, Flex desktop, customer phone, the way to the server's console, and what Flex's plugin loader requests.

use super::{Demo, Problem, control};
use crate::{
    TwinConfig,
    flex::{account_of, agent::Agent},
    shell,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use rejoin_protocol::CallSid;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::PathBuf, time::UNIX_EPOCH};

/// The agent whose desktop this browser opened last at this host.
const COOKIE: &str = "twin-worker";

pub(super) fn routes() -> Router<Demo> {
    Router::new()
        .route("/", get(chooser))
        .route("/login/{name}", get(login))
        .route("/flex", get(desktop))
        .route("/phone", get(phone))
        .route("/chat", get(async || Html(include_str!("../../pages/chat.html"))))
        .route("/console", get(console))
        .route("/flex-host.js", get(flex_host))
        .route("/plugins", get(plugins))
        .route("/plugins/{script}", get(plugin))
        .route("/tw-shim.js", get(async || script(include_str!("../../pages/tw-shim.js"))))
        .route("/pages/flex-session.js", get(async || script(include_str!("../../pages/flex-session.js"))))
        .route("/pages/flex-start.js", get(async || script(include_str!("../../pages/flex-start.js"))))
        .route("/pages/console.js", get(async || script(include_str!("../../pages/console.js"))))
        .route("/pages/phone.js", get(async || script(include_str!("../../pages/phone.js"))))
        .route("/pages/phone-call.js", get(async || script(include_str!("../../pages/phone-call.js"))))
        .route("/pages/chat.js", get(async || script(include_str!("../../pages/chat.js"))))
        .route("/pages/timeline.js", get(async || script(include_str!("../../pages/timeline.js"))))
        .route(
            "/pages/style.css",
            get(async || typed("text/css; charset=utf-8", include_str!("../../pages/style.css"))),
        )
        .route("/favicon.svg", get(async || typed("image/svg+xml", include_str!("../../pages/favicon.svg"))))
        .route("/favicon.ico", get(async || Redirect::permanent("/favicon.svg")))
        .fallback(view)
}

/// Always revalidated: after a new build of the twin an old script would not fit.
fn typed(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn script(text: &'static str) -> Response {
    typed("text/javascript; charset=utf-8", text)
}

/// Two agents in one browser need two origins, because Flex keeps its token in `localStorage`: `localhost` and
/// `127.0.0.1` are two. Under another name they share one, and the page says so.
async fn chooser(State(demo): State<Demo>, headers: HeaderMap) -> Html<String> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let local = matches!(name, "localhost" | "127.0.0.1") && port.bytes().all(|b| b.is_ascii_digit());
    let (ada, bo, note) = if local {
        (format!("http://localhost:{port}/login/ada"), format!("http://127.0.0.1:{port}/login/bo"), "hidden")
    } else {
        ("/login/ada".to_owned(), "/login/bo".to_owned(), "")
    };
    let number = spoken(&account_of(demo.twin.config()).number);
    let page = include_str!("../../pages/index.html")
        .replace("{{ada}}", &ada)
        .replace("{{bo}}", &bo)
        .replace("{{one-origin}}", note)
        .replace("{{number}}", &number)
        .replace("{{no-console}}", if demo.twin.config().server_url.is_none() { "hidden" } else { "" });
    Html(page)
}

#[derive(Deserialize)]
struct Wanted {
    call: Option<String>,
}

/// Leads to the Rejoin server's console, or to the page of a call there, as a link in Flex would: with the token of Bo, who is a
/// supervisor. The server takes it as it takes one of Flex. Nothing of this is in the server's program.
async fn console(State(demo): State<Demo>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let config = demo.twin.config();
    let server =
        config.server_url.as_ref().ok_or_else(|| Problem::not_found("rejoin server (--server-url)"))?;
    let call = wanted.call.map(|call| CallSid::parse(&call)).transpose();
    let call = call.map_err(|_| Problem::not_found("such call: a call SID was expected"))?;
    let account = account_of(config);
    let token =
        Agent::Bo.token(config.auth_token.expose_secret(), account.sid, account.workspace, shell::now());
    let page = include_str!("../../pages/console.html")
        .replace("{{server}}", server)
        .replace("{{token}}", &token)
        .replace("{{call}}", call.as_ref().map_or("", |call| call.as_str()));
    // The token is this moment's.
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response())
}

async fn phone(State(demo): State<Demo>) -> Html<String> {
    let number = spoken(&account_of(demo.twin.config()).number);
    Html(include_str!("../../pages/phone.html").replace("{{number}}", &number))
}

/// `+15550001111` in readable form.
fn spoken(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(digits) if digits.len() == 10 && digits.is_ascii() => {
            format!("+1 {} {} {}", &digits[..3], &digits[3..6], &digits[6..])
        }
        _ => number.to_owned(),
    }
}

/// Makes the agent available and redirects to the desktop. A separate step, so that a reload of the desktop changes
/// no activity.
async fn login(State(demo): State<Demo>, Path(name): Path<String>) -> Result<Redirect, Problem> {
    let agent = Agent::named(&name).ok_or_else(|| Problem::not_found("such agent: ada or bo"))?;
    control::set_activity(&demo, agent.worker(), "Available").await?;
    Ok(Redirect::to(&format!("/flex?worker={}", agent.name())))
}

#[derive(Deserialize)]
struct Desktop {
    worker: Option<String>,
}

async fn desktop(State(demo): State<Demo>, Query(wanted): Query<Desktop>) -> Result<Response, Problem> {
    let Some(name) = wanted.worker else { return Ok(Redirect::to("/").into_response()) };
    let agent = Agent::named(&name).ok_or_else(|| Problem::not_found("such agent: ada or bo"))?;
    Ok(desktop_of(&demo, agent))
}

/// Flex writes its views into the address, such as `/agent-desktop/WR…`, which a reload requests. The query still
/// names the agent, or the cookie does.
async fn view(State(demo): State<Demo>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let page = method == Method::GET && text(header::ACCEPT).contains("text/html");
    if !page || uri.path().starts_with("/__") || uri.path().starts_with("/@") {
        return Problem::not_found("such address").into_response();
    }
    let cookies = text(header::COOKIE);
    let worker = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let query = uri.query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("worker="));
    match asked.or(worker).and_then(Agent::named) {
        Some(agent) => desktop_of(&demo, agent),
        None => Redirect::to("/").into_response(),
    }
}

/// The page around Flex. Each load gets a fresh token, as after a login.
fn desktop_of(demo: &Demo, agent: Agent) -> Response {
    let config = demo.twin.config();
    let account = account_of(config);
    let claims = agent.claims(account.sid, account.workspace, shell::now());
    let session = json!({
        "token": crate::flex::token::issue(config.auth_token.expose_secret(), &claims),
        "identity": claims.identity,
        "roles": claims.roles,
        "permissions": {},
        "flexUserSid": agent.user(),
        "accountSid": claims.account,
        "expires": claims.expires,
    });
    let page = include_str!("../../pages/flex.html")
        .replace("{{title}}", &format!("Agent {} – Flex", agent.full_name()))
        // Inside a script element, only `<` could end it.
        .replace("{{session}}", &session.to_string().replace('<', "\\u003c"));
    let cookie = format!("{COOKIE}={}; Path=/; SameSite=Lax; HttpOnly", agent.name());
    // Not `no-store`: the headers of Flex's own page are not known, and browsers do not restore such a page from
    // their cache when it had a socket.
    ([(header::CACHE_CONTROL, "private, no-cache".to_owned()), (header::SET_COOKIE, cookie)], Html(page))
        .into_response()
}

/// The bundle is 17 MB: a reload revalidates it, and downloads it only when it has changed.
async fn flex_host(State(demo): State<Demo>, headers: HeaderMap) -> Result<Response, Problem> {
    let missing = || {
        let what =
            "Flex bundle: make it with `node scripts/flex-host.mjs`, start with --flex-host target/flex-host";
        Problem::not_found(what)
    };
    let path = demo.twin.config().flex_host.clone().ok_or_else(missing)?.join("flex-host.js");
    let tag = tag_of(&path).ok_or_else(missing)?;
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let bundle = read(path).await.ok_or_else(missing)?;
    Ok((caching, bundle).into_response())
}

fn tag_of(path: &std::path::Path) -> Option<HeaderValue> {
    let file = std::fs::metadata(path).ok()?;
    let changed = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_millis();
    HeaderValue::from_str(&format!("\"{:x}-{changed:x}\"", file.len())).ok()
}

async fn read(path: PathBuf) -> Option<Bytes> {
    tokio::task::spawn_blocking(move || std::fs::read(path)).await.ok()?.ok().map(Bytes::from)
}

/// What Flex's plugin loader gets from Twilio's plugin service: what is released, and what the twin was started with.
async fn plugins(State(demo): State<Demo>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    let config = demo.twin.config();
    let token = headers.get("x-flex-jwe").and_then(|token| token.to_str().ok());
    let token =
        token.ok_or_else(|| Problem(StatusCode::BAD_REQUEST, "the header X-Flex-JWE is missing".into()))?;
    if crate::flex::token::verify(config.auth_token.expose_secret(), token, shell::now()).is_none() {
        return Err(Problem(
            StatusCode::UNAUTHORIZED,
            "the token is not one of this account, or expired".into(),
        ));
    }
    let entry = |name: &str, version: &str| json!({ "phase": 3, "name": name, "version": version, "src": format!("/plugins/{name}.js") });
    let own = installed(config);
    let released = demo.twin.hosting().released();
    let released = released.iter().filter(|it| own.iter().all(|(name, _)| *name != it.name));
    let released = released.map(|it| entry(&it.name, &it.version));
    let own = own.iter().map(|(name, _)| entry(name, env!("CARGO_PKG_VERSION")));
    Ok(Json(Value::Array(released.chain(own).collect())))
}

/// Names and scripts of the plugins that are loaded without a release, in the order in which Flex loads them.
fn installed(config: &TwinConfig) -> Vec<(&str, &std::path::Path)> {
    let own = config.plugin.iter().map(|path| ("plugin-rejoin", path.as_path()));
    // A file without a readable name cannot be requested by name.
    let others =
        config.extra_plugins.iter().filter_map(|path| Some((path.file_stem()?.to_str()?, path.as_path())));
    own.chain(others).collect()
}

/// The file of a released plugin. *Assumed*: desktops get protected files in this or another way, since they are signed in.
fn released(demo: &Demo, name: &str) -> Option<Bytes> {
    let hosting = demo.twin.hosting();
    let plugin = hosting.released().into_iter().find(|it| it.name == name)?;
    let (domain, path) = plugin.url.strip_prefix("https://")?.split_once('/')?;
    Some(hosting.file(domain, &format!("/{path}"))?.content.clone())
}

async fn plugin(State(demo): State<Demo>, Path(script): Path<String>) -> Result<Response, Problem> {
    let missing = || {
        let what = "such plugin: build ours and start with --plugin build/plugin-rejoin.js, name others with --extra-plugin";
        Problem::not_found(what)
    };
    let wanted = script.strip_suffix(".js").ok_or_else(missing)?;
    let own = installed(demo.twin.config()).into_iter().find(|(name, _)| *name == wanted);
    let bundle = match own {
        Some((_, path)) => read(path.to_owned()).await.ok_or_else(missing)?,
        None => released(&demo, wanted).ok_or_else(missing)?,
    };
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, bundle).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Twin, app};
    use reqwest::{Client, redirect::Policy};

    async fn served() -> (String, Client) {
        with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut TwinConfig)) -> (String, Client) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let mut config = TwinConfig {
            plugin: Some("/nowhere/plugin.js".into()),
            extra_plugins: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/pages/phone.js").into()],
            ..TwinConfig::at(at, "secret")
        };
        change(&mut config);
        let twin = Twin::start(config).await.expect("starts");
        tokio::spawn(axum::serve(listener, app(&twin)).into_future());
        (format!("http://{at}"), Client::builder().redirect(Policy::none()).build().expect("a client"))
    }

    #[tokio::test]
    async fn a_reload_of_a_view_of_flex_finds_the_same_agent() {
        let (twin, client) = served().await;
        let view = format!("{twin}/agent-desktop/WR00000000000000000000000000000001/");
        let load = async |cookie: &str| {
            let request = client.get(&view).header("accept", "text/html").header("cookie", cookie);
            request.send().await.expect("answers")
        };
        assert_eq!(load("").await.headers()["location"], "/");
        let login = client.get(format!("{twin}/login/bo")).send().await.expect("answers");
        assert_eq!(login.headers()["location"], "/flex?worker=bo");
        let desktop = client.get(format!("{twin}/flex?worker=bo")).send().await.expect("answers");
        let cookie = desktop.headers()["set-cookie"].to_str().expect("text").to_owned();
        let again = load(cookie.split(';').next().expect("a cookie")).await.text().await.expect("a page");
        assert!(again.contains("<title>Agent Bo – Flex</title>"));
        // A missing script is not answered with a page.
        let script = client.get(format!("{twin}/nothing.js")).send().await.expect("answers");
        assert_eq!(script.status().as_u16(), 404);
    }

    #[tokio::test]
    async fn the_plugin_list_requires_a_token() {
        let (twin, client) = served().await;
        let list = async |token: Option<&str>| {
            let request = client.get(format!("{twin}/plugins?roles=agent"));
            let request =
                token.into_iter().fold(request, |request, token| request.header("x-flex-jwe", token));
            request.send().await.expect("answers")
        };
        assert_eq!(list(None).await.status().as_u16(), 400);
        assert_eq!(list(Some("a.b.c")).await.status().as_u16(), 401);
        let page = client.get(format!("{twin}/flex?worker=ada")).send().await.expect("answers");
        let page = page.text().await.expect("a page");
        let token =
            page.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
        let plugins: Value = list(Some(token)).await.json().await.expect("JSON");
        let of = |field: &str| [0, 1].map(|at| plugins[at][field].as_str().expect("text").to_owned());
        assert_eq!(of("name"), ["plugin-rejoin", "phone"]);
        assert_eq!(of("src"), ["/plugins/plugin-rejoin.js", "/plugins/phone.js"]);
        assert!(plugins.get(2).is_none());
        let script = async |path: &str| {
            let response = client.get(format!("{twin}{path}")).send().await.expect("answers");
            (response.status().as_u16(), response.text().await.expect("text"))
        };
        assert_eq!(script("/plugins/phone.js").await, (200, include_str!("../../pages/phone.js").to_owned()));
        for path in ["/plugins/plugin-rejoin.js", "/plugins/phone-call.js", "/plugins/..%2FCargo.toml"] {
            assert_eq!(script(path).await.0, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn the_way_to_the_console_has_a_token_of_a_supervisor_and_nothing_else_from_outside() {
        let (alone, client) = served().await;
        let get = async |url: String| {
            let reply = client.get(url).send().await.expect("answers");
            (reply.status().as_u16(), reply.text().await.expect("text"))
        };
        assert_eq!(get(format!("{alone}/console")).await.0, 404, "there is no server");
        assert!(get(format!("{alone}/")).await.1.contains("id=\"console\" hidden"));

        let (twin, client) = with(|config| config.server_url = Some("http://rejoin.test".into())).await;
        let get = async |url: String| {
            let reply = client.get(url).send().await.expect("answers");
            (reply.status().as_u16(), reply.text().await.expect("text"))
        };
        assert!(!get(format!("{twin}/")).await.1.contains("id=\"console\" hidden"));
        let call = CallSid::numbered(7);
        let (status, page) = get(format!("{twin}/console?call={call}")).await;
        assert_eq!(status, 200);
        assert!(page.contains("action=\"http://rejoin.test/console/session\""), "{page}");
        assert!(page.contains(&format!("name=\"call\" value=\"{call}\"")), "{page}");
        let token = page.split("name=\"flexToken\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let claims = crate::flex::token::verify("secret", token.expect("a token"), shell::now());
        assert!(claims.expect("a good one").roles.contains(&"supervisor".to_owned()));
        for hostile in ["x", "\"><script>", "CA1"] {
            let url = reqwest::Url::parse_with_params(&format!("{twin}/console"), [("call", hostile)]);
            assert_eq!(get(url.expect("an address").into()).await.0, 404, "{hostile}");
        }
    }

    #[test]
    fn phone_numbers_are_written_in_readable_form() {
        assert_eq!(spoken("+15550001111"), "+1 555 000 1111");
        assert_eq!(spoken("+4930123"), "+4930123");
    }
}
