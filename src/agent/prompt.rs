//! The browser's own prompt before a page is left during a call.

use crate::agent::{Agent, Effect, ToDesktop};

impl Agent {
    /// Not when Flex has its own prompt, and not for a call that is being left on purpose.
    pub(super) fn settle_prompt(&mut self, out: &mut Vec<Effect>) {
        let on = self.config.leave_prompt
            && !self.flex_prompts
            && self.calls.values().any(|call| call.is_accepted() && call.facts.live_call && !call.leaving);
        if on != self.prompts {
            self.prompts = on;
            out.push(Effect::Desktop(ToDesktop::PromptOnLeave { on }));
        }
    }
}
