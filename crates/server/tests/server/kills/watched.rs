//! The program, restarted after each kill, as an operating system's service is.

use super::front::Server;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Set to another program, it is started instead. Not a variable of the program's environment.
pub(super) const PROGRAM: &str = "(program)";

/// Runs until it is dropped.
pub(crate) struct Watched(JoinHandle<()>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Time from the start after the kill until it was ready; `None`: it was not killed, or is not up again.
pub(crate) type Again = watch::Receiver<Option<Duration>>;

/// Folder of one run's files.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn of(folder: &Path, run: &str) -> Self {
        Self(folder.join(run.replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.with_extension("log")
    }

    /// A file for its steps.
    pub(super) fn list(&self) -> PathBuf {
        self.0.with_extension("steps")
    }

    /// The steps that it has reached.
    pub(crate) fn steps(&self) -> Vec<String> {
        let steps = std::fs::read_to_string(self.list()).unwrap_or_default();
        steps.lines().map(str::to_owned).collect()
    }
}

impl Watched {
    /// Starts it; with a step it is killed there, without one its steps are recorded.
    pub(crate) fn start(
        arguments: Vec<String>,
        step: Option<String>,
        files: &Files,
        front: Server,
    ) -> (Self, Again) {
        let (again, ready) = watch::channel(None);
        let (log, steps) = (files.log(), files.list());
        let task = tokio::spawn(async move {
            let environment = match &step {
                Some(step) => ("REJOIN_FAILPOINT", step.as_ref()),
                None => ("REJOIN_FAILPOINT_LOG", steps.as_os_str()),
            };
            let begun = Instant::now();
            let ended = started(&arguments, Some(environment), &log, &front, || {}).await;
            assert_eq!(ended, Ended::Killed, "it ended by itself before {step:?}");
            let died = begun.elapsed();
            let begun = Instant::now();
            started(&arguments, None, &log, &front, || {
                again.send_replace(Some(begun.elapsed()));
            })
            .await;
            panic!("it ended after a kill at {step:?} after {died:?}: {}", log.display());
        });
        (Self(task), ready)
    }
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Killed,
    /// By itself, before it was ready.
    Starting,
    /// By itself, while it ran.
    Running,
}

/// From its first start to its end. A start that fails, because the disk does not answer in time, is repeated.
async fn started(
    arguments: &[String],
    environment: Option<(&str, &OsStr)>,
    log: &Path,
    front: &Server,
    ready: impl Fn(),
) -> Ended {
    loop {
        let ended = run(arguments, environment, log, front, &ready).await;
        if ended != Ended::Starting {
            return ended;
        }
    }
}

/// From its start to its end.
async fn run(
    arguments: &[String],
    environment: Option<(&str, &OsStr)>,
    log: &Path,
    front: &Server,
    ready: impl FnOnce(),
) -> Ended {
    let (mut child, address) = start(arguments, environment, log).await;
    let is_ready = address.is_some();
    if let Some(address) = address {
        front.send_replace(Some(address));
        ready();
    }
    let status = child.wait().await.unwrap();
    front.send_replace(None);
    match (status.signal(), is_ready) {
        (Some(9), _) => Ended::Killed,
        (_, false) => Ended::Starting,
        (_, true) => Ended::Running,
    }
}

/// Starts it, and returns its address, if it gets that far.
pub(super) async fn start(
    arguments: &[String],
    environment: impl IntoIterator<Item = (&str, &OsStr)>,
    log: &Path,
) -> (Child, Option<SocketAddr>) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let (mut variables, mut executable) = (vec![], OsStr::new(env!("CARGO_BIN_EXE_rejoin")));
    for (name, value) in environment {
        if name == PROGRAM { executable = value } else { variables.push((name, value)) }
    }
    let mut program = Command::new(executable);
    program.arg("serve").args(arguments).envs(variables).env("REJOIN_LOG", "info");
    let mut child = program.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().map(|line| {
        let address = line.strip_prefix("listening on ").expect("its address");
        address.parse().unwrap()
    });
    (child, address)
}
