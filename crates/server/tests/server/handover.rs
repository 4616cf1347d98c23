//! Two servers on one database: each carries out only its own jobs.

use crate::crash::Process;
use crate::database::Database;
use crate::support::*;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// Name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A connection to the database that can be cut.
struct Cord {
    folder: TempDir,
    real: String,
    url: String,
    cut: watch::Sender<bool>,
}

impl Cord {
    fn to(database: &Database) -> Self {
        let real = database.url.split_once("host=").unwrap().1.split('&').next().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let url = database.url.replace(&real, folder.path().to_str().unwrap());
        let cord = Self { folder, real, url, cut: watch::channel(false).0 };
        let listener = UnixListener::bind(cord.folder.path().join(SOCKET)).unwrap();
        let (real, cut) = (Path::new(&cord.real).join(SOCKET), cord.cut.subscribe());
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let (real, mut cut) = (real.clone(), cut.clone());
                tokio::spawn(async move {
                    let pass = async {
                        let mut there = UnixStream::connect(real).await.unwrap();
                        // Either side may close first.
                        let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                    };
                    tokio::select! {
                        biased;
                        _ = cut.wait_for(|cut| *cut) => {}
                        () = pass => {}
                    }
                });
            }
        });
        cord
    }
}

/// Waits until the log has this line, or something else has happened.
async fn until_logged(log: &Path, line: &str, or: impl Fn() -> bool) {
    let waiting = async {
        while !or() && !std::fs::read_to_string(log).unwrap().contains(line) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), waiting).await.expect("it is logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_cut_off_from_the_database_sends_nothing_that_another_one_may_have() {
    let database = Database::postgres().await;
    let cord = Cord::to(&database);
    let twilio = Twilio::start().await;
    // The first server's ping has to wait for longer than its lease lasts.
    twilio.script(|asked, before| {
        let later = vec![("retry-after", "7".to_owned())];
        (asked.what == "POST Tasks" && before == 0).then(|| (429, later, json!({"code": 20429})))
    });
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let first = Process::telling(&twilio, &cord.url, &log);
    let _second = Process::on(&twilio, &database.url);
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    cord.cut.send_replace(true);
    twilio.wait_for("POST Tasks", 2).await;
    let pings = || twilio.asked("POST Tasks").len();
    until_logged(&log, "this server's lease has expired", || pings() > 2).await;
    assert_eq!(pings(), 2, "the second server had taken it");
    // The server works again once it reaches the database.
    cord.cut.send_replace(false);
    let ready = format!("{}/health/ready", first.desk.address);
    let is_ready = async || first.desk.http.get(&ready).send().await.unwrap().status() == 200;
    until_so("the first server is ready", is_ready).await;
    first.desk.hello(2).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    assert_eq!(pings(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_hands_over_its_jobs_before_its_last_answers() {
    let database = Database::postgres().await;
    let twilio = Twilio::start().await;
    twilio.script(|asked, before| {
        let later = vec![("retry-after", "1000".to_owned())];
        (asked.what == "POST Tasks" && before == 0).then(|| (429, later, json!({"code": 20429})))
    });
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (first, _second) =
        (Process::telling(&twilio, &database.url, &log), Process::on(&twilio, &database.url));
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    // A client sends half a request, and no more.
    let address = first.desk.address.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /webhooks/conference HTTP/1.1\r\nhost: rejoin\r\ncontent-length: 1000\r\n\
                content-type: application/x-www-form-urlencoded\r\nx-twilio-signature: x\r\nexpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut heard = [0; 12];
    slow.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HTTP/1.1 100", "it waits for the rest");
    let told = Instant::now();
    first.terminate();
    twilio.wait_for("POST Tasks", 2).await;
    eprintln!("another server went on with the job {:?} after the signal", told.elapsed());
    assert!(tokio::task::spawn_blocking(|| first.ended()).await.unwrap().success());
    let log = std::fs::read_to_string(&log).unwrap();
    let at = |line: &str| log.find(line).unwrap_or_else(|| panic!("{line} is not in {log}"));
    assert!(at("other servers take over its jobs") < at("the last requests have ended"), "{log}");
    assert_eq!(twilio.asked("POST Tasks").len(), 2);
}
