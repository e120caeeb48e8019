//! `POST store/copy`, `GET`/`DELETE store/copy/<id>`: brings the store to another one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use undercroft_model::api::{CopiedObject, CopyObject, CopyParams};
use undercroft_vault::copy::{
    self, CopiedVault, CopyError, CopyPolicy, Damaged, Failed, Watch, Which, Withheld, Witness,
};
use undercroft_vault::store::{self, Store};
use undercroft_vault::sweep::Candidate;
use undercroft_worker::chain;
use uuid::Uuid;

use super::place::place;
use super::removal::Removal;
use crate::app::blocking;
use crate::{ApiError, App};

/// The copies of this program.
#[derive(Default)]
pub struct Copies(Mutex<HashMap<Uuid, Arc<Copying>>>);

/// A copy at work.
#[derive(Default)]
struct Copying {
    expected: AtomicU64,
    done: AtomicU64,
    stopped: AtomicBool,
    ended: Mutex<Option<(&'static str, String, Vec<CopiedObject>)>>,
}

impl Watch for Copying {
    fn expect(&self, _: Uuid, _: u64, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    fn copied(&self, _: Uuid, _: &str, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

impl Copying {
    fn object(&self, id: Uuid) -> CopyObject {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (result, reason, outcome) = match ended {
            Some((result, reason, outcome)) => (Some(result.to_owned()), reason, outcome),
            None => (None, String::new(), Vec::new()),
        };
        let (expected, done) = (self.expected.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed));
        CopyObject { id, expected, done, result, reason, outcome }
    }
}

impl Copies {
    fn find(&self, id: Uuid) -> Result<Arc<Copying>, ApiError> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        found.ok_or_else(|| ApiError::not_found(format!("There is no copy {id}.")))
    }
}

/// Begins a copy and answers at once.
pub async fn create(
    State(app): State<Arc<App>>,
    body: Result<Json<CopyParams>, JsonRejection>,
) -> Result<Json<CopyObject>, ApiError> {
    let Json(asked) = body?;
    let from = app.store().map_err(|error| ApiError::internal(&error))?;
    let own = [app.data.root().to_owned(), app.data.store()];
    let to = blocking(move || place(&asked.to, &own)).await?;
    let to = to.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let removal = Removal::read(&app).await?;
    let (id, copying) = (Uuid::new_v4(), Arc::new(Copying::default()));
    app.copies.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&copying));
    let watch = Arc::clone(&copying);
    tokio::task::spawn_blocking(move || {
        let which = if asked.sites.is_empty() { Which::All } else { Which::These(asked.sites) };
        let policy = CopyPolicy {
            remove: !asked.keep_all,
            most: if asked.however_much { 100 } else { CopyPolicy::default().most },
            verify: asked.verify,
        };
        let removed = |vault: Uuid, candidates: &[Candidate]| removal.of(vault, candidates);
        let witness = Witness { recovery: &app.recovery.0, removed: &removed };
        let copied = store::local(to).map_err(CopyError::Target).and_then(|to| {
            let to: Arc<dyn Store> = Arc::new(to);
            copy::copy(from.as_ref(), &to, &which, &policy, &witness, watch.as_ref())
        });
        let ended = match copied {
            Ok(copied) => {
                let incomplete = |vault: &CopiedVault| !vault.damaged.is_empty() || vault.withheld.is_some();
                let bad = !copied.failed.is_empty() || copied.vaults.iter().any(incomplete);
                let (result, reason) = if bad {
                    ("failed", "Not everything could be copied, or removed from the copy.")
                } else {
                    ("succeeded", "")
                };
                let told = copied.vaults.into_iter().map(told).chain(copied.failed.iter().map(told_failed));
                (result, reason.to_owned(), told.collect())
            }
            Err(CopyError::Cancelled(_)) => ("aborted", "It was cancelled.".to_owned(), Vec::new()),
            Err(error) => ("failed", chain(&error), Vec::new()),
        };
        *watch.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    });
    Ok(Json(copying.object(id)))
}

fn told(vault: CopiedVault) -> CopiedObject {
    CopiedObject {
        vault: vault.vault,
        error: None,
        copied: vault.copied,
        bytes: vault.bytes,
        kept: vault.kept,
        removed: vault.removed,
        refused: vault.refused,
        mended: vault.mended,
        damaged: vault.damaged.into_iter().map(told_damaged).collect(),
        withheld: vault.withheld.map(|withheld| format!("{withheld}{}", advice(&withheld))),
    }
}

fn told_damaged(Damaged { object, why, copied }: Damaged) -> (String, String) {
    let what = match copied {
        true => format!(
            "is damaged ({why}): the copy has it as it is, for what is whole in it, and gets a whole one as soon as there \
             is one here"
        ),
        false => format!("was not copied: {why}"),
    };
    (object, what)
}

/// What to do when nothing was removed.
fn advice(withheld: &Withheld) -> &'static str {
    match withheld {
        Withheld::Records { .. } | Withheld::Bytes { .. } | Withheld::Bare => {
            ": if that is right, say --however-much"
        }
        Withheld::Unexplained { .. } => {
            ": if they were lost, put their records back from the copy (vault:check tells more); if they are not wanted any \
             more, say --however-much"
        }
        Withheld::Lost { .. } => ": what is lost can be put back from there, and vault:check tells more",
        Withheld::Unreadable { .. } => "",
    }
}

fn told_failed(failed: &Failed) -> CopiedObject {
    CopiedObject { vault: failed.vault, error: Some(chain(&failed.error)), ..CopiedObject::default() }
}

/// How far a copy is.
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<Uuid>) -> Result<Json<CopyObject>, ApiError> {
    Ok(Json(app.copies.find(id)?.object(id)))
}

/// Stops a copy; the next one goes on from there.
pub async fn cancel(State(app): State<Arc<App>>, Path(id): Path<Uuid>) -> Result<Json<Value>, ApiError> {
    app.copies.find(id)?.stopped.store(true, Ordering::Release);
    Ok(Json(json!({})))
}
