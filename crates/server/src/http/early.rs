//! A response that comes before the whole of its request, on HTTP/1.1: hyper closes that connection, and this layer tells
//! the client. Otherwise a client that shares its connections, as a proxy does, may put the next request on one that is
//! about to close: a callback of Twilio's would be lost because another client had sent too much
//! (<https://www.rfc-editor.org/rfc/rfc9112.html#section-9.3>, <https://www.rfc-editor.org/rfc/rfc9112.html#section-9.6>).

use axum::body::{Body, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A service that announces when a response ends the connection.
pub(super) struct Frank<S>(pub(super) S);

impl<S> Service<Request<Incoming>> for Frank<S>
where
    S: Service<Request<Taken>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let is_whole = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let seen = Arc::clone(&is_whole);
        let answer = self.0.call(request.map(|body| Taken { body, is_whole }));
        Box::pin(async move {
            let mut answer = answer.await?;
            if !seen.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}

/// A request's body that records whether all of it was read.
pub(super) struct Taken {
    body: Incoming,
    is_whole: Arc<AtomicBool>,
}

impl HttpBody for Taken {
    type Data = <Incoming as HttpBody>::Data;
    type Error = <Incoming as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        if matches!(next, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_whole.store(true, Ordering::Relaxed);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
