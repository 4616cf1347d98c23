//! What customers read when their agent is gone, or nobody writes, in six languages. Our own texts name no person.

use crate::texts::{ENGLISH, Texts, best};
use clap::Args;
use rejoin_conversations::{Step, Telling};

/// A message to the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phrase {
    /// The agent is gone, and another one will have the conversation.
    AgentGone,
    /// The agent is gone, and the conversation goes on when the customer writes.
    Parked,
    /// Nobody has written for a while.
    Idle,
    /// Nobody has written for so long that the conversation ends soon.
    Ending,
}

impl Phrase {
    pub(crate) fn of(what: Telling) -> Self {
        match what {
            Telling::AgentGone { .. } => Self::AgentGone,
            Telling::Parked { .. } => Self::Parked,
            Telling::Idle { step: Step::Alert | Step::AsyncAlert, .. } => Self::Idle,
            Telling::Idle { .. } => Self::Ending,
        }
    }
}

/// The author, and texts in the default language in place of the built-in ones.
#[derive(Clone, Debug, Args)]
pub struct ChatTexts {
    /// Author of messages to customers in conversations, as they see it.
    #[arg(long = "conversation-author", env = "REJOIN_CONVERSATION_AUTHOR", default_value = "system")]
    pub author: String,
    /// Message when the agent of a conversation is gone and another one is looked for, in the default language. Not set: a
    /// built-in text.
    #[arg(long = "conversation-text-gone", env = "REJOIN_CONVERSATION_TEXT_GONE")]
    pub gone: Option<String>,
    /// Message when the agent is gone and the conversation waits until the customer writes.
    #[arg(long = "conversation-text-parked", env = "REJOIN_CONVERSATION_TEXT_PARKED")]
    pub parked: Option<String>,
    /// Message when nobody has written for a while.
    #[arg(long = "conversation-text-idle", env = "REJOIN_CONVERSATION_TEXT_IDLE")]
    pub idle: Option<String>,
    /// Message when nobody has written for so long that the conversation ends soon.
    #[arg(long = "conversation-text-ending", env = "REJOIN_CONVERSATION_TEXT_ENDING")]
    pub ending: Option<String>,
}

impl ChatTexts {
    /// The text for a customer who wants this language: the same one, else one of the same family, else the default language.
    pub(crate) fn say<'a>(&'a self, phrase: Phrase, texts: &'a Texts, wanted: Option<&str>) -> &'a str {
        let house = match phrase {
            Phrase::AgentGone => &self.gone,
            Phrase::Parked => &self.parked,
            Phrase::Idle => &self.idle,
            Phrase::Ending => &self.ending,
        };
        let house = house.as_deref().filter(|text| !text.trim().is_empty());
        let ours = OURS.iter().map(|(tag, [gone, parked, idle, ending])| {
            let text = match phrase {
                Phrase::AgentGone => gone,
                Phrase::Parked => parked,
                Phrase::Idle => idle,
                Phrase::Ending => ending,
            };
            (*tag, *text)
        });
        let all: Vec<(&str, &str)> =
            house.map(|text| (texts.language.as_str(), text)).into_iter().chain(ours).collect();
        let found = wanted
            .and_then(|wanted| best(&all, wanted.trim()))
            .or_else(|| best(&all, &texts.language))
            .or_else(|| best(&all, ENGLISH));
        found.map_or("", |(_, text)| text)
    }
}

/// Built-in texts: gone, parked, idle, ending.
const OURS: [(&str, [&str; 4]); 6] = [
    (
        ENGLISH,
        [
            "The connection to your agent was lost. We are looking for someone who can help you.",
            "The connection to your agent was lost. Write to us when you like, and someone will answer.",
            "Are you still there? We have not heard from you for a while.",
            "We have not heard from you for a while, so this conversation will end soon.",
        ],
    ),
    (
        "de-DE",
        [
            "Die Verbindung zu Ihrem Gesprächspartner ist abgebrochen. Wir suchen jemanden, der Ihnen helfen kann.",
            "Die Verbindung zu Ihrem Gesprächspartner ist abgebrochen. Schreiben Sie uns, wann Sie möchten: Es antwortet Ihnen jemand.",
            "Sind Sie noch da? Wir haben eine Weile nichts von Ihnen gelesen.",
            "Wir haben eine Weile nichts von Ihnen gelesen, daher endet dieser Chat bald.",
        ],
    ),
    (
        "es-ES",
        [
            "Se ha perdido la conexión con su agente. Buscamos a alguien que pueda ayudarle.",
            "Se ha perdido la conexión con su agente. Escríbanos cuando quiera y alguien le responderá.",
            "¿Sigue ahí? Hace un rato que no nos escribe.",
            "Hace un rato que no nos escribe, por lo que esta conversación terminará pronto.",
        ],
    ),
    (
        "fr-FR",
        [
            "La connexion avec votre conseiller est perdue. Nous cherchons quelqu'un qui puisse vous aider.",
            "La connexion avec votre conseiller est perdue. Écrivez-nous quand vous voulez, quelqu'un vous répondra.",
            "Êtes-vous toujours là ? Vous n'avez rien écrit depuis un moment.",
            "Vous n'avez rien écrit depuis un moment, cette conversation va donc bientôt se terminer.",
        ],
    ),
    (
        "pt-BR",
        [
            "A conexão com o seu atendente foi perdida. Estamos procurando alguém que possa ajudar você.",
            "A conexão com o seu atendente foi perdida. Escreva quando quiser, e alguém vai responder.",
            "Você ainda está aí? Faz um tempo que não recebemos mensagens suas.",
            "Faz um tempo que não recebemos mensagens suas, por isso esta conversa vai terminar em breve.",
        ],
    ),
    (
        "ja-JP",
        [
            "担当者との接続が切れました。ほかの担当者をお探ししています。",
            "担当者との接続が切れました。いつでもメッセージをお送りください。担当者がお答えします。",
            "ご利用を続けられますか。しばらくメッセージをいただいておりません。",
            "しばらくメッセージをいただいていないため、この会話はまもなく終了します。",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn texts(language: &str) -> Texts {
        let (interrupted, again, lost, others) = (None, None, None, BTreeMap::new());
        let language_attribute = String::new();
        Texts { language: language.into(), language_attribute, interrupted, again, lost, others }
    }

    fn chat(gone: Option<&str>) -> ChatTexts {
        let gone = gone.map(str::to_owned);
        ChatTexts { author: "system".into(), gone, parked: None, idle: None, ending: None }
    }

    #[test]
    fn a_customer_reads_their_own_language_else_the_default() {
        let say = |language: &str, gone: Option<&str>, wanted: Option<&str>| {
            chat(gone).say(Phrase::AgentGone, &texts(language), wanted).to_owned()
        };
        assert!(say("en-US", None, None).starts_with("The connection"));
        assert!(say("en-US", None, Some("de-AT")).starts_with("Die Verbindung"));
        assert!(say("fr-CA", None, Some("xx")).starts_with("La connexion"));
        assert!(say("xx", None, Some("日本")).starts_with("The connection"));
        assert_eq!(say("de-CH", Some("Grüezi."), None), "Grüezi.");
        assert_eq!(say("de-CH", Some("Grüezi."), Some("de-CH")), "Grüezi.");
        assert!(say("de-CH", Some("Grüezi."), Some("es")).starts_with("Se ha"));
        assert!(say("de-CH", Some(" "), None).starts_with("Die Verbindung"));
    }

    #[test]
    fn each_step_of_silence_has_its_message() {
        let idle = |step| Phrase::of(Telling::Idle { step, since: rejoin_protocol::Millis(0) });
        assert_eq!(idle(Step::Alert), Phrase::Idle);
        assert_eq!(idle(Step::SecondAlert), Phrase::Ending);
        for (tag, texts) in OURS {
            assert!(texts.iter().all(|text| !text.is_empty()), "{tag}");
        }
    }
}
