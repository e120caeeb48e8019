//! Threads that read and prove ahead, while one takes what they give in order.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::piece::{PieceReader, Window};
use crate::error::VaultError;
use crate::fragment::FragmentRef;
use crate::index::Index;
use crate::vault::Vault;

/// A promise of a window.
pub(super) type Reply = Receiver<Result<Window, VaultError>>;

struct Job {
    fragments: Vec<FragmentRef>,
    reply: Sender<Result<Window, VaultError>>,
}

/// Hands windows to the threads.
pub(super) struct Pool<'p> {
    jobs: Sender<Job>,
    buffers: &'p Mutex<Vec<Vec<u8>>>,
    /// So many windows are worth having under way.
    pub ahead: usize,
}

impl Pool<'_> {
    /// Has fragments read and proven.
    pub(super) fn ask(&self, fragments: Vec<FragmentRef>) -> Reply {
        let (reply, window) = bounded(1);
        // If nobody takes it, nobody answers either, and that is what the asker finds.
        let _ = self.jobs.send(Job { fragments, reply });
        window
    }

    /// Gives a window's memory back.
    pub(super) fn recycle(&self, window: Window) {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(window.raw);
    }
}

/// Waits for a window.
pub(super) fn wait(reply: &Reply) -> Result<Window, VaultError> {
    reply.recv().map_err(|_| VaultError::Panicked)?
}

/// Runs `work` beside one reading thread for each core.
pub(super) fn with_pool<T>(
    vault: &Vault,
    index: &Arc<Index>,
    work: impl FnOnce(&Pool<'_>) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let buffers: Mutex<Vec<Vec<u8>>> = Mutex::default();
    thread::scope(|scope| {
        let (jobs, take) = bounded::<Job>(2 * cores);
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                let (take, buffers) = (take.clone(), &buffers);
                scope.spawn(move || {
                    let mut reader = PieceReader::new(vault, index);
                    for job in take {
                        let buffer = buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
                        // Nobody waits any more if the check has ended.
                        let _ = job.reply.send(reader.window(&job.fragments, buffer.unwrap_or_default()));
                    }
                })
            })
            .collect();
        drop(take);
        let pool = Pool { jobs, buffers: &buffers, ahead: 2 * cores };
        let done = work(&pool);
        drop(pool);
        let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count();
        if panicked > 0 { Err(VaultError::Panicked) } else { done }
    })
}
