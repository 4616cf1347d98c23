//! Messages from the server, see [`rejoin_protocol::api`].

use super::{Fields, Unfit, Value};
use rejoin_protocol::api::{HelloReply, Push, RecoveryView, Stage};

/// The answer to a hello.
///
/// # Errors
/// When it is malformed.
pub fn hello_reply(heard: Value) -> Result<HelloReply, Unfit> {
    let mut heard = heard.fields("reply")?;
    let views = heard.list("recoveries")?;
    Ok(HelloReply {
        // A view that only a newer version understands does not affect the others.
        recoveries: views
            .into_iter()
            .filter_map(|heard| view(heard.fields("recoveries").ok()?).ok())
            .collect(),
        in_place: heard.flag("inPlace").unwrap_or_default(),
        superseded: heard.flag("superseded").unwrap_or_default(),
        console: heard.flag("console").unwrap_or_default(),
    })
}

/// A message of the push channel.
///
/// # Errors
/// When this version does not know it: a newer server may send more.
pub fn pushed(heard: Value) -> Result<Push, Unfit> {
    let mut heard = heard.fields("push")?;
    match heard.text("push")?.as_str() {
        "recovery" => Ok(Push::Recovery { recovery: view(heard.fields("recovery")?)? }),
        "ask" => Ok(Push::Ask),
        "superseded" => Ok(Push::Superseded),
        "move" => Ok(Push::Move),
        _ => Err(Unfit { field: "push" }),
    }
}

fn view(mut heard: Fields) -> Result<RecoveryView, Unfit> {
    let mut stage = heard.fields("stage")?;
    let (name, worker_name, reason) =
        (stage.text("name")?, stage.text("workerName").ok(), stage.text("reason").ok());
    Ok(RecoveryView {
        id: heard.parsed("id")?,
        task: heard.parsed("task")?,
        reservation: heard.parsed("reservation")?,
        stage: Stage::named(&name, worker_name, reason).ok_or(Unfit { field: "stage" })?,
        remaining_ms: heard.whole("remainingMs").ok(),
        too_often: heard.flag("tooOften").unwrap_or_default(),
    })
}
