//! The texts of the view "History", in the languages of the console. A language without one of them does not compile.

mod de;
mod en;
mod es;
mod fr;
mod ja;
mod pt;

use crate::console::Language;
use crate::history::Rung;

/// Declares the texts.
macro_rules! texts {
    ($($name:ident)*) => {
        /// All texts of one language. `{n}` and the like are gaps, see [`fill`](crate::console::fill).
        #[derive(Debug)]
        pub(super) struct Texts { $(pub(super) $name: &'static str,)* }

        #[cfg(test)]
        impl Texts {
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

texts! {
    title time last_1d last_7d last_30d last_90d from to all workflow queue agent rung outcome show reset
    range_unknown filter_unknown shown uncounted nothing none files table picture not_known
    results result recoveries share same any lost unneeded unneeded_why
    over_time begins rate rate_same rate_any
    voice heard heard_why within so_far over percentiles
    rungs rung_none rung_in_place rung_same_agent rung_next_agent rung_covered
    causes cause customer_left nobody_took_it not_requeued other_cause
    agents agents_why losses versions versions_why version pages
    report written uncounted_yet silent silent_why silent_pages answered
    switches switches_why switch times without_service calls
}

impl Texts {
    pub(super) fn rung_name(&self, rung: Rung) -> &'static str {
        match rung {
            Rung::None => self.rung_none,
            Rung::InPlace => self.rung_in_place,
            Rung::SameAgent => self.rung_same_agent,
            Rung::NextAgent => self.rung_next_agent,
            Rung::Covered => self.rung_covered,
        }
    }
}

/// The texts of this language.
pub(super) fn of(language: Language) -> &'static Texts {
    match language {
        Language::English => &en::TEXTS,
        Language::German => &de::TEXTS,
        Language::Spanish => &es::TEXTS,
        Language::French => &fr::TEXTS,
        Language::Portuguese => &pt::TEXTS,
        Language::Japanese => &ja::TEXTS,
    }
}

/// The name of the view.
pub(crate) fn title(language: Language) -> &'static str {
    of(language).title
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::LANGUAGES;
    use std::collections::BTreeSet;

    fn gaps(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn each_language_has_each_text_with_the_same_gaps() {
        let english = en::TEXTS.all();
        for language in LANGUAGES {
            for ((name, text), (_, in_english)) in of(language).all().into_iter().zip(&english) {
                let tag = language.tag();
                assert!(!text.is_empty() && text == text.trim(), "{tag} {name}");
                assert_eq!(gaps(text), gaps(in_english), "{tag} {name}");
                // One word may be the same; a sentence is not.
                let is_same = language != Language::English && text == *in_english;
                assert!(!is_same || text.split(' ').count() < 3, "{tag} {name} is not translated");
            }
        }
    }
}
