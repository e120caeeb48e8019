//! Archives laid out in a folder that is no environment's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use undercroft_model::{Element, EnvName, Observer, SiteName};
use undercroft_site::files::restore as files;
use undercroft_vault::record::StreamKind;
use uuid::Uuid;

use super::error::{PartError, RestoreError};
use super::journal::Journal;
use super::part::{How, Staged};
use super::run::{begin, failed};
use super::{ElementOrder, JournalPlace};
use crate::Workplace;

/// What is to be laid out in a folder.
pub struct TakeOutOrder {
    /// Names what is made on the way: the job.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// What the site is called.
    pub site_name: SiteName,
    /// The environment whose archives they are taken for.
    pub env: EnvName,
    /// The archives.
    pub elements: Vec<ElementOrder>,
    /// These files and folders alone; all if there are none.
    pub paths: Vec<String>,
    /// The folder.
    pub to: PathBuf,
    /// Go on without what is damaged in the vault.
    pub skip_damaged: bool,
}

/// Lays trees out in a folder: files and folders of these names alone, or all of them. Says of each element its
/// archive, and what was done. A journal names what is made on the way, in a folder where nobody would look for it.
///
/// # Errors
/// [`RestoreError`], also if anything of it is there already.
pub fn take_out(
    order: &TakeOutOrder,
    place: &Workplace,
    journals: JournalPlace<'_>,
    observer: &dyn Observer,
) -> Result<BTreeMap<Element, (String, String)>, RestoreError> {
    let index = Arc::new(place.vault.read_index()?);
    let only: Vec<Vec<u8>> =
        order.paths.iter().map(|path| path.trim_matches('/').as_bytes().to_vec()).collect();
    let site = (order.site, order.site_name.clone());
    let mut journal = Journal::new(order.id, journals.worker, site, order.env.clone());
    let mut all = Vec::new();
    for one in &order.elements {
        let fail = |source| RestoreError::Part { element: one.element, source: Box::new(source) };
        if one.archive.stream != StreamKind::Tree {
            return Err(fail(PartError::NoTree { archive: one.archive.name.clone() }));
        }
        let (element, archive, only) = (one.element, &one.archive, (!only.is_empty()).then_some(&only[..]));
        let out = files::TakeOut {
            element,
            archive,
            only,
            to: &order.to,
            skip_damaged: order.skip_damaged,
            id: order.id,
        };
        let staged = out.staged().map_err(|error| fail(error.into()))?;
        let how = How::Tree { staged };
        journal.parts.push(Staged { element, backup: one.backup, archive: archive.name.clone(), how });
        all.push(out);
    }
    let _held = begin(&journal, journals)?;
    let mut done = BTreeMap::new();
    let mut taken = Ok(());
    for out in &all {
        observer.doing(out.element, "taking out");
        match files::take_out(out, &place.vault, &index, observer) {
            Ok(made) => {
                let way = format!("{} entries in {}", made.entries.entries, order.to.display());
                done.insert(out.element, (out.archive.name.clone(), way));
            }
            Err(error) => {
                taken = Err(failed(out.element, error.into()));
                break;
            }
        }
    }
    // What could not be removed is for the next command, which finds the journal.
    let left = journal.parts.iter().any(|part| match &part.how {
        How::Tree { staged } if taken.is_ok() => staged.stage.symlink_metadata().is_ok(),
        How::Tree { staged } => files::clean_up(staged, observer).is_err(),
        _ => false,
    });
    if !left {
        let _ = journal.remove(journals.folder);
    }
    taken.map(|()| done)
}
