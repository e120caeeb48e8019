//! Archives laid out in a folder that is no environment's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use undercroft_model::{Element, Observer};
use undercroft_site::files::restore as files;
use undercroft_vault::record::StreamKind;
use uuid::Uuid;

use super::ElementOrder;
use super::error::{PartError, RestoreError};
use crate::Workplace;

/// Lays trees out in a folder: files and folders of these names alone, or all of them. Says of each element its
/// archive, and what was done. With `skip_damaged`, all that is whole. `id` names what is made on the way.
///
/// # Errors
/// [`RestoreError`], also if anything of it is there already.
pub fn take_out(
    elements: &[ElementOrder],
    id: Uuid,
    (paths, skip_damaged): (&[String], bool),
    folder: &Path,
    place: &Workplace,
    observer: &dyn Observer,
) -> Result<BTreeMap<Element, (String, String)>, RestoreError> {
    let index = Arc::new(place.vault.read_index()?);
    let only: Vec<Vec<u8>> = paths.iter().map(|path| path.trim_matches('/').as_bytes().to_vec()).collect();
    let mut done = BTreeMap::new();
    for one in elements {
        let fail = |source| RestoreError::Part { element: one.element, source: Box::new(source) };
        if one.archive.stream != StreamKind::Tree {
            return Err(fail(PartError::NoTree { archive: one.archive.name.clone() }));
        }
        observer.doing(one.element, "taking out");
        let order = files::TakeOut {
            element: one.element,
            archive: &one.archive,
            only: (!only.is_empty()).then_some(&only),
            to: folder,
            skip_damaged,
            id,
        };
        let made = files::take_out(&order, &place.vault, &index, observer);
        let made = made.map_err(|error| fail(error.into()))?;
        let way = format!("{} entries in {}", made.entries.entries, folder.display());
        done.insert(one.element, (one.archive.name.clone(), way));
    }
    Ok(done)
}
