//! `npm run simulate`: runs many worlds by seed on all cores, or one world with its timeline.

use clap::Parser;
use rejoin_world::chats::ChatCounts;
use rejoin_world::coverage::Coverage;
use rejoin_world::day::{self, Day};
use rejoin_world::html;
use rejoin_world::plan::{self, Fault, FaultKind, Plan, Scenario};
use rejoin_world::recovery;
use rejoin_world::rules::Broken;
use rejoin_world::shrink::shrink;
use rejoin_world::timeline::Entry;
use rejoin_world::{Failures, Planted, Runner, Silences, StoreKind, Unfit};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Small allocations take a third of the run time with the system allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates the whole system (browsers, server and Twilio) in one program, with injected faults, by seed.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Options {
    /// Number of worlds to run.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed. Alone: run this world and print its timeline.
    #[arg(long)]
    seed: Option<u64>,
    /// Run only worlds of this scenario: refresh, crash, graceful, transfer, others, outbound, tabs, mixed, large; or
    /// one that runs only on request: corners, two-servers, storm, steps, clocks, outages, liar, long, database, restores,
    /// chats.
    #[arg(long)]
    scenario: Option<String>,
    /// Run for this many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// An ordinary day: prints how often, and how soon, the customer has the same agent again.
    #[arg(long)]
    ordinary_day: bool,
    /// The addresses that Twilio gets do not say how often it tries again: for a comparison.
    #[arg(long)]
    without_retries: bool,
    /// Time between two attempts of one webhook, in milliseconds, instead of what each plan says.
    #[arg(long, value_name = "MS")]
    retry_pause: Option<u64>,
    /// A customer who is alone goes on hold with the announcement only, not with the goodbye of the agent's page: for a
    /// comparison.
    #[arg(long)]
    hold_when_told: bool,
    /// A proxy keeps the push channel of a machine without a network, and refuses presence sockets, in all worlds, not in a
    /// quarter of them.
    #[arg(long)]
    proxied: bool,
    /// Networks that flap: of a thousand attempts to open a push channel, of its messages, and of call messages, this many are cut,
    /// instead of what each plan says.
    #[arg(long, value_name = "PERMILLE", value_parser = clap::value_parser!(u32).range(0..=1000))]
    push_cuts: Option<u32>,
    /// Run the plan in this file instead of a drawn one, and print its timeline. With --seed or --seeds: draw the
    /// fate of each message from another seed, or from that many. A folder: its plans in turn.
    #[arg(long)]
    plan: Option<std::path::PathBuf>,
    /// Vary the given plan with each seed: its times, and an act or a fault more or less.
    #[arg(long, requires = "plan")]
    vary: bool,
    /// Write the world of `--seed` or `--plan` as an HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<std::path::PathBuf>,
    /// Write the shortest story found as a plan, for `--plan`. Where several rules were broken: of the first one.
    #[arg(long, value_name = "FILE", requires = "seeds")]
    save: Option<std::path::PathBuf>,
    /// Number of threads.
    #[arg(long)]
    threads: Option<usize>,
    /// Look for a planted defect by its name, or for `all`, and print which seeds find it. With --seed: run this
    /// world with the defect.
    #[arg(long, hide = true)]
    planted: Option<String>,
    /// What the server's store runs on: memory, or sqlite, a real file, which is slower.
    #[arg(long, default_value_t, value_parser = |name: &str| StoreKind::named(name).ok_or("memory or sqlite"))]
    store: StoreKind,
    /// Print how often each case, each transition and each fault occurred.
    #[arg(long)]
    coverage: bool,
    /// Writes one line for each world: its seed and a digest of its timeline. Two programs of equal behaviour write equal
    /// files.
    #[arg(long, value_name = "FILE")]
    digest: Option<std::path::PathBuf>,
    /// Writes a line for each recovery that has ended: seed, milliseconds until its end, until the first sound (`-`: none), rung,
    /// outcome, and cause (`-`: none). The store is sqlite then.
    #[arg(long, value_name = "FILE")]
    recoveries: Option<std::path::PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulate: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs what the options ask for and returns the number of broken rules.
fn run(options: &Options) -> Result<u64, Box<dyn std::error::Error>> {
    let scenario = match &options.scenario {
        Some(name) => Some(Scenario::named(name).ok_or_else(|| format!("there is no scenario {name}"))?),
        None => None,
    };
    let given = options.plan.as_deref().map(plans).transpose()?.unwrap_or_default();
    let draw = |seed: u64| {
        let turn = seed.checked_rem(given.len() as u64).and_then(|turn| usize::try_from(turn).ok());
        let mut plan = match turn.and_then(|turn| given.get(turn)) {
            Some(plan) if options.vary => plan::vary(plan, seed),
            Some(plan) => Plan { seed, ..plan.clone() },
            None if options.ordinary_day => day::ordinary(seed),
            None => plan::draw(seed, scenario),
        };
        plan.setup.retries &= !options.without_retries;
        plan.setup.hold_when_told |= options.hold_when_told;
        plan.setup.proxied |= options.proxied;
        plan.setup.retry_pause = options.retry_pause.unwrap_or(plan.setup.retry_pause);
        if let Some(rate) = options.push_cuts {
            plan.faults.retain(|fault| fault.kind != FaultKind::PushCut);
            plan.faults.push(Fault { from: 0, to: plan.until, kind: FaultKind::PushCut, rate });
        }
        plan
    };
    if let (Some(name), Some(seed), None) = (&options.planted, options.seed, options.seeds) {
        let planted = Planted::ALL.into_iter().find(|it| format!("{it:?}") == *name);
        let planted = planted.ok_or_else(|| format!("there is no defect {name}"))?;
        return replay(&planted.plan(draw(seed)), Some(planted), options);
    }
    if let Some(name) = &options.planted {
        return Ok(look_for_planted(name, scenario, options)?);
    }
    if options.seeds.is_some() || options.minutes.is_some() {
        return Ok(many(options, &draw)?);
    }
    match (options.seed, given.as_slice()) {
        (Some(seed), _) => replay(&draw(seed), None, options),
        (None, [plan]) => replay(&draw(plan.seed), None, options),
        (None, _) => Ok(many(options, &draw)?),
    }
}

/// The plan in this file, or the plans in this folder, in the order of their names.
fn plans(path: &std::path::Path) -> Result<Vec<Plan>, Box<dyn std::error::Error>> {
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?;
        files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
    }
    if files.is_empty() {
        return Err(format!("{}: there is no plan in this folder", path.display()).into());
    }
    let read = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: no plan: {error}", file.display()))
    };
    Ok(files.iter().map(read).collect::<Result<_, _>>()?)
}

/// For each planted defect, or the one with this name, finds in each scenario the first seed that detects it, in a
/// world that holds without it. Returns how many defects no world detected.
fn look_for_planted(name: &str, only: Option<Scenario>, options: &Options) -> Result<u64, Unfit> {
    let most = options.seeds.unwrap_or(200);
    let sound = runner(options)?;
    let mut missed = 0;
    for planted in Planted::ALL.into_iter().filter(|it| name == "all" || format!("{it:?}") == name) {
        let mut runner = runner(options)?;
        runner.planted = Some(planted);
        let mut found = false;
        let wanted = |it: &Scenario| only.map_or(*it != Scenario::Large, |only| only == *it);
        for scenario in Scenario::ALL.into_iter().chain(Scenario::ASKED_FOR).filter(wanted) {
            for seed in 1..=most {
                let plan = planted.plan(plan::draw(seed, Some(scenario)));
                let Some(broken) = runner.run(&plan)?.broken else { continue };
                if sound.run(&plan)?.broken.is_none() {
                    println!("{planted:?}: {scenario}, seed {seed}: {broken}");
                    found = true;
                    break;
                }
            }
        }
        if !found {
            missed += 1;
            println!("{planted:?}: not found in {most} seeds");
        }
    }
    Ok(missed)
}

fn runner(options: &Options) -> Result<Runner, Unfit> {
    let mut runner = Runner::new()?;
    runner.store = options.store;
    if options.recoveries.is_some() {
        (runner.store, runner.explains) = (StoreKind::Sqlite, true);
    }
    Ok(runner)
}

fn replay(
    plan: &Plan,
    planted: Option<Planted>,
    options: &Options,
) -> Result<u64, Box<dyn std::error::Error>> {
    let mut runner = runner(options)?;
    runner.planted = planted;
    runner.records = true;
    let outcome = runner.run(plan)?;
    if let Some(path) = &options.html {
        let about = html::About {
            title: format!("World {}: {}", plan.seed, plan.scenario),
            summary: String::new(),
            command: command(plan, options),
        };
        std::fs::write(path, html::page(plan, &outcome, &about))?;
        println!("written: {}", path.display());
        return Ok(u64::from(outcome.broken.is_some()));
    }
    println!("{}", serde_json::to_string_pretty(plan).unwrap_or_default());
    for entry in &outcome.timeline {
        println!("{entry}");
    }
    let violations = u64::from(outcome.broken.is_some());
    if let Some(broken) = outcome.broken {
        println!("broken: {broken}");
    }
    println!("1 worlds, {violations} violations");
    Ok(violations)
}

/// The command that reproduces the world of a plan.
fn command(plan: &Plan, options: &Options) -> String {
    let store = if options.store == StoreKind::Sqlite { " --store sqlite" } else { "" };
    if let Some(path) = &options.plan {
        let vary = if options.vary { " --vary" } else { "" };
        return format!("npm run simulate -- --plan {}{vary} --seed {}{store}", path.display(), plan.seed);
    }
    let scenario = options.scenario.as_ref().map(|name| format!(" --scenario {name}")).unwrap_or_default();
    let day = if options.ordinary_day { " --ordinary-day" } else { "" };
    format!("npm run simulate -- --seed {}{scenario}{day}{store}", plan.seed)
}

/// Results summed over all worlds.
#[derive(Default)]
struct Total {
    coverage: Coverage,
    day: Day,
    steps: u64,
    failed: Failures,
    silences: Silences,
    lasted: u64,
    chats: ChatCounts,
}

/// Number of worlds with a broken rule that are printed one by one.
const TOLD: usize = 1_000;

struct Found {
    plan: Plan,
    broken: Broken,
}

fn many(options: &Options, draw: &(dyn Fn(u64) -> Plan + Sync)) -> Result<u64, Unfit> {
    let first = options.seed.unwrap_or(1);
    let count = options.seeds.unwrap_or(if options.minutes.is_some() { u64::MAX - first } else { 1_000 });
    let until = options.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let threads =
        options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let found: Mutex<Vec<Found>> = Mutex::default();
    let total: Mutex<Total> = Mutex::default();
    let digests: Mutex<BTreeMap<u64, u64>> = Mutex::default();
    let recoveries: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let failed: Mutex<Option<Unfit>> = Mutex::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let work = || -> Result<(), Unfit> {
                    let mut runner = runner(options)?;
                    runner.counts = options.coverage;
                    runner.records = options.digest.is_some();
                    let mut seen = Total::default();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count || until.is_some_and(|until| Instant::now() >= until) {
                            break;
                        }
                        let plan = draw(first + number);
                        let outcome = runner.run(&plan)?;
                        seen.coverage.add(outcome.coverage);
                        seen.day.add(&plan, outcome.losses);
                        seen.steps += outcome.steps;
                        seen.failed += outcome.failed;
                        seen.silences += outcome.silences;
                        seen.lasted += outcome.lasted;
                        seen.chats += outcome.chats;
                        if let (true, Ok(mut digests)) = (runner.records, digests.lock()) {
                            digests.insert(plan.seed, digest(&outcome.timeline));
                        }
                        if let (false, Ok(mut recoveries)) =
                            (outcome.recoveries.is_empty(), recoveries.lock())
                        {
                            let lines = outcome.recoveries.iter().map(|it| recovery::line(plan.seed, it));
                            recoveries.insert(plan.seed, lines.collect());
                        }
                        if let (Some(broken), Ok(mut found)) = (outcome.broken, found.lock()) {
                            found.push(Found { plan, broken });
                        }
                        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                        if done.is_multiple_of(1_000) {
                            let rate = done as f64 / began.elapsed().as_secs_f64();
                            let violations = found.lock().map_or(0, |found| found.len());
                            eprintln!("{done} worlds, {rate:.0} a second, {violations} violations so far");
                        }
                    }
                    if let Ok(mut total) = total.lock() {
                        total.coverage.add(seen.coverage);
                        total.day.join(seen.day);
                        total.steps += seen.steps;
                        total.failed += seen.failed;
                        total.silences += seen.silences;
                        total.lasted += seen.lasted;
                        total.chats += seen.chats;
                    }
                    Ok(())
                };
                if let (Err(error), Ok(mut failed)) = (work(), failed.lock()) {
                    *failed = Some(error);
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().ok().flatten() {
        return Err(error);
    }
    if let Some(path) = &options.digest {
        let lines = digests.into_inner().unwrap_or_default();
        let lines: String = lines.iter().map(|(seed, digest)| format!("{seed} {digest:016x}\n")).collect();
        std::fs::write(path, lines).map_err(Unfit::of)?;
    }
    if let Some(path) = &options.recoveries {
        let lines: String = recoveries.into_inner().unwrap_or_default().into_values().collect();
        std::fs::write(path, lines).map_err(Unfit::of)?;
    }
    let worlds = done.load(Ordering::Relaxed);
    let elapsed = began.elapsed();
    let whole = total.into_inner().unwrap_or_default();
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|found| found.plan.seed);
    if options.ordinary_day {
        println!("{}", whole.day);
    }
    if options.coverage {
        println!("{}", whole.coverage);
    }
    tell(&found, options)?;
    let Failures { retries, callbacks, documents } = whole.failed;
    println!(
        "{retries} retries; {callbacks} callbacks and {documents} documents without a good answer of the server"
    );
    let Silences { asked, unfounded, held } = whole.silences;
    println!(
        "{asked} questions to pages; {unfounded} customers on hold while their agent's page lived, for {:.1} s in all",
        held as f64 / 1000.0
    );
    let seconds = elapsed.as_secs_f64().max(0.001);
    println!(
        "{seconds:.1} s: {:.0} worlds, {:.0} events and {:.0} simulated seconds a second on {threads} threads, {:.0} worlds on each",
        worlds as f64 / seconds,
        whole.steps as f64 / seconds,
        whole.lasted as f64 / 1000.0 / seconds,
        worlds as f64 / seconds / threads.max(1) as f64,
    );
    println!("{}", whole.chats);
    println!("{worlds} worlds, {} violations", found.len());
    Ok(found.len() as u64)
}

/// The same for equal timelines, in programs of one version of the compiler.
fn digest(timeline: &[Entry]) -> u64 {
    let mut hasher = DefaultHasher::new();
    timeline.iter().for_each(|entry| entry.to_string().hash(&mut hasher));
    hasher.finish()
}

fn tell(found: &[Found], options: &Options) -> Result<(), Unfit> {
    let mut rules: Vec<_> = found.iter().map(|found| found.broken.rule).collect();
    rules.sort();
    rules.dedup();
    for found in found.iter().take(TOLD) {
        println!("seed {} ({}): {}", found.plan.seed, found.plan.scenario, found.broken);
    }
    let Ok(mut runner) = runner(options) else { return Ok(()) };
    let mut save = options.save.as_deref();
    for rule in rules {
        let of_rule: Vec<&Found> = found.iter().filter(|found| found.broken.rule == rule).collect();
        println!("\n{}: {} worlds", rule.name(), of_rule.len());
        let Some(first) = of_rule.iter().min_by_key(|found| found.plan.deeds.len() + found.plan.faults.len())
        else {
            continue;
        };
        let (plan, broken) = shrink(&runner, &first.plan, &first.broken);
        runner.records = true;
        println!("  the shortest story found, from seed {}: {broken}", first.plan.seed);
        println!("  {}", serde_json::to_string(&plan).unwrap_or_default());
        if let Some(path) = save.take() {
            let text = serde_json::to_string_pretty(&plan).map_err(Unfit::of)? + "\n";
            std::fs::write(path, text).map_err(Unfit::of)?;
            println!("  saved: --plan {}", path.display());
        }
        if let Ok(outcome) = runner.run(&plan) {
            for entry in &outcome.timeline {
                println!("    {entry}");
            }
        }
        runner.records = false;
        println!("  replay: {}", command(&first.plan, options));
    }
    Ok(())
}
