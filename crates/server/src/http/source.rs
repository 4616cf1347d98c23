//! The source of a request: the address that limits apply to.

use super::unverified::{Budget, Unverified};
use crate::limits::Limits;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::service::Service;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What proxies say about their clients
/// (<https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>).
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address as limits count it: for IPv6 the network of 64 bits that a provider's customer has at least
/// (<https://www.rfc-editor.org/rfc/rfc6177>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }

    /// The source of a connection. `None`: a proxy, whose clients share it.
    pub(super) fn of_connection(limits: &Limits, peer: IpAddr) -> Option<Self> {
        let peer = peer.to_canonical();
        let is_shared = if limits.names_proxies() { limits.is_proxy(peer) } else { peer.is_loopback() };
        (!is_shared).then(|| Self::of(peer))
    }

    /// The source of a request from `peer`. `None`: no proxy names it.
    fn of_request(limits: &Limits, peer: IpAddr, headers: &HeaderMap) -> Option<Self> {
        if let Some(peer) = Self::of_connection(limits, peer) {
            return Some(peer);
        }
        if !limits.names_proxies() {
            return None;
        }
        // Each proxy appends its client. Entries before the first address that is not a proxy's are that client's own
        // claim.
        let lines: Vec<_> =
            headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for entry in entries {
            let address = address(entry.trim())?;
            if !limits.is_proxy(address) {
                return Some(Self::of(address));
            }
        }
        None
    }
}

/// An address, which some proxies write with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip())).ok()?;
    Some(IpAddr::to_canonical(&address))
}

/// The peer of the connection: put into each of its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// A service that puts the connection's address into each request.
pub(super) struct From<S> {
    pub(super) inner: S,
    pub(super) peer: Peer,
}

impl<S, B> Service<hyper::Request<B>> for From<S>
where
    S: Service<hyper::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: hyper::Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.inner.call(request)
    }
}

/// Admits a request if there is memory for it while its sender is not verified. In a simulation there are no
/// connections, and no limits.
pub(super) async fn admit(
    State((limits, budget)): State<(Arc<Limits>, Arc<Budget>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(Peer(peer)) = request.extensions().get().copied() else { return next.run(request).await };
    let source = Source::of_request(&limits, peer, request.headers());
    let unverified = Unverified::new(&budget, source);
    if let Err(problem) = unverified.take(size(&request)) {
        return problem.into_response();
    }
    if let Some(source) = source {
        request.extensions_mut().insert(source);
    }
    request.extensions_mut().insert(unverified);
    next.run(request).await
}

/// Approximate memory of a request before its body is read, in bytes.
fn size(request: &Request) -> usize {
    const REST: usize = 1024;
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    REST + request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        limits: Limits,
    }

    fn of(proxies: &str, peer: &str, forwarded: &[&str]) -> Option<String> {
        let arguments = ["x", "--trusted-proxies", proxies];
        let arguments = arguments.iter().take(if proxies.is_empty() { 1 } else { 3 });
        let limits = Only::try_parse_from(arguments).expect("parses").limits;
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        let source = Source::of_request(&limits, peer.parse().expect("an address"), &headers);
        source.map(|source| source.0.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_names_its_client() {
        let client = |address: &str| Some(address.to_owned());
        // No trusted proxies: the header counts for nothing, and this machine is a proxy that names no clients.
        assert_eq!(of("", "203.0.113.7", &["198.51.100.1"]), client("203.0.113.7"));
        assert_eq!(of("", "127.0.0.1", &["198.51.100.1"]), None);
        // Trusted proxies.
        let inside = "10.0.0.0/8,127.0.0.1,::1";
        assert_eq!(of(inside, "203.0.113.7", &["198.51.100.1"]), client("203.0.113.7"), "no proxy");
        assert_eq!(of(inside, "127.0.0.2", &[]), client("127.0.0.2"), "this machine, and not named");
        assert_eq!(of(inside, "10.0.0.1", &["203.0.113.7"]), client("203.0.113.7"));
        assert_eq!(
            of(inside, "10.0.0.1", &["198.51.100.1, 203.0.113.7"]),
            client("203.0.113.7"),
            "a lie in front"
        );
        assert_eq!(of(inside, "10.0.0.1", &["198.51.100.1", "203.0.113.7,10.1.2.3"]), client("203.0.113.7"));
        assert_eq!(of(inside, "10.0.0.1", &["203.0.113.7:4711"]), client("203.0.113.7"));
        assert_eq!(
            of(inside, "::1", &["[2001:db8:1:2:3::4]:80"]),
            client("2001:db8:1:2::"),
            "a network of one customer"
        );
        assert_eq!(of(inside, "::ffff:10.0.0.1", &["::ffff:203.0.113.7"]), client("203.0.113.7"));
        for nothing in [&[][..], &[""], &["unknown"], &["203.0.113.7, unknown"], &["10.0.0.9"]] {
            assert_eq!(of(inside, "10.0.0.1", nothing), None, "{nothing:?}");
        }
    }
}
