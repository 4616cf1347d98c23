//! `rejoin.default.toml` and the table in the documents, generated from the settings.

use super::Key;
use std::fmt::Write as _;

/// Maximum width of a comment line.
const WIDTH: usize = 118;

const HEAD: &str = "\
# Every setting of rejoin, with its default. Copy this file, remove the # where you want another value, and start with
#   rejoin serve --config rejoin.toml
# or REJOIN_CONFIG=rejoin.toml. The environment overrides this file, and options override both; an option is the name
# with dashes (--ping-ttl-ms). `rejoin check-config` shows the effective settings and what is wrong with them.
# Secrets are not in this file: each is in a file of its own that is named here, or in the environment.
";

const TAIL: &str = "
# ── Durations for the calls of a workflow or of a queue ──
# They override the durations above; a queue's override its workflow's.

# [workflow.WW00000000000000000000000000000000]
# ping_ttl_ms = 30000

# [queue.WQ00000000000000000000000000000000]
# queue_within_ms = 120000

# ── Exceptions for conversations ──
# By kind of channel (web, sms and so on) or by workflow, which wins.

# [conversation.web]
# alert_ms = 120000
# close_ms = 600000

# [conversation.WW00000000000000000000000000000000]
# when_unattended = \"park\"

# ── What callers hear in other languages ──
# They replace the built-in texts, or add a language. The built-in text is used for one that is not set.

# [texts.it-IT]
# interrupted = \"La comunicazione si è interrotta. Resti in linea, la stiamo ricollegando.\"
# again = \"Grazie per l'attesa. La mettiamo in contatto con il prossimo operatore libero.\"
# lost = \"Non siamo riusciti a ricollegarla. La preghiamo di richiamare.\"
";

/// All settings as TOML, commented out, with their descriptions.
pub fn toml() -> String {
    let mut text = HEAD.to_owned();
    let mut section = String::new();
    for key in Key::all() {
        if key.section != section {
            let _ = write!(text, "\n# ── {} ──\n", key.section);
            section.clone_from(&key.section);
        }
        let needed = if key.required { " Required." } else { "" };
        text.push('\n');
        wrap(&mut text, &format!("{}{needed}", sentence(&key.about)));
        if key.secret {
            let _ =
                writeln!(text, "# {}, or {}\n# {}_file = \"\"", key.variable, key.file_variable(), key.name);
        } else {
            let _ = writeln!(text, "# {}\n# {} = {}", key.variable, key.name, value(&key));
        }
    }
    text.push_str(TAIL);
    text
}

/// All settings as rows of a table: name, variable, default, description.
pub fn table() -> Vec<[String; 4]> {
    let row = |key: Key| {
        let needed = if key.required { "required" } else { "" };
        let default =
            key.default.as_ref().map_or_else(|| needed.to_owned(), |default| format!("`{default}`"));
        let name = if key.secret { format!("{}_file", key.name) } else { key.name.clone() };
        [format!("`{name}`"), format!("`{}`", key.variable), default, sentence(&key.about)]
    };
    Key::all().into_iter().map(row).collect()
}

fn sentence(about: &str) -> String {
    if about.ends_with(['.', '?']) { about.to_owned() } else { format!("{about}.") }
}

fn value(key: &Key) -> String {
    let default = key.default.as_deref().unwrap_or_default();
    if key.many {
        let all: Vec<_> =
            default.split(',').filter(|one| !one.is_empty()).map(|one| format!("\"{one}\"")).collect();
        return format!("[{}]", all.join(", "));
    }
    let is_plain = matches!(default, "true" | "false") || default.parse::<u64>().is_ok();
    if is_plain { default.to_owned() } else { format!("\"{default}\"") }
}

fn wrap(text: &mut String, about: &str) {
    let mut line = "#".to_owned();
    for word in about.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = "#".into();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
