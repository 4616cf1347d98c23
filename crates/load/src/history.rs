//! Views of the console's history, with many recoveries in the store.

use crate::Options;
use crate::connection::Connection;
use crate::database::Database;
use crate::figure::{Outcome, ms, tell};
use crate::fill::fill;
use crate::server::Server;
use crate::twilio::Twilio;
use rejoin_protocol::{WorkerSid, WorkflowSid};
use std::time::{Duration, Instant};

const OPERATOR: &str = "the token of an operator who measures";
/// How many days the recoveries are spread over.
const DAYS: u64 = 30;
/// Maximum number of requests: more of one session are refused in a minute.
const AT_MOST: u64 = 25;

pub async fn measure(options: &Options, name: &str, database: &Database) -> Outcome<()> {
    let filled = fill(&database.url, options.recoveries, DAYS).await?;
    let twilio = Twilio::start(Duration::ZERO).await?;
    let more = ["--operator-token", OPERATOR];
    let server = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let mut connection = Connection::open(server.address).await?;
    let form = format!("token={}", OPERATOR.replace(' ', "+"));
    let address = server.address;
    let sign_in = format!(
        "POST /console/session HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = connection.ask(sign_in.as_bytes()).await?;
    let cookie = connection.cookie.clone().ok_or_else(|| format!("no session: {}", answer.status))?;
    let (workflow, worker) = (WorkflowSid::numbered(2), WorkerSid::numbered(3));
    let views = [
        ("30 days", "last=30d".to_owned()),
        ("a day", "last=1d".to_owned()),
        ("30 days of a workflow", format!("last=30d&workflow={workflow}")),
        ("30 days of a rung and an outcome", "last=30d&rung=in-place&outcome=customer-left".to_owned()),
        ("a day of a workflow", format!("last=1d&workflow={workflow}")),
        ("30 days of an agent", format!("last=30d&agent={worker}")),
    ];
    let count = options.recoveries;
    for (view, query) in views {
        let request =
            format!("GET /console/history?{query} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n");
        let mut times = vec![];
        for _ in 0..options.times.min(AT_MOST) {
            let begun = Instant::now();
            connection.tell(request.as_bytes()).await?;
            times.push(ms(begun.elapsed()));
        }
        let note = format!("{count} recoveries of {DAYS} days, written in {:.0} s", filled.as_secs_f64());
        tell(&format!("history, {view}, {name}"), "ms", &times, &note);
    }
    server.stop().await
}
