//! What is missing in the account. Pure: it compares what there is with what Rejoin needs.

use crate::chats::{self, Standing};
use crate::workflow::{self, Routing};
use crate::{Account, Change, Fallback, Refusal, fallback, streams};
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_protocol::{ActivitySid, TaskQueueSid, WorkflowSid};
use rejoin_twilio::{PhoneNumber, VoiceAddresses, Workflow};
use serde_json::{Value, json};

/// The name of the task channel, the queue and the workflow for Recovery Pings.
const PING: &str = "Recovery Ping";
/// The name of the activity for agents who come back in one that receives no tasks.
const RECONNECTING: &str = "Reconnecting";
/// What every worker satisfies.
const EVERYONE: &str = "1==1";

/// What the account is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where Twilio and the desktops reach the server.
    pub public_url: String,
    /// The workflows that customers' calls go through.
    pub workflows: Choice,
    /// Whether an activity is created for agents who come back in one that receives no tasks.
    pub reconnecting: bool,
    /// Whether Event Streams tell the server what neither a callback nor a page reports.
    pub event_streams: bool,
    /// The webhook of Conversations, if the server watches chats; `None`: it stays as it is.
    pub chats: Option<Chats>,
    /// The fallback that phone numbers and TwiML applications are to have; `None`: they stay as they are.
    pub fallback: Option<Fallback>,
}

/// That the server watches chats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chats {
    /// The addresses that earlier runs have given the webhook.
    pub written: Vec<String>,
}

/// A choice of workflows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// These, by SID or name.
    Named(Vec<String>),
    /// All but the workflow of the Recovery Pings.
    All,
}

impl Choice {
    /// The workflows to choose from.
    pub fn of(account: &Account) -> Vec<&Workflow> {
        account.workflows.iter().filter(|workflow| workflow.friendly_name != PING).collect()
    }
}

/// What is left to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The changes, in the order in which they are made. A later one may need what an earlier one creates.
    pub changes: Vec<Change>,
    /// The workflow of the Recovery Pings, if it is there.
    pub ping_workflow: Option<WorkflowSid>,
    /// The activity for agents who come back in one that receives no tasks, if it is there.
    pub reconnecting: Option<ActivitySid>,
    /// What keeps the fallback address that it has, each with the reason and what to do.
    pub left: Vec<String>,
}

impl Plan {
    /// What is left to do.
    ///
    /// # Errors
    /// Everything that prevents it, at once.
    pub fn of(account: &Account, wanted: &Wanted) -> Result<Self, Vec<Refusal>> {
        let mut planning = Planning { account, changes: vec![], refusals: vec![], left: vec![] };
        planning.channel();
        let reconnecting = if wanted.reconnecting { planning.activity() } else { None };
        let ping_workflow = planning.ping();
        let chosen = planning.chosen(&wanted.workflows);
        for workflow in &chosen {
            planning.filter(workflow);
        }
        if wanted.event_streams {
            planning.streams(&wanted.public_url);
        }
        if let Some(chats) = &wanted.chats {
            planning.chats(&wanted.public_url, chats);
        }
        planning.flex(&wanted.public_url);
        if let Some(fallback) = &wanted.fallback {
            planning.fallback(fallback, &chosen);
        }
        let Planning { changes, refusals, left, .. } = planning;
        if !refusals.is_empty() {
            return Err(refusals);
        }
        Ok(Self { changes, ping_workflow, reconnecting, left })
    }
}

struct Planning<'a> {
    account: &'a Account,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
    left: Vec<String>,
}

impl<'a> Planning<'a> {
    fn refuse(&mut self, why: String) {
        self.refusals.push(Refusal::new(why));
    }

    fn channel(&mut self) {
        if !self.account.channels.iter().any(|channel| channel.unique_name == RECOVERY_PING_CHANNEL) {
            self.changes.push(Change::TaskChannel { name: PING, unique_name: RECOVERY_PING_CHANNEL });
        }
    }

    fn activity(&mut self) -> Option<ActivitySid> {
        match self.account.activities.iter().find(|activity| activity.friendly_name == RECONNECTING) {
            Some(activity) if activity.available => return Some(activity.sid.clone()),
            Some(activity) => self.refuse(format!(
                "The activity \"{RECONNECTING}\" ({}) receives no tasks, and Twilio cannot change that: rename it, or do without \
                 one (--no-reconnecting-activity).",
                activity.sid
            )),
            None => self.changes.push(Change::Activity { name: RECONNECTING }),
        }
        None
    }

    /// Queue and workflow of the Recovery Pings.
    fn ping(&mut self) -> Option<WorkflowSid> {
        let queue = self.account.queues.iter().find(|queue| queue.friendly_name == PING);
        if let Some(queue) = queue.filter(|queue| !is_everyones(queue.target_workers.as_deref())) {
            self.refuse(format!(
                "The queue \"{PING}\" ({}) does not have every worker: set its workers to {EVERYONE}, or rename it.",
                queue.sid
            ));
        }
        if queue.is_none() {
            self.changes.push(Change::Queue { name: PING });
        }
        let workflow = self.account.workflows.iter().find(|workflow| workflow.friendly_name == PING);
        if workflow.is_none() {
            self.changes
                .push(Change::PingWorkflow { name: PING, queue: queue.map(|queue| queue.sid.clone()) });
        }
        workflow.map(|workflow| workflow.sid.clone())
    }

    fn chosen(&mut self, choice: &Choice) -> Vec<&'a Workflow> {
        let all = Choice::of(self.account);
        let Choice::Named(names) = choice else { return all };
        if names.is_empty() {
            let list: Vec<_> = all.iter().map(|it| format!("  {} {}", it.sid, it.friendly_name)).collect();
            self.refuse(format!(
                "Say which workflows customers' calls go through, with --workflow SID for each, or --all-workflows:\n{}",
                list.join("\n")
            ));
        }
        let mut chosen = vec![];
        for name in names {
            let is_it = |it: &&&Workflow| it.sid.as_str() == name || it.friendly_name == *name;
            match all.iter().find(is_it) {
                Some(workflow) => chosen.push(*workflow),
                None => self.refuse(format!(
                    "There is no workflow \"{name}\" in Flex's workspace {}.",
                    self.account.workspace
                )),
            }
        }
        chosen
    }

    fn filter(&mut self, workflow: &Workflow) {
        let (name, sid) = (&workflow.friendly_name, &workflow.sid);
        let Some(routing) = Routing::of(&workflow.configuration) else {
            return self.refuse(format!(
                "The configuration of the workflow \"{name}\" ({sid}) has no list of filters."
            ));
        };
        if routing.reconnects.is_some() {
            return;
        }
        let Some(any) = routing.default_queue else {
            return self.refuse(format!(
                "The workflow \"{name}\" ({sid}) has no default queue, so that a call whose agent does not come back would go to \
                 no agent: give it one, or leave it out."
            ));
        };
        let everyone = self.account.queues.iter().find(|queue| queue.friendly_name == PING);
        let shown = everyone.map_or_else(|| any.clone(), |queue| queue.sid.clone());
        let mut filter = workflow::written(&shown, &any, Some(""));
        if everyone.is_none() {
            filter = filter.replacen(shown.as_str(), "(the new queue)", 1);
        }
        let after = everyone.map(|queue| workflow::with_filter(&workflow.configuration, &queue.sid, &any));
        if after == Some(None) {
            return self.refuse(format!(
                "The filters of the workflow \"{name}\" ({sid}) cannot be found in its text."
            ));
        }
        let after = after.flatten();
        let before = workflow.configuration.clone();
        self.changes.push(Change::Filter {
            workflow: sid.clone(),
            name: name.clone(),
            before,
            after,
            filter,
        });
    }

    fn streams(&mut self, public_url: &str) {
        let sinks = &self.account.sinks;
        let sink = sinks.iter().find(|(sink, _)| sink.status != "failed");
        let types = match sink {
            Some((_, subscribed)) => streams::missing(subscribed),
            None => streams::TYPES.to_vec(),
        };
        if sink.is_none() {
            self.changes.push(Change::Sink { destination: streams::address(public_url) });
        }
        if !types.is_empty() {
            self.changes.push(Change::Subscription { sink: sink.map(|(sink, _)| sink.sid.clone()), types });
        }
    }

    fn chats(&mut self, public_url: &str, wanted: &Chats) {
        let before = &self.account.chats;
        match chats::standing(before, public_url, &wanted.written) {
            Standing::Fits => {}
            Standing::Differs(after) => self.changes.push(Change::Chats { before: before.clone(), after }),
            Standing::Others(why) => self.left.push(format!(
                "the webhook of Conversations: {why}; have its events passed on to {}, or the server learns of chats only by looks",
                chats::address(public_url)
            )),
        }
        // No request is known that shows it.
        self.left.push(format!(
            "the webhook of Interactions, which is set in Twilio's console (Flex, Channel management, Interactions): POST {}, with \
             onParticipantJoined, onParticipantLeft and onChannelStatusUpdated",
            chats::interactions(public_url)
        ));
    }

    fn fallback(&mut self, fallback: &Fallback, chosen: &[&Workflow]) {
        let all = Choice::of(self.account);
        let named = fallback.workflow.as_ref().map(|name| {
            let is_it = |it: &&&Workflow| it.sid.as_str() == name || it.friendly_name == *name;
            (name, all.iter().find(is_it).map(|workflow| &workflow.sid))
        });
        if let Some((name, None)) = named {
            self.refuse(format!(
                "There is no workflow \"{name}\" in Flex's workspace {} (--fallback-workflow).",
                self.account.workspace
            ));
        }
        let named = named.and_then(|(_, workflow)| workflow);
        let only = if let [only] = chosen { Some(&only.sid) } else { None };
        for holder in self.holders(fallback) {
            let there = fallback::address(holder);
            let is_ours = fallback.is_ours(holder);
            // What an earlier run has named stays until another workflow is named.
            let kept = fallback::workflow_of(there).filter(|_| is_ours);
            let after = fallback.address(named.or(kept.as_ref()).or(only));
            let method = holder.voice_fallback_method.clone();
            if there == after && method.as_deref() == Some(fallback::METHOD) {
                continue;
            }
            if !fallback::is_set(holder.voice_url.as_ref()) {
                self.left.push(format!(
                    "{}: it takes no calls: without a voice URL Twilio keeps no fallback address",
                    fallback::label(&holder.sid)
                ));
            } else if there.is_empty() || is_ours || fallback.replace {
                let (sid, url) = (holder.sid.clone(), there.to_owned());
                let numbers = self.numbers_of(&sid);
                self.changes.push(Change::Fallback { sid, numbers, url, method, after });
            } else {
                self.left.push(format!(
                    "{}: its fallback address is another's, {}; --replace-fallback puts ours in its place",
                    fallback::label(&holder.sid),
                    fallback::shown(there)
                ));
            }
        }
    }

    /// What is chosen, each once: a number that has an application is handled through it. Without a choice: what leads to Studio.
    fn holders(&mut self, fallback: &Fallback) -> Vec<&'a VoiceAddresses> {
        let Account { numbers, applications, .. } = self.account;
        if fallback.numbers.is_empty() && fallback.applications.is_empty() {
            let (holders, elsewhere) = fallback::holders(numbers, applications);
            let (chosen, others): (Vec<_>, Vec<_>) =
                holders.into_iter().partition(|holder| fallback::is_studio(holder));
            self.left.extend(others.iter().map(|holder| {
                let label = fallback::label(&holder.sid);
                format!("{label}: its calls do not go to Studio; --{label} chooses it")
            }));
            let label = |number: &PhoneNumber| fallback::label(&number.addresses.sid);
            self.left.extend(elsewhere.iter().map(|(number, why)| format!("{}: {why}", label(number))));
            return chosen;
        }
        let mut chosen = vec![];
        for name in &fallback.numbers {
            let is_it = |number: &&PhoneNumber| number.addresses.sid == *name || number.phone_number == *name;
            match numbers.iter().find(is_it) {
                Some(number) => match fallback::counting(number, applications) {
                    Ok(holder) => chosen.push(holder),
                    Err(why) => {
                        self.left.push(format!("{}: {why}", fallback::label(&number.addresses.sid)));
                    }
                },
                None => self.refuse(format!(
                    "The account has no number {} (--number, by SID or as +15550001111).",
                    name.escape_debug()
                )),
            }
        }
        for name in &fallback.applications {
            match applications.iter().find(|application| application.sid == *name) {
                Some(application) => chosen.push(application),
                None => self.refuse(format!(
                    "The account has no TwiML application {} (--application, by SID).",
                    name.escape_debug()
                )),
            }
        }
        fallback::each_once(chosen)
    }

    /// The SIDs of the numbers that have this application.
    fn numbers_of(&self, application: &str) -> Vec<String> {
        let has_it = |number: &&PhoneNumber| {
            number.voice_application_sid.as_deref() == Some(application)
                && !fallback::is_set(number.trunk_sid.as_ref())
        };
        let numbers = self.account.numbers.iter().filter(has_it);
        numbers.map(|number| number.addresses.sid.clone()).collect()
    }

    fn flex(&mut self, public_url: &str) {
        let before = self.account.rejoin().cloned();
        let mut after = before.clone().filter(Value::is_object).unwrap_or_else(|| json!({}));
        after["server"] = public_url.into();
        if before.as_ref() != Some(&after) {
            self.changes.push(Change::FlexConfiguration { before, after });
        }
    }
}

pub(crate) fn is_everyones(target_workers: Option<&str>) -> bool {
    target_workers.is_none_or(|workers| workers.replace(' ', "") == EVERYONE)
}

/// The queue of every worker that Rejoin uses.
pub(crate) fn everyone(account: &Account) -> Option<&TaskQueueSid> {
    account.queues.iter().find(|queue| queue.friendly_name == PING).map(|queue| &queue.sid)
}
