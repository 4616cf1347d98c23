//! The console's scripts and stylesheets, as files of the server. Their addresses contain a hash of what is in them.

use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// A file of the console.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Its name in the address: another content has another name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// What is in it.
    pub(crate) content: &'static str,
}

/// The script: it makes a page live. The pages work without it. With it comes what changes a page in place: idiomorph 0.8.0
/// (0BSD, <https://github.com/bigskysoftware/idiomorph>), the file as it is published.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = concat!(include_str!("assets/idiomorph.min.js"), include_str!("assets/console.js"));
    Asset::new("console", JS, content)
});
/// The stylesheet's content. A page that stands alone has it in it.
pub(super) const STYLESHEET: &str =
    concat!(include_str!("assets/console.css"), include_str!("assets/history.css"));
/// The stylesheet.
pub(crate) static CSS: LazyLock<Asset> = LazyLock::new(|| Asset::new("console", STYLE, STYLESHEET));
/// Script and stylesheet of a call's timeline.
pub(crate) static TIMELINE_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("timeline", JS, rejoin_timeline::SCRIPT));
/// As above.
pub(crate) static TIMELINE_CSS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("timeline", STYLE, rejoin_timeline::STYLE));

/// Endings and media types.
const JS: (&str, &str) = ("js", "text/javascript; charset=utf-8");
const STYLE: (&str, &str) = ("css", "text/css; charset=utf-8");

impl Asset {
    fn new(name: &str, (ending, kind): (&str, &'static str), content: &'static str) -> Self {
        let hash: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{name}-{hash}.{ending}"), kind, content }
    }

    /// The file with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        [&*SCRIPT, &*CSS, &*TIMELINE_SCRIPT, &*TIMELINE_CSS].into_iter().find(|asset| asset.name == name)
    }

    /// Its address.
    pub(crate) fn path(&self) -> String {
        format!("/console/files/{}", self.name)
    }
}
