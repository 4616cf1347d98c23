//! Steps of the program at which a test kills it as `kill -9` does, or suspends it until it is let go on. Only
//! development builds have them.
//!
//! A step has a name, and a number: how often this process has reached it. `REJOIN_FAILPOINT_LOG` names a file to
//! which each reached step is added, `REJOIN_FAILPOINT` the step at which the process is killed, such as `committed
//! hello #1`, or `#20` for the twentieth of all, and `REJOIN_FAILPOINT_STOP` likewise the step at which it is
//! suspended. `REJOIN_FAILPOINT_PANIC` is a prefix of the names of steps with a planted defect: a panic, each time.

use crate::error::Error;
use std::ffi::OsStr;

/// The step at which the process is killed.
const LAST: &str = "REJOIN_FAILPOINT";
/// The step at which it is suspended, as by SIGSTOP.
const STOP: &str = "REJOIN_FAILPOINT_STOP";
/// The prefix of the steps with a panic each time.
const PANIC: &str = "REJOIN_FAILPOINT_PANIC";
/// The file with all steps.
const LOG: &str = "REJOIN_FAILPOINT_LOG";

/// Fails when a step is named in a build without failpoints.
pub fn check() -> Result<(), Error> {
    let named = [LAST, STOP, PANIC, LOG].map(std::env::var_os);
    permitted(cfg!(debug_assertions), &named.each_ref().map(Option::as_deref))
}

fn permitted(development: bool, named: &[Option<&OsStr>]) -> Result<(), Error> {
    let why = "it ends the program in the middle, which only builds for development do: unset it";
    if development || named.iter().all(Option::is_none) {
        Ok(())
    } else {
        Err(Error::Setting { name: LAST, why })
    }
}

/// This step is reached.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: impl FnOnce() -> String) {
    if let Some(watched) = steps::watched() {
        watched.reach(&step());
    }
}

/// A place for a planted defect. It is not a step of its own.
#[cfg(debug_assertions)]
pub(crate) fn panic_at(step: impl FnOnce() -> String) {
    if let Some(begin) = steps::defect() {
        let step = step();
        assert!(!step.starts_with(begin), "put in at {step}");
    }
}

/// A place for a planted defect.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn panic_at(_: impl FnOnce() -> String) {}

/// This step is reached.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reach(_: impl FnOnce() -> String) {}

#[cfg(debug_assertions)]
mod steps {
    use super::{LAST, LOG, PANIC, STOP};
    use rustix::process::{Signal, getpid, kill_process};
    use std::collections::HashMap;
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// The failpoints of this process.
    #[derive(Debug)]
    pub(super) struct Watched {
        last: Option<String>,
        stop: Option<String>,
        log: Option<File>,
        reached: Mutex<Reached>,
    }

    #[derive(Debug, Default)]
    struct Reached {
        all: u32,
        by_name: HashMap<String, u32>,
    }

    /// Prefix of the steps with a planted defect.
    pub(super) fn defect() -> Option<&'static str> {
        static DEFECT: OnceLock<Option<String>> = OnceLock::new();
        DEFECT.get_or_init(|| std::env::var(PANIC).ok()).as_deref()
    }

    /// `None` except in a test's process.
    pub(super) fn watched() -> Option<&'static Watched> {
        static WATCHED: OnceLock<Option<Watched>> = OnceLock::new();
        WATCHED
            .get_or_init(|| {
                let (last, stop) = (std::env::var(LAST).ok(), std::env::var(STOP).ok());
                let log = std::env::var_os(LOG);
                let log = log.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
                let is_watched = last.is_some() || stop.is_some() || log.is_some();
                is_watched.then(|| Watched { last, stop, log, reached: Mutex::default() })
            })
            .as_ref()
    }

    impl Watched {
        pub(super) fn reach(&self, name: &str) {
            let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.all += 1;
            let number = format!("#{}", reached.all);
            let times = reached.by_name.entry(name.to_owned()).or_default();
            *times += 1;
            let step = format!("{name} #{times}");
            if let Some(mut log) = self.log.as_ref() {
                // The test misses a step, and reports it.
                let _ = writeln!(log, "{step}");
            }
            let is_named =
                |named: &Option<String>| named.as_ref().is_some_and(|n| *n == step || *n == number);
            if is_named(&self.stop) {
                let _ = kill_process(getpid(), Signal::STOP);
                // Another thread may take the signal, and this one would go on until it has.
                while is_stop_pending() {}
            }
            if is_named(&self.last) {
                // No destructor, no flush, no notice: all threads end here.
                let _ = kill_process(getpid(), Signal::KILL);
                loop {
                    std::thread::park();
                }
            }
        }
    }

    /// True until a thread of this process has taken the signal. After that no thread returns from the kernel.
    fn is_stop_pending() -> bool {
        let stop = 1_u64 << (Signal::STOP.as_raw() - 1);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        let pending = pending.and_then(|pending| u64::from_str_radix(pending.trim(), 16).ok());
        pending.is_some_and(|pending| pending & stop != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_production_build_refuses_failpoints() {
        let step = OsStr::new("committed hello #1");
        assert!(permitted(true, &[Some(step), None]).is_ok());
        assert!(permitted(false, &[None, None]).is_ok());
        for named in [[Some(step), None], [None, Some(step)]] {
            assert!(matches!(permitted(false, &named), Err(Error::Setting { name: LAST, .. })));
        }
    }
}
