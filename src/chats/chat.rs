use crate::agent::ReservationStatus;
use crate::chats::draft::{LONGEST, shortened, units};
use crate::chats::pending::{BETWEEN, Kind, Pending, Stage, beside, excerpt, excerpts, has, listed};
use crate::chats::{
    Draft, Due, Effect, Event, Facts, Message, MessageId, Notice, Outcome, Timer, UNSENT_FOR,
};
use crate::value::joined;
use rejoin_protocol::{ConversationSid, Millis};

/// How long a message that has failed is left alone: it may still be on its way to the conversation.
const SETTLE: Millis = Millis::seconds(2);
/// Longest delay between two attempts.
const LONGEST_RETRY: Millis = Millis::seconds(60);
/// How long a search may take. The Conversations SDK gives a request up after 30 s.
const SEARCH_FOR: Millis = Millis::seconds(60);
/// How long the agent may seem to be out of a conversation, while Flex loads or reconnects.
const GONE_FOR: Millis = Millis::seconds(15);
/// How long a notice that needs nothing from the agent is shown.
const SHOWN_FOR: Millis = Millis::seconds(8);
/// The same for one that the agent must act on.
const SHOWN_FOR_LONG: Millis = Millis::seconds(120);

/// One conversation of the worker.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) conversation: ConversationSid,
    /// What Flex shows; `None`: the worker has no task for it.
    pub(super) facts: Option<Facts>,
    /// What is kept, as far as this page knows.
    pub(super) draft: Option<Draft>,
    /// True when a text went back into the input while this page did not show it.
    unseen: bool,
    /// Messages on their way, in their order.
    queue: Vec<Pending>,
    /// Failures since the last success.
    failures: u32,
    /// When the first message that waits may be tried (point in time).
    due: Millis,
    /// Number of the last search.
    searches: u32,
    /// True when the timer [`Timer::Gone`] is set.
    leaving: bool,
    /// The notice for a while.
    told: Option<Notice>,
    /// What is shown, and whether it is in the header.
    shown: Option<(bool, Notice)>,
}

impl Chat {
    pub(super) fn new(conversation: ConversationSid) -> Self {
        Self {
            conversation,
            facts: None,
            draft: None,
            unseen: false,
            queue: Vec::new(),
            failures: 0,
            due: Millis(0),
            searches: 0,
            leaving: false,
            told: None,
            shown: None,
        }
    }

    /// True when nothing is known of it that is worth remembering.
    pub(super) fn is_over(&self) -> bool {
        self.facts.is_none() && self.draft.is_none() && self.queue.is_empty() && self.shown.is_none()
    }

    fn is_loaded(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.loaded)
    }

    fn is_open(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.loaded && facts.open)
    }

    /// Handles an event of this conversation. `connected` is true when messages can be sent.
    pub(super) fn handle(&mut self, now: Millis, connected: bool, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Changed(facts) => self.changed(now, facts, out),
            Event::Gone { .. } => self.facts = None,
            Event::Recalled { draft, .. } => self.recalled(now, draft, out),
            Event::Typed { text, start, end, .. } => self.typed(now, text, start, end, out),
            Event::Send(message) => self.send(message, out),
            Event::Failed { .. } => {
                for pending in self.queue.iter_mut().filter(|pending| pending.kind == Kind::Unsure) {
                    pending.kind = Kind::Failed;
                }
            }
            Event::Sent { id, outcome } => self.sent(now, &id, outcome, out),
            Event::Searched { id, search, found } => {
                if search == self.searches {
                    self.searched(now, &id, found, out);
                }
            }
            Event::Left(message) => self.left(now, message, out),
            Event::Ended { .. } => self.ended(now, out),
            Event::Timer(timer) => self.due(now, timer.due, out),
            // These concern no single conversation.
            Event::Connection { .. } | Event::Started { .. } | Event::Selected { .. } | Event::SignedOut => {}
        }
        self.pump(now, connected, out);
        self.settle_leaving(now, out);
        self.settle_notice(out);
    }

    fn due(&mut self, now: Millis, due: Due, out: &mut Vec<Effect>) {
        match due {
            Due::Retry => {}
            Due::Gone => {
                self.leaving = false;
                if !self.is_open() {
                    let mut returned: Vec<_> =
                        self.queue.iter().filter(|pending| pending.waits()).cloned().collect();
                    self.give_back(now, None, out);
                    self.unseen = !self.is_loaded();
                    for Pending { message, kind, .. } in &mut returned {
                        (*kind, message.returned) = (Kind::Returned, true);
                        out.push(Effect::KeepMessage(message.clone())); // the next page looks for it, too
                    }
                    self.queue.extend(returned);
                }
            }
            Due::Notice => self.told = None,
            Due::Search => {
                let searched = self.queue.iter().find(|pending| pending.stage == Stage::Searching);
                if let Some(id) = searched.map(|pending| pending.message.id.clone()) {
                    self.searched(now, &id, None, out);
                }
            }
        }
    }

    fn timer(&self, due: Due) -> Timer {
        Timer { conversation: self.conversation.clone(), due }
    }

    fn set_timer(&self, due: Due, at: Millis, out: &mut Vec<Effect>) {
        out.push(Effect::SetTimer { timer: self.timer(due), at });
    }

    fn changed(&mut self, now: Millis, facts: Facts, out: &mut Vec<Effect>) {
        let before = self.facts.replace(facts.clone());
        let wraps = facts.status != ReservationStatus::Accepted;
        if before.as_ref().is_some_and(|before| before.status != facts.status) && wraps {
            self.forget_draft(out);
        }
        match before.filter(|before| before.loaded) {
            Some(before) if facts.loaded && before.files != facts.files => self.attached(now, facts, out),
            None if facts.loaded => out.push(Effect::Recall { conversation: self.conversation.clone() }),
            _ => {}
        }
    }

    /// The agent has attached or detached a file, or Flex has sent it.
    fn attached(&mut self, now: Millis, facts: Facts, out: &mut Vec<Effect>) {
        if matches!(self.told, Some(Notice::Files { .. })) {
            self.told = None;
        }
        let (start, end) = self.draft.as_ref().map_or((0, 0), |draft| (draft.start, draft.end));
        let text = self.draft.as_ref().map(|draft| draft.text.clone()).unwrap_or_default();
        self.keep(now, text, start, end, facts.files, out);
    }

    fn recalled(&mut self, now: Millis, draft: Option<Draft>, out: &mut Vec<Effect>) {
        self.draft = draft;
        let waits = |facts: &&Facts| facts.loaded && facts.status == ReservationStatus::Accepted;
        let Some(facts) = self.facts.as_ref().filter(waits) else { return };
        if !facts.text.is_empty() {
            let (typed, files) = (facts.text.clone(), facts.files.clone());
            return self.typed_before(now, &typed, files, out);
        }
        if std::mem::take(&mut self.unseen) {
            self.bring_back(now, out);
        }
        let Some(draft) = self.draft.clone() else { return };
        if !draft.text.is_empty() {
            self.set_input(&draft, out);
        }
        if !draft.files.is_empty() {
            self.tell(now, SHOWN_FOR_LONG, Notice::Files { names: listed(", ", &draft.files) }, out);
            self.keep(now, draft.text, draft.start, draft.end, Vec::new(), out); // said once
        }
    }

    /// Text and files of the draft.
    fn kept(&self) -> (String, Vec<String>) {
        self.draft.as_ref().map(|draft| (draft.text.clone(), draft.files.clone())).unwrap_or_default()
    }

    /// The agent was faster than the plugin: what was kept comes before what they have typed.
    fn typed_before(&mut self, now: Millis, typed: &str, files: Vec<String>, out: &mut Vec<Effect>) {
        let (kept, _) = self.kept();
        if kept == typed {
            return;
        }
        let has_it = typed.starts_with(&kept) || has(typed, &kept);
        let text = if has_it { typed.to_owned() } else { beside(kept, "\n", typed) };
        if !has_it && text.len() > LONGEST {
            return; // it would be cut
        }
        self.keep_text(now, text, files, out);
        if !has_it && let Some(draft) = &self.draft {
            self.set_input(draft, out);
        }
    }

    /// Another tab may have kept its own draft over what went back into the input here.
    fn bring_back(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let (there, files) = self.kept();
        let mut text = String::new();
        for Pending { message, kind, .. } in &self.queue {
            if *kind == Kind::Returned && !has(&there, &message.body) {
                text = beside(text, "\n", &message.body);
            }
        }
        if !text.is_empty() {
            self.keep_text(now, beside(text, "\n", &there), files, out);
        }
    }

    fn typed(&mut self, now: Millis, text: String, start: u32, end: u32, out: &mut Vec<Effect>) {
        // Flex clears its input only when the message was sent.
        let Some(facts) = &self.facts else { return }; // it is not the worker's
        let files = facts.files.clone();
        let sending = |it: &Pending| it.stage == Stage::Sending && it.message.body == text.trim();
        if self.queue.iter().any(sending) {
            self.forget_draft(out); // Flex may report the last keys after the message that has them
        } else {
            self.keep(now, shortened(text), start, end, files, out);
        }
    }

    /// Keeps a text with the cursor at its end.
    fn keep_text(&mut self, now: Millis, text: String, files: Vec<String>, out: &mut Vec<Effect>) {
        let end = units(&text);
        self.keep(now, shortened(text), end, end, files, out);
    }

    fn keep(
        &mut self,
        now: Millis,
        text: String,
        start: u32,
        end: u32,
        files: Vec<String>,
        out: &mut Vec<Effect>,
    ) {
        let last = self.draft.as_ref();
        let at = last.map_or(now, |last| now.max(last.at + Millis(1)));
        let draft = Draft { conversation: self.conversation.clone(), at, text, start, end, files };
        if draft.is_empty() {
            self.forget_draft(out);
        } else if !last.is_some_and(|last| last.says(&draft)) {
            out.push(Effect::Keep(draft.clone()));
            self.draft = Some(draft);
        }
    }

    pub(super) fn forget_draft(&mut self, out: &mut Vec<Effect>) {
        if let Some(draft) = self.draft.take() {
            out.push(Effect::Forget { conversation: self.conversation.clone(), at: draft.at });
        }
    }

    fn set_input(&self, draft: &Draft, out: &mut Vec<Effect>) {
        let (conversation, text) = (draft.conversation.clone(), draft.text.clone());
        out.push(Effect::SetInput { conversation, text, start: draft.start, end: draft.end });
    }

    fn clear_input(&self, message: &Message, out: &mut Vec<Effect>) {
        out.push(Effect::ClearInput {
            conversation: self.conversation.clone(),
            text: message.body.clone(),
            files: message.files.clone(),
        });
    }

    /// Flex lets the agent go on with what it was sending after the message that has failed: the agent would send it twice.
    fn clear_under_way(&self, out: &mut Vec<Effect>) {
        let under_way = self.queue.iter().filter(|it| it.stage == Stage::Sending && it.kind == Kind::Failed);
        for Pending { message, .. } in under_way.filter(|it| it.message.files.is_empty()) {
            self.clear_input(message, out);
        }
    }

    /// Forgets the draft that has become this message. True if there was one. `is_new`: the agent sends it now, and Flex may not have
    /// reported the last keys yet.
    fn draft_becomes(&mut self, message: &Message, is_new: bool, out: &mut Vec<Effect>) -> bool {
        let text = self.draft.as_ref().map_or("", |draft| draft.text.trim());
        let is_it = text == message.body || (is_new && !text.is_empty() && message.body.starts_with(text));
        if is_it {
            self.forget_draft(out);
        }
        is_it
    }

    fn send(&mut self, message: Message, out: &mut Vec<Effect>) {
        let id = message.id.clone();
        if !self.is_open() {
            return out.push(Effect::Let(id));
        }
        self.told = None;
        let first = self.queue.iter().all(|pending| match pending.kind {
            Kind::Unsure => true,
            Kind::Failed => false,
            // It may be this one, and there already.
            Kind::Returned => pending.message.body != message.body,
        });
        if !first && !message.files.is_empty() {
            // It stays in the input: attachments cannot be kept, and would overtake what waits.
            return out.push(Effect::Hold(id));
        }
        out.push(Effect::KeepMessage(message.clone()));
        self.draft_becomes(&message, true, out);
        let stage = if first {
            out.push(Effect::Dispatch(id));
            Stage::Sending
        } else {
            out.push(Effect::Hold(id));
            self.clear_input(&message, out);
            Stage::Waiting
        };
        let kind = if first { Kind::Unsure } else { Kind::Failed };
        self.queue.push(Pending { message, stage, kind });
    }

    fn left(&mut self, now: Millis, message: Message, out: &mut Vec<Effect>) {
        if self.place(&message.id).is_some() {
            return;
        }
        let kind = if message.returned { Kind::Returned } else { Kind::Failed };
        if kind == Kind::Returned {
            if self.draft.is_none() {
                // Another tab, which is gone, had its text.
                out.push(Effect::Recall { conversation: self.conversation.clone() });
            }
        } else if self.draft_becomes(&message, false, out) {
            self.clear_input(&message, out); // this tab still shows what another one has sent
        }
        let at = self.queue.iter().position(|other| other.message.at > message.at);
        let at = at.unwrap_or(self.queue.len());
        self.queue.insert(at, Pending { message, stage: Stage::Waiting, kind });
        self.due = self.due.max(now + SETTLE);
    }

    /// Puts a message back into the input that an earlier page has left behind.
    pub(super) fn take_back(&mut self, now: Millis, message: Message, out: &mut Vec<Effect>) {
        if message.returned {
            return out.push(Effect::ForgetMessage(message.id));
        }
        self.left(now, message, out);
        self.give_back(now, None, out);
        self.settle_notice(out);
    }

    fn place(&self, id: &MessageId) -> Option<usize> {
        self.queue.iter().position(|pending| pending.message.id == *id)
    }

    pub(super) fn has(&self, id: &MessageId) -> bool {
        self.place(id).is_some()
    }

    fn sent(&mut self, now: Millis, id: &MessageId, outcome: Outcome, out: &mut Vec<Effect>) {
        let open = self.is_open();
        let Some(pending) = self.place(id).and_then(|at| self.queue.get_mut(at)) else { return };
        let stage = pending.stage;
        let under_way = matches!(stage, Stage::Sending | Stage::Resending);
        match outcome {
            Outcome::Stored => self.done(now, id, stage != Stage::Sending, out),
            Outcome::Failed if under_way => {
                pending.stage = Stage::Waiting;
                let message = pending.message.clone();
                if pending.kind == Kind::Unsure {
                    // The next page would send it.
                    out.push(Effect::ForgetMessage(message.id));
                    if let Some(Facts { text, files, .. }) = self.facts.clone() {
                        self.keep_text(now, text, files, out);
                    }
                } else if message.files.is_empty() && stage == Stage::Sending {
                    // Flex has put it back. Later the same text there is another one.
                    self.clear_input(&message, out);
                    self.clear_under_way(out);
                }
                self.failed(now);
            }
            Outcome::Refused if stage == Stage::Resending && !open => {
                // Twilio refuses it because the agent is out, and may be in again in a moment: the order is kept.
                pending.stage = Stage::Waiting;
            }
            Outcome::Refused if under_way => {
                self.give_back(now, Some(id), out);
            }
            Outcome::Failed | Outcome::Refused => {}
        }
    }

    fn searched(&mut self, now: Millis, id: &MessageId, found: Option<bool>, out: &mut Vec<Effect>) {
        let timer = self.timer(Due::Search);
        let pending = self.place(id).and_then(|at| self.queue.get_mut(at));
        let Some(pending) = pending.filter(|pending| pending.stage == Stage::Searching) else { return };
        out.push(Effect::ClearTimer(timer));
        // What comes of this search later is out of date.
        self.searches += 1;
        match found {
            Some(true) => {
                let (message, kind) = (pending.message.clone(), pending.kind);
                self.done(now, id, kind != Kind::Unsure, out);
                if kind == Kind::Returned {
                    self.was_there(now, &message, out);
                } else if kind == Kind::Unsure || !message.files.is_empty() {
                    self.clear_input(&message, out); // it is still there
                }
            }
            Some(false) if pending.kind != Kind::Failed => self.done(now, id, false, out),
            Some(false) if pending.message.files.is_empty() => {
                pending.stage = Stage::Resending;
                out.push(Effect::Resend(pending.message.clone()));
            }
            Some(false) => self.give_back(now, Some(id), out),
            None => {
                pending.stage = Stage::Waiting;
                self.failed(now);
            }
        }
    }

    fn failed(&mut self, now: Millis) {
        let delay = SETTLE.0.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        self.due = now + Millis(delay.min(LONGEST_RETRY.0));
    }

    /// The conversation has a message.
    fn done(&mut self, now: Millis, id: &MessageId, tell: bool, out: &mut Vec<Effect>) {
        let Some(at) = self.place(id) else { return };
        let Pending { message, .. } = self.queue.remove(at);
        out.push(Effect::ForgetMessage(message.id.clone()));
        self.failures = 0;
        self.due = Millis(0);
        if tell {
            let mut text = excerpt(&message.body);
            if let Some(Notice::Sent { text: before }) = &self.told {
                text = joined(&[before, BETWEEN, &text]);
            }
            self.tell(now, SHOWN_FOR, Notice::Sent { text }, out);
        }
    }

    /// A message that the agent has back was stored all the same: takes its text away from them, and drops the message
    /// that they have made of it since.
    fn was_there(&mut self, now: Millis, message: &Message, out: &mut Vec<Effect>) {
        let again = self.queue.iter().find(|it| it.waits() && it.message.body == message.body);
        if let Some(id) = again.map(|it| it.message.id.clone()) {
            return self.done(now, &id, false, out);
        }
        let Some(draft) = self.draft.clone() else { return };
        let rest = match draft.text.strip_prefix(message.body.as_str()) {
            Some("") => "",
            Some(rest) => match rest.strip_prefix('\n') {
                Some(rest) => rest,
                None => return, // another word that begins like it
            },
            None => return,
        };
        let end = units(rest);
        self.keep(now, rest.to_owned(), end, end, draft.files, out);
        let (conversation, text) = (self.conversation.clone(), rest.to_owned());
        out.push(Effect::SetInput { conversation, text, start: end, end });
    }

    /// Takes messages out of the queue.
    fn take(&mut self, which: &dyn Fn(&Pending) -> bool) -> Vec<Pending> {
        let (mut taken, mut rest) = (Vec::new(), Vec::new());
        for pending in std::mem::take(&mut self.queue) {
            if which(&pending) { &mut taken } else { &mut rest }.push(pending);
        }
        self.queue = rest;
        taken
    }

    /// Looks no longer for messages whose text went back into the input.
    fn forget_returned(&mut self, which: &dyn Fn(&Pending) -> bool, out: &mut Vec<Effect>) {
        for over in self.take(&|pending| pending.kind == Kind::Returned && which(pending)) {
            out.push(Effect::ForgetMessage(over.message.id));
        }
    }

    /// Puts a message that cannot be sent back into the input, before what is in it; or all that wait.
    fn give_back(&mut self, now: Millis, id: Option<&MessageId>, out: &mut Vec<Effect>) {
        let given = self.take(&|it| id.map_or(it.waits(), |id| it.message.id == *id));
        let (mut text, mut files) = (String::new(), Vec::new());
        for Pending { message, .. } in &given {
            text = beside(text, "\n", &message.body);
            files.extend_from_slice(&message.files);
        }
        let facts = self.facts.as_ref().filter(|facts| facts.loaded);
        let there = self.draft.as_ref().map(|draft| &draft.text).or(facts.map(|facts| &facts.text));
        match there {
            Some(there) if has(there, &text) => text.clone_from(there),
            // Another tab has sent what this one has typed.
            Some(there) if !has(&text, there.trim()) => text = beside(text, "\n", there),
            _ => {}
        }
        if !given.is_empty() {
            self.keep_text(now, text, files, out);
            if self.is_loaded()
                && let Some(draft) = &self.draft
            {
                self.set_input(draft, out);
            }
        }
        self.not_sent(now, given, out);
    }

    /// The agent is done with the conversation.
    fn ended(&mut self, now: Millis, out: &mut Vec<Effect>) {
        self.forget_draft(out);
        self.forget_returned(&|_| true, out);
        let over = self.take(&Pending::waits);
        self.not_sent(now, over, out);
    }

    fn not_sent(&mut self, now: Millis, messages: Vec<Pending>, out: &mut Vec<Effect>) {
        if !messages.is_empty() {
            let mut text = excerpts(&messages);
            if let Some(Notice::NotSent { text: before }) = &self.told {
                text = joined(&[before, BETWEEN, &text]);
            }
            self.tell(now, SHOWN_FOR_LONG, Notice::NotSent { text }, out);
        }
        for Pending { message, .. } in messages {
            out.push(Effect::ForgetMessage(message.id));
        }
    }

    /// Goes on with the first message that waits.
    fn pump(&mut self, now: Millis, connected: bool, out: &mut Vec<Effect>) {
        let is_late = |pending: &Pending| pending.message.at.until(now) >= UNSENT_FOR;
        self.forget_returned(&is_late, out);
        let is_old = |pending: &Pending| pending.waits() && is_late(pending);
        while let Some(id) = self.queue.iter().find(|it| is_old(it)).map(|it| it.message.id.clone()) {
            self.give_back(now, Some(&id), out);
        }
        if !self.queue.iter().all(|pending| pending.stage == Stage::Waiting) {
            return;
        }
        let (open, conversation) = (self.is_open(), self.conversation.clone());
        let Some(first) = self.queue.first_mut() else { return };
        if now < self.due {
            self.set_timer(Due::Retry, self.due, out);
        } else if connected && open {
            first.stage = Stage::Searching;
            self.searches += 1;
            let (id, after) = (first.message.id.clone(), first.message.after);
            out.push(Effect::Search { conversation, id, after, search: self.searches });
            self.set_timer(Due::Search, now + SEARCH_FOR, out);
        }
    }

    /// What waits for a conversation that the agent is not in, or that is closed, does not wait for ever.
    fn settle_leaving(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let out_of_it = self.facts.as_ref().is_none_or(|facts| facts.loaded && !facts.open);
        let leaving = out_of_it && self.queue.iter().any(Pending::waits);
        if leaving != self.leaving {
            self.leaving = leaving;
            if leaving {
                self.set_timer(Due::Gone, now + GONE_FOR, out);
            } else {
                out.push(Effect::ClearTimer(self.timer(Due::Gone)));
            }
        }
    }

    fn tell(&mut self, now: Millis, time: Millis, notice: Notice, out: &mut Vec<Effect>) {
        self.told = Some(notice);
        self.set_timer(Due::Notice, now + time, out);
    }

    fn settle_notice(&mut self, out: &mut Vec<Effect>) {
        let under_way: Vec<_> =
            self.queue.iter().filter(|pending| pending.kind != Kind::Returned).cloned().collect();
        let waits = under_way.iter().any(|it| it.stage != Stage::Sending && it.kind == Kind::Failed);
        let notice =
            if waits { Some(Notice::Waiting { text: excerpts(&under_way) }) } else { self.told.clone() };
        let header = self.facts.is_none();
        let place = |header: bool| (!header).then(|| self.conversation.clone());
        let shown = notice.map(|notice| (header, notice));
        if shown == self.shown {
            return;
        }
        if let Some((before, _)) = &self.shown
            && shown.as_ref().is_none_or(|(header, _)| header != before)
        {
            out.push(Effect::Notify { conversation: place(*before), notice: None });
        }
        if let Some((header, notice)) = &shown {
            out.push(Effect::Notify { conversation: place(*header), notice: Some(notice.clone()) });
        }
        self.shown = shown;
    }

    /// Clears the timers and notices of this conversation.
    pub(super) fn let_go(&self, out: &mut Vec<Effect>) {
        for due in [Due::Retry, Due::Search, Due::Gone, Due::Notice] {
            out.push(Effect::ClearTimer(self.timer(due)));
        }
        if let Some((header, _)) = &self.shown {
            let conversation = (!header).then(|| self.conversation.clone());
            out.push(Effect::Notify { conversation, notice: None });
        }
    }
}
