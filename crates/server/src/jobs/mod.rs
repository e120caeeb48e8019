//! The jobs that this program runs: queued in the catalog, run on threads of their own, watched and stopped.

mod abandoned;
mod backup;
mod beginning;
mod ended;
mod found;
mod maintain;
mod recovery;
mod restore;
mod run;
mod running;
mod silence;
mod verify;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

pub use backup::BackupJob;
pub use restore::RestoreJob;
pub use run::Work;
pub use running::Running;
pub use silence::Patience;
pub use verify::VerifyJob;

/// A job's lease: who holds it may write down what came of the job.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// The job.
    pub id: Uuid,
    /// The number that fences others off.
    pub fence: i64,
    /// Unix seconds that name the folder of the backup that the job makes.
    pub folder: i64,
}

/// The jobs of this program.
pub struct Jobs {
    worker: Uuid,
    running: Mutex<HashMap<Uuid, Arc<Running>>>,
    /// Those that have not come to their end.
    at_work: Mutex<HashSet<Uuid>>,
}

impl Jobs {
    /// None yet; `worker` is what this program is registered as.
    pub fn new(worker: Uuid) -> Self {
        Jobs { worker, running: Mutex::default(), at_work: Mutex::default() }
    }

    /// What this program is registered as.
    pub fn worker(&self) -> Uuid {
        self.worker
    }

    /// The job, if this program runs it or ran it.
    pub fn find(&self, id: Uuid) -> Option<Arc<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Whether this program is still at a job. One that has ended may have left something behind.
    pub fn is_at_work(&self, id: Uuid) -> bool {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn rests(&self, id: Uuid) {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn keep(&self, id: Uuid, running: Arc<Running>) {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id, running);
    }
}
