//! Tar headers (POSIX.1-1988 ustar; POSIX.1-2001 pax where ustar can't say it).
//!
//! ustar wherever a path fits, since some readers cut pax paths short; pax records for longer paths, sub-second
//! times, large numbers and extended attributes.

use crate::stream::{Entry, EntryKind};

/// A tar block.
pub const BLOCK: usize = 512;

/// What an entry's header needs beside the entry.
#[derive(Debug, Default)]
pub struct Extras<'a> {
    /// The owner's name.
    pub owner: Option<&'a str>,
    /// The group's name.
    pub group: Option<&'a str>,
    /// Extended attributes.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// Appends an entry's header; `top` is the archive's top folder.
pub fn write_header(out: &mut Vec<u8>, top: &str, entry: &Entry, extras: &Extras<'_>) {
    let path = full_path(top.as_bytes(), &entry.path, entry.kind == EntryKind::Folder);
    let mut pax = Vec::new();
    let split = split_path(&path);
    if split.is_none() {
        pax_bytes(&mut pax, b"path", &path);
    }
    let link = match &entry.kind {
        EntryKind::HardLink { target } => full_path(top.as_bytes(), target, false),
        EntryKind::Symlink { target } => target.clone(),
        _ => Vec::new(),
    };
    if link.len() > 100 {
        pax_bytes(&mut pax, b"linkpath", &link);
    }
    pax_numbers(&mut pax, entry);
    for (name, value) in extras.xattrs {
        pax_bytes(&mut pax, &xattr_key(name), value);
    }
    if !pax.is_empty() {
        // Paths are bytes, not necessarily UTF-8, and readers must not convert them. (Values of attributes are
        // never converted, and GNU tar warns of a keyword that it doesn't know.)
        let utf8 = |path: &[u8]| std::str::from_utf8(path).is_ok();
        if (split.is_none() && !utf8(&path)) || (link.len() > 100 && !utf8(&link)) {
            let records = std::mem::take(&mut pax);
            pax_bytes(&mut pax, b"hdrcharset", b"BINARY");
            pax.extend(records);
        }
        write_pax(out, &path, &pax);
    }
    let (prefix, name) = split.unwrap_or((&[], &path[..path.len().min(100)]));
    write_block(out, prefix, name, &link, entry, extras);
}

/// The record's name of an extended attribute; what would end it early is escaped, as GNU tar does it.
fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut key = b"SCHILY.xattr.".to_vec();
    for byte in name {
        match byte {
            b'%' => key.extend(b"%25"),
            b'=' => key.extend(b"%3D"),
            other => key.push(*other),
        }
    }
    key
}

/// Zero bytes up to the next block.
pub fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// The byte that says what a member is.
pub(crate) fn type_flag(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::HardLink { .. } => b'1',
        EntryKind::Symlink { .. } => b'2',
        EntryKind::CharDevice { .. } => b'3',
        EntryKind::BlockDevice { .. } => b'4',
        EntryKind::Folder => b'5',
        EntryKind::Fifo => b'6',
    }
}

/// A member's whole path; that of a folder ends in a slash.
pub(crate) fn full_path(top: &[u8], path: &[u8], folder: bool) -> Vec<u8> {
    let mut full = top.to_vec();
    if !path.is_empty() {
        full.push(b'/');
        full.extend(path);
    }
    if folder {
        full.push(b'/');
    }
    full
}

/// The prefix and name that ustar would have; `None` if the path does not fit.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((&[], path));
    }
    let at = (path.len().saturating_sub(101)..path.len().min(156)).find(|at| path[*at] == b'/' && *at > 0)?;
    let (prefix, name) = (&path[..at], &path[at + 1..]);
    (!name.is_empty() && name.len() <= 100 && prefix.len() <= 155).then_some((prefix, name))
}

/// The largest number that so many octal digits hold.
fn fits(value: u64, digits: u32) -> bool {
    value < 1 << (3 * digits)
}

fn pax_numbers(pax: &mut Vec<u8>, entry: &Entry) {
    let time = entry.mtime;
    if time.nanos != 0 || time.seconds < 0 || !fits(time.seconds as u64, 11) {
        pax_bytes(pax, b"mtime", pax_time(time.seconds, time.nanos).as_bytes());
    }
    let numbers =
        [(&b"size"[..], entry.size, 11), (b"uid", entry.uid.into(), 7), (b"gid", entry.gid.into(), 7)];
    for (key, value, digits) in numbers {
        if !fits(value, digits) {
            pax_bytes(pax, key, value.to_string().as_bytes());
        }
    }
}

/// A decimal number of seconds. Nanoseconds count forward from the second, also before 1970.
fn pax_time(seconds: i64, nanos: u32) -> String {
    let (sign, seconds, nanos) = match (seconds < 0, nanos) {
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (true, nanos) => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
        (false, nanos) => ("", seconds.unsigned_abs(), nanos),
    };
    if nanos == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{nanos:09}").trim_end_matches('0').to_owned()
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn pax_bytes(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    pax.extend(len.to_string().as_bytes());
    pax.push(b' ');
    pax.extend(key);
    pax.push(b'=');
    pax.extend(value);
    pax.push(b'\n');
}

fn write_pax(out: &mut Vec<u8>, path: &[u8], pax: &[u8]) {
    let last = path.strip_suffix(b"/").unwrap_or(path).rsplit(|b| *b == b'/').next().unwrap_or(path);
    let mut name = b"PaxHeaders/".to_vec();
    name.extend(&last[..last.len().min(80)]);
    let mut block = [0; BLOCK];
    put(&mut block, 0, &name);
    octal(&mut block, 100, 7, 0o644);
    octal(&mut block, 108, 7, 0);
    octal(&mut block, 116, 7, 0);
    octal(&mut block, 124, 11, pax.len() as u64);
    octal(&mut block, 136, 11, 0);
    block[156] = b'x';
    seal_block(&mut block);
    out.extend(block);
    out.extend(pax);
    out.resize(out.len() + padding(pax.len() as u64), 0);
}

fn write_block(
    out: &mut Vec<u8>,
    prefix: &[u8],
    name: &[u8],
    link: &[u8],
    entry: &Entry,
    extras: &Extras<'_>,
) {
    let mut block = [0; BLOCK];
    put(&mut block, 0, name);
    octal(&mut block, 100, 7, u64::from(entry.mode & 0o7777));
    octal(&mut block, 108, 7, if fits(entry.uid.into(), 7) { entry.uid.into() } else { 0 });
    octal(&mut block, 116, 7, if fits(entry.gid.into(), 7) { entry.gid.into() } else { 0 });
    octal(&mut block, 124, 11, if fits(entry.size, 11) { entry.size } else { 0 });
    let seconds = u64::try_from(entry.mtime.seconds).ok().filter(|s| fits(*s, 11)).unwrap_or(0);
    octal(&mut block, 136, 11, seconds);
    block[156] = type_flag(&entry.kind);
    put(&mut block, 157, &link[..link.len().min(100)]);
    for (at, name) in [(265, extras.owner), (297, extras.group)] {
        if let Some(name) = name.filter(|name| name.len() < 32) {
            put(&mut block, at, name.as_bytes());
        }
    }
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } = entry.kind {
        octal(&mut block, 329, 7, major.into());
        octal(&mut block, 337, 7, minor.into());
    }
    put(&mut block, 345, prefix);
    seal_block(&mut block);
    out.extend(block);
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

fn octal(block: &mut [u8; BLOCK], at: usize, digits: usize, value: u64) {
    put(block, at, format!("{value:0digits$o}").as_bytes());
}

/// Magic, version and checksum.
fn seal_block(block: &mut [u8; BLOCK]) {
    put(block, 257, b"ustar\x0000");
    put(block, 148, b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put(block, 148, format!("{sum:06o}\0 ").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_split_where_ustar_can() {
        let path = [b"a".repeat(90), b"/".to_vec(), b"b".repeat(90)].concat();
        assert_eq!(split_path(&path), Some((&path[..90], &path[91..])));
        assert_eq!(split_path(&b"a".repeat(101)), None);
        let folder = [b"a".repeat(120), b"/".to_vec()].concat();
        assert_eq!(split_path(&folder), None, "a name can't be empty");
    }

    #[test]
    fn a_pax_record_counts_its_own_length() {
        for len in [1, 5, 88, 89, 90, 91, 980, 990, 9_990] {
            let mut pax = vec![];
            pax_bytes(&mut pax, b"path", &b"x".repeat(len));
            let text = String::from_utf8(pax.clone()).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse(), Ok(pax.len()));
        }
    }

    #[test]
    fn times_before_1970_are_negative_decimals() {
        assert_eq!(pax_time(-1, 500_000_000), "-0.5");
        assert_eq!(pax_time(-2, 250_000_000), "-1.75");
        assert_eq!(pax_time(-2, 0), "-2");
        assert_eq!(pax_time(5, 120), "5.00000012");
    }
}
