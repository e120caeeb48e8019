//! An archive's stream on its way past: the manifest is read, its fragments are proven ahead, and what they make is
//! looked at in order.

use std::collections::VecDeque;

use undercroft_model::Cancelled;

use super::archive::{ArchiveJob, ArchiveProof, Prover};
use super::piece::Window;
use super::pool::{Pool, Reply, wait};
use super::problem::{At, Findings, Wrong};
use super::text::TextLook;
use super::tree::TreeLook;
use crate::error::VaultError;
use crate::fragment::FragmentRef;
use crate::manifest::Item;
use crate::record::StreamKind;

/// Sealed bytes of a window, and raw ones: text inflates to several times its size.
const SEALED_MAX: u64 = 4 << 20;
const RAW_MAX: u64 = 8 << 20;

/// Names an item by all that the manifest says of it.
type Key = [u8; 16];

/// What happens in the order of the stream.
enum Step {
    /// An item begins.
    Begin { item: Box<Item>, key: Option<Key>, shared: bool },
    /// So many fragments of the window follow.
    Pieces(usize),
    /// The item ends.
    End,
}

/// Steps that wait for their window.
struct Pending {
    steps: Vec<Step>,
    fragments: Vec<FragmentRef>,
    reply: Option<Reply>,
}

/// What the items are looked at by.
pub(super) enum Look<'a> {
    Tree(Box<TreeLook<'a>>),
    Text(TextLook<'a>),
}

/// One archive on its way past.
pub(super) struct Passing<'a> {
    prover: &'a Prover,
    pool: &'a Pool<'a>,
    job: &'a ArchiveJob<'a>,
    at: At<'a>,
    look: Look<'a>,
    pub(super) findings: Findings,
    pub(super) proof: ArchiveProof,
    queue: VecDeque<Pending>,
    steps: Vec<Step>,
    fragments: Vec<FragmentRef>,
    sealed: u64,
    raw: u64,
    /// The item at hand, while nothing is wrong with it.
    sound: Option<Key>,
    known: usize,
}

impl<'a> Passing<'a> {
    pub(super) fn new(prover: &'a Prover, pool: &'a Pool<'a>, job: &'a ArchiveJob<'a>, at: At<'a>) -> Self {
        let look = match job.archive.stream {
            StreamKind::Tree => Look::Tree(Box::new(TreeLook::new(at))),
            StreamKind::Text => Look::Text(TextLook::new(at, job.text)),
        };
        Passing {
            prover,
            pool,
            job,
            at,
            look,
            findings: Findings::default(),
            proof: ArchiveProof::default(),
            queue: VecDeque::new(),
            steps: Vec::new(),
            fragments: Vec::new(),
            sealed: 0,
            raw: 0,
            sound: None,
            known: 0,
        }
    }

    /// The next item of the manifest. `whole` says that nothing of it follows in further items.
    pub(super) fn item(&mut self, mut item: Item, whole: bool) -> Result<(), VaultError> {
        let key = whole.then(|| Self::key(&item));
        let shared = key.is_some_and(|key| self.prover.is_sound(&key));
        let fragments = match &mut item {
            Item::Run { fragments, .. } | Item::Section { fragments, .. } | Item::More { fragments } => {
                fragments.clone()
            }
            Item::End { .. } => return Ok(()),
        };
        self.steps.push(Step::Begin { item: Box::new(item), key, shared });
        if !shared {
            for fragment in fragments {
                self.fragment(fragment)?;
            }
        }
        self.steps.push(Step::End);
        // Items that need nothing read must not pile up either.
        if self.steps.len() > 4096 { self.flush() } else { Ok(()) }
    }

    fn key(item: &Item) -> Key {
        let mut bytes = Vec::new();
        item.write(&mut bytes);
        let mut key = [0; 16];
        blake3::Hasher::new().update(&bytes).finalize_xof().fill(&mut key);
        key
    }

    fn fragment(&mut self, fragment: FragmentRef) -> Result<(), VaultError> {
        let (sealed, raw) = (u64::from(fragment.deflated_len), u64::from(fragment.raw_len));
        if !self.fragments.is_empty() && (self.sealed + sealed > SEALED_MAX || self.raw + raw > RAW_MAX) {
            self.flush()?;
        }
        self.sealed += sealed;
        self.raw += raw;
        self.fragments.push(fragment);
        match self.steps.last_mut() {
            Some(Step::Pieces(count)) => *count += 1,
            _ => self.steps.push(Step::Pieces(1)),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), VaultError> {
        if self.job.observer.cancelled() {
            return Err(Cancelled.into());
        }
        let (steps, fragments) = (std::mem::take(&mut self.steps), std::mem::take(&mut self.fragments));
        (self.sealed, self.raw) = (0, 0);
        let reply = (!fragments.is_empty()).then(|| self.pool.ask(fragments.clone()));
        self.queue.push_back(Pending { steps, fragments, reply });
        while self.queue.len() > self.pool.ahead {
            self.take_next()?;
        }
        Ok(())
    }

    /// Everything that is still under way, and the stream's end.
    pub(super) fn finish(&mut self) -> Result<(), VaultError> {
        self.flush()?;
        while !self.queue.is_empty() {
            self.take_next()?;
        }
        match &mut self.look {
            Look::Tree(tree) => tree.finish(&mut self.findings),
            Look::Text(text) => text.finish(&mut self.findings),
        }
        Ok(())
    }

    /// Everything that is still under way; the stream's end can't be told.
    pub(super) fn give_up(&mut self) -> Result<(), VaultError> {
        self.flush()?;
        while !self.queue.is_empty() {
            self.take_next()?;
        }
        Ok(())
    }

    fn take_next(&mut self) -> Result<(), VaultError> {
        let Some(Pending { steps, fragments, reply }) = self.queue.pop_front() else { return Ok(()) };
        let window = reply.as_ref().map(wait).transpose()?.unwrap_or_default();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Begin { item, key, shared } => self.begin(*item, key, shared),
                Step::Pieces(count) => {
                    for n in next..next + count {
                        self.piece(fragments.get(n), &window, n);
                    }
                    next += count;
                }
                Step::End => self.end(),
            }
        }
        let bytes = window.raw.len() as u64;
        self.job.observer.advance(self.job.element, bytes, 0);
        if reply.is_some() {
            self.pool.recycle(window);
        }
        Ok(())
    }

    fn begin(&mut self, item: Item, key: Option<Key>, shared: bool) {
        self.sound = key.filter(|_| !shared);
        self.known = self.findings.len();
        let len: u64 = item.fragments().iter().map(|fragment| u64::from(fragment.raw_len)).sum();
        if shared {
            self.proof.shared += len;
            self.job.observer.advance(self.job.element, 0, len);
        }
        match (&mut self.look, item) {
            (Look::Tree(tree), Item::Run { entries, .. }) => {
                self.proof.parts += entries.len() as u64;
                tree.begin(entries, len, &mut self.findings);
                // What is wrong with its place is no fault of the run.
                self.known = self.findings.len();
                if shared {
                    tree.pass_over();
                }
            }
            (Look::Text(text), Item::Section { label, rows, .. }) => {
                self.proof.parts += 1;
                self.proof.rows += rows.unwrap_or(0);
                text.begin(label, rows, shared, &mut self.findings);
                self.known = self.findings.len();
            }
            (Look::Text(text), Item::More { .. }) if text.is_open() => {}
            _ => {
                let flaw =
                    Wrong::Flaw("its list does not fit what it is: it was not written by Undercroft".into());
                self.findings.hit(None, &flaw, self.at, std::iter::empty());
            }
        }
    }

    fn piece(&mut self, fragment: Option<&FragmentRef>, window: &Window, n: usize) {
        let (Some(fragment), Some(piece)) = (fragment, window.pieces.get(n)) else { return };
        let object = piece.as_ref().err().and_then(|wrong| self.prover.note(fragment, wrong));
        let piece = match piece {
            Ok(range) => {
                self.proof.fragments += 1;
                self.proof.bytes += u64::from(fragment.raw_len);
                Ok(window.raw.get(range.clone()).unwrap_or_default())
            }
            Err(wrong) => {
                self.findings.wrong(object.as_deref(), wrong, 1);
                self.sound = None;
                Err((wrong, object.as_deref()))
            }
        };
        match &mut self.look {
            Look::Tree(tree) => tree.piece(fragment, piece, &mut self.findings),
            Look::Text(text) => text.piece(piece, &mut self.findings),
        }
    }

    fn end(&mut self) {
        match &mut self.look {
            Look::Tree(tree) => tree.end(&mut self.findings),
            // It ends when the next one begins: more of it may follow.
            Look::Text(text) if self.sound.is_some() => text.end(&mut self.findings),
            Look::Text(_) => {}
        }
        if self.findings.len() == self.known
            && let Some(key) = self.sound.take()
        {
            self.prover.is_sound_now(key);
        }
    }
}
