//! The texts of the console, in the languages of the agents' dialog. A language without one of them does not compile.
//!
//! Names of things that the documents and the log have, too (`quarantined`, `taskRouter`), are not translated.

mod de;
mod en;
mod es;
mod fr;
mod ja;
mod pt;

/// Declares the texts.
macro_rules! texts {
    ($($name:ident)*) => {
        /// All texts of one language. `{n}` and the like are gaps, see [`fill`].
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub(crate) struct Texts { $(pub(crate) $name: &'static str,)* }

        #[cfg(test)]
        impl Texts {
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

texts! {
    title skip views now
    sign_in sign_in_how operator_token sign_out operator supervisor
    off_title off token_wrong flex_token_wrong not_allowed too_many elsewhere twilio_unavailable unavailable not_found refused_title rows_unknown
    back as_of live paused pause resume broken old ended no_script reload signed_in
    recoveries recoveries_caption recoveries_none recoveries_read for_seconds customer task agent step waits_for goes_on
    not_known seconds now_due
    grace grace_waits page_gone page_gone_waits in_place in_place_waits holding holding_waits stranded stranded_waits
    requeue_same requeue_same_waits queued_same queued_same_waits requeue_any requeue_any_waits queued_any queued_any_waits
    covered covered_waits covered_in_place covered_in_place_waits
    calls calls_open calls_protected calls_unprotected unprotected_why
    storm storm_none storm_on failsafe_none failsafe_on lost_lately go_on
    servers server lease pages this_server lease_lasts lease_ended
    database kind committed ago skew milliseconds timeline unread
    twilio twilio_caption api in_flight waiting oldest rate per_second throttled requests_failed requests_lately
    undone jobs_open given_up given_up_last held_back jobs_unreadable list_held_back
    call_title find show find_wrong call_none call_open call_quiet
    held_back_title held_back_caption held_back_none call why since release held_back_jobs job
    go_on_title go_on_means go_on_yes release_title release_means release_yes cancel done_go_on done_release not_active
    summary_none summary summary_storm summary_failsafe
    chats chats_caption chats_none chats_read chats_absent chats_unsure chats_attended chats_parked
    chat chat_stands chat_gone chat_told chat_not_told chat_next chat_deadline
    chat_undecided chat_waiting chat_awaited chat_unattended chat_unrouted chat_woken
    chat_goodbye chat_push_closed chat_polling_stopped
    chat_next_look chat_next_page chat_next_invite chat_next_accept chat_next_flex chat_next_tell chat_next_park chat_next_close
    chats_ended_caption chat_ended chat_ending ending_back ending_same ending_other ending_graceful ending_parked ending_closed
    chat_title chat_open chat_quiet summary_chats
}

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English; it replaces a language that the console does not have.
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
    /// French.
    French,
    /// Portuguese.
    Portuguese,
    /// Japanese.
    Japanese,
}

/// All languages.
pub(crate) const LANGUAGES: [Language; 6] = [
    Language::English,
    Language::German,
    Language::Spanish,
    Language::French,
    Language::Portuguese,
    Language::Japanese,
];

impl Language {
    /// Its tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::French => "fr",
            Self::Portuguese => "pt",
            Self::Japanese => "ja",
        }
    }

    /// Its texts.
    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &en::TEXTS,
            Self::German => &de::TEXTS,
            Self::Spanish => &es::TEXTS,
            Self::French => &fr::TEXTS,
            Self::Portuguese => &pt::TEXTS,
            Self::Japanese => &ja::TEXTS,
        }
    }

    /// The language that a browser prefers, by its `Accept-Language`
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4>).
    pub(crate) fn preferred(accepted: &str) -> Self {
        let mut best = (Self::English, 0.0);
        for wanted in accepted.split(',').take(50) {
            let mut parts = wanted.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let family = tag.split('-').next().unwrap_or_default();
            let found = LANGUAGES.into_iter().find(|language| language.tag().eq_ignore_ascii_case(family));
            if let (Some(language), Some(weight)) = (found, weight)
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }
}

/// A text with its gaps filled.
pub(crate) fn fill(text: &str, gaps: &[(&str, &dyn ToString)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((name, after)) = after.split_once('}')
    {
        filled.push_str(before);
        if let Some((_, value)) = gaps.iter().find(|(gap, _)| *gap == name) {
            filled.push_str(&value.to_string());
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn gaps(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn each_language_has_each_text_with_the_same_gaps() {
        let english = en::TEXTS.all();
        assert!(english.len() > 100);
        for language in LANGUAGES {
            for ((name, text), (_, in_english)) in language.texts().all().into_iter().zip(&english) {
                let tag = language.tag();
                assert!(!text.is_empty() && text == text.trim(), "{tag} {name}");
                assert_eq!(gaps(text), gaps(in_english), "{tag} {name}");
                // One word may be the same; a sentence is not.
                let is_same = language != Language::English && text == *in_english;
                assert!(!is_same || text.split(' ').count() < 3, "{tag} {name} is not translated");
            }
        }
    }

    #[test]
    fn the_browser_chooses_the_language() {
        for (accepted, tag) in [
            ("", "en"),
            ("tlh", "en"),
            ("en-GB", "en"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("tlh, fr;q=0.3, ES-mx;q=0.7", "es"),
            ("ja;q=0, en;q=0.1", "en"),
            ("pt;q=x, ja", "ja"),
            (";;;,,,q=1", "en"),
        ] {
            assert_eq!(Language::preferred(accepted).tag(), tag, "{accepted}");
        }
    }

    #[test]
    fn gaps_are_filled_once() {
        assert_eq!(fill("{n} of {m}", &[("n", &1), ("m", &"{n}")]), "1 of {n}");
        assert_eq!(fill("a {b", &[]), "a {b");
    }
}
