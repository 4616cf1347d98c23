//! Programs whose output nobody reads any more, as in `rejoin provision --plan | head -1`.

use crate::administrator::{Account, TOKEN, said};
use std::fs::File;
use std::io::Read as _;
use std::process::{Output, Stdio};

/// Exit status that a shell reports for a program that SIGPIPE ended.
const READER_GONE: Option<i32> = Some(141);

fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A run whose output has no reader from the start.
fn unread(account: &Account, arguments: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = account.command(&[("TWILIO_AUTH_TOKEN", TOKEN)], arguments);
    ended(&command.stdout(writer).stderr(Stdio::piped()).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_reader_ends_silently_before_it_changes_anything() {
    let account = Account::new().await;
    let choice = ["--workflow", "Assign to Anyone"];
    let planned = said(&account.rejoin(&["provision", "--plan", choice[0], choice[1]]));
    for arguments in [
        &["provision", "--plan", choice[0], choice[1]][..],
        &["provision", "--yes", choice[0], choice[1]],
        &["deploy", "--remove", "--yes"],
        &["defaults"],
    ] {
        assert_eq!(unread(&account, arguments), (READER_GONE, String::new()), "{arguments:?}");
    }
    assert_eq!(said(&account.rejoin(&["provision", "--plan", choice[0], choice[1]])), planned);
    assert_eq!(std::fs::read_dir(account.folder()).unwrap().count(), 0, "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_has_begun_is_finished_without_its_reader() {
    let account = Account::new().await;
    let arguments = ["provision", "--yes", "--workflow", "Assign to Anyone"];
    let mut command = account.command(&[("TWILIO_AUTH_TOKEN", TOKEN)], &arguments);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = run.stdout.take().unwrap();
    let (mut read, mut byte) = (vec![], [0]);
    while !read.ends_with(b"done: ") {
        reader.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    drop(reader);
    let (_, complaint) = ended(&run.wait_with_output().unwrap());
    assert_eq!(complaint, "");
    let again = said(&account.rejoin(&arguments));
    assert!(again.contains("  nothing to do\n") && again.contains("rejoin.toml fits."), "{again}");
}

/// <https://man7.org/linux/man-pages/man4/full.4.html>
#[tokio::test(flavor = "multi_thread")]
async fn output_that_cannot_be_written_is_a_failure_with_a_reason() {
    let account = Account::new().await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = account.command(&[], &["defaults"]);
    let (code, complaint) = ended(&command.stdout(full).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("the output cannot be written: No space left on device"), "{complaint}");
}
