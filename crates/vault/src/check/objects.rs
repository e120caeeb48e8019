//! The objects beside packs: config, segments of the index, records, marks, notes of damage, notices of sweeps.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::piece::judge;
use super::problem::{At, Findings, Wrong};
use crate::config::{self, ConfigFault, config_name};
use crate::damage::DamageNote;
use crate::error::VaultError;
use crate::fragment::hex;
use crate::index::{PackFacts, read_segment};
use crate::keys::SecretKey;
use crate::pack::PackId;
use crate::record::Record;
use crate::seal::{ObjectKind, OpenError};
use crate::store::{Listed, Store, StoreError};
use crate::vault::{Operation, Vault, keys_name};

/// Reads an object, and once more if it could not be used; inside is what is wrong with it.
fn read<T>(vault: &Vault, read: impl Fn() -> Result<T, VaultError>) -> Result<Result<T, Wrong>, VaultError> {
    match read().or_else(|_| read()) {
        Ok(done) => Ok(Ok(done)),
        Err(VaultError::Store(error)) => judge(vault, error).map(Err),
        Err(VaultError::Object { source: OpenError::Damaged, .. }) => Ok(Err(Wrong::Damaged)),
        Err(VaultError::Object { source, .. }) => Ok(Err(Wrong::Flaw(source.to_string()))),
        Err(other) => Err(other),
    }
}

/// What is wrong with an object, in a few words.
fn words(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Missing => "it went while it was looked at".to_owned(),
        Wrong::Noted | Wrong::Damaged => "it is damaged".to_owned(),
        Wrong::Unreadable(why) => format!("it can't be read ({why})"),
        Wrong::Flaw(text) => text.clone(),
    }
}

/// Opens a vault with whatever is left of its config and keys; `None` if nothing can open it, which was noted.
pub(super) fn open(
    store: &Arc<dyn Store>,
    id: Uuid,
    recovery: &SecretKey,
    records: &[Uuid],
    findings: &mut Findings,
) -> Result<Option<Vault>, VaultError> {
    let open = || Vault::open(Arc::clone(store), id, recovery);
    let error = match open().or_else(|_| open()) {
        Ok(vault) => {
            vault.may(Operation::Check)?;
            tell_of_config(vault.lost_config(), id, findings);
            return Ok(Some(vault));
        }
        Err(error) => error,
    };
    let own = keys_name(id, &recovery.public());
    let there = match &error {
        VaultError::KeysDamaged { .. } => true,
        VaultError::Object { object, .. } if *object == own => true,
        VaultError::KeysLost { .. } => false,
        _ => return Err(error),
    };
    tell_of_config(config::look(store.as_ref(), id)?.err(), id, findings);
    Ok(closed(&own, there, records, findings))
}

fn tell_of_config(fault: Option<ConfigFault>, id: Uuid, findings: &mut Findings) {
    if let Some(fault) = fault {
        let text = format!("it is {fault}; the next backup or catalog:rebuild makes it anew");
        findings.wrong(Some(&config_name(id)), &Wrong::Flaw(text), 0);
    }
}

fn closed(own: &str, there: bool, records: &[Uuid], findings: &mut Findings) -> Option<Vault> {
    let how = if there { "it is damaged" } else { "it is missing" };
    let flaw = Wrong::Flaw(format!(
        "{how}, and without it nothing in the vault can be opened; put it back from a copy of the store, or use \
         another recovery key that the vault has keys for"
    ));
    findings.wrong(Some(own), &flaw, 0);
    for backup in records {
        let at = At { backup: Some(*backup), archive: "" };
        findings.hit(Some(own), &flaw, at, std::iter::empty());
    }
    None
}

/// The packs that segments name, in the segments' order. A damaged segment hits nobody: packs tell of themselves.
pub(super) fn segments(
    vault: &Vault,
    listed: &[Listed],
    findings: &mut Findings,
) -> Result<(Vec<Arc<PackFacts>>, u64), VaultError> {
    let (mut packs, mut bytes) = (Vec::new(), 0);
    for segment in listed {
        bytes += segment.len;
        let segment_of = || {
            vault.is_named_well(&segment.name)?;
            let body = vault.open_object(&segment.name, ObjectKind::Index, b"")?;
            let fail =
                |error| VaultError::Object { object: segment.name.clone(), source: OpenError::from(error) };
            read_segment(&body).map_err(fail)
        };
        match read(vault, segment_of)? {
            Ok(found) => packs.extend(found.into_iter().map(Arc::new)),
            Err(wrong) => {
                let text = format!(
                    "{}; no backup is hit, since packs tell of themselves; the next backup:create writes what it said \
                     anew and removes it",
                    words(&wrong)
                );
                findings.wrong(Some(&segment.name), &Wrong::Flaw(text), 0);
            }
        }
    }
    Ok((packs, bytes))
}

/// The records that can be read.
pub(super) fn records(
    vault: &Vault,
    ids: &[Uuid],
    findings: &mut Findings,
) -> Result<Vec<(Uuid, Record)>, VaultError> {
    let mut records = Vec::new();
    for id in ids {
        match read(vault, || vault.read_record(*id))? {
            Ok(record) => records.push((*id, record)),
            Err(wrong) => {
                let name = vault.record_name(*id);
                let flaw = Wrong::Flaw(format!(
                    "{}: this backup can't be read, while the others are not hit; put the record back from a copy of \
                     the store, or delete it",
                    words(&wrong)
                ));
                findings.wrong(Some(&name), &flaw, 0);
                let at = At { backup: Some(*id), archive: "" };
                findings.hit(Some(&name), &flaw, at, std::iter::empty());
            }
        }
    }
    Ok(records)
}

/// The notes of damage that can be read.
pub(super) fn damage_notes(
    vault: &Vault,
    listed: &[Listed],
    findings: &mut Findings,
) -> Result<Vec<DamageNote>, VaultError> {
    let mut notes = Vec::new();
    for object in listed {
        let note = || {
            vault.is_named_well(&object.name)?;
            vault.read_damage_note(&object.name)
        };
        match read(vault, note)? {
            Ok(note) => notes.push(note),
            Err(wrong) => {
                let text = format!(
                    "{}; it is a note of damage that was found before, which this check has looked for again; delete it",
                    words(&wrong)
                );
                findings.wrong(Some(&object.name), &Wrong::Flaw(text), 0);
            }
        }
    }
    Ok(notes)
}

/// Reads all marks. One that can't be read hits no content, and says no more how long its backup is kept.
pub(super) fn marks(vault: &Vault, findings: &mut Findings) -> Result<u64, VaultError> {
    let mut bytes = 0;
    for mark in vault.mark_objects("")? {
        bytes += mark.len;
        if let Err(wrong) = read(vault, || vault.open_mark(&mark.name))? {
            let flaw = Wrong::Flaw(format!(
                "{}: what it said of this backup (deleted, brought back, kept longer, proven) is not known, and may have \
                 been that it is to be kept; as long as the mark is there, the sweep leaves the backup alone; put the \
                 mark back from a copy of the store, or say with backup:keep or backup:delete what becomes of the \
                 backup, then delete this object",
                words(&wrong)
            ));
            findings.wrong(Some(&mark.name), &flaw, 0);
            let at = At { backup: Some(mark.backup), archive: "" };
            findings.hit(Some(&mark.name), &flaw, at, std::iter::empty());
        }
    }
    Ok(bytes)
}

/// Reads the notices of sweeps.
pub(super) fn notices(vault: &Vault, listed: &[Listed], findings: &mut Findings) -> Result<u64, VaultError> {
    for notice in listed {
        if let Err(wrong) = read(vault, || vault.open_notice(&notice.name))? {
            let text = format!(
                "{}; it is a sweep's notice of packs that it was about to remove, and hits no backup; delete it",
                words(&wrong)
            );
            findings.wrong(Some(&notice.name), &Wrong::Flaw(text), 0);
        }
    }
    Ok(listed.iter().map(|notice| notice.len).sum())
}

/// Where no key opens anything: whether objects are still what their names say.
pub(super) fn names(
    store: &dyn Store,
    listed: &[Listed],
    findings: &mut Findings,
) -> Result<u64, VaultError> {
    let mut bytes = 0;
    for object in listed {
        let found = match store.get(&object.name) {
            Ok(found) => found,
            Err(StoreError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        bytes += found.len() as u64;
        if !object.name.ends_with(&hex(blake3::hash(&found).as_bytes())) {
            let text = "it is damaged: its bytes are not those that it is named by";
            findings.wrong(Some(&object.name), &Wrong::Flaw(text.to_owned()), 0);
        }
    }
    Ok(bytes)
}

/// The packs by name, the first segment that names one counting.
pub(super) fn by_name(packs: &[Arc<PackFacts>]) -> HashMap<PackId, Arc<PackFacts>> {
    let mut known = HashMap::new();
    for pack in packs {
        known.entry(pack.id).or_insert_with(|| Arc::clone(pack));
    }
    known
}
