//! Stores: where objects live.
//!
//! An object once written is never changed, so a store needs few words. Every store passes the same tests
//! (`tests/store.rs`).

mod direct;
mod local;

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

pub use local::LocalStore;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{name} is not in the store {store}")]
    Missing {
        /// The store.
        store: String,
        /// The object.
        name: String,
    },
    /// There is no room.
    #[error("the store {store} is full: {name} could not be written; free some space and try again")]
    Full {
        /// The store.
        store: String,
        /// The object.
        name: String,
    },
    /// The account that this program runs as may not do it.
    #[error(
        "no permission to {action} {name} in the store {store}: give this user the right to, or run as its owner"
    )]
    Denied {
        /// The store.
        store: String,
        /// `read`, `write`, …
        action: &'static str,
        /// The object.
        name: String,
    },
    /// Anything else.
    #[error("could not {action} {name} in the store {store}")]
    Failed {
        /// The store.
        store: String,
        /// `read`, `write`, …
        action: &'static str,
        /// The object.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// An object as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was written, by the store's clock, if the store tells.
    pub modified: Option<SystemTime>,
}

/// A place for objects. Names are parted by `/` and hold lower-case letters, digits, `-`, `_` and `.`.
pub trait Store: Send + Sync {
    /// Writes an object, durable when this returns. An object that is there already is left as it is, and of several
    /// that put one name at once, the first wins. (A store that can't promise this is used for a new vault by one
    /// program at a time; all other objects' names are random.)
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// The whole object.
    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError>;

    /// `len` bytes from `offset`; an error if the object ends before.
    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError>;

    /// All objects whose names begin with `prefix`, which ends in `/`, in byte order of their names.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;

    /// Removes an object; one that is not there is no error.
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}

/// Opens the local store in a folder, which is made if it isn't there.
///
/// # Errors
/// [`StoreError`] if the folder can't be made.
pub fn local(folder: impl Into<PathBuf>) -> Result<LocalStore, StoreError> {
    LocalStore::open(folder.into())
}
