//! Jobs that say nothing any more, though their program is there: stopped, or hanging in the middle of something.

use std::time::Duration;

use tokio::time::Instant;
use undercroft_catalog::{CatalogError, Job, JobKind, JobState};
use uuid::Uuid;

use crate::App;

/// How long a running job may be silent before those that wait for it take its lease away. It says every second that
/// it goes on.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// With a sweep, which must hold nobody up.
    pub sweep: Duration,
    /// With others. With a restore there is no end of it: whoever went on in its place would meet it in the site when it
    /// wakes.
    pub others: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { sweep: Duration::from_secs(10), others: Duration::from_secs(60) }
    }
}

impl Patience {
    fn with(&self, kind: JobKind) -> Option<Duration> {
        match kind {
            kind if kind.is_restore() => None,
            kind if kind.gives_way() => Some(self.sweep),
            _ => Some(self.others),
        }
    }
}

/// What one who waits has seen of the job before it. By the time that passes here, so that nobody's clock matters.
#[derive(Debug, Default)]
pub struct Silence {
    seen: Option<(Seen, Instant)>,
}

/// What changes with every sign of life.
type Seen = (Uuid, i64, Option<f64>);

impl Silence {
    /// Looks at the job that comes first; whether it has been silent for too long.
    fn is_too_long(&mut self, first: &Job, patience: &Patience) -> bool {
        let now = (first.id, first.fence, first.heartbeat);
        let since = match &self.seen {
            Some((seen, since)) if *seen == now => *since,
            _ => {
                let since = Instant::now();
                self.seen = Some((now, since));
                since
            }
        };
        first.state == JobState::Running
            && patience.with(first.kind).is_some_and(|patience| since.elapsed() >= patience)
    }
}

impl App {
    /// Takes the lease of a job that has been silent for too long. It can write nothing down any more when it wakes, and
    /// a sweep finds out what has changed before it goes on.
    pub(super) async fn end_if_silent(&self, first: &Job, silence: &mut Silence) -> Result<(), CatalogError> {
        if !silence.is_too_long(first, &self.patience) {
            return Ok(());
        }
        let reason = "Its program said nothing any more, as one that was stopped or hangs on a disk, and another job waited: \
                      that one took its turn. Run it again.";
        let end = (JobState::Failed, reason);
        match self.catalog.end_job(first.id, Some(first.fence), end, self.seconds()).await {
            Ok(()) => {
                tracing::warn!(id = %first.id, kind = first.kind.name(), "a job was silent for too long");
                Ok(())
            }
            // It is over, or went on just now.
            Err(CatalogError::LostLease(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_into_a_site_is_waited_for_as_long_as_it_takes() {
        let patience = Patience::default();
        for kind in [JobKind::Restore, JobKind::RestoreCode, JobKind::RestoreDatabase, JobKind::RestoreFiles]
        {
            assert_eq!(patience.with(kind), None);
        }
        for kind in [JobKind::Backup, JobKind::Verify, JobKind::Check, JobKind::PlanRestore] {
            assert_eq!(patience.with(kind), Some(patience.others));
        }
        assert_eq!(patience.with(JobKind::Sweep), Some(patience.sweep));
    }
}
