//! Pages that commands write into files.

use crate::output::say;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Writes a page into a new file, and says so. Fails when there is a file of that name.
pub(crate) fn write(file: &Path, page: &str) -> Result<ExitCode, String> {
    write_new(file, page).map_err(|error| {
        format!(
            "{} cannot be written ({error}), and nothing was changed: name a new file, in a folder that this user may write to",
            file.display()
        )
    })?;
    say!("{} is written", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes a new file, all of it or nothing. Fails when there is one of that name.
fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut written = OpenOptions::new().write(true).create_new(true).open(file)?;
    written.write_all(text.as_bytes()).and_then(|()| written.sync_all()).inspect_err(|_| {
        // It is ours, and not complete.
        let _ = std::fs::remove_file(file);
    })
}
