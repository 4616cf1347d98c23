//! Recoveries, one after the other: how much time the server adds to Twilio's, and how often it has to wait for
//! Twilio.

use crate::Options;
use crate::calls::Call;
use crate::connection::Connection;
use crate::database::Database;
use crate::figure::{Outcome, ms, quantile, tell};
use crate::server::Server;
use crate::twilio::{Asked, Twilio};
use std::time::{Duration, Instant};

/// Grace period for a graceful mark. It is not counted as the server's time.
const GRACE: Duration = Duration::from_millis(20);
/// How long the stub of Twilio takes to answer.
const ROUND_TRIP: Duration = Duration::from_millis(100);

pub async fn measure(options: &Options, name: &str, database: &Database) -> Outcome<()> {
    let twilio = Twilio::start(ROUND_TRIP).await?;
    let grace = GRACE.as_millis().to_string();
    let more = ["--grace-ms", &grace, "--storm-at", "0", "--failsafe-at", "0"];
    let server = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let mut connection = Connection::open(server.address).await?;
    let (mut told, mut pinged, mut queued) = (vec![], vec![], vec![]);
    for number in 0..options.times {
        let call = Call::new(number, number);
        call.begins(&mut connection).await?;
        let before = twilio.all().len();
        let left = Instant::now();
        connection.tell(&call.leaves(3)).await?;
        let announcement = twilio.wait_for(before, tells).await?;
        told.push(announcement.at.saturating_duration_since(left + GRACE));
        let ping = twilio.wait_for(before, |asked| asked.what == "POST Tasks").await?;
        pinged.push(trips(ping.at.saturating_duration_since(left + GRACE)));
        // What must precede the queue is in flight; it is done when all of it is answered.
        let mark = format!("POST Tasks/{}", call.task());
        twilio.wait_for(before, |asked| asked.what == mark).await?;
        tokio::time::sleep(2 * ROUND_TRIP).await;
        let back = Instant::now();
        connection.tell(&call.hello()).await?;
        let customer = format!("POST Calls/{}", call.customer());
        let sent = twilio.wait_for(before, |asked| asked.what == customer && asked.has("Twiml", "<Enqueue"));
        let sent = sent.await?;
        queued.push(trips(sent.at.saturating_duration_since(back)));
    }
    told.sort_unstable();
    let told: Vec<f64> = [0.5, 0.0, 1.0].map(|share| ms(quantile(&told, share))).to_vec();
    tell(
        &format!("leave webhook → announcement requested, beside the grace, {name}"),
        "ms",
        &told,
        "what the server adds: signature, commit, decision, commit, request",
    );
    let note = "one after the other; Twilio answers after 100 ms";
    tell(&format!("round trips to Twilio, leave → ping created, {name}"), "round trips", &pinged, note);
    tell(
        &format!("round trips to Twilio, desktop back → customer sent to the queue, {name}"),
        "round trips",
        &queued,
        note,
    );
    server.stop().await
}

/// True when this request lets the customer hear something, as an announcement or on hold.
fn tells(asked: &Asked) -> bool {
    asked.has("AnnounceUrl", "/twiml/announce/")
        || (asked.has("Hold", "true") && asked.has("HoldUrl", "/twiml/"))
}

/// Number of Twilio's answers that preceded a request made after this time, including its own.
fn trips(time: Duration) -> f64 {
    (time.as_secs_f64() / ROUND_TRIP.as_secs_f64()).floor() + 1.0
}
