//! Trees: the tar stream taken apart, and each member compared with what the manifest says of it.

use std::cmp::Ordering;

use super::problem::{At, Findings, Wrong};
use super::untar::{Member, Met, Untar};
use crate::fragment::FragmentRef;
use crate::manifest::PlacedEntry;
use crate::stream::{Entry, EntryKind};
use crate::tar::{BLOCK, full_path};
use crate::tree::in_order;

/// Looks at a tree's runs one after the other.
pub(super) struct TreeLook<'a> {
    at: At<'a>,
    /// The archive's top folder, as the first member that could be read has it.
    top: Option<Vec<u8>>,
    /// The last entry of the runs before.
    last: Option<Entry>,
    run: Option<RunLook>,
    /// The run that ends the stream was met.
    ended: bool,
}

/// A run that is being looked at.
struct RunLook {
    entries: Vec<PlacedEntry>,
    /// Bytes of the run so far, and in all.
    pos: u64,
    len: u64,
    /// The entry that is being read, or comes next.
    entry: usize,
    /// Where the member at hand began.
    begun: Option<u64>,
    untar: Untar,
    /// After damage: where the next member is that can be told.
    seek: Option<u64>,
    zeros: usize,
}

impl<'a> TreeLook<'a> {
    pub(super) fn new(at: At<'a>) -> Self {
        TreeLook { at, top: None, last: None, run: None, ended: false }
    }

    fn top(&self) -> &[u8] {
        self.top.as_deref().unwrap_or_default()
    }

    /// A run begins, of which the manifest says that it has these entries and so many bytes. If it is to be passed over,
    /// no piece of it comes.
    pub(super) fn begin(&mut self, entries: Vec<PlacedEntry>, len: u64, findings: &mut Findings) {
        if self.ended {
            self.flaw(findings, None, "something stands behind the two blocks that end the tar stream");
        }
        self.order(&entries, findings);
        self.last = entries.last().map(|placed| placed.entry.clone()).or(self.last.take());
        self.ended |= entries.is_empty();
        self.run = Some(RunLook {
            entries,
            pos: 0,
            len,
            entry: 0,
            begun: None,
            untar: Untar::default(),
            seek: None,
            zeros: 0,
        });
    }

    /// Whether entries follow one another as they should, and hard links name what came before.
    fn order(&self, entries: &[PlacedEntry], findings: &mut Findings) {
        let mut before = self.last.as_ref();
        for placed in entries {
            let entry = &placed.entry;
            let in_place = match before {
                Some(before) => in_order(before, entry) == Ordering::Less,
                None => entry.path.is_empty() && entry.kind == EntryKind::Folder,
            };
            if !in_place {
                self.flaw(findings, Some(&entry.path), "it is out of order in the archive, or there twice");
            }
            if matches!(&entry.kind, EntryKind::HardLink { target } if *target >= entry.path) {
                self.flaw(findings, Some(&entry.path), "it is a hard link to what does not come before it");
            }
            before = Some(entry);
        }
    }

    fn flaw(&self, findings: &mut Findings, path: Option<&[u8]>, text: &str) {
        findings.hit(None, &Wrong::Flaw(text.to_owned()), self.at, path.into_iter());
    }

    /// The next piece of the run, or what is wrong with it, in which object.
    pub(super) fn piece(
        &mut self,
        fragment: &FragmentRef,
        piece: Result<&[u8], (&Wrong, Option<&str>)>,
        findings: &mut Findings,
    ) {
        let Some(mut run) = self.run.take() else { return };
        match piece {
            Ok(bytes) => self.feed(&mut run, bytes, findings),
            Err((wrong, object)) => {
                let hit = run.gap(fragment.raw_len.into());
                findings.hit(object, wrong, self.at, hit);
            }
        }
        self.run = Some(run);
    }

    fn feed(&mut self, run: &mut RunLook, mut bytes: &[u8], findings: &mut Findings) {
        while !bytes.is_empty() {
            if let Some(to) = run.seek {
                let skipped = to.saturating_sub(run.pos).min(bytes.len() as u64);
                bytes = bytes.get(skipped as usize..).unwrap_or_default();
                run.pos += skipped;
                if run.pos == to {
                    run.seek = None;
                }
                continue;
            }
            if run.begun.is_none() && run.untar.is_between() {
                run.begun = Some(run.pos);
            }
            let before = bytes.len();
            let met = run.untar.next(&mut bytes);
            run.pos += (before - bytes.len()) as u64;
            self.met(run, met, findings);
        }
        // A member without content ends where its header does.
        if run.seek.is_none() && !run.untar.is_between() {
            let met = run.untar.next(&mut &[][..]);
            self.met(run, met, findings);
        }
    }

    fn met(&mut self, run: &mut RunLook, met: Met, findings: &mut Findings) {
        let path = run.entries.get(run.entry).map(|placed| placed.entry.path.as_slice());
        match met {
            Met::Nothing => {}
            Met::End => {
                run.entry += 1;
                run.begun = None;
            }
            Met::Zeros => {
                run.begun = None;
                run.zeros += 1;
                if !run.entries.is_empty() {
                    self.flaw(findings, path, "zeros stand in the archive where it should be");
                    run.seek_next();
                }
            }
            Met::Broken(text) => {
                self.flaw(findings, path, &format!("it is no member of a tar stream: {text}"));
                run.seek_next();
            }
            Met::Member(member) => match run.entries.get(run.entry) {
                None => {
                    let text = "it is in the archive and not in the archive's list";
                    self.flaw(findings, Some(&member.path), text);
                    run.seek_next();
                }
                Some(placed) => {
                    let flaws = self.compare(&member, placed, run.begun);
                    for text in &flaws {
                        self.flaw(findings, Some(&placed.entry.path), text);
                    }
                    // Where the size is another, so are all places after it.
                    if member.size != placed.entry.size || run.begun != Some(placed.at) {
                        run.seek_next();
                    }
                }
            },
        }
    }

    /// How a member differs from its entry, as sentences.
    fn compare(&mut self, member: &Member, placed: &PlacedEntry, begun: Option<u64>) -> Vec<String> {
        let entry = &placed.entry;
        if self.top.is_none() {
            self.top = top_of(&member.path, entry);
        }
        let full = |path: &[u8], folder: bool| full_path(self.top(), path, folder);
        let (kind, link, device) = match &entry.kind {
            EntryKind::File => (b'0', vec![], (0, 0)),
            EntryKind::HardLink { target } => (b'1', full(target, false), (0, 0)),
            EntryKind::Symlink { target } => (b'2', target.clone(), (0, 0)),
            EntryKind::CharDevice { major, minor } => (b'3', vec![], (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => (b'4', vec![], (*major, *minor)),
            EntryKind::Folder => (b'5', vec![], (0, 0)),
            EntryKind::Fifo => (b'6', vec![], (0, 0)),
        };
        let device = (u64::from(device.0), u64::from(device.1));
        let path = full(&entry.path, entry.kind == EntryKind::Folder);
        let same = [
            ("path", member.path == path),
            ("kind", member.kind == kind),
            ("size", member.size == entry.size),
            ("mode", member.mode == u64::from(entry.mode)),
            ("owner", member.uid == u64::from(entry.uid)),
            ("group", member.gid == u64::from(entry.gid)),
            ("time", member.time == entry.mtime),
            ("link's target", member.link == link),
            ("device number", member.device == device),
            ("place", begun == Some(placed.at)),
        ];
        let differ = same.iter().filter(|(_, same)| !same);
        differ
            .map(|(what, _)| format!("its {what} in the archive is not what the archive's list says"))
            .collect()
    }

    /// The run ends here.
    pub(super) fn end(&mut self, findings: &mut Findings) {
        let Some(run) = self.run.take() else { return };
        if run.seek.is_some() {
            return;
        }
        if !run.untar.is_between() {
            let path = run.entries.get(run.entry).map(|placed| placed.entry.path.as_slice());
            self.flaw(findings, path, "it is cut short in the archive");
            return;
        }
        for missing in run.entries.iter().skip(run.entry) {
            self.flaw(
                findings,
                Some(&missing.entry.path),
                "it is in the archive's list and not in the archive",
            );
        }
        if run.entries.is_empty() && (run.zeros != 2 || run.pos != 2 * BLOCK as u64) {
            self.flaw(findings, None, "the tar stream does not end in two blocks of zeros");
        }
    }

    /// The run was proven before, in another archive: nothing of it is looked at.
    pub(super) fn pass_over(&mut self) {
        self.run = None;
    }

    /// The stream ends here.
    pub(super) fn finish(&self, findings: &mut Findings) {
        if !self.ended {
            self.flaw(findings, None, "the tar stream does not end in two blocks of zeros");
        }
    }
}

impl RunLook {
    /// Goes on with the first entry that begins at or behind a place.
    fn seek_from(&mut self, place: u64) {
        let next = self.entries.iter().skip(self.entry).position(|placed| placed.at >= place);
        self.entry = next.map_or(self.entries.len(), |next| self.entry + next);
        // Behind the last one nothing can be told.
        self.seek = Some(self.entries.get(self.entry).map_or(u64::MAX, |placed| placed.at));
        self.untar = Untar::default();
        self.begun = None;
        if self.seek == Some(self.pos) {
            self.seek = None;
        }
    }

    /// Goes on behind the entry at hand.
    fn seek_next(&mut self) {
        self.entry += 1;
        self.seek_from(self.pos);
    }

    /// So many bytes can't be read: the paths of the entries that lie there.
    fn gap(&mut self, len: u64) -> impl Iterator<Item = &[u8]> {
        let (start, end) = (self.pos, self.pos.saturating_add(len));
        self.pos = end;
        self.seek_from(end);
        entries_in(&self.entries, self.len, start, end)
    }
}

/// The entries of a run that lie in a stretch of its stream.
pub(super) fn entries_in(
    entries: &[PlacedEntry],
    len: u64,
    start: u64,
    end: u64,
) -> impl Iterator<Item = &[u8]> {
    entries.iter().enumerate().filter_map(move |(n, placed)| {
        let own_end = entries.get(n + 1).map_or(len, |next| next.at);
        (placed.at < end && own_end > start).then_some(placed.entry.path.as_slice())
    })
}

/// The top folder, if a member's path ends as its entry's does.
fn top_of(path: &[u8], entry: &Entry) -> Option<Vec<u8>> {
    let path = if entry.kind == EntryKind::Folder { path.strip_suffix(b"/")? } else { path };
    if entry.path.is_empty() {
        return Some(path.to_vec());
    }
    Some(path.strip_suffix(entry.path.as_slice())?.strip_suffix(b"/")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::FragmentId;
    use crate::stream::FileTime;
    use crate::tar::{Extras, padding, write_header};

    fn entry(path: &str, kind: EntryKind, size: u64) -> Entry {
        let mtime = FileTime { seconds: 7, nanos: 0 };
        Entry { path: path.into(), kind, size, mtime, mode: 0o644, uid: 1, gid: 2, stamp: [0; 32] }
    }

    /// A run's entries and stream, as the writer makes them.
    fn run() -> (Vec<PlacedEntry>, Vec<u8>) {
        let (mut placed, mut out) = (vec![], vec![]);
        let link = EntryKind::HardLink { target: b"a".to_vec() };
        for (path, kind, size) in [
            ("", EntryKind::Folder, 0),
            ("a", EntryKind::File, 700),
            ("b", link, 0),
            ("c", EntryKind::File, 0),
            ("d", EntryKind::File, 512),
        ] {
            let entry = entry(path, kind, size);
            let at = out.len() as u64;
            write_header(&mut out, "top", &entry, &Extras::default());
            out.resize(out.len() + size as usize + padding(size), 0);
            placed.push(PlacedEntry { entry, at });
        }
        (placed, out)
    }

    fn look(entries: &[PlacedEntry], stream: &[u8], gap: Option<std::ops::Range<usize>>) -> Vec<String> {
        let mut findings = Findings::default();
        let mut look = TreeLook::new(At { backup: None, archive: "x" });
        look.begin(entries.to_vec(), stream.len() as u64, &mut findings);
        let fragment = |len: usize| FragmentRef {
            id: FragmentId([0; 32]),
            raw_len: len as u32,
            deflated_len: 1,
            crc: 0,
        };
        let gap = gap.unwrap_or(stream.len()..stream.len());
        for part in stream[..gap.start].chunks(100) {
            look.piece(&fragment(part.len()), Ok(part), &mut findings);
        }
        if !gap.is_empty() {
            look.piece(&fragment(gap.len()), Err((&Wrong::Damaged, Some("pack"))), &mut findings);
        }
        for part in stream[gap.end..].chunks(333) {
            look.piece(&fragment(part.len()), Ok(part), &mut findings);
        }
        look.end(&mut findings);
        look.begin(vec![], 1024, &mut findings);
        look.piece(&fragment(1024), Ok(&[0; 1024]), &mut findings);
        look.end(&mut findings);
        look.finish(&mut findings);
        let told = findings.into_problems().list;
        told.iter()
            .filter(|p| p.hits[0].subjects_total > 0 || p.object.is_none())
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_whole_run_is_whole() {
        let (entries, stream) = run();
        assert_eq!(look(&entries, &stream, None), [""; 0]);
    }

    #[test]
    fn a_gap_hits_what_lies_in_it_and_nothing_else() {
        let (entries, stream) = run();
        let place = |n: usize| entries[n].at as usize;
        let told = look(&entries, &stream, Some(place(1) + 600..place(1) + 610));
        assert!(told.len() == 1 && told[0].ends_with("hit: x: a"), "{told:?}");
        let told = look(&entries, &stream, Some(place(2)..place(3) + 1));
        assert!(told.len() == 1 && told[0].ends_with("hit: x: b, c"), "{told:?}");
        let told = look(&entries, &stream, Some(place(4) + 5..stream.len()));
        assert!(told.len() == 1 && told[0].ends_with("hit: x: d"), "{told:?}");
    }

    #[test]
    fn what_the_list_and_the_stream_say_must_agree() {
        let (entries, stream) = run();
        let other = |change: &dyn Fn(&mut Vec<PlacedEntry>)| {
            let mut entries = entries.clone();
            change(&mut entries);
            look(&entries, &stream, None).join("\n")
        };
        for (told, expected) in [
            (other(&|e| e[1].entry.size = 699), "its size in the archive"),
            (other(&|e| e[1].entry.mode = 0o600), "its mode in the archive"),
            (other(&|e| e[1].entry.mtime.nanos = 1), "its time in the archive"),
            (other(&|e| e[3].entry.path = b"cc".to_vec()), "its path in the archive"),
            (
                other(&|e| e[2].entry.kind = EntryKind::Symlink { target: b"a".to_vec() }),
                "its kind in the archive",
            ),
            (other(&|e| e[4].at += 512), "its place in the archive"),
            (other(&|e| drop(e.pop())), "not in the archive's list"),
            (other(&|e| e.push(e[4].clone())), "in the archive's list and not in the archive"),
            (other(&|e| e.swap(3, 4)), "out of order"),
        ] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        for at in (0..stream.len()).step_by(97) {
            // No byte of a header may change unseen, but those that nobody reads.
            let mut damaged = stream.clone();
            damaged[at] ^= 4;
            look(&entries, &damaged, None);
        }
        let cut = look(&entries, &stream[..stream.len() - 512], None).join("\n");
        assert!(cut.contains("cut short"), "{cut}");
        let mut header = stream.clone();
        header[entries[3].at as usize + 3] ^= 1;
        let told = look(&entries, &header, None);
        assert!(
            told.len() == 1 && told[0].contains("header is damaged") && told[0].ends_with(": c"),
            "{told:?}"
        );
    }
}
