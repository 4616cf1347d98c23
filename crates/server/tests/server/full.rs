//! The disk is full: nothing is half done, all senders are told, and the server goes on by itself when there is room
//! again.

use crate::crash::Process;
use crate::support::*;
use crate::trouble::{goes_on, refuses, until_written};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A private file system in memory, and the program on it, with its log.
const SMALL: &str = r#"mount -t tmpfs -o size=8m none "$DISK" && exec "$@" 2>"$DISK/log""#;
/// A file that grows too long is then an error, like a full disk, instead of a signal.
const LIMITED: &str = r#"trap "" XFSZ; exec "$@" 2>"$DISK/log""#;

/// The disk that the program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    /// A disk of its own, which is filled.
    Small,
    /// The machine's disk, with files that may not grow any more.
    Limited,
}

impl Disk {
    /// A small disk, where this user may create one.
    fn small() -> Self {
        let mounts = ["-r", "-m", "mount", "-t", "tmpfs", "none", "/mnt"];
        let tried = Command::new("unshare").args(mounts).stderr(Stdio::null()).status();
        if tried.is_ok_and(|tried| tried.success()) { Self::Small } else { Self::Limited }
    }

    fn start(self, twilio: &Twilio, folder: &Path) -> Process {
        let mut program = match self {
            Self::Small => Command::new("unshare"),
            Self::Limited => Command::new("sh"),
        };
        match self {
            Self::Small => program.args(["-r", "-m", "sh", "-c", SMALL]),
            Self::Limited => program.args(["-c", LIMITED]),
        };
        program.args(["sh", env!("CARGO_BIN_EXE_rejoin"), "serve"]).args(arguments(twilio, folder));
        Process::spawn(program.env("DISK", folder).env("REJOIN_LOG", "info"))
    }

    fn fill(self, process: &Process, folder: &Path) {
        match self {
            Self::Small => {
                let mut rest = std::fs::File::create(rest(process, folder)).unwrap();
                let full = loop {
                    if let Err(full) = rest.write_all(&[1; 4096]) {
                        break full;
                    }
                };
                assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
            }
            Self::Limited => limit(process, Some(4096)),
        }
    }

    fn make_room(self, process: &Process, folder: &Path) {
        match self {
            Self::Small => std::fs::remove_file(rest(process, folder)).unwrap(),
            Self::Limited => limit(process, None),
        }
    }
}

/// The folder as this process sees it.
fn rest(process: &Process, folder: &Path) -> PathBuf {
    Path::new("/proc")
        .join(process.id().to_string())
        .join("root")
        .join(folder.strip_prefix("/").unwrap())
        .join("rest")
}

fn limit(process: &Process, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

async fn goes_on_when_there_is_room_again(disk: Disk) {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = disk.start(&twilio, folder.path());
    let desk = &process.desk;
    desk.talking().await;
    disk.fill(&process, folder.path());
    refuses(desk).await;
    // A caller hears something nevertheless.
    let reply = desk.signed("/twiml/comfort", &[]).await;
    assert_eq!(reply.status(), 200);
    disk.make_room(&process, folder.path());
    until_written(desk).await;
    goes_on(desk, &twilio).await;
    // An answer counts for a second.
    let is_ready = async || {
        let ready = desk.http.get(format!("{}/health/ready", desk.address)).send().await.unwrap();
        ready.json::<serde_json::Value>().await.unwrap()["database"]["ok"] == true
    };
    let ready = async { while !is_ready().await {} };
    tokio::time::timeout(PATIENCE, ready).await.expect("it is ready again");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_taken_and_it_goes_on_when_there_is_room_again() {
    goes_on_when_there_is_room_again(Disk::small()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_files_may_not_grow_events_are_refused() {
    goes_on_when_there_is_room_again(Disk::Limited).await;
}
