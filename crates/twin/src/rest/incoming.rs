//! A request as it comes in.

use super::plain::Sent;
use crate::Twin;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};

/// A request to one of Twilio's hosts.
pub(super) struct Incoming {
    method: Method,
    /// Behind the host, without the leading slash.
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Twin> for Incoming {
    type Rejection = Response;

    async fn from_request(request: Request, twin: &Twin) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Path(path) =
            Path::from_request_parts(&mut parts, twin).await.map_err(IntoResponse::into_response)?;
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let query = parts.uri.query().map(str::to_owned);
        let body = Bytes::from_request(Request::from_parts(parts, body), twin).await;
        Ok(Self { method, path, query, headers, body: body.map_err(IntoResponse::into_response)? })
    }
}

impl Incoming {
    /// The same request to a service whose paths begin so.
    pub(super) fn below(mut self, before: &str) -> Self {
        self.path = format!("{before}/{}", self.path);
        self
    }

    /// The same request with its path between these.
    pub(super) fn below_and(mut self, before: &str, after: &str) -> Self {
        self.path = format!("{before}/{}/{after}", self.path);
        self
    }

    /// The request, as it was sent to this host.
    pub(super) fn sent(&self, host: &'static str) -> Sent<'_> {
        Sent {
            host,
            method: self.method.as_str(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            body: &self.body,
        }
    }
}
