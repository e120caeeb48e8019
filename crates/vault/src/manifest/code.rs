//! How references, entries and kinds are written in a manifest's items, and read.

use super::PlacedEntry;
use crate::fragment::FragmentRef;
use crate::reader::{Malformed, Reader, put_counted, put_signed, put_varint};
use crate::stream::{Entry, EntryKind, FileTime, SectionKind};

/// Passes over an entry; gives its size.
pub(super) fn skim_entry(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let code = reader.byte()?;
    reader.varint()?;
    reader.counted()?;
    reader.varint()?;
    let size = reader.varint()?;
    let numbers = if matches!(code, 5 | 6) { 7 } else { 5 };
    for _ in 0..numbers {
        reader.varint()?;
    }
    if matches!(code, 1 | 2) {
        reader.counted()?;
    }
    Ok(size)
}

pub(super) fn put_fragments(out: &mut Vec<u8>, fragments: &[FragmentRef]) {
    put_varint(out, fragments.len() as u64);
    for fragment in fragments {
        fragment.write(out);
    }
}

pub(super) fn take_fragments(reader: &mut Reader<'_>) -> Result<Vec<FragmentRef>, Malformed> {
    let count = reader.varint()?;
    if count > (reader.left() / FragmentRef::LEN) as u64 {
        return Err(Malformed);
    }
    (0..count).map(|_| reader.fragment()).collect()
}

pub(super) fn put_entry(out: &mut Vec<u8>, placed: &PlacedEntry, before: &[u8]) {
    let entry = &placed.entry;
    let shared = entry.path.iter().zip(before).take_while(|(a, b)| a == b).count();
    out.push(entry_code(&entry.kind));
    put_varint(out, shared as u64);
    put_counted(out, &entry.path[shared..]);
    put_varint(out, placed.at);
    put_varint(out, entry.size);
    put_signed(out, entry.mtime.seconds);
    put_varint(out, u64::from(entry.mtime.nanos));
    for number in [entry.mode, entry.uid, entry.gid] {
        put_varint(out, u64::from(number));
    }
    match &entry.kind {
        EntryKind::HardLink { target } | EntryKind::Symlink { target } => put_counted(out, target),
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            put_varint(out, u64::from(*major));
            put_varint(out, u64::from(*minor));
        }
        EntryKind::File | EntryKind::Folder | EntryKind::Fifo => {}
    }
}

pub(super) fn take_entries(reader: &mut Reader<'_>) -> Result<Vec<PlacedEntry>, Malformed> {
    let count = reader.varint()?;
    let mut entries: Vec<PlacedEntry> = Vec::new();
    for _ in 0..count {
        let before = entries.last().map_or(&[][..], |placed| &placed.entry.path);
        let placed = take_entry(reader, before)?;
        entries.push(placed);
    }
    Ok(entries)
}

pub(super) fn take_entry(reader: &mut Reader<'_>, before: &[u8]) -> Result<PlacedEntry, Malformed> {
    let code = reader.byte()?;
    let shared = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
    let mut path = before.get(..shared).ok_or(Malformed)?.to_vec();
    path.extend(reader.counted()?);
    let at = reader.varint()?;
    let size = reader.varint()?;
    let seconds = reader.signed()?;
    let mut number = || reader.varint().and_then(|n| u32::try_from(n).map_err(|_| Malformed));
    let (nanos, mode, uid, gid) = (number()?, number()?, number()?, number()?);
    let kind = match code {
        0 => EntryKind::File,
        1 => EntryKind::HardLink { target: reader.counted()?.to_vec() },
        2 => EntryKind::Symlink { target: reader.counted()?.to_vec() },
        3 => EntryKind::Folder,
        4 => EntryKind::Fifo,
        5 => EntryKind::CharDevice { major: number()?, minor: number()? },
        6 => EntryKind::BlockDevice { major: number()?, minor: number()? },
        _ => return Err(Malformed),
    };
    let mtime = FileTime { seconds, nanos };
    let entry = Entry { path, kind, size, mtime, mode, uid, gid, stamp: [0; 32] };
    Ok(PlacedEntry { entry, at })
}

pub(super) fn entry_code(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File => 0,
        EntryKind::HardLink { .. } => 1,
        EntryKind::Symlink { .. } => 2,
        EntryKind::Folder => 3,
        EntryKind::Fifo => 4,
        EntryKind::CharDevice { .. } => 5,
        EntryKind::BlockDevice { .. } => 6,
    }
}

pub(super) fn section_code(kind: SectionKind) -> u8 {
    match kind {
        SectionKind::Preamble => 0,
        SectionKind::Table => 1,
        SectionKind::Sequence => 2,
        SectionKind::View => 3,
        SectionKind::Routines => 4,
        SectionKind::Events => 5,
        SectionKind::End => 6,
    }
}

pub(super) fn section_kind(code: u8) -> Result<SectionKind, Malformed> {
    Ok(match code {
        0 => SectionKind::Preamble,
        1 => SectionKind::Table,
        2 => SectionKind::Sequence,
        3 => SectionKind::View,
        4 => SectionKind::Routines,
        5 => SectionKind::Events,
        6 => SectionKind::End,
        _ => return Err(Malformed),
    })
}
