//! Time from the start of the program until it is ready.

use crate::Options;
use crate::database::Database;
use crate::figure::{Outcome, ms, tell};
use crate::server::Server;
use crate::twilio::Twilio;
use std::time::Duration;

pub async fn measure(options: &Options, name: &str, database: &Database) -> Outcome<()> {
    let twilio = Twilio::start(Duration::ZERO).await?;
    let mut times = vec![];
    // The first start creates the tables, and does not count.
    for number in 0..=options.times {
        let server = Server::start(&options.program, &twilio, &database.url, &[]).await?;
        if number > 0 {
            times.push(ms(server.ready_after));
        }
        server.stop().await?;
    }
    tell(&format!("start → ready, {name}"), "ms", &times, "each after kill -9");
    Ok(())
}
