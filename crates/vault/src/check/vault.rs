//! Proving a whole vault.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use undercroft_model::{Cancelled, Element, Observer};
use uuid::Uuid;

use super::hits::Hits;
use super::objects;
use super::packs::{ListedPack, PackLook, look_at_all};
use super::problem::{Findings, Problems};
use crate::config::config_name;
use crate::damage::{DamageNote, DamagedPack};
use crate::error::VaultError;
use crate::fragment::unhex;
use crate::keys::SecretKey;
use crate::store::{Listed, Store, StoreError};
use crate::vault::Vault;

/// How much of a vault is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Everything but the archives' own fragments: of their packs, the two ends.
    Lists,
    /// Every byte.
    Content,
}

/// What became of checking a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultProof {
    /// The vault.
    pub vault: Uuid,
    /// How much of it was read.
    pub depth: Depth,
    /// What is wrong.
    pub problems: Problems,
    /// What is worth knowing and hits no backup: damage that has healed or that nothing needs, litter.
    pub notes: Vec<String>,
    /// Pieces that no backup needs whose record was read, and their bytes. A sweep frees them if no record was lost.
    #[serde(default)]
    pub unneeded: Option<(u64, u64)>,
    /// Backups whose records were read.
    pub backups: u64,
    /// The backups that the store has a record of, whether it can be read or not.
    #[serde(skip)]
    pub recorded: Vec<Uuid>,
    /// Packs that were looked at.
    pub packs: u64,
    /// Fragments that were proven.
    pub fragments: u64,
    /// Bytes that were read.
    pub read: u64,
    /// Fragments that were found damaged and are not noted yet, for [`Vault::note_damage`](crate::Vault::note_damage).
    #[serde(skip)]
    pub damaged: Vec<DamagedPack>,
    /// Notes that are wrong: what they speak of was read, and is sound. For
    /// [`Vault::take_back_damage`](crate::Vault::take_back_damage), after `damaged` was noted.
    #[serde(skip)]
    pub disproved: Vec<DamageNote>,
}

impl VaultProof {
    fn new(vault: Uuid, depth: Depth) -> Self {
        VaultProof {
            vault,
            depth,
            problems: Problems::default(),
            notes: Vec::new(),
            unneeded: None,
            backups: 0,
            recorded: Vec::new(),
            packs: 0,
            fragments: 0,
            read: 0,
            damaged: Vec::new(),
            disproved: Vec::new(),
        }
    }

    /// Whether every object is as it should be and every backup restores whole.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks everything that is stored for a site, and tells what each damage hits. It needs nothing to be whole: neither
/// the vault's config nor its keys.
///
/// The observer is told of bytes under the element `files`, since packs belong to no element.
///
/// # Errors
/// [`VaultError`] if the store does not answer, the vault is of a later release or there is none, or the observer says
/// stop. What is wrong with the vault is in the proof.
pub fn vault(
    store: &Arc<dyn Store>,
    id: Uuid,
    recovery: &SecretKey,
    depth: Depth,
    observer: &dyn Observer,
) -> Result<VaultProof, VaultError> {
    let contents = Contents::list(store.as_ref(), id)?;
    let mut findings = Findings::default();
    let mut proof = VaultProof::new(id, depth);
    contents.tell_of_strangers(&mut proof.notes);
    proof.recorded.clone_from(&contents.records);
    let records = &contents.records;
    match objects::open(store, id, recovery, records, &mut findings)? {
        Some(vault) => check_opened(&vault, &contents, observer, &mut findings, &mut proof)?,
        None => {
            for listed in [&contents.packs, &contents.index, &contents.damage] {
                proof.read += objects::names(store.as_ref(), listed, &mut findings)?;
            }
        }
    }
    proof.problems = findings.into_problems();
    Ok(proof)
}

/// What a store lists of a vault.
pub(super) struct Contents {
    keys: Vec<Listed>,
    packs: Vec<Listed>,
    index: Vec<Listed>,
    damage: Vec<Listed>,
    notices: Vec<Listed>,
    records: Vec<Uuid>,
    strangers: Vec<Listed>,
}

impl Contents {
    fn list(store: &dyn Store, id: Uuid) -> Result<Self, VaultError> {
        let top = format!("vaults/{id}/");
        let listed = store.list(&top)?;
        if listed.is_empty() {
            let store = "that was given".to_owned();
            return Err(StoreError::Missing { store, name: config_name(id) }.into());
        }
        let none = Vec::new;
        let mut contents = Contents {
            keys: none(),
            packs: none(),
            index: none(),
            damage: none(),
            notices: none(),
            records: Vec::new(),
            strangers: none(),
        };
        for object in listed {
            contents.sort(&top, object);
        }
        Ok(contents)
    }

    fn sort(&mut self, top: &str, object: Listed) {
        let rest = object.name.strip_prefix(top).unwrap_or_default();
        let is_hash = |name: &str| unhex::<32>(name).is_some();
        match rest.split_once('/') {
            None if rest == "config" => {}
            Some(("keys", name)) if unhex::<8>(name).is_some() => self.keys.push(object),
            Some(("packs", name)) if is_hash(name) => self.packs.push(object),
            // The index is read by any name.
            Some(("index", _)) => self.index.push(object),
            Some(("damage", _)) => self.damage.push(object),
            Some(("records", name)) => match Uuid::parse_str(name) {
                Ok(id) => self.records.push(id),
                Err(_) => self.strangers.push(object),
            },
            Some(("sweeps", _)) => self.notices.push(object),
            // Marks are listed by themselves; what a copy writes down of what it took is for it alone.
            Some(("marks" | "copied", _)) => {}
            // What later releases add.
            _ => self.strangers.push(object),
        }
    }

    fn tell_of_strangers(&self, notes: &mut Vec<String>) {
        for object in self.strangers.iter().take(NOTES_MAX) {
            notes.push(format!("{}: it is nothing that this release knows, and harms nothing", object.name));
        }
        if self.strangers.len() > NOTES_MAX {
            notes.push(format!(
                "{} more objects are nothing that this release knows",
                self.strangers.len() - NOTES_MAX
            ));
        }
    }
}

/// So many notes of one kind are kept.
const NOTES_MAX: usize = 50;

fn check_opened(
    vault: &Vault,
    contents: &Contents,
    observer: &dyn Observer,
    findings: &mut Findings,
    proof: &mut VaultProof,
) -> Result<(), VaultError> {
    let (named, bytes) = objects::segments(vault, &contents.index, findings)?;
    proof.read += bytes;
    let known = objects::by_name(&named);
    let notes = objects::damage_notes(vault, &contents.damage, findings)?;
    let listed: Vec<ListedPack> = contents.packs.iter().filter_map(ListedPack::of).collect();
    let expected = match proof.depth {
        Depth::Content => listed.iter().map(|pack| pack.len).sum(),
        Depth::Lists => 0,
    };
    observer.expect(Element::Files, expected);
    let looks = look_at_all(vault, &listed, &known, proof.depth, observer)?;
    proof.packs = looks.len() as u64;
    proof.fragments = looks.iter().map(|look| look.proven).sum();
    proof.read += looks.iter().map(|look| look.read).sum::<u64>();
    let mut hits = Hits::new(vault, &named, &looks, &notes);
    let records = objects::records(vault, &contents.records, findings)?;
    proof.backups = records.len() as u64;
    proof.read += objects::marks(vault, findings)?;
    proof.read += objects::notices(vault, &contents.notices, findings)?;
    for (id, record) in &records {
        for archive in &record.archives {
            if observer.cancelled() {
                return Err(Cancelled.into());
            }
            hits.archive(*id, archive, findings)?;
        }
    }
    hits.tell(&looks, &known, findings, proof);
    proof.damaged = hits.damaged(&looks, &notes);
    proof.disproved = disproved(&looks, &notes);
    Ok(())
}

/// Notes that speak of what was read and is sound. What this check did not look at may be as the note says, so only
/// one that was read in all its packs is wrong; a pack that is gone needs no note.
pub(super) fn disproved(looks: &[PackLook], notes: &[DamageNote]) -> Vec<DamageNote> {
    let looks: HashMap<_, _> = looks.iter().map(|look| (look.id, look)).collect();
    let was_read = |pack: &DamagedPack| looks.get(&pack.pack).is_none_or(|look| look.was_read());
    let is_wrong = |pack: &DamagedPack| {
        let sound = looks.get(&pack.pack).filter(|look| look.was_read() && look.wrong.is_none());
        sound.is_some_and(|look| pack.fragments.iter().any(|fragment| !look.bad.contains(fragment)))
    };
    let disproved = |note: &&DamageNote| note.packs.iter().all(was_read) && note.packs.iter().any(is_wrong);
    notes.iter().filter(disproved).cloned().collect()
}

/// The vaults in a store, whatever is left of them.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn vaults(store: &dyn Store) -> Result<Vec<Uuid>, StoreError> {
    let mut found: Vec<Uuid> = Vec::new();
    for object in store.list("vaults/")? {
        let id = object.name.split('/').nth(1).and_then(|part| Uuid::parse_str(part).ok());
        found.extend(id.filter(|id| found.last() != Some(id)));
    }
    Ok(found)
}
