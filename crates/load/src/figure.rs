//! Figures, as lines of JSON.

use serde_json::json;
use std::error::Error;
use std::time::Duration;

/// A measurement, or why there is none.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// One figure: what, all values that were measured, their unit, and what is to be known about it.
pub fn tell(what: &str, unit: &str, values: &[f64], note: &str) {
    println!("{}", json!({ "what": what, "unit": unit, "values": values, "note": note }));
}

/// The value below which this share of all lies.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
