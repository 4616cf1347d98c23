//! Pictures of tables, as SVG. They have no numbers of their own: each is beside its table.

use super::tables::seconds;
use crate::history::{BOUNDS, Histogram};
use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

/// Size of a picture, in its own units.
const WIDE: f64 = 400.0;
const HIGH: f64 = 190.0;
/// What is left free beside the bars.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 22.0;

/// The classes of the four meanings.
pub(super) const MEANINGS: [&str; 4] = ["same", "any", "lost", "unneeded"];

/// An SVG of numbers and of texts of ours: nothing in it comes from the database.
struct Picture(String);

#[allow(clippy::cast_precision_loss)] // Nothing here comes near 2^52.
fn float(of: u64) -> f64 {
    of as f64
}

impl Picture {
    fn new() -> Self {
        Self(String::new())
    }

    fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (wide, high): (f64, f64)) {
        if high > 0.0 {
            let _ = write!(
                self.0,
                r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{high:.1}"/>"#
            );
        }
    }

    fn text(&mut self, anchor: &str, (x, y): (f64, f64), text: &str) {
        debug_assert!(!text.contains(['<', '&', '>']), "{text}");
        let _ = write!(self.0, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
    }

    fn line(&mut self, class: &str, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let _ = write!(
            self.0,
            r#"<line class="{class}" x1="{x:.1}" y1="{y:.1}" x2="{to_x:.1}" y2="{to_y:.1}"/>"#
        );
    }

    /// The line below, and two above it with what they stand for.
    fn levels(&mut self, names: [&str; 3]) {
        for (name, share) in names.into_iter().zip([0.0, 0.5, 1.0]) {
            let y = level(share);
            self.line("level", (LEFT, y), (WIDE - RIGHT, y));
            self.text("end", (LEFT - 5.0, y + 4.0), name);
        }
    }

    /// Writes the names of the first, the middle and the last point below the picture.
    fn names(&mut self, names: &[&str]) {
        let Some((first, last)) = names.first().zip(names.last()) else { return };
        let y = HIGH - 6.0;
        self.text("start", (LEFT, y), first);
        if names.len() > 1 {
            self.text("end", (WIDE - RIGHT, y), last);
        }
    }

    /// `label`: what a screen reader says instead.
    fn done(self, label: &str) -> Markup {
        html! {
            svg.chart role="img" aria-label=(label) viewBox=(format!("0 0 {WIDE} {HIGH}")) {
                (PreEscaped(self.0))
            }
        }
    }
}

/// The height of a share of the whole.
fn level(share: f64) -> f64 {
    HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM)
}

/// Left edge and width of the column with this number, of `of` columns.
fn column(number: usize, of: usize) -> (f64, f64) {
    let wide = (WIDE - LEFT - RIGHT) / float(of.max(1) as u64);
    (LEFT + float(number as u64) * wide, wide)
}

/// The next number that is easy to read.
fn nice(most: u64) -> u64 {
    let mut unit: u64 = 2;
    loop {
        for step in [1, 2, 5] {
            if let Some(nice) = unit.checked_mul(step)
                && nice >= most
            {
                return nice;
            }
        }
        let Some(next) = unit.checked_mul(10) else { return most };
        unit = next;
    }
}

/// A number that fits beside a picture: `1500`, `200k`, `1.5M`.
pub(super) fn short(of: u64) -> String {
    let (unit, sign) = match of {
        0..10_000 => return of.to_string(),
        10_000..1_000_000 => (1_000, "k"),
        _ => (1_000_000, "M"),
    };
    match of % unit * 10 / unit {
        0 => format!("{}{sign}", of / unit),
        tenth => format!("{}.{tenth}{sign}", of / unit),
    }
}

/// Bars by time, of four parts each.
pub(super) fn bars(label: &str, points: &[(String, [u64; 4])]) -> Markup {
    let most = points.iter().map(|(_, counts)| counts.iter().sum()).max().unwrap_or(0);
    let most = nice(most);
    let mut picture = Picture::new();
    picture.levels(["0", &short(most / 2), &short(most)]);
    for (number, (_, counts)) in points.iter().enumerate() {
        let (x, wide) = column(number, points.len());
        let mut below = 0;
        for (class, count) in MEANINGS.into_iter().zip(counts) {
            let (bottom, top) =
                (level(float(below) / float(most)), level(float(below + count) / float(most)));
            picture.rectangle(class, (x + wide * 0.1, top), (wide * 0.8, bottom - top));
            below += count;
        }
    }
    picture.names(&points.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>());
    picture.done(label)
}

/// Two lines by time, of permilles.
pub(super) fn lines(label: &str, points: &[(String, Option<(u64, u64)>)]) -> Markup {
    let least =
        points.iter().filter_map(|(_, rates)| rates.map(|(same, any)| same.min(any))).min().unwrap_or(0);
    // Most rates are near 100 %: the picture begins where there is something to see.
    let least = (least / 100 * 100).min(900);
    let mut picture = Picture::new();
    let percent = |permille: u64| match permille % 10 {
        0 => format!("{} %", permille / 10),
        part => format!("{}.{part} %", permille / 10),
    };
    picture.levels([&percent(least), &percent(u64::midpoint(1000, least)), "100 %"]);
    let place = |number: usize, permille: u64| {
        let (x, wide) = column(number, points.len());
        (x + wide / 2.0, level(float(permille.saturating_sub(least)) / float(1000 - least)))
    };
    for (class, of) in [("same", 0), ("any", 1)] {
        let mut before: Option<(f64, f64)> = None;
        for (number, (_, rates)) in points.iter().enumerate() {
            let here = rates.map(|(same, any)| place(number, if of == 0 { same } else { any }));
            if let Some((x, y)) = here {
                if let Some(before) = before {
                    picture.line(class, before, (x, y));
                }
                // A circle for one line, a square for the other: they can be told apart without their colours.
                if of == 0 {
                    let _ = write!(picture.0, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="2.5"/>"#);
                } else {
                    picture.rectangle(class, (x - 2.5, y - 2.5), (5.0, 5.0));
                }
            }
            before = here;
        }
    }
    picture.names(&points.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>());
    picture.done(label)
}

/// Bars by duration, with lines at the durations within which 50, 90 and 99 % are.
pub(super) fn distribution(label: &str, histogram: &Histogram) -> Markup {
    let counts = &histogram.0;
    let most = nice(counts.iter().copied().max().unwrap_or(0));
    let mut picture = Picture::new();
    picture.levels(["0", &short(most / 2), &short(most)]);
    for (number, count) in counts.iter().enumerate() {
        let (x, wide) = column(number, counts.len());
        let top = level(float(*count) / float(most));
        picture.rectangle("same", (x + wide * 0.1, top), (wide * 0.8, level(0.0) - top));
        if number % 4 == 3
            && let Some(bound) = BOUNDS.get(number)
        {
            picture.text("middle", (x + wide / 2.0, HIGH - 6.0), &seconds(*bound));
        }
    }
    let mut taken = vec![];
    for hundredths in [99, 90, 50] {
        let Some(bound) = histogram.share(hundredths) else { continue };
        let bucket = bound.map_or(BOUNDS.len(), Histogram::bucket);
        let (x, wide) = column(bucket, counts.len());
        let x = x + wide;
        picture.line("mark", (x, TOP), (x, level(0.0)));
        // Names that would be over each other are left out: the sentence beside the picture has all three.
        if taken.iter().all(|other: &f64| (other - x).abs() > 28.0) {
            picture.text("middle", (x.min(WIDE - 14.0), TOP - 5.0), &format!("{hundredths} %"));
            taken.push(x);
        }
    }
    picture.done(label)
}
