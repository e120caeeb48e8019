//! Proves backups: reads all of them, and, if asked to, restores databases and repositories beside the live ones
//! and compares.

use std::collections::HashSet;
use std::sync::Arc;

use undercroft_model::api::{VerifiedArchive, VerifiedBackup};
use undercroft_model::{
    BackupReport, Cancelled, Element, ElementReport, ElementState, EnvName, EnvSettings, Facts, Observer,
    Silent, SiteName,
};
use undercroft_site::database::SqlCheck;
use undercroft_site::git;
use undercroft_vault::VaultError;
use undercroft_vault::check::{ArchiveJob, ArchiveProof, Prover, TextCheck};
use undercroft_vault::damage::DamagedPack;
use undercroft_vault::fragment::FragmentRef;
use undercroft_vault::index::Index;
use undercroft_vault::pack::PackId;
use undercroft_vault::record::{ArchiveRecord, StreamKind};
use uuid::Uuid;

use crate::Workplace;
use crate::error::chain;
use crate::restore::error::PartError;
use crate::restore::part::{How, Scene, Source, Staged};
use crate::restore::{Journal, JournalError, JournalPlace, What, lay_out, remove_scratch, scratch};

/// Backups that are to be proven.
pub struct VerifyOrder {
    /// The job's id.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// What the site is called.
    pub site_name: SiteName,
    /// The environment.
    pub env: EnvName,
    /// Where its elements are: its database's server takes the test restore.
    pub settings: EnvSettings,
    /// The backups.
    pub backups: Vec<BackupReport>,
    /// These elements; all if there are none.
    pub elements: Vec<Element>,
    /// Restore databases and repositories too, and compare.
    pub deep: bool,
}

/// Why backups could not be proven. What is wrong with them is no error.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store does not answer.
    #[error("the backups could not be read")]
    Vault(#[from] VaultError),
    /// The journal can't be kept, and without it nothing is loaded beside the live database.
    #[error("nothing was compared")]
    Journal(#[from] JournalError),
    /// It was stopped by the one who asked for it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// So many problems of an archive are told.
const PROBLEMS_MAX: usize = 100;

struct Verifier<'a> {
    order: &'a VerifyOrder,
    place: &'a Workplace,
    journals: JournalPlace<'a>,
    observer: &'a dyn Observer,
    index: Arc<Index>,
    prover: Prover,
}

/// Proves the backups, newest first, and hands each to `done` as soon as it is proven: what is known by then must not be
/// lost with those that come later. Damage that is found is noted in the vault, so that the next backup heals it.
///
/// # Errors
/// [`VerifyError`] if it could not be done.
pub fn verify(
    order: &VerifyOrder,
    place: &Workplace,
    journals: JournalPlace<'_>,
    observer: &dyn Observer,
    done: &mut dyn FnMut(Uuid, VerifiedBackup),
) -> Result<(), VerifyError> {
    let index = Arc::new(place.vault.read_index()?);
    let prover = Prover::new(&place.vault, Arc::clone(&index));
    let verifier = Verifier { order, place, journals, observer, index, prover };
    let mut noted = HashSet::new();
    for report in &order.backups {
        let proven = verifier.backup(report);
        let failed = verifier.note_damage(&mut noted);
        let mut proven = proven?;
        if let (Err(error), Some(archive)) = (failed, proven.archives.last_mut()) {
            archive.notes.push(format!(
                "what is damaged could not be noted, so it does not heal yet; verify it again: {}",
                chain(&error)
            ));
        }
        done(report.id, proven);
    }
    Ok(())
}

impl Verifier<'_> {
    /// Notes the damage that was found since the last time.
    fn note_damage(&self, noted: &mut HashSet<(PackId, FragmentRef)>) -> Result<(), VaultError> {
        let mut damaged = self.prover.damaged();
        for pack in &mut damaged {
            pack.fragments.retain(|fragment| !noted.contains(&(pack.pack, *fragment)));
        }
        damaged.retain(|pack| !pack.fragments.is_empty());
        if damaged.is_empty() {
            return Ok(());
        }
        self.place.vault.note_damage(&damaged, (self.place.clock)().as_second())?;
        for DamagedPack { pack, fragments } in damaged {
            noted.extend(fragments.into_iter().map(|fragment| (pack, fragment)));
        }
        Ok(())
    }

    fn backup(&self, report: &BackupReport) -> Result<VerifiedBackup, VerifyError> {
        let folder = report.folder.to_string();
        let record = match self.place.vault.read_record(report.id) {
            Ok(record) => record,
            Err(error @ VaultError::Store(_)) if !is_missing(&error) => return Err(error.into()),
            Err(error) => {
                let archives = vec![VerifiedArchive {
                    archive: folder.clone(),
                    problems: vec![format!("its record can't be read: {}", chain(&error))],
                    problems_total: 1,
                    ..VerifiedArchive::default()
                }];
                return Ok(VerifiedBackup { folder, good: false, archives });
            }
        };
        let mut archives = Vec::new();
        for (element, one) in &report.elements {
            if !self.order.elements.is_empty() && !self.order.elements.contains(element) {
                continue;
            }
            let name = report.archive_name(*element).to_string();
            archives.push(match record.archive(&name) {
                Some(archive) => self.archive(report.id, *element, archive, one.facts.as_ref())?,
                None => without_archive(name, one),
            });
        }
        let good = archives.iter().all(|archive| archive.problems_total == 0);
        Ok(VerifiedBackup { folder, good, archives })
    }

    fn archive(
        &self,
        backup: Uuid,
        element: Element,
        archive: &ArchiveRecord,
        facts: Option<&Facts>,
    ) -> Result<VerifiedArchive, VerifyError> {
        self.observer.doing(element, "reading");
        self.observer.expect(element, archive.raw_len);
        let text: Option<&dyn TextCheck> = (archive.stream == StreamKind::Text).then_some(&SqlCheck);
        let job = ArchiveJob { backup: Some(backup), archive, element, text, observer: self.observer };
        let proof = self.prover.archive(&job)?;
        let mut verified = said(archive, &proof);
        if self.order.deep && proof.is_good() {
            match (element, facts) {
                (Element::Database, _) => self.test_restore(backup, archive, facts, &mut verified)?,
                (Element::Code, Some(Facts::Code(code))) if code.commit.is_some() => {
                    self.check_out(archive, &mut verified);
                }
                _ => {}
            }
        }
        if self.observer.cancelled() {
            return Err(Cancelled.into());
        }
        Ok(verified)
    }

    /// Loads a dump into a scratch schema and compares. The journal sees to it that the schema goes.
    fn test_restore(
        &self,
        backup: Uuid,
        archive: &ArchiveRecord,
        facts: Option<&Facts>,
        verified: &mut VerifiedArchive,
    ) -> Result<(), VerifyError> {
        self.observer.doing(Element::Database, "restoring into a scratch schema");
        let order = self.order;
        let site = (order.site, order.site_name.clone());
        let mut journal = Journal::new(order.id, self.journals.worker, site, order.env.clone());
        let how = How::TestRestore { id: order.id };
        let staged = Staged { element: Element::Database, backup, archive: archive.name.clone(), how };
        journal.parts.push(staged.clone());
        journal.save(self.journals.folder)?;
        let scene = Scene {
            settings: &order.settings,
            vault: &self.place.vault,
            index: &self.index,
            observer: self.observer,
        };
        let source = Source::new(archive.clone(), facts);
        let tested = scene.test_restore(&source, order.id);
        match staged.clean_up(scene.live()) {
            Ok(()) => journal.remove(self.journals.folder)?,
            Err(error) => verified.notes.push(format!(
                "the scratch schema could not be removed, the next command tries again: {}",
                chain(&error)
            )),
        }
        match tested {
            Ok(test) => {
                verified.proven.push_str(&format!(
                    "; restored into a scratch schema: {} tables, {} of them compared row by row, {} definitions",
                    test.tables, test.compared, test.definitions
                ));
                verified.notes.extend(test.notes);
                verified.problems_total += test.differences_total;
                verified.problems.extend(test.differences);
            }
            Err(error) if error.is_cancelled() => return Err(Cancelled.into()),
            // That this account may not make a schema says nothing of the backup.
            Err(error) if matches!(error, PartError::NotThere(_)) || is_about_the_server(&error) => {
                verified.notes.push(format!("it was read and not restored: {}", chain(&error)));
                verified.untested = true;
            }
            Err(error) => {
                verified.problems_total += 1;
                verified.problems.push(format!("it can't be restored: {}", chain(&error)));
            }
        }
        Ok(())
    }

    /// Lays the archive out and lets git say whether its repository is whole and its work tree as committed.
    fn check_out(&self, archive: &ArchiveRecord, verified: &mut VerifiedArchive) {
        self.observer.doing(Element::Code, "checking the repository out");
        let folder = scratch(&self.place.cache, self.order.id);
        let vault = (&self.place.vault, &self.index);
        let laid_out = lay_out(vault, archive, What::All, (&folder, self.order.id), &Silent);
        let found = laid_out.map_err(|error| chain(&error));
        let found = found.and_then(|()| git::check(&folder).map_err(|error| chain(&error)));
        if let Err(error) = remove_scratch(&folder) {
            verified.notes.push(chain(&error));
        }
        match found {
            Ok(flaws) => {
                verified
                    .proven
                    .push_str("; its repository checked by git, and its work tree compared with the commit");
                verified.problems_total += flaws.len() as u64;
                verified.problems.extend(flaws.into_iter().take(PROBLEMS_MAX));
            }
            Err(why) => verified.notes.push(format!("its repository could not be checked out here: {why}")),
        }
    }
}

/// What is said of an element that has no archive: it could not be captured then, or what was captured is lost.
fn without_archive(archive: String, element: &ElementReport) -> VerifiedArchive {
    let mut verified = VerifiedArchive { archive, ..VerifiedArchive::default() };
    if element.state == ElementState::Failed {
        let why = element.error.as_deref().unwrap_or("no reason is known");
        verified.notes.push(format!("there is nothing to read, since it could not be backed up: {why}"));
    } else {
        verified.problems_total = 1;
        verified.problems.push("the backup's record should have it, and lacks it".to_owned());
    }
    verified
}

fn is_missing(error: &VaultError) -> bool {
    matches!(error, VaultError::Store(undercroft_vault::store::StoreError::Missing { .. }))
}

/// Whether what stands in the way is the server or the account, not the dump.
fn is_about_the_server(error: &PartError) -> bool {
    use undercroft_site::database::restore::RestoreError;
    matches!(
        error,
        PartError::Database(
            RestoreError::MissingRight { .. }
                | RestoreError::MissingLiveRight { .. }
                | RestoreError::RowTooLong { .. }
                | RestoreError::Database(_)
                | RestoreError::Busy { .. }
                | RestoreError::NotOurs { .. }
        )
    )
}

fn said(archive: &ArchiveRecord, proof: &ArchiveProof) -> VerifiedArchive {
    let what = match archive.stream {
        StreamKind::Tree => format!("{} entries", proof.parts),
        StreamKind::Text => format!("{} sections, {} rows", proof.parts, proof.rows),
    };
    VerifiedArchive {
        archive: archive.name.clone(),
        proven: format!("every byte read and hashed: {what}"),
        problems: proof.problems.list.iter().take(PROBLEMS_MAX).map(ToString::to_string).collect(),
        problems_total: proof.problems.total,
        ..VerifiedArchive::default()
    }
}
