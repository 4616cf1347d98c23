//! The requests of one job.

use crate::jobs::Job;
use crate::story::{Entry, Told};
use crate::surroundings::Surroundings;
use rejoin_protocol::Millis;
use rejoin_twilio::{Asked, Witness};
use std::sync::{Mutex, PoisonError};

/// Requests that are not stored yet.
#[derive(Debug)]
pub(super) struct Requests {
    surroundings: Surroundings,
    made: Mutex<Vec<(Millis, Asked)>>,
}

impl Witness for Requests {
    fn saw(&self, asked: Asked) {
        let begun =
            self.surroundings.now() - Millis(u64::try_from(asked.took.as_millis()).unwrap_or(u64::MAX));
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push((begun, asked));
    }
}

impl Requests {
    /// None yet.
    pub(super) fn new(surroundings: &Surroundings) -> Self {
        Self { surroundings: surroundings.clone(), made: Mutex::default() }
    }

    /// Takes them out, as entries of the job's call.
    pub(super) fn take(&self, job: &Job) -> Vec<Told> {
        let asked = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let told = |(at, asked): (Millis, Asked)| {
            let entry = Entry::Asked {
                job: job.claim.job.0,
                action: job.action.name().into(),
                request: asked.what,
                status: asked.status,
                code: asked.code,
                request_id: asked.request_id,
                took_ms: u64::try_from(asked.took.as_millis()).unwrap_or(u64::MAX),
                error: asked.error.map(str::to_owned),
            };
            told(job, at, entry)
        };
        asked.into_iter().map(told).collect()
    }
}

/// An entry about a job, for its call's story.
pub(super) fn told(job: &Job, at: Millis, entry: Entry) -> Told {
    let recovery = job.recovery.as_ref().map(|(recovery, _)| recovery.clone());
    Told { at, conference: job.conference.clone(), recovery, entry }
}
