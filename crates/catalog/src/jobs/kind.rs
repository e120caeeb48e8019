//! What jobs do, where they are in their lives, and which of them exclude each other.

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Makes a backup.
    Backup,
    /// Brings elements of an environment back.
    Restore,
    /// The same for one element, as Terminus asks for it.
    RestoreCode,
    /// See `RestoreCode`.
    RestoreDatabase,
    /// See `RestoreCode`.
    RestoreFiles,
    /// Tells what a restore would change.
    PlanRestore,
    /// Proves backups of an environment.
    Verify,
    /// Proves everything that is stored for a site.
    Check,
    /// Removes what no backup of a site needs.
    Sweep,
    /// Tells what a sweep would remove.
    PlanSweep,
}

/// Which other jobs of its site a job keeps from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// None but those that hold the whole site: it only reads what is stored.
    Nothing,
    /// Those that hold the same environment.
    Environment,
    /// All.
    Site,
}

impl JobKind {
    const ALL: [JobKind; 10] = [
        JobKind::Backup,
        JobKind::Restore,
        JobKind::RestoreCode,
        JobKind::RestoreDatabase,
        JobKind::RestoreFiles,
        JobKind::PlanRestore,
        JobKind::Verify,
        JobKind::Check,
        JobKind::Sweep,
        JobKind::PlanSweep,
    ];

    /// The API's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Backup => "do_export",
            JobKind::Restore => "restore",
            JobKind::RestoreCode => "restore_code",
            JobKind::RestoreDatabase => "restore_database",
            JobKind::RestoreFiles => "restore_files",
            JobKind::PlanRestore => "plan_restore",
            JobKind::Verify => "verify",
            JobKind::Check => "check",
            JobKind::Sweep => "sweep",
            JobKind::PlanSweep => "plan_sweep",
        }
    }

    /// What the API's word means.
    pub fn parse(text: &str) -> Option<Self> {
        JobKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it does, as a person would say it: `a backup`.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Backup => "a backup",
            JobKind::Restore | JobKind::RestoreCode | JobKind::RestoreDatabase | JobKind::RestoreFiles => {
                "a restore"
            }
            JobKind::PlanRestore => "a look at what a restore would change",
            JobKind::Verify => "a verification",
            JobKind::Check => "a check of the vault",
            JobKind::Sweep => "a sweep",
            JobKind::PlanSweep => "a look at what a sweep would remove",
        }
    }

    /// Whether it brings elements back, however it was asked for.
    pub fn is_restore(self) -> bool {
        matches!(
            self,
            JobKind::Restore | JobKind::RestoreCode | JobKind::RestoreDatabase | JobKind::RestoreFiles
        )
    }

    fn hold(self) -> Hold {
        match self {
            JobKind::Backup
            | JobKind::Restore
            | JobKind::RestoreCode
            | JobKind::RestoreDatabase
            | JobKind::RestoreFiles => Hold::Environment,
            JobKind::PlanRestore | JobKind::Verify | JobKind::Check | JobKind::PlanSweep => Hold::Nothing,
            JobKind::Sweep => Hold::Site,
        }
    }

    /// Whether two jobs of one site can't run at the same time. `same`: they are of one environment.
    pub(super) fn excludes(self, other: JobKind, same: bool) -> bool {
        match (self.hold(), other.hold()) {
            (Hold::Site, _) | (_, Hold::Site) => true,
            (Hold::Environment, Hold::Environment) => same,
            _ => false,
        }
    }

    /// Whether others that come later need not wait for it before it has begun: a sweep must hold nobody up.
    pub fn gives_way(self) -> bool {
        self.hold() == Hold::Site
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It waits.
    Queued,
    /// A worker has it.
    Running,
    /// It is done, and all of it is good.
    Succeeded,
    /// It failed, or only a part of it is good.
    Failed,
    /// The one who asked for it stopped it.
    Cancelled,
}

impl JobState {
    const ALL: [JobState; 5] =
        [JobState::Queued, JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled];

    /// The word kept in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Whether it won't change any more.
    pub fn is_final(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        JobState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        for kind in JobKind::ALL {
            assert_eq!(JobKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(JobKind::parse("do_import"), None);
    }

    #[test]
    fn readers_hold_nobody_up_and_a_sweep_wants_to_be_alone() {
        assert!(JobKind::Backup.excludes(JobKind::RestoreFiles, true));
        assert!(!JobKind::Backup.excludes(JobKind::Restore, false));
        assert!(!JobKind::Verify.excludes(JobKind::Backup, true));
        for kind in JobKind::ALL {
            assert!(JobKind::Sweep.excludes(kind, false) && kind.excludes(JobKind::Sweep, false));
        }
    }
}
