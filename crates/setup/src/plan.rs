//! What is missing in the account. Pure: it compares what there is with what Rejoin needs.

use crate::workflow::{self, Routing};
use crate::{Account, Change, Refusal, streams};
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_protocol::{ActivitySid, TaskQueueSid, WorkflowSid};
use rejoin_twilio::Workflow;
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
}

impl Plan {
    /// What is left to do.
    ///
    /// # Errors
    /// Everything that prevents it, at once.
    pub fn of(account: &Account, wanted: &Wanted) -> Result<Self, Vec<Refusal>> {
        let mut planning = Planning { account, changes: vec![], refusals: vec![] };
        planning.channel();
        let reconnecting = if wanted.reconnecting { planning.activity() } else { None };
        let ping_workflow = planning.ping();
        for workflow in planning.chosen(&wanted.workflows) {
            planning.filter(workflow);
        }
        if wanted.event_streams {
            planning.streams(&wanted.public_url);
        }
        planning.flex(&wanted.public_url);
        let Planning { changes, refusals, .. } = planning;
        if refusals.is_empty() { Ok(Self { changes, ping_workflow, reconnecting }) } else { Err(refusals) }
    }
}

struct Planning<'a> {
    account: &'a Account,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
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
