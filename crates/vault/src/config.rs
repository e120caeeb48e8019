//! What a vault says of itself without a key: its format, and features that a program must know.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::VaultError;
use crate::seal::{OpenError, VERSION};
use crate::store::{Store, StoreError};
use crate::vault::Operation;

/// What can be read of a vault without a key.
#[derive(Debug, Serialize, Deserialize)]
struct Config {
    undercroft_vault: Uuid,
    format: u64,
    features: Features,
}

/// The part of a config that every later format keeps.
#[derive(Debug, Deserialize)]
struct ConfigFront {
    undercroft_vault: Uuid,
    format: u64,
}

/// What is wrong with a config that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFault {
    /// The store does not have it.
    Missing,
    /// It is no config of this vault.
    Damaged,
}

impl std::fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ConfigFault::Missing => "missing",
            ConfigFault::Damaged => "damaged",
        })
    }
}

/// Features that a program must know before it reads, writes, checks or sweeps. This release knows none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Features {
    read: Vec<String>,
    write: Vec<String>,
    check: Vec<String>,
    sweep: Vec<String>,
}

impl Features {
    pub fn allow(&self, operation: Operation, vault: Uuid) -> Result<(), VaultError> {
        let unknown = match operation {
            Operation::Read => &self.read,
            Operation::Write => &self.write,
            Operation::Check => &self.check,
            Operation::Sweep => &self.sweep,
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let source = OpenError::Feature(unknown.join(", "));
        Err(VaultError::Object { object: config_name(vault), source })
    }
}

/// What the config says, or how it is lost.
pub(crate) fn look(store: &dyn Store, id: Uuid) -> Result<Result<Features, ConfigFault>, VaultError> {
    // A read that was cut short is no damage: it is read once more.
    match read_config(store, id).or_else(|_| read_config(store, id)) {
        Ok(features) => Ok(Ok(features)),
        Err(VaultError::Store(StoreError::Missing { .. })) => Ok(Err(ConfigFault::Missing)),
        // A release that says it is newer in plain text is taken at its word.
        Err(error @ VaultError::Object { source: OpenError::Newer(_) | OpenError::Feature(_), .. }) => {
            Err(error)
        }
        Err(VaultError::Object { .. }) => Ok(Err(ConfigFault::Damaged)),
        Err(error) => Err(error),
    }
}

/// The config of a new vault.
pub(crate) fn text(id: Uuid) -> Result<Vec<u8>, serde_json::Error> {
    let config = Config { undercroft_vault: id, format: VERSION.into(), features: Features::default() };
    serde_json::to_vec_pretty(&config)
}

/// Reads and checks what a vault says of itself.
fn read_config(store: &dyn Store, id: Uuid) -> Result<Features, VaultError> {
    let object = config_name(id);
    let text = store.get(&object)?;
    let fail = |source| VaultError::Object { object: object.clone(), source };
    let front: ConfigFront = serde_json::from_slice(&text).map_err(|_| fail(OpenError::NotOurs))?;
    if front.format > u64::from(VERSION) {
        return Err(fail(OpenError::Newer(front.format)));
    }
    if front.undercroft_vault != id {
        return Err(fail(OpenError::OtherVault(front.undercroft_vault)));
    }
    let config: Config = serde_json::from_slice(&text).map_err(|_| fail(OpenError::NotOurs))?;
    Ok(config.features)
}

/// Whether these bytes are a config of the vault that this release knows all of.
pub(crate) fn is_config_of_this_release(bytes: &[u8], id: Uuid) -> bool {
    let known = |Features { read, write, check, sweep }: Features| {
        [read, write, check, sweep].iter().all(Vec::is_empty)
    };
    serde_json::from_slice::<Config>(bytes).is_ok_and(|config| {
        config.undercroft_vault == id && config.format <= u64::from(VERSION) && known(config.features)
    })
}

/// Whether these bytes are a config of the vault, of whatever format.
pub(crate) fn is_config_of(bytes: &[u8], id: Uuid) -> bool {
    serde_json::from_slice::<ConfigFront>(bytes).is_ok_and(|front| front.undercroft_vault == id)
}

pub(crate) fn config_name(id: Uuid) -> String {
    format!("vaults/{id}/config")
}
