//! The server, in a process of its own.

use crate::connection::Connection;
use crate::figure::Outcome;
use crate::twilio::Twilio;
use rejoin_protocol::{AccountSid, WorkflowSid, WorkspaceSid};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub const AUTH_TOKEN: &str = "the auth token";
/// The address by which Twilio knows it; signatures include it.
pub const PUBLIC: &str = "https://rejoin.example.com";

/// Unit of the kernel's statistics (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start until it reported ready.
    pub ready_after: Duration,
}

impl Server {
    /// `more`: settings beside the required ones.
    pub async fn start(program: &Path, twilio: &Twilio, database: &str, more: &[&str]) -> Outcome<Self> {
        let (account, workspace) =
            (AccountSid::numbered(1).to_string(), WorkspaceSid::numbered(1).to_string());
        let ping = WorkflowSid::numbered(2).to_string();
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--public-url", PUBLIC, "--database-url", database])
            .args(["--twilio-account-sid", &account, "--twilio-workspace-sid", &workspace])
            .args(["--twilio-auth-token", AUTH_TOKEN, "--twilio-api-base", &twilio.base])
            .args(["--ping-workflow-sid", &ping, "--log", "error"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let address =
            line.trim().strip_prefix("listening on ").ok_or("the server does not start")?.parse()?;
        let mut connection = Connection::open(address).await?;
        connection.tell(b"GET /health/ready HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        Ok(Self { child, address, ready_after: begun.elapsed() })
    }

    /// The private memory that it has now, in bytes.
    pub fn memory(&self) -> Outcome<u64> {
        memory(&self.child, "RssAnon")
    }

    /// All memory that is resident now, in bytes, with what it maps of files.
    pub fn resident(&self) -> Outcome<u64> {
        memory(&self.child, "VmRSS")
    }

    /// The time that it has used processors since its start
    /// (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).
    pub fn processor_time(&self) -> Outcome<Duration> {
        let id = self.child.id().ok_or("the program has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name of the program, in brackets, may contain spaces. After it the 12th and the 13th field.
        let (_, fields) = stat.rsplit_once(") ").ok_or("no fields")?;
        let mut fields = fields.split(' ').skip(11);
        let mut next = || fields.next().ok_or("too few fields")?.parse::<u64>().map_err(|_| "no number");
        Ok(TICK * u32::try_from(next()? + next()?)?)
    }

    pub async fn stop(mut self) -> Outcome<()> {
        self.child.kill().await?;
        Ok(())
    }
}

/// The memory of a process, in bytes: `VmRSS`, all that is resident, or `RssAnon`, without what it maps of files
/// (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>).
pub fn memory(process: &Child, kind: &str) -> Outcome<u64> {
    let id = process.id().ok_or("the program has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
    let line = line.ok_or_else(|| format!("no {kind}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
