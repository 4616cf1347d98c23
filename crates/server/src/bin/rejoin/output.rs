//! Standard output: the one place of this program that writes there.
//!
//! `println!` panics once its reader has gone, as in `rejoin provision --plan | head -1`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

/// Exit status of a program that SIGPIPE ends, as a shell reports it: 128 and the signal's number, 13. Rust's runtime
/// ignores the signal itself, so that writing fails instead.
/// <https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html>,
/// <https://doc.rust-lang.org/std/io/enum.ErrorKind.html#variant.BrokenPipe>
const READER_GONE: i32 = 141;
/// Exit status when the output cannot be written for another reason.
const FAILED: i32 = 1;

/// Writes. Ends the program, silently, when its reader has gone: use it where nothing is begun that has to be finished.
pub(crate) fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(READER_GONE);
    }
    let _ = writeln!(std::io::stderr(), "the output cannot be written: {error}");
    std::process::exit(FAILED);
}

/// Writes, and goes on when that fails: the program has begun something that it has to finish, with or without a reader.
pub(crate) fn write_or_go_on(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}

/// [`write()`] with a line's end.
macro_rules! say {
    () => { $crate::output::write(format_args!("\n")) };
    ($($text:tt)+) => { $crate::output::write(format_args!("{}\n", format_args!($($text)+))) };
}

/// [`write_or_go_on()`] with a line's end.
macro_rules! progress {
    ($($text:tt)+) => { $crate::output::write_or_go_on(format_args!("{}\n", format_args!($($text)+))) };
}

pub(crate) use {progress, say};
