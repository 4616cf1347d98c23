//! Requests under way, and their repetition.

use crate::agent::few::Map;
use crate::agent::{Config, Effect, PostId, Request, Timer};
use rejoin_protocol::Millis;

#[derive(Clone, Debug)]
struct Pending {
    request: Request,
    failures: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Posts {
    last: u32,
    pending: Map<PostId, Pending>,
}

impl Posts {
    pub(super) fn send(&mut self, request: Request, out: &mut Vec<Effect>) -> PostId {
        self.last = self.last.wrapping_add(1);
        let id = PostId(self.last);
        self.pending.insert(id, Pending { request: request.clone(), failures: 0 });
        out.push(Effect::Post { id, request });
        id
    }

    /// The request is finished; which one it was. `None` for one that is not under way.
    pub(super) fn finish(&mut self, id: PostId) -> Option<Request> {
        self.pending.remove(&id).map(|pending| pending.request)
    }

    /// The request failed and is sent again later.
    pub(super) fn postpone(&mut self, config: &Config, now: Millis, id: PostId, out: &mut Vec<Effect>) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.failures += 1;
            let at = now + config.retry_after(pending.failures);
            out.push(Effect::SetTimer { timer: Timer::Retry(id), at });
        }
    }

    pub(super) fn request(&self, id: PostId) -> Option<&Request> {
        self.pending.get(&id).map(|pending| &pending.request)
    }

    pub(super) fn again(&self, id: PostId, out: &mut Vec<Effect>) {
        if let Some(pending) = self.pending.get(&id) {
            out.push(Effect::Post { id, request: pending.request.clone() });
        }
    }
}
