//! A store that misbehaves as it is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use undercroft_vault::store::{Listed, Store, StoreError};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    Put(&'a str),
    Get(&'a str),
    Range(&'a str),
    List(&'a str),
    Delete(&'a str),
}

/// How it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails.
    Fail,
    /// It has no room.
    Full,
    /// It may not.
    Denied,
    /// It says that it did, and did not.
    Forget,
    /// It gives half of what it should.
    Cut,
    /// It lists nothing newer than the last listing that was let through.
    Stale,
    /// The thread that asks ends in a panic.
    Panic,
}

type Plan = Box<dyn Fn(u64, Call<'_>) -> Option<Fault> + Send + Sync>;

/// A store around another; `plan` says how each call goes, by its number and what is asked.
pub struct Faulty {
    inner: Arc<dyn Store>,
    calls: AtomicU64,
    plan: Mutex<Option<Plan>>,
    listings: Mutex<Vec<(String, Vec<Listed>)>>,
}

impl Faulty {
    /// A store that behaves, for now.
    pub fn around(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Faulty {
            inner,
            calls: AtomicU64::new(0),
            plan: Mutex::default(),
            listings: Mutex::default(),
        })
    }

    /// From here on it misbehaves; calls are counted anew.
    pub fn misbehave(&self, plan: impl Fn(u64, Call<'_>) -> Option<Fault> + Send + Sync + 'static) {
        self.calls.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap() = Some(Box::new(plan));
    }

    /// From here on it behaves.
    pub fn behave(&self) {
        *self.plan.lock().unwrap() = None;
    }

    /// How many calls there were since it last changed its ways.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn fault(&self, call: Call<'_>) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.plan.lock().unwrap().as_ref().and_then(|plan| plan(number, call));
        if fault == Some(Fault::Panic) {
            panic!("the store's panic, as planned");
        }
        fault
    }
}

fn error(fault: Option<Fault>, action: &'static str, name: &str) -> Result<(), StoreError> {
    let (store, name) = ("faulty".to_owned(), name.to_owned());
    match fault {
        Some(Fault::Fail) => {
            Err(StoreError::Failed { store, action, name, source: std::io::Error::other("as planned") })
        }
        Some(Fault::Full) => Err(StoreError::Full { store, name }),
        Some(Fault::Denied) => Err(StoreError::Denied { store, action, name }),
        _ => Ok(()),
    }
}

fn cut(fault: Option<Fault>, mut bytes: Vec<u8>) -> Vec<u8> {
    if fault == Some(Fault::Cut) {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}

impl Store for Faulty {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let fault = self.fault(Call::Put(name));
        error(fault, "write", name)?;
        if fault == Some(Fault::Forget) { Ok(()) } else { self.inner.put(name, bytes) }
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let fault = self.fault(Call::Get(name));
        error(fault, "read", name)?;
        Ok(cut(fault, self.inner.get(name)?))
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let fault = self.fault(Call::Range(name));
        error(fault, "read", name)?;
        Ok(cut(fault, self.inner.get_range(name, offset, len)?))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let fault = self.fault(Call::List(prefix));
        error(fault, "list", prefix)?;
        let mut listings = self.listings.lock().unwrap();
        let known = listings.iter().position(|(of, _)| of == prefix);
        if let (Some(Fault::Stale), Some(at)) = (fault, known) {
            return Ok(listings[at].1.clone());
        }
        let listed = self.inner.list(prefix)?;
        if let Some(at) = known {
            listings.remove(at);
        }
        listings.push((prefix.to_owned(), listed.clone()));
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let fault = self.fault(Call::Delete(name));
        error(fault, "delete", name)?;
        if fault == Some(Fault::Forget) { Ok(()) } else { self.inner.delete(name) }
    }
}
