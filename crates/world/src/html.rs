//! A world's timeline as one page to look at: swim lanes from left to right, time downwards. The page brings along all that it
//! needs and asks nobody for anything.

use crate::plan::Plan;
use crate::run::Outcome;
use crate::timeline::{Entry, Kind, Lane};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Pauses from this length on are left out, and said to be (milliseconds).
const PAUSE: u64 = 1_000;
/// More lanes than these have no overview: nobody could read it.
const OVERVIEW: usize = 24;

/// Kinds in the order of the legend: what each is called, and its name in the page.
const KINDS: [(Kind, &str, &str); 9] = [
    (Kind::Person, "people", "person"),
    (Kind::Hears, "what customers hear", "hears"),
    (Kind::Request, "requests", "request"),
    (Kind::Answer, "answers", "answer"),
    (Kind::Webhook, "Twilio's callbacks", "webhook"),
    (Kind::Push, "pushes", "push"),
    (Kind::Does, "what a part does by itself", "does"),
    (Kind::Fault, "faults", "fault"),
    (Kind::Broken, "broken rules", "broken"),
];

/// The page of a world that was recorded. `command`: what shows it again.
pub fn page(plan: &Plan, outcome: &Outcome, command: &str) -> String {
    let lanes = Lanes::of(&outcome.timeline);
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, plan, outcome, &lanes, command);
    page
}

/// Who has a lane of his own: each customer, each agent with all her pages, our server, Twilio.
struct Lanes(Vec<Lane>);

impl Lanes {
    fn of(timeline: &[Entry]) -> Self {
        let mut seen: BTreeSet<Lane> = timeline
            .iter()
            .flat_map(|entry| std::iter::once(entry.from).chain(entry.to))
            .map(owner)
            .collect();
        seen.remove(&Lane::World);
        Self(seen.into_iter().collect())
    }

    fn place(&self, lane: Lane) -> Option<usize> {
        let lane = owner(lane);
        self.0.iter().position(|other| *other == lane)
    }

    fn name(lane: Lane) -> String {
        match lane {
            Lane::Server(_) => "server".into(),
            other => other.to_string(),
        }
    }
}

/// Pages are on their agent's lane, and one server after the other on the same.
fn owner(lane: Lane) -> Lane {
    match lane {
        Lane::Page(agent, _) => Lane::Agent(agent),
        Lane::Server(_) => Lane::Server(0),
        other => other,
    }
}

fn named(kind: Kind) -> &'static str {
    KINDS.iter().find(|(of, ..)| *of == kind).map_or("", |(_, _, name)| name)
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn write_page(
    page: &mut String,
    plan: &Plan,
    outcome: &Outcome,
    lanes: &Lanes,
    command: &str,
) -> std::fmt::Result {
    let ended = match &outcome.broken {
        Some(broken) => format!("<p class=\"outcome bad\">Broken: {}</p>", escaped(&broken.to_string())),
        None => "<p class=\"outcome good\">Every rule held.</p>".to_owned(),
    };
    let seed = plan.seed;
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>World {seed}: {scenario}</title>\n\
         <style>\n{STYLE}\n.lanes {{ --lanes: {count}; }}\n</style>\n</head>\n<body>\n<header>\n\
         <h1>World {seed}: {scenario}</h1>\n{ended}\n\
         <p>{agents} agents, {customers} customers, {lasted} s. Shown again by <code>{command}</code></p>\n",
        scenario = plan.scenario,
        count = lanes.0.len(),
        agents = plan.agents.len(),
        customers = plan.customers.len(),
        lasted = seconds(outcome.lasted),
        command = escaped(command),
    )?;
    write_plan(page, plan)?;
    if lanes.0.len() <= OVERVIEW {
        write_overview(page, plan, outcome, lanes)?;
    }
    write_filter(page, outcome, lanes)?;
    page.push_str("</header>\n<main>\n");
    write_table(page, plan, &outcome.timeline, lanes)?;
    write!(
        page,
        "</main>\n<aside id=\"detail\" aria-label=\"Details\" hidden>\n<p id=\"detail-head\"></p>\n\
         <pre id=\"detail-text\" tabindex=\"0\"></pre>\n<p id=\"detail-faults\"></p>\n</aside>\n\
         <script>\n{SCRIPT}\n</script>\n</body>\n</html>\n"
    )
}

/// What was to happen.
fn write_plan(page: &mut String, plan: &Plan) -> std::fmt::Result {
    let (deeds, faults) = (plan.deeds.len(), plan.faults.len());
    write!(page, "<details>\n<summary>The plan: {deeds} deeds, {faults} faults</summary>\n<ul>\n")?;
    for deed in &plan.deeds {
        let who = if deed.agent == crate::plan::WHO_HAS_A_CALL {
            "whoever has a call".to_owned()
        } else {
            format!("agent {}", deed.agent)
        };
        writeln!(page, "<li>{} s: {} {}</li>", seconds(deed.at), escaped(&who), deed.act.name())?;
    }
    for fault in &plan.faults {
        let (from, to) = (seconds(fault.from), seconds(fault.to));
        writeln!(page, "<li class=\"fault\">{from} to {to} s: {}</li>", escaped(&told(fault)))?;
    }
    writeln!(page, "</ul>\n</details>")
}

fn told(fault: &crate::plan::Fault) -> String {
    format!("{} ({} %)", fault.kind.name(), f64::from(fault.rate) / 10.0)
}

/// Everything on one line for each lane, in true proportion. It is for who sees it: the table has the same and more.
fn write_overview(page: &mut String, plan: &Plan, outcome: &Outcome, lanes: &Lanes) -> std::fmt::Result {
    let whole = outcome.timeline.last().map_or(1, |last| last.at).max(1);
    let part = |at: u64| 100.0 * at.min(whole) as f64 / whole as f64;
    page.push_str("<div class=\"overview\" aria-hidden=\"true\">\n");
    page.push_str("<div class=\"windows\">\n");
    for fault in &plan.faults {
        let (from, to) = (part(fault.from), part(fault.to));
        let width = (to - from).max(0.2);
        let told = escaped(&told(fault));
        writeln!(
            page,
            "<i class=\"window\" style=\"left:{from:.2}%;width:{width:.2}%\" title=\"{told}\"></i>"
        )?;
    }
    page.push_str("</div>\n");
    for (place, lane) in lanes.0.iter().enumerate() {
        write!(page, "<div class=\"strip\"><b>{}</b><span>", escaped(&Lanes::name(*lane)))?;
        write_hearing(page, &outcome.timeline, *lane, whole)?;
        for (number, entry) in outcome.timeline.iter().enumerate() {
            if lanes.place(entry.from) == Some(place) && entry.kind != Kind::Hears {
                let (at, kind) = (part(entry.at), named(entry.kind));
                write!(page, "<a class=\"{kind}\" style=\"left:{at:.2}%\" data-row=\"{number}\"></a>")?;
            }
        }
        page.push_str("</span></div>\n");
    }
    page.push_str("<div class=\"strip scale\"><b></b><span>");
    let step = [1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000];
    let step = step.into_iter().find(|step| whole / step <= 12).unwrap_or(1_800_000);
    for at in (0..=whole).step_by(usize::try_from(step).unwrap_or(1)) {
        write!(page, "<em style=\"left:{:.2}%\">{} s</em>", part(at), at / 1000)?;
    }
    page.push_str("</span></div>\n</div>\n");
    Ok(())
}

/// What a customer hears, as bars.
fn write_hearing(page: &mut String, timeline: &[Entry], lane: Lane, whole: u64) -> std::fmt::Result {
    let his: Vec<&Entry> =
        timeline.iter().filter(|entry| entry.kind == Kind::Hears && entry.from == lane).collect();
    for (number, entry) in his.iter().enumerate() {
        let end = his.get(number + 1).map_or(whole, |next| next.at);
        let class = match entry.text.as_str() {
            "hears nothing" => "silence",
            text if text.starts_with("talks") => "talk",
            text if text.starts_with("hears") => "music",
            _ => continue,
        };
        let left = 100.0 * entry.at as f64 / whole as f64;
        let width = 100.0 * end.saturating_sub(entry.at) as f64 / whole as f64;
        let text = escaped(&entry.text);
        write!(
            page,
            "<u class=\"{class}\" style=\"left:{left:.2}%;width:{width:.2}%\" title=\"{text}\"></u>"
        )?;
    }
    Ok(())
}

fn write_filter(page: &mut String, outcome: &Outcome, lanes: &Lanes) -> std::fmt::Result {
    page.push_str("<form id=\"filter\">\n<fieldset>\n<legend>Show</legend>\n");
    for (kind, told, name) in KINDS {
        let count = outcome.timeline.iter().filter(|entry| entry.kind == kind).count();
        if count > 0 {
            writeln!(
                page,
                "<label class=\"{name}\"><input type=\"checkbox\" value=\"{name}\" checked><i></i>{} ({count})</label>",
                escaped(told)
            )?;
        }
    }
    page.push_str("</fieldset>\n<label>Of <select id=\"lane\"><option value=\"\">everybody</option>");
    for (place, lane) in lanes.0.iter().enumerate() {
        write!(page, "<option value=\"{place}\">{}</option>", escaped(&Lanes::name(*lane)))?;
    }
    page.push_str(
        "</select></label>\n<label>With <input id=\"search\" type=\"search\" placeholder=\"any text\"></label>\n\
         <output id=\"count\"></output>\n</form>\n",
    );
    Ok(())
}

fn write_table(page: &mut String, plan: &Plan, timeline: &[Entry], lanes: &Lanes) -> std::fmt::Result {
    page.push_str(
        "<table class=\"lanes\">\n<caption class=\"unseen\">What happened, in order. Up and down arrow keys go from one to \
         the next.</caption>\n<thead><tr><th scope=\"col\">s</th><th scope=\"col\"><span class=\"unseen\">What \
         happened</span><span class=\"names\">",
    );
    for lane in &lanes.0 {
        write!(page, "<span>{}</span>", escaped(&Lanes::name(*lane)))?;
    }
    page.push_str("</span></th></tr></thead>\n<tbody>\n");
    let mut before: Option<u64> = None;
    for (number, entry) in timeline.iter().enumerate() {
        let pause = before.map_or(0, |before| entry.at - before);
        if pause >= PAUSE {
            writeln!(
                page,
                "<tr class=\"pause\"><th></th><td>{}.{} s in which nothing happens</td></tr>",
                pause / 1000,
                pause % 1000 / 100
            )?;
        }
        write_row(page, plan, entry, lanes, (number, before != Some(entry.at)))?;
        before = Some(entry.at);
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_row(
    page: &mut String,
    plan: &Plan,
    entry: &Entry,
    lanes: &Lanes,
    (number, is_later): (usize, bool),
) -> std::fmt::Result {
    let (from, to) = (lanes.place(entry.from), entry.to.and_then(|to| lanes.place(to)));
    let mut classes = named(entry.kind).to_owned();
    classes.push_str(match (from, to) {
        (Some(from), Some(to)) if from < to => " right",
        (Some(from), Some(to)) if from > to => " left",
        (Some(_), _) => " point",
        (None, _) => " whole",
    });
    if entry.lost {
        classes.push_str(" lost");
    }
    let faults: Vec<String> =
        plan.faults.iter().filter(|fault| fault.from <= entry.at && entry.at < fault.to).map(told).collect();
    let (here, there) = (from.unwrap_or_default(), to.or(from).unwrap_or_default());
    let (low, high) = (here.min(there), here.max(there));
    // A word on a point is beside it, where there is more room.
    let side = if to.is_none() && 2 * low >= lanes.0.len() { " before" } else { "" };
    write!(page, "<tr class=\"{classes}{side}\" data-kind=\"{}\"", named(entry.kind))?;
    if let Some(from) = from {
        write!(page, " data-lanes=\"{from} {}\"", to.unwrap_or(from))?;
    }
    if !faults.is_empty() {
        write!(page, " data-faults=\"{}\"", escaped(&faults.join(", ")))?;
    }
    let (time, same) = (seconds(entry.at), if is_later { "" } else { " class=\"same\"" });
    let who = match entry.to {
        Some(to) => format!("{} → {to}", entry.from),
        None => entry.from.to_string(),
    };
    let lost = if entry.lost { " (lost)" } else { "" };
    writeln!(
        page,
        "><th scope=\"row\"{same}>{time}</th><td style=\"--low:{low};--high:{high}\"><button type=\"button\" \
         tabindex=\"-1\" id=\"row{number}\"><span class=\"unseen\">{}{lost}: </span><span class=\"what\">{}</span></button>\
         <i></i></td></tr>",
        escaped(&who),
        escaped(&entry.text),
    )
}

/// Text as it may stand in a page, also within quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
