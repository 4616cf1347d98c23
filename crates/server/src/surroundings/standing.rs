//! Suspends a server of a simulation, as SIGSTOP suspends a process: nothing of it runs, and its connections stay
//! open. Input waits. When it goes on, all overdue timers go off at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Tasks that wait to run; `None`: the server runs.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Vec<Waker>>>);

impl Standing {
    pub(super) fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    pub(super) fn end(&self) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// True while it is suspended. The caller is woken when it goes on.
    pub(super) fn keeps(&self, context: &Context<'_>) -> bool {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match standing.as_mut() {
            Some(waiting) => {
                waiting.push(context.waker().clone());
                true
            }
            None => false,
        }
    }

    pub(super) async fn part<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| if self.keeps(context) { Poll::Pending } else { work.as_mut().poll(context) }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn no_part_runs_while_the_server_is_suspended() {
        let standing = Arc::new(Standing::default());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        standing.begin();
        for number in 0..3 {
            let (standing, sender) = (Arc::clone(&standing), sender.clone());
            tokio::spawn(async move { standing.part(async move { sender.send(number) }).await });
        }
        tokio::task::yield_now().await;
        assert!(receiver.try_recv().is_err(), "it stands still");
        standing.end();
        let mut ran = vec![];
        for _ in 0..3 {
            ran.push(receiver.recv().await);
        }
        assert_eq!(ran, [Some(0), Some(1), Some(2)], "in the order in which they wanted to");
    }
}
