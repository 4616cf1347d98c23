//! Errors as `application/problem+json` (RFC 9457). The codes are stable, for programs.

use crate::error::Error;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rejoin_protocol::api;

/// An error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A webhook without Twilio's signature.
    SignatureInvalid,
    /// A signed webhook that cannot be understood.
    CallbackInvalid,
    /// No bearer token.
    TokenMissing,
    /// A token that is not valid, or has expired.
    TokenRefused,
    /// No ticket of a push channel, or none of ours.
    TicketRefused,
    /// A request for a WebSocket that is none.
    NoWebSocket,
    /// A valid token of a user who is not a worker.
    NotAWorker,
    /// A statement, or a query, about another agent's call.
    NotYourCall,
    /// The worker has reached the rate limit.
    TooMany {
        /// When to retry, in seconds from now.
        seconds: u32,
    },
    /// Requests of unverified senders fill the memory that is set aside for them.
    Full,
    /// A body that is too long.
    BodyTooLarge,
    /// A body that took too long.
    TooSlow,
    /// A body that ends too early.
    BodyIncomplete,
    /// A body that is not as documented.
    BodyInvalid,
    /// There is no such resource.
    NotFound,
    /// The allow list does not contain the customer's number.
    CallNotAllowed,
    /// Whose call it is, or whether the allow list contains it, is being looked up.
    CallNotKnownYet,
    /// Twilio could not be asked about the token.
    TwilioUnavailable,
    /// The change could not be made durable, or the server is stopping.
    Unavailable,
}

impl Problem {
    /// One of each kind.
    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }

    /// The status of its reply.
    pub(super) fn status(self) -> StatusCode {
        self.parts().0
    }

    /// Stable name, for programs.
    pub(crate) fn code(self) -> &'static str {
        self.parts().1
    }

    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::SignatureInvalid => (
                StatusCode::FORBIDDEN,
                "signature-invalid",
                "The request carries no valid signature of Twilio; nothing was changed. \
                 Check TWILIO_AUTH_TOKEN and REJOIN_PUBLIC_URL.",
            ),
            Self::CallbackInvalid => (
                StatusCode::BAD_REQUEST,
                "callback-invalid",
                "The parameters are not those that Twilio documents; nothing was changed.",
            ),
            Self::TokenMissing => (
                StatusCode::UNAUTHORIZED,
                "token-missing",
                "The request carries no bearer token; nothing was changed. Send the Flex user's token.",
            ),
            Self::TokenRefused => (
                StatusCode::UNAUTHORIZED,
                "token-refused",
                "The token is not valid (any more); nothing was changed. Get a fresh token and repeat.",
            ),
            Self::TicketRefused => (
                StatusCode::UNAUTHORIZED,
                "ticket-refused",
                "The request carries no ticket that this server's auth token has signed; nothing was changed. The answer to \
                 /v1/push has one, in the header rejoin-presence.",
            ),
            Self::NoWebSocket => (
                StatusCode::BAD_REQUEST,
                "no-websocket",
                "The request opens no WebSocket, or a proxy has dropped its headers Connection and Upgrade; nothing was \
                 changed. Let the proxy pass /v1/presence as a WebSocket.",
            ),
            Self::NotAWorker => (
                StatusCode::FORBIDDEN,
                "not-a-worker",
                "The token belongs to no worker, so it gives access to no call; nothing was changed.",
            ),
            Self::NotYourCall => (
                StatusCode::FORBIDDEN,
                "not-your-call",
                "The call, or the leg or reservation, is another worker's; nothing was changed. \
                 Only its agents may do this, and supervisors and administrators may look.",
            ),
            Self::TooMany { seconds: _ } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "This worker, or this address, asks too often; nothing was changed. Repeat after the time in Retry-After.",
            ),
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "full",
                "Too many requests from unverified senders are in progress, from this address or in total; \
                 nothing was changed. Repeat in a moment, on a new connection.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is longer than this request may be; nothing was changed.",
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "The body took too long; nothing was changed. Repeat over a better connection.",
            ),
            Self::BodyIncomplete => (
                StatusCode::BAD_REQUEST,
                "body-incomplete",
                "The body is incomplete; nothing was changed. Repeat it as a whole.",
            ),
            Self::BodyInvalid => (
                StatusCode::BAD_REQUEST,
                "body-invalid",
                "The body is not what the interface documents; nothing was changed. Repeating it does not help.",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing at this address."),
            Self::CallNotAllowed => (
                StatusCode::FORBIDDEN,
                "call-not-allowed",
                "The customer's number is not in REJOIN_ALLOWED_NUMBERS: the call is left alone.",
            ),
            Self::CallNotKnownYet => (
                StatusCode::SERVICE_UNAVAILABLE,
                "call-not-known-yet",
                "Whose call it is, or whether it may be touched, is being looked up; nothing is done to it until then. Repeat in a moment.",
            ),
            Self::TwilioUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "twilio-unavailable",
                "Twilio could not be asked about the token; nothing was changed. Repeat in a moment.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The change could not be made durable in time. Repeat in a moment: that does no harm if it was made all the same.",
            ),
        }
    }
}

/// One of each kind.
const ALL: [Problem; 19] = [
    Problem::SignatureInvalid,
    Problem::CallbackInvalid,
    Problem::TokenMissing,
    Problem::TokenRefused,
    Problem::TicketRefused,
    Problem::NoWebSocket,
    Problem::NotAWorker,
    Problem::NotYourCall,
    Problem::CallNotAllowed,
    Problem::CallNotKnownYet,
    Problem::TooMany { seconds: 1 },
    Problem::Full,
    Problem::BodyTooLarge,
    Problem::TooSlow,
    Problem::BodyIncomplete,
    Problem::BodyInvalid,
    Problem::NotFound,
    Problem::TwilioUnavailable,
    Problem::Unavailable,
];

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Error::TooManyPages = error {
            return Self::TooMany { seconds: 10 };
        }
        tracing::warn!(%error, "a request could not be served");
        Self::Unavailable
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, detail) = self.parts();
        let problem = api::Problem { code: code.into(), status: status.as_u16(), detail: detail.into() };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::TokenMissing | Self::TokenRefused => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Full => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                // For HTTP/1.1; hyper omits it in HTTP/2.
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Unavailable | Self::TwilioUnavailable | Self::CallNotKnownYet => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::TooMany { seconds } => {
                headers.insert(header::RETRY_AFTER, seconds.into());
            }
            _ => {}
        }
        response
    }
}
