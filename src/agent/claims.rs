//! Conversations: the server is told which ones the agent has, so that it knows whose they are when the pages go away.

use crate::agent::{Agent, Answer, Effect, PostError, PostId, Request};
use rejoin_protocol::Millis;
use rejoin_protocol::api::{ConversationClaim, Conversations};

/// What the agent has, and what the server knows of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    has: Vec<ConversationClaim>,
    /// What the server was told last.
    said: Vec<ConversationClaim>,
    under_way: Option<(PostId, Vec<ConversationClaim>)>,
    /// True after a failure, until the server has answered something else.
    pauses: bool,
}

impl Claims {
    /// The server has answered.
    pub(super) fn reached(&mut self) {
        self.pauses = false;
    }

    /// The request in flight is given up.
    pub(super) fn again(&mut self) {
        self.under_way = None;
        self.pauses = false;
    }

    /// True when the server knows of a conversation of this page, or may.
    pub(super) fn are_known(&self) -> bool {
        !self.said.is_empty() || self.under_way.is_some()
    }
}

impl Agent {
    /// The conversations of the agent's accepted tasks, all of them.
    pub(super) fn set_conversations(&mut self, has: Vec<ConversationClaim>) {
        self.claims.has = has;
    }

    /// Tells the server what has changed. A page that does not act says nothing.
    pub(super) fn settle_claims(&mut self, out: &mut Vec<Effect>) {
        let claims = &mut self.claims;
        if self.waits || claims.pauses || claims.under_way.is_some() || claims.has == claims.said {
            return;
        }
        if !self.may_ask() {
            return;
        }
        self.last_post = self.last_post.wrapping_add(1);
        let id = PostId(self.last_post);
        let conversations = self.claims.has.clone();
        self.claims.under_way = Some((id, conversations.clone()));
        let request = Request::Claim(Conversations { epoch: self.epoch, conversations, leaving: Vec::new() });
        out.push(Effect::Post { id, request });
    }

    /// True if the answer was to a claim.
    pub(super) fn claimed(
        &mut self,
        now: Millis,
        id: PostId,
        result: &Result<Answer, PostError>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some((_, said)) = self.claims.under_way.take_if(|(under_way, _)| *under_way == id) else {
            return false;
        };
        match result {
            // A server that does not know of conversations never will take one.
            Err(PostError::Status(status)) if !PostError::Status(*status).is_passing() => {
                self.claims.said = said;
            }
            Ok(_) => self.claims.said = said,
            Err(_) => {
                self.claims.pauses = true;
                // Its answer shows that the server is there again.
                self.say_hello(now, out);
            }
        }
        true
    }
}
