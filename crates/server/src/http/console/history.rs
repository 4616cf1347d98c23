//! The view "History": its address, its page, and its files.

use super::{App, Problem, Viewer};
use crate::console::history as view;
use crate::history::{Asked, Mistake, Sums};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;

fn asked(app: &App, query: Option<&str>) -> (Asked, Vec<Mistake>, Option<String>) {
    let pairs = rejoin_twilio::webhook::form(query.unwrap_or_default().as_bytes());
    let table = pairs.iter().find(|(name, _)| name == "table").map(|(_, value)| value.clone());
    let (asked, mistakes) = Asked::of(&pairs, app.store.now());
    (asked, mistakes, table)
}

/// In a task of its own: who closes their page ends no question to the database in the middle.
async fn read(app: &Arc<App>, asked: &Asked) -> Option<Sums> {
    let (store, asked) = (app.store.clone(), asked.clone());
    let surroundings = store.surroundings().clone();
    let task = tokio::spawn(surroundings.task(async move { store.history(&asked).await }));
    match task.await.ok()? {
        Ok(sums) => Some(sums),
        Err(error) => {
            tracing::warn!(%error, "the history could not be read for the console; no call is affected");
            None
        }
    }
}

/// `GET /console/history`: recoveries over time. Without anything in its address: the last seven days.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    RawQuery(query): RawQuery,
) -> Html<String> {
    let (asked, mistakes, _) = asked(&app, query.as_deref());
    let sums = read(&app, &asked).await;
    Html(view::page(viewer.language, viewer.role(), &asked, &mistakes, sums.as_ref()))
}

/// The tables of an address that has no mistake: a file says nothing about one.
async fn tables(
    app: &Arc<App>,
    viewer: &Viewer,
    query: Option<&str>,
) -> Result<(Asked, Sums, Vec<view::Table>, Option<String>), Response> {
    let (asked, mistakes, table) = asked(app, query);
    if !mistakes.is_empty() {
        return Err(viewer.refuse(Problem::NotFound));
    }
    let sums = read(app, &asked).await.ok_or_else(|| viewer.refuse(Problem::Unavailable))?;
    let tables = view::tables_in(viewer.language, &asked, &sums);
    Ok((asked, sums, tables, table))
}

/// `GET /console/history.csv`: what the page shows; with `table`: one of its tables.
pub(super) async fn csv(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    RawQuery(query): RawQuery,
) -> Result<Response, Response> {
    let (_, _, tables, table) = tables(&app, &viewer, query.as_deref()).await?;
    let text = view::csv(&tables, table.as_deref()).ok_or_else(|| viewer.refuse(Problem::NotFound))?;
    Ok(download("text/csv; charset=utf-8", "rejoin-history.csv", text))
}

/// `GET /console/history.json`: the same as JSON.
pub(super) async fn json(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    RawQuery(query): RawQuery,
) -> Result<Response, Response> {
    let (asked, sums, tables, _) = tables(&app, &viewer, query.as_deref()).await?;
    let json = view::json(&asked, &sums, &tables);
    Ok(download("application/json", "rejoin-history.json", json.to_string()))
}

fn download(kind: &'static str, name: &str, content: String) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
