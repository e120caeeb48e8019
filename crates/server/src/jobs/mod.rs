//! The jobs that this program runs: queued in the catalog, run on threads of their own, watched and stopped.

mod abandoned;
mod backup;
mod ended;
mod maintain;
mod recovery;
mod restore;
mod run;
mod running;
mod silence;
mod verify;

use std::collections::HashMap;
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
}

impl Jobs {
    /// None yet; `worker` is what this program is registered as.
    pub fn new(worker: Uuid) -> Self {
        Jobs { worker, running: Mutex::default() }
    }

    /// What this program is registered as.
    pub fn worker(&self) -> Uuid {
        self.worker
    }

    /// The job, if this program runs it or ran it.
    pub fn find(&self, id: Uuid) -> Option<Arc<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, id: Uuid, running: Arc<Running>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id, running);
    }
}
