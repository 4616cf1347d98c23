//! `rejoin fallback`: documents per second over one connection, and its memory at rest and after many documents.

use crate::Options;
use crate::calls::signed_to;
use crate::connection::Connection;
use crate::figure::{Outcome, tell};
use crate::server::{AUTH_TOKEN, PUBLIC, memory};
use rejoin_protocol::{AccountSid, CallSid, WorkflowSid};
use std::process::Stdio;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// The address by which Twilio knows it.
const OWN: &str = "https://fallback.example.com";
/// Number of documents.
const DOCUMENTS: u32 = 5000;
/// It is to have less than this resident (MB), so that the smallest host will do.
const LIMIT: f64 = 20.0;

pub async fn measure(options: &Options) -> Outcome<()> {
    let mut child = Command::new(&options.program)
        .args(["fallback", "--listen", "127.0.0.1:0", "--fallback-url", OWN, "--public-url", PUBLIC])
        .args(["--twilio-auth-token", AUTH_TOKEN, "--log", "error"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("no output")?;
    BufReader::new(stdout).read_line(&mut line).await?;
    let address = line.trim().strip_prefix("listening on ").ok_or("the fallback does not start")?.parse()?;
    let mut connection = Connection::open(address).await?;
    connection.tell(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let resident = |kind| memory(&child, kind).map(|bytes| bytes as f64 / 1e6);
    let (rest, own_at_rest) = (resident("VmRSS")?, resident("RssAnon")?);

    let begun = Instant::now();
    for number in 0..DOCUMENTS {
        let document = connection.tell(&failed(number)).await?;
        if !String::from_utf8_lossy(&document).contains("<Enqueue") {
            return Err("the fallback does not send the caller to the queue".into());
        }
    }
    let rate = f64::from(DOCUMENTS) / begun.elapsed().as_secs_f64();
    tell("fallback: signed documents per second, one connection", "", &[rate], "generator on this machine");
    let note = |own: f64| format!("{own:.1} MB of it its own; the limit is {LIMIT} MB");
    tell("fallback: resident memory at rest", "MB", &[rest], &note(own_at_rest));
    let (after, own) = (resident("VmRSS")?, resident("RssAnon")?);
    tell(&format!("fallback: the same after {DOCUMENTS} documents"), "MB", &[after], &note(own));
    child.kill().await?;
    Ok(())
}

/// The request for the fallback address of a number, after the server's document for this caller could not be fetched.
fn failed(number: u32) -> Vec<u8> {
    let path = format!("/twiml/fallback?workflow={}", WorkflowSid::numbered(1));
    let error_url = format!("{PUBLIC}/twiml/requeue/RE0123456789abcdef0123456789abcdef?hop=0");
    let (account, call) = (AccountSid::numbered(1).to_string(), CallSid::numbered(u128::from(number) + 1));
    signed_to(
        OWN,
        &path,
        &[
            ("AccountSid", &account),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", call.as_str()),
            ("CallStatus", "in-progress"),
            ("Direction", "inbound"),
            ("ErrorCode", "11200"),
            ("ErrorUrl", &error_url),
        ],
    )
}
