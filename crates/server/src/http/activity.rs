//! Activity on an HTTP/2 connection. Many requests share it, some of them with endless responses.

use axum::body::{Body, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The activity of a connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    /// Number of requests without a response yet.
    open: usize,
    /// Number of endless responses.
    endless: usize,
    /// Time of the last activity.
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { open: 0, endless: 0, last: Instant::now() })))
    }
}

impl Activity {
    /// Returns when nothing has happened for `within`; `endless` is the limit while there is an endless response. One
    /// that the client no longer reads counts as inactive.
    pub(super) async fn idle(&self, within: Duration, endless: Duration) {
        loop {
            let until = self.with(|state| match state {
                State { open: 1.., .. } => Instant::now() + within,
                State { endless: 1.., last, .. } => *last + endless,
                State { last, .. } => *last + within,
            });
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn happens(&self, change: impl FnOnce(&mut State)) {
        self.with(|state| {
            change(state);
            state.last = Instant::now();
        });
    }
}

/// A service whose requests are counted.
pub(super) struct Counted<S> {
    inner: S,
    activity: Activity,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S, activity: Activity) -> Self {
        Self { inner, activity }
    }
}

impl<S> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let open = Open::new(self.activity.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let activity = open.0.clone();
            let has_end = answer.body().size_hint().upper().is_some();
            Ok(if has_end { answer } else { answer.map(|body| Body::new(Endless::new(body, activity))) })
        })
    }
}

/// A request without a response yet.
struct Open(Activity);

impl Open {
    fn new(activity: Activity) -> Self {
        activity.happens(|state| state.open += 1);
        Self(activity)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.happens(|state| state.open -= 1);
    }
}

/// An endless response, while it lasts.
struct Endless {
    body: Body,
    activity: Activity,
}

impl Endless {
    fn new(body: Body, activity: Activity) -> Self {
        activity.happens(|state| state.endless += 1);
        Self { body, activity }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.activity.happens(|state| state.endless -= 1);
    }
}

impl HttpBody for Endless {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        // More is requested only when the client has room for it.
        self.activity.happens(|_| ());
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
