//! Maps the two ways to name a Twilio service onto one internal path. See the crate's documentation.

use axum::http::{Request, Uri, header, uri::PathAndQuery};

const PREFIX: &str = "/__tw/";

/// The domain of Serverless, below which each environment has a name of its own.
const ASSETS: &str = ".twil.io";

/// The internal path for a host and a path.
fn internal(rest: &str) -> String {
    let is_asset = rest.split('/').next().is_some_and(|host| host.ends_with(ASSETS));
    if is_asset { format!("/@twil.io/{rest}") } else { format!("/@{rest}") }
}

/// `/__tw/<host>/<path>`, or a Twilio name in the `Host` header, becomes `/@<host>/<path>`.
pub(crate) async fn to_internal_path<B>(mut request: Request<B>) -> Request<B> {
    let path_and_query = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let internal = if let Some(rest) = path_and_query.strip_prefix(PREFIX) {
        Some(internal(rest))
    } else {
        request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .map(|host| host.split(':').next().unwrap_or(host))
            .filter(|host| *host == "twilio.com" || host.ends_with(".twilio.com") || host.ends_with(ASSETS))
            .map(|host| internal(&format!("{host}{path_and_query}")))
    };
    // A text that is not a path stays as it is and matches no route.
    if let Some(uri) = internal.and_then(|internal| internal.parse::<Uri>().ok()) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn mapped(uri: &str, host: &str) -> String {
        let request = Request::builder().uri(uri).header(header::HOST, host).body(()).expect("a request");
        to_internal_path(request).await.uri().to_string()
    }

    #[tokio::test]
    async fn both_forms_lead_to_the_same_path() {
        let internal = "/@api.twilio.com/2010-04-01/Accounts.json?Page=1";
        assert_eq!(
            mapped("/__tw/api.twilio.com/2010-04-01/Accounts.json?Page=1", "localhost:1").await,
            internal
        );
        assert_eq!(mapped("/2010-04-01/Accounts.json?Page=1", "api.twilio.com:443").await, internal);
    }

    #[tokio::test]
    async fn paths_of_the_twin_itself_stay_unchanged() {
        assert_eq!(mapped("/__twin/state", "127.0.0.1:4180").await, "/__twin/state");
        assert_eq!(mapped("/", "nottwilio.com").await, "/");
    }

    #[tokio::test]
    async fn domains_of_uploaded_files_lead_to_one_route() {
        let internal = "/@twil.io/default-1234-abc.twil.io/a.js";
        assert_eq!(mapped("/__tw/default-1234-abc.twil.io/a.js", "localhost:1").await, internal);
        assert_eq!(mapped("/a.js", "default-1234-abc.twil.io").await, internal);
    }
}
