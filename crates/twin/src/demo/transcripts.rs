//! What every leg has heard, even after its end: the media side forgets a leg when it is dropped.

use crate::{media::Line, shell::LegNews};
use rejoin_protocol::CallSid;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{broadcast, watch};

/// Maximum number of legs that are kept; far more than a demo or a test has.
const LEGS: usize = 10_000;

/// The transcript of a leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript {
    pub(super) lines: Vec<Line>,
    pub(super) ended: bool,
}

/// All transcripts.
#[derive(Default)]
pub(super) struct Transcripts(Mutex<HashMap<CallSid, watch::Sender<Transcript>>>);

impl Transcripts {
    /// Subscribes to a leg's transcript. An unknown leg has an empty one.
    pub(super) fn follow(&self, call: &CallSid) -> watch::Receiver<Transcript> {
        self.with(call, watch::Sender::subscribe)
    }

    /// A leg's transcript, if it is known.
    pub(super) fn known(&self, call: &CallSid) -> Option<Transcript> {
        let legs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        legs.get(call).map(|leg| leg.borrow().clone())
    }

    fn change(&self, call: &CallSid, change: impl FnOnce(&mut Transcript)) {
        self.with(call, |leg| leg.send_modify(change));
    }

    fn with<T>(&self, call: &CallSid, then: impl FnOnce(&watch::Sender<Transcript>) -> T) -> T {
        // A panic elsewhere leaves the map consistent.
        let mut legs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if legs.len() >= LEGS && !legs.contains_key(call) {
            legs.retain(|_, leg| !leg.borrow().ended);
        }
        then(legs.entry(call.clone()).or_insert_with(|| watch::Sender::new(Transcript::default())))
    }
}

/// Records the news until the twin ends.
pub(super) async fn record(transcripts: Arc<Transcripts>, mut news: broadcast::Receiver<LegNews>) {
    loop {
        match news.recv().await {
            Ok(LegNews::Heard(call, line)) => transcripts.change(&call, |leg| leg.lines.push(line)),
            Ok(LegNews::Gone(call)) => transcripts.change(&call, |leg| leg.ended = true),
            Ok(LegNews::Message { .. }) => {}
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!("{lost} lines of transcripts are lost: the machine is too busy");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, heard: &str) -> Line {
        Line { at, heard: heard.into() }
    }

    #[tokio::test]
    async fn a_subscriber_sees_past_and_new_lines_and_the_end() {
        let transcripts = Arc::new(Transcripts::default());
        let (sender, news) = broadcast::channel(8);
        let recorder = tokio::spawn(record(Arc::clone(&transcripts), news));
        let call = CallSid::numbered(1);
        sender.send(LegNews::Heard(call.clone(), line(0, "silence"))).expect("somebody listens");
        let mut leg = transcripts.follow(&call);
        sender.send(LegNews::Heard(call.clone(), line(10, "agent"))).expect("somebody listens");
        leg.wait_for(|leg| leg.lines.len() == 2).await.expect("two lines");
        sender.send(LegNews::Gone(call.clone())).expect("somebody listens");
        leg.wait_for(|leg| leg.ended).await.expect("the end");
        assert_eq!(transcripts.known(&call).expect("known").lines, [line(0, "silence"), line(10, "agent")]);
        assert!(transcripts.known(&CallSid::numbered(2)).is_none());
        drop(sender);
        recorder.await.expect("ends with the twin");
    }
}
