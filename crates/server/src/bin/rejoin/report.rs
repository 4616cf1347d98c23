//! `rejoin report`.

use crate::asked::Asked;
use clap::Args;
use rejoin_protocol::Millis;
use rejoin_server::beside;
use rejoin_server::history::{Asked as Span, LAST};
use rejoin_server::report_page::LANGUAGES;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The span of a page if none is asked for.
const USUAL: &str = "30d";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Draws the recoveries of the last 30 days, or of another span, as a page, into a new file that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// The page is about this month (UTC), such as 2026-11.
    #[arg(long, value_name = "MONTH", requires = "html", value_parser = month, conflicts_with_all = ["last", "from", "to"])]
    month: Option<Span>,
    /// The page is about the time until now.
    #[arg(long, requires = "html", value_parser = LAST.map(|(name, _)| name), conflicts_with_all = ["from", "to"])]
    last: Option<String>,
    /// The page begins with this day or minute (UTC), such as 2026-11-20 or 2026-11-20T15:04.
    #[arg(long, value_name = "TIME", requires_all = ["html", "to"])]
    from: Option<String>,
    /// The page ends with this day or minute. More than three days are shown by whole days.
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// The language of the page.
    #[arg(long, requires = "html", default_value = LANGUAGES[0], value_parser = LANGUAGES)]
    language: String,
    #[command(flatten)]
    asked: Asked,
}

fn month(text: &str) -> Result<Span, &'static str> {
    Span::month(text).ok_or("a month is a year and a number, such as 2026-11")
}

impl Options {
    /// The span of the page.
    fn span(&self, now: Millis) -> Result<Span, String> {
        if let Some(month) = &self.month {
            return Ok(month.clone());
        }
        let mut pairs = vec![];
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => pairs.extend([("from", from.as_str()), ("to", to)]),
            _ => pairs.push(("last", self.last.as_deref().unwrap_or(USUAL))),
        }
        let pairs: Vec<_> =
            pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        match Span::of(&pairs, now) {
            (span, mistakes) if mistakes.is_empty() => Ok(span),
            _ => Err("the page cannot be about this time, and nothing was written: --from and --to are days or minutes such as \
                      2026-11-20 or 2026-11-20T15:04, with the end after the begin and at most 400 days between them"
                .into()),
        }
    }
}

/// Prints or draws how recoveries have ended.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let url = options.asked.url();
    let Some(file) = &options.html else { return options.asked.print(beside::report(url).await) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = Millis(u64::try_from(now).unwrap_or(u64::MAX));
    let page = beside::page(url, &options.span(now)?, now, &options.language).await;
    crate::page::write(file, &page.map_err(|error| error.to_string())?)
}
