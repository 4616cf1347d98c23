//! The database is lost, and restored from a backup.

use super::{Inbox, Wire};
use crate::coming::Coming;
use crate::plan::FaultKind;
use crate::planted::Planted;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_server::surroundings::Surroundings;
use rejoin_server::{Restored, Server};
use std::sync::Arc;
use std::time::Duration;

/// How long an operator waits before the command is repeated.
const AGAIN: Duration = Duration::from_secs(1);

impl World {
    /// A copy of the database is made.
    pub(crate) fn back_up(&mut self) {
        self.servers.backup = self.servers.kept.backup().map(|backup| (self.now, backup));
        self.note(Lane::World, None, Kind::Does, || "a backup of the database is made".into());
    }

    /// The database is lost with all that was written since the backup: the servers die, and an operator restores it.
    pub(crate) async fn restore(&mut self) {
        let Some((made, backup)) = self.servers.backup.take() else { return };
        self.forgets_since(made);
        self.coverage.fault(FaultKind::DatabaseRestored);
        self.last_fault = self.now;
        self.lost_callbacks = true;
        self.note(Lane::World, None, Kind::Fault, || "the database is lost, and its backup restored".into());
        self.servers.restoring = true;
        for place in 0..self.servers.places.len() {
            self.kill_server(place);
        }
        self.servers.kept.restore(backup);
        if self.planted == Some(Planted::RestoredPlainly) {
            return self.restored(Restored::default());
        }
        self.servers.number += 1;
        let number = self.servers.number;
        let surroundings = Surroundings::seeded(self.wall(), self.plan.seed ^ (number as u64) << 48, None);
        let Ok(store) = self.servers.kept.open(surroundings).await else { return };
        let (config, sender) = (self.servers.config.clone(), self.sender.clone());
        tokio::spawn(async move {
            let wire: Arc<Wire> = Arc::new(Wire(number, sender.clone()));
            loop {
                let wire: Arc<Wire> = Arc::clone(&wire);
                match Box::pin(Server::restored_in_world(&config, &store, wire)).await {
                    Ok(found) => {
                        store.close().await;
                        // Fails only when the world is over.
                        let _ = sender.send(Inbox::Restored(found));
                        return;
                    }
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        });
    }

    /// The database is restored: servers start on it.
    pub(crate) fn restored(&mut self, found: Restored) {
        self.servers.restoring = false;
        self.last_fault = self.now;
        self.note(Lane::World, None, Kind::Does, || format!("the database is restored: {found:?}"));
        for place in 0..self.servers.places.len() {
            self.put(400, Coming::StartServer(place));
        }
    }
}
