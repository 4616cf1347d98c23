//! What callers hear, and in which language. Our own texts name no person.

use clap::Args;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The default language, and the fallback for a language without texts.
pub(crate) const ENGLISH: &str = "en-US";

/// An announcement to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// The agent was lost.
    Interrupted,
    /// Another attempt is needed to connect the caller.
    Again,
    /// The call is no longer known: the last announcement before it ends.
    Lost,
}

/// Texts in the default language, which is also used for customers whose language has no texts.
#[derive(Clone, Debug, Args)]
pub struct Texts {
    /// Default language, as in TwiML's `<Say>`, for customers whose language is unknown. Built-in texts exist in
    /// English, German, Spanish, French, Portuguese and Japanese; for other languages set the texts, too.
    #[arg(long, env = "REJOIN_LANGUAGE", default_value = ENGLISH)]
    pub language: String,
    /// The task attribute with the customer's language, such as `de-DE` or `de`; dots lead into objects.
    #[arg(long, env = "REJOIN_LANGUAGE_ATTRIBUTE", default_value = "language")]
    pub language_attribute: String,
    /// Announcement when the agent was lost, in the default language. Not set: a built-in text.
    #[arg(long = "text-interrupted", env = "REJOIN_TEXT_INTERRUPTED")]
    pub interrupted: Option<String>,
    /// Announcement when connecting the customer takes another attempt.
    #[arg(long = "text-again", env = "REJOIN_TEXT_AGAIN")]
    pub again: Option<String>,
    /// Announcement when a call is no longer known: the last one before the call ends.
    #[arg(long = "text-lost", env = "REJOIN_TEXT_LOST")]
    pub lost: Option<String>,
    /// Texts for other languages, or in place of the built-in ones.
    #[arg(skip)]
    pub others: BTreeMap<String, Wording>,
}

/// Texts of one language. The built-in text replaces one that is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wording {
    /// [`Phrase::Interrupted`].
    pub interrupted: Option<String>,
    /// [`Phrase::Again`].
    pub again: Option<String>,
    /// [`Phrase::Lost`].
    pub lost: Option<String>,
}

impl Wording {
    fn of(&self, phrase: Phrase) -> Option<&str> {
        let text = match phrase {
            Phrase::Interrupted => &self.interrupted,
            Phrase::Again => &self.again,
            Phrase::Lost => &self.lost,
        };
        text.as_deref().filter(|text| !text.trim().is_empty())
    }
}

impl Texts {
    /// The language and the text for a caller who wants this language: the same one, else one of the same family,
    /// else the default language.
    pub fn say(&self, phrase: Phrase, wanted: Option<&str>) -> (&str, &str) {
        let all = self.all(phrase);
        let best = |wanted: &str| best(&all, wanted);
        let found =
            wanted.map(str::trim).and_then(best).or_else(|| best(&self.language)).or_else(|| best(ENGLISH));
        found.unwrap_or((ENGLISH, ""))
    }

    /// The phrase in each language, with its tag. An earlier one wins.
    pub(crate) fn all(&self, phrase: Phrase) -> Vec<(&str, &str)> {
        let house = match phrase {
            Phrase::Interrupted => &self.interrupted,
            Phrase::Again => &self.again,
            Phrase::Lost => &self.lost,
        };
        let house = house.as_deref().filter(|text| !text.trim().is_empty());
        house
            .map(|text| (self.language.as_str(), text))
            .into_iter()
            .chain(self.others.iter().filter_map(|(tag, words)| Some((tag.as_str(), words.of(phrase)?))))
            .chain(OURS.iter().map(|(tag, [interrupted, again, lost])| {
                let text = match phrase {
                    Phrase::Interrupted => interrupted,
                    Phrase::Again => again,
                    Phrase::Lost => lost,
                };
                (*tag, *text)
            }))
            .collect()
    }
}

/// The text for this language: the first one in it, else the first one of its family.
pub(crate) fn best<'a>(all: &[(&'a str, &'a str)], wanted: &str) -> Option<(&'a str, &'a str)> {
    let same = all.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(wanted));
    let near = || all.iter().find(|(tag, _)| family(tag).eq_ignore_ascii_case(family(wanted)));
    same.or_else(near).copied()
}

/// `de` of `de-AT`.
fn family(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// Built-in texts: the agent was lost, another attempt, the end.
const OURS: [(&str, [&str; 3]); 6] = [
    (
        ENGLISH,
        [
            "The connection to your agent was interrupted. Please stay on the line, we are reconnecting you.",
            "Thank you for waiting. We are connecting you with the next available agent.",
            "We are sorry, we could not reconnect you. Please call again.",
        ],
    ),
    (
        "de-DE",
        [
            "Die Verbindung zu Ihrem Gesprächspartner wurde unterbrochen. Bitte bleiben Sie in der Leitung, wir verbinden Sie wieder.",
            "Danke, dass Sie gewartet haben. Wir verbinden Sie mit dem nächsten freien Mitarbeiter.",
            "Es tut uns leid, wir konnten Sie nicht wieder verbinden. Bitte rufen Sie noch einmal an.",
        ],
    ),
    (
        "es-ES",
        [
            "Se ha interrumpido la conexión con su agente. Por favor, no cuelgue: le estamos conectando de nuevo.",
            "Gracias por esperar. Le pasamos con el próximo agente disponible.",
            "Lo sentimos, no hemos podido conectarle de nuevo. Por favor, vuelva a llamar.",
        ],
    ),
    (
        "fr-FR",
        [
            "La communication avec votre conseiller a été interrompue. Restez en ligne, nous vous remettons en relation.",
            "Merci d'avoir patienté. Nous vous mettons en relation avec le prochain conseiller disponible.",
            "Nous sommes désolés, nous n'avons pas pu rétablir la communication. Veuillez rappeler.",
        ],
    ),
    (
        "pt-BR",
        [
            "A ligação com o seu atendente foi interrompida. Por favor, continue na linha, estamos reconectando você.",
            "Obrigado por aguardar. Estamos transferindo você para o próximo atendente disponível.",
            "Sentimos muito, não conseguimos reconectar você. Por favor, ligue novamente.",
        ],
    ),
    (
        "ja-JP",
        [
            "担当者との接続が切れました。おつなぎ直ししておりますので、そのままお待ちください。",
            "お待たせしております。次の担当者におつなぎします。",
            "申し訳ございません。おつなぎ直しできませんでした。恐れ入りますが、もう一度おかけ直しください。",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(language: &str) -> Texts {
        let (interrupted, again, lost, others) = (None, None, None, BTreeMap::new());
        Texts {
            language: language.into(),
            language_attribute: String::new(),
            interrupted,
            again,
            lost,
            others,
        }
    }

    fn starts(texts: &Texts, wanted: Option<&str>, tag: &str, text: &str) {
        let said = texts.say(Phrase::Interrupted, wanted);
        assert!(said.0 == tag && said.1.starts_with(text), "{wanted:?}: {said:?}");
    }

    #[test]
    fn a_caller_hears_their_own_language_else_the_default() {
        let house = texts("fr-CA");
        starts(&house, None, "fr-FR", "La communication");
        starts(&house, Some("de-DE"), "de-DE", "Die Verbindung");
        starts(&house, Some(" DE-at "), "de-DE", "Die Verbindung");
        starts(&house, Some("es"), "es-ES", "Se ha");
        for unknown in ["xx", "", "<Say>", "de/DE", "日本"] {
            starts(&house, Some(unknown), "fr-FR", "La communication");
        }
        starts(&texts("xx"), None, "en-US", "The connection");
    }

    #[test]
    fn configured_texts_override_ours() {
        let mut house = texts("de-CH");
        house.interrupted = Some("Grüezi.".into());
        starts(&house, None, "de-CH", "Grüezi.");
        starts(&house, Some("de-DE"), "de-DE", "Die Verbindung");
        starts(&house, Some("de"), "de-CH", "Grüezi.");
        assert_eq!(house.say(Phrase::Lost, None).0, "de-DE", "what is not set is said in our words");
        let italian = Wording { interrupted: Some("Un momento.".into()), ..Wording::default() };
        house.others.insert("it-IT".into(), italian);
        starts(&house, Some("it"), "it-IT", "Un momento.");
        assert_eq!(house.say(Phrase::Again, Some("it-IT")).0, "de-DE", "of which there are no words");
        house
            .others
            .insert("es-ES".into(), Wording { interrupted: Some("Momento.".into()), ..Wording::default() });
        starts(&house, Some("es-MX"), "es-ES", "Momento.");
        house.interrupted = Some("  ".into());
        starts(&house, None, "de-DE", "Die Verbindung");
    }

    #[test]
    fn every_language_has_all_texts() {
        for (tag, words) in OURS {
            assert!(words.iter().all(|text| !text.is_empty()), "{tag}");
        }
    }
}
