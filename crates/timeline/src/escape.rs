//! Text from outside in HTML.

use std::fmt::{self, Write as _};

/// Text as it is written into an element, or into an attribute between double quotes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other if is_hidden(other) => f.write_char(char::REPLACEMENT_CHARACTER)?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// True for what is not seen but changes what is: control characters, which HTML does not allow, and those that turn the
/// direction of the text around them (<https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>).
fn is_hidden(letter: char) -> bool {
    let may_stand = matches!(letter, '\n' | '\t');
    let turns = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_no_character = matches!(letter, '\u{fffe}' | '\u{ffff}');
    (letter.is_control() && !may_stand) || turns || is_no_character
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn given_text_from_outside_when_escaped_then_it_is_text() {
        let written = |text| Escaped(text).to_string();
        assert_eq!(written("<b a='\"'>&amp;"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;amp;");
        assert_eq!(written("a\0b\u{1b}c\u{202e}d\re"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(written("→ Zürich\n\t勅使河原"), "→ Zürich\n\t勅使河原");
    }
}
