//! Which alerts are open, in a file: a monitor that is started anew resolves what the one before it has triggered.
//!
//! The file is replaced as a whole, so that it is never half written. A file that is not the monitor's is left alone.

use super::endpoint::{EndPoint, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// Version of the file's form.
const VERSION: u32 = 1;
/// Pause after the file could not be written.
const PAUSE: Duration = Duration::from_secs(10);
/// Maximum time for the last write.
const LAST: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    #[serde(rename = "rejoinMonitor")]
    version: u32,
    open: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    kind: String,
    url: String,
}

/// The open alerts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    open: watch::Sender<BTreeSet<EndPoint>>,
    /// `None`: they are not kept.
    file: Option<PathBuf>,
}

impl Kept {
    /// Those that are kept in this file, if any. A file that cannot be used is named in the log, and nothing is kept then.
    pub(super) fn open(file: Option<&Path>) -> Self {
        let nothing = |file| Self { open: watch::Sender::new(BTreeSet::new()), file };
        let Some(file) = file else { return nothing(None) };
        match read(file) {
            Ok(open) => Self { open: watch::Sender::new(open), file: Some(file.to_owned()) },
            Err(why) => {
                tracing::error!(
                    "REJOIN_MONITOR_STATE is ignored, and which alerts are open is not kept: {} {why}; remove the file, or name another \
                     one",
                    file.display()
                );
                nothing(None)
            }
        }
    }

    /// The alerts that are open.
    pub(super) fn now(&self) -> BTreeSet<EndPoint> {
        self.open.borrow().clone()
    }

    /// An alert about this end point is open now, or it is not any more. Never waits.
    pub(super) fn set(&self, end_point: &EndPoint, is_open: bool) {
        self.open.send_if_modified(|open| match is_open {
            true => open.insert(end_point.clone()),
            false => open.remove(end_point),
        });
    }

    /// Writes each change. Never ends.
    pub(super) async fn run(self) {
        let mut changes = self.open.subscribe();
        let Some(file) = self.file.clone() else { return std::future::pending().await };
        loop {
            // The sender is in `self`.
            let _ = changes.changed().await;
            loop {
                let open = changes.borrow_and_update().clone();
                let Err(error) = write_aside(file.clone(), open).await else { break };
                tracing::error!(
                    "which alerts are open cannot be written to {} ({error}); it is tried again",
                    file.display()
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Writes the last change.
    pub(super) async fn finish(&self) {
        let Some(file) = self.file.clone() else { return };
        let written = tokio::time::timeout(LAST, write_aside(file.clone(), self.now())).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!(
                "which alerts are open could not be written to {}: close those that do not end by hand",
                file.display()
            );
        }
    }
}

/// A disk may take long: nothing waits for it meanwhile.
async fn write_aside(file: PathBuf, open: BTreeSet<EndPoint>) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || write(&file, &open));
    written.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// `Err`: why the file cannot be used.
fn read(file: &Path) -> Result<BTreeSet<EndPoint>, String> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It must be possible to write it.
            return write(file, &BTreeSet::new())
                .map(|()| BTreeSet::new())
                .map_err(|error| format!("cannot be written ({error})"));
        }
        Err(error) => return Err(format!("cannot be read ({error})")),
    };
    let content: Content =
        serde_json::from_slice(&text).map_err(|_| "is not a monitor's file, or is damaged".to_owned())?;
    if content.version != VERSION {
        return Err(format!("is of another release (version {})", content.version));
    }
    let known = content.open.into_iter().filter_map(|entry| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.to_string() == entry.kind)?;
        Some(EndPoint { kind, url: entry.url })
    });
    Ok(known.collect())
}

fn write(file: &Path, open: &BTreeSet<EndPoint>) -> io::Result<()> {
    let entries = open.iter().map(|it| Entry { kind: it.kind.to_string(), url: it.url.clone() });
    let content = Content { version: VERSION, open: entries.collect() };
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = File::create(&beside)?;
    new.write_all(&serde_json::to_vec_pretty(&content)?)?;
    new.sync_all()?;
    std::fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_monitors_is_named_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("state");
        let all: BTreeSet<EndPoint> =
            Kind::ALL.map(|kind| EndPoint { kind, url: "https://a.test".to_owned() }).into();
        write(&file, &all).expect("written");
        assert_eq!(Kept::open(Some(&file)).now(), all);
        for (text, wanted) in [
            ("listen = \"127.0.0.1:0\"", "is not a monitor's file"),
            ("", "is not a monitor's file"),
            (r#"{"rejoinMonitor":1,"open":[{"kind":"server""#, "is damaged"),
            (r#"{"rejoinMonitor":2,"open":[]}"#, "another release"),
        ] {
            std::fs::write(&file, text).expect("written");
            let why = read(&file).expect_err(text);
            assert!(why.contains(wanted), "{why}");
            let kept = Kept::open(Some(&file));
            assert_eq!((kept.now(), kept.file.clone()), (BTreeSet::new(), None));
            assert_eq!(std::fs::read_to_string(&file).expect("there"), text, "it is left alone");
        }
        // A kind that only a newer release knows costs no other alert.
        std::fs::write(
            &file,
            r#"{"rejoinMonitor":1,"open":[{"kind":"moon","url":"a"},{"kind":"storm","url":"b"}]}"#,
        )
        .expect("written");
        let storm = EndPoint { kind: Kind::Storm, url: "b".to_owned() };
        assert_eq!(Kept::open(Some(&file)).now(), BTreeSet::from([storm]));
    }
}
