//! Lists: Twilio answers with a page, and with the address of the next one
//! (<https://www.twilio.com/docs/usage/twilios-response#pagination>).

use super::Client;
use crate::error::Error;
use crate::gate::Family;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Maximum number of pages that are read of a list. A longer list is an error: what is left out may be what matters.
const PAGES: usize = 20;

/// A page of any list.
#[derive(Deserialize)]
struct Page<T> {
    #[serde(
        alias = "activities",
        alias = "applications",
        alias = "assets",
        alias = "calls",
        alias = "channels",
        alias = "environments",
        alias = "conferences",
        alias = "events",
        alias = "flows",
        alias = "incoming_phone_numbers",
        alias = "invites",
        alias = "messages",
        alias = "participants",
        alias = "plugin_versions",
        alias = "plugins",
        alias = "releases",
        alias = "reservations",
        alias = "services",
        alias = "sinks",
        alias = "subscriptions",
        alias = "task_queues",
        alias = "tasks",
        alias = "types",
        alias = "workers",
        alias = "workflows"
    )]
    items: Vec<T>,
    /// A path, on `api.twilio.com`.
    #[serde(default)]
    next_page_uri: Option<String>,
    /// On the other hosts.
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    /// An absolute URL.
    #[serde(default)]
    next_page_url: Option<String>,
}

impl Client {
    /// All items of a list, page by page. Each page of a family waits for its turn at the gate.
    ///
    /// # Errors
    /// [`Error::Unreadable`] also when the next page is on another host or path, or there are more than 20.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        host: &str,
        before: &str,
        path: &str,
        family: Option<Family>,
    ) -> Result<Vec<T>, Error> {
        let (mut path, mut all) = (path.to_owned(), vec![]);
        for _ in 0..PAGES {
            let request = self.request(Method::GET, host, (before, &path), family);
            let page: Page<T> = request.json(&[]).await?;
            all.extend(page.items);
            let Some(next) = page.meta.next_page_url.or(page.next_page_uri) else { return Ok(all) };
            path = self.following(host, before, &path, &next).ok_or(UNREADABLE)?;
        }
        Err(UNREADABLE)
    }

    /// The first page of a list, and whether there are more.
    pub(super) async fn first_page<T: DeserializeOwned>(
        &self,
        host: &str,
        before: &str,
        path: &str,
        family: Option<Family>,
    ) -> Result<(Vec<T>, bool), Error> {
        let page: Page<T> = self.request(Method::GET, host, (before, path), family).json(&[]).await?;
        Ok((page.items, page.meta.next_page_url.or(page.next_page_uri).is_some()))
    }

    /// Path and query of the next page. Only the query is taken over: our credentials go to the requested list alone,
    /// whatever the answer says.
    fn following(&self, host: &str, before: &str, path: &str, next: &str) -> Option<String> {
        let base = self.settings.base.trim_end_matches('/');
        let list = path.split_once('?').map_or(path, |(list, _)| list);
        let twilio = next.strip_prefix("https://").and_then(|next| next.strip_prefix(host));
        let ours =
            || next.strip_prefix(base).filter(|_| !base.is_empty())?.strip_prefix('/')?.strip_prefix(host);
        let found = twilio.or_else(ours).unwrap_or(next);
        let query = found.strip_prefix(before)?.strip_prefix(list)?.strip_prefix('?')?;
        Some(format!("{list}?{query}"))
    }
}

const UNREADABLE: Error = Error::Unreadable { may_have_acted: false };
