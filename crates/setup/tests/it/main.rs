//! Sets up the account of a twin over HTTP, and takes it back.
#![allow(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod chats;
mod deploying;
mod fallback;
mod opponents;

use bytes::Bytes;
use rejoin_protocol::{AccountSid, WorkflowSid, WorkspaceSid};
use rejoin_setup::{Account, Change, Choice, Error, Plan, Record, Wanted, provision, settings, unprovision};
use rejoin_twilio::{Client, Sending, Settings, Transport, Unanswered};
use rejoin_twin::{Twin, TwinConfig, app};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const URL: &str = "https://rejoin.example.com";

/// A bare account, and who sets it up.
struct World {
    twin: Twin,
    base: String,
    folder: tempfile::TempDir,
}

/// What happens to requests on their way.
#[derive(Debug, Default)]
struct Way {
    /// Answered instead of Twilio, in this order: the status of each, `None`: Twilio answers.
    instead: Mutex<VecDeque<Option<u16>>>,
    /// Method and path of each request that Twilio has got.
    sent: Mutex<Vec<String>>,
    /// What somebody else does after so many requests.
    after: Mutex<Option<(usize, Other)>>,
    client: reqwest::Client,
}

/// What somebody else does.
struct Other(Pin<Box<dyn Future<Output = ()> + Send>>);

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Other")
    }
}

impl Transport for Way {
    fn send(&self, request: http::Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let instead = self.instead.lock().expect("a lock").pop_front().flatten();
            if let Some(status) = instead {
                let mut answer = http::Response::new(Some(Bytes::new()));
                *answer.status_mut() = http::StatusCode::from_u16(status).expect("a status");
                answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("0"));
                return Ok(answer);
            }
            let what = format!("{} {}", request.method(), request.uri().path());
            self.sent.lock().expect("a lock").push(what);
            let request = reqwest::Request::try_from(request).map_err(|_| Unanswered::NotBuilt)?;
            let sent = self.client.execute(request).await.map_err(|_| Unanswered::CutOff)?;
            let mut answer = http::Response::new(None);
            *answer.status_mut() = sent.status();
            *answer.headers_mut() = sent.headers().clone();
            *answer.body_mut() = sent.bytes().await.ok();
            let now = {
                let (mut after, sent) =
                    (self.after.lock().expect("a lock"), self.sent.lock().expect("a lock"));
                after.take_if(|(number, _)| *number == sent.len())
            };
            if let Some((_, other)) = now {
                other.0.await;
            }
            Ok(answer)
        })
    }
}

impl World {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listen = listener.local_addr().expect("an address");
        let twin =
            Twin::start(TwinConfig { bare: true, first_number: 0x1000, ..TwinConfig::at(listen, TOKEN) })
                .await
                .expect("a twin");
        let service = app(&twin);
        tokio::spawn(async move { axum::serve(listener, service).await });
        let folder = tempfile::tempdir().expect("a folder");
        Self { twin, base: format!("http://{listen}/__tw"), folder }
    }

    fn client(&self, token: &str, way: &Arc<Way>) -> Client {
        let settings = Settings {
            account: AccountSid::numbered(1),
            auth_token: token.into(),
            workspace: WorkspaceSid::numbered(1),
            base: self.base.clone(),
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(5),
        };
        Client::over(settings, Arc::clone(way) as Arc<dyn Transport>)
    }

    fn usual(&self) -> Client {
        self.client(TOKEN, &Arc::default())
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("rejoin.provision.json")
    }

    async fn account(&self) -> Account {
        read(&self.usual()).await.expect("an account")
    }

    /// One run of `rejoin provision`.
    async fn provision(&self, client: &Client, wanted: &Wanted) -> Result<(Plan, Vec<String>), Error> {
        let mut account = read_at(client, &wanted.public_url).await?;
        let file = self.record();
        let known = Record::read(&file, &account.sid)?;
        if wanted.fallback.is_some() {
            account.read_numbers(client).await?;
        }
        if wanted.chats.is_some() {
            account.read_chats(client).await?;
        }
        let mut record = known.unwrap_or_else(|| Record::new(account.sid.clone(), account.workspace.clone()));
        let mut done = vec![];
        let note = |change: &Change| done.extend(change.lines().into_iter().take(1));
        let plan = provision(client, &mut account, wanted, &mut record, &file, note).await?;
        Ok((plan, done))
    }

    /// One run of `rejoin unprovision`.
    async fn unprovision(&self, client: &Client) -> Result<Vec<String>, Error> {
        let file = self.record();
        let mut record = Record::read(&file, &AccountSid::numbered(1))?.expect("a record");
        unprovision(client, &mut record, &file).await
    }
}

async fn read(client: &Client) -> Result<Account, Error> {
    read_at(client, URL).await
}

async fn read_at(client: &Client, public_url: &str) -> Result<Account, Error> {
    let workspace = Account::workspace(client).await?;
    Account::read(client, AccountSid::numbered(1), workspace, public_url).await
}

fn wanted() -> Wanted {
    let workflows = Choice::Named(vec!["Assign to Anyone".into()]);
    Wanted {
        public_url: URL.into(),
        workflows,
        reconnecting: true,
        event_streams: true,
        chats: None,
        fallback: None,
    }
}

fn configuration(account: &Account, workflow: u128) -> &str {
    let found = account.workflows.iter().find(|it| it.sid == WorkflowSid::numbered(workflow));
    &found.expect("a workflow").configuration
}

#[tokio::test]
async fn an_account_is_set_up_once_and_taken_back_without_a_trace() {
    let world = World::new().await;
    let before = world.account().await;
    let (plan, done) = world.provision(&world.usual(), &wanted()).await.expect("a set-up");
    assert_eq!(
        done,
        [
            "+ task channel \"Recovery Ping\" (recovery-ping)",
            "+ activity \"Reconnecting\" (receives tasks)",
            "+ queue \"Recovery Ping\" (every worker)",
            "+ workflow \"Recovery Ping\" (everything goes to the queue \"Recovery Ping\")",
            "~ workflow \"Assign to Anyone\" (WW00000000000000000000000000000001): a filter before the others",
            "+ sink of Event Streams, to https://rejoin.example.com/webhooks/events",
            "+ subscription of the sink, to 8 types",
            "~ Flex's configuration: ui_attributes.custom_data.rejoin",
        ]
    );
    let after = world.account().await;
    assert_eq!(after.ui_attributes["custom_data"]["rejoin"]["server"], URL);
    assert!(configuration(&after, 1).contains("task.targetWorkerSid"));
    assert_eq!(configuration(&after, 3), configuration(&before, 3), "a workflow that was not chosen");
    let text = settings(&after, &wanted(), &plan);
    for line in [
        "twilio_account_sid = \"AC00000000000000000000000000000001\"",
        "twilio_workspace_sid = \"WS00000000000000000000000000000001\"",
        "public_url = \"https://rejoin.example.com\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("ping_workflow_sid = \"WW") && text.contains("reconnecting_activity_sid = \"WA"));

    let way = Arc::<Way>::default();
    let (_, done) = world.provision(&world.client(TOKEN, &way), &wanted()).await.expect("nothing to do");
    assert_eq!(done, Vec::<String>::new());
    let sent = way.sent.lock().expect("a lock").clone();
    assert!(sent.iter().all(|what| what.starts_with("GET ")), "{sent:?}");

    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(world.account().await, before, "byte for byte");
    assert!(!world.record().exists());
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let world = World::new().await;
    let before = world.account().await;
    let plan = Plan::of(&before, &wanted()).expect("a plan");
    assert_eq!(plan.changes.len(), 8);
    assert_eq!(world.account().await, before);
    let lines: Vec<_> = plan.changes.iter().flat_map(Change::lines).collect();
    let filter = lines.iter().position(|line| line.contains("Assign to Anyone")).expect("the workflow");
    assert_eq!(lines[filter + 1], "    + {");
    assert!(lines[filter..].iter().any(|line| line.contains("(the new queue)")), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.trim() == r#"+   "server": "https://rejoin.example.com""#),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn what_is_there_already_is_adopted_and_stays_when_the_set_up_is_taken_back() {
    let world = World::new().await;
    let client = world.usual();
    client.create_task_channel("Pings of ours", "recovery-ping").await.expect("a channel");
    let queue = client.create_task_queue("Recovery Ping").await.expect("a queue");
    let (_, done) = world.provision(&client, &wanted()).await.expect("a set-up");
    assert_eq!(done.len(), 6, "{done:?}");
    world.unprovision(&client).await.expect("taken back");
    let account = world.account().await;
    assert!(account.channels.iter().any(|channel| channel.unique_name == "recovery-ping"));
    assert!(account.queues.contains(&queue));
}

#[tokio::test]
async fn a_set_up_of_more_workflows_keeps_what_each_was_before() {
    let world = World::new().await;
    let before = world.account().await;
    world.provision(&world.usual(), &wanted()).await.expect("a set-up");
    let moved = Wanted { public_url: "https://elsewhere.example.com".into(), ..wanted() };
    let (_, done) = world.provision(&world.usual(), &moved).await.expect("another address");
    assert_eq!(
        done,
        [
            "+ sink of Event Streams, to https://elsewhere.example.com/webhooks/events",
            "+ subscription of the sink, to 8 types",
            "~ Flex's configuration: ui_attributes.custom_data.rejoin"
        ]
    );
    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(world.usual().list_sinks().await.expect("sinks"), []);
    assert_eq!(world.account().await, before);
}
