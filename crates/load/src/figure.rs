//! Figures, printed as lines of JSON.

use serde_json::json;
use std::error::Error;
use std::time::Duration;

/// A result, or why the measurement failed.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Prints a figure: its name, all measured values, their unit, and a note.
pub fn tell(what: &str, unit: &str, values: &[f64], note: &str) {
    println!("{}", json!({ "what": what, "unit": unit, "values": values, "note": note }));
}

/// The value below which this share of all values lies.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// A duration in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
