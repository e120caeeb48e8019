//! Reading back what [`tar::write_header`](crate::tar::write_header) wrote: an entry's header, whose length the
//! manifest tells.

use crate::reader::{Malformed, Reader};
use crate::stream::Entry;
use crate::tar::{self, BLOCK};

/// Extended attributes, by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// What a header says that the manifest does not.
#[derive(Debug, Default)]
pub struct Header {
    /// The entry's path, with the archive's top folder before it.
    pub path: Vec<u8>,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// Reads the header of an entry, which is all of `bytes`. What the manifest says of it too must agree.
pub fn read(bytes: &[u8], entry: &Entry) -> Result<Header, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut header = Header::default();
    let (mut size, mut block) = (None, checked(&mut reader)?);
    if block[156] == b'x' {
        let len = octal(&block[124..136])?;
        let records = reader.take(usize::try_from(len).map_err(|_| Malformed)?)?;
        reader.take(tar::padding(len))?;
        size = read_records(records, &mut header)?;
        block = checked(&mut reader)?;
    }
    let size = size.map_or_else(|| octal(&block[124..136]), Ok)?;
    if header.path.is_empty() {
        header.path = short_path(block);
    }
    let same = block[156] == tar::type_flag(&entry.kind) && size == entry.size && reader.left() == 0;
    if same { Ok(header) } else { Err(Malformed) }
}

/// The next block, which must be a header.
fn checked<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8; BLOCK], Malformed> {
    let block: &[u8; BLOCK] = reader.take(BLOCK)?.try_into().map_err(|_| Malformed)?;
    let sum: u64 =
        block.iter().enumerate().map(|(n, b)| if (148..156).contains(&n) { 32 } else { u64::from(*b) }).sum();
    if &block[257..262] == b"ustar" && octal(&block[148..156])? == sum { Ok(block) } else { Err(Malformed) }
}

/// Octal digits, ended by a zero or a space.
fn octal(field: &[u8]) -> Result<u64, Malformed> {
    let mut digits = field.iter().take_while(|byte| !matches!(byte, 0 | b' '));
    digits.try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value + u64::from(digit - b'0')).ok_or(Malformed),
        _ => Err(Malformed),
    })
}

fn short_path(block: &[u8; BLOCK]) -> Vec<u8> {
    let text = |field: &[u8]| field.iter().copied().take_while(|byte| *byte != 0).collect::<Vec<u8>>();
    let (mut path, name) = (text(&block[345..500]), text(&block[..100]));
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend(name);
    path
}

/// Reads pax records: `LENGTH KEY=VALUE\n`. Gives the size, if they say one.
fn read_records(mut records: &[u8], header: &mut Header) -> Result<Option<u64>, Malformed> {
    let mut size = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or(Malformed)?;
        let len = number(&records[..space])?;
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let (record, rest) = records.split_at_checked(len).ok_or(Malformed)?;
        let record =
            record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or(Malformed)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(Malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key.strip_prefix(b"SCHILY.xattr.") {
            Some(name) => header.xattrs.push((unescape(name), value.to_vec())),
            None if key == b"path" => header.path = value.to_vec(),
            None if key == b"size" => size = Some(number(value)?),
            None => {}
        }
        records = rest;
    }
    Ok(size)
}

fn number(digits: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

/// An attribute's name as it was before [`tar`] wrote `%` and `=` in another way.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', b'2', b'5', after @ ..] => (b'%', after),
            [b'%', b'3', b'D', after @ ..] => (b'=', after),
            _ => (*byte, after),
        };
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{EntryKind, FileTime};
    use crate::tar::Extras;

    fn entry(path: &[u8], size: u64) -> Entry {
        let mtime = FileTime { seconds: 5, nanos: 7 };
        let (mode, uid, gid) = (0o644, 1, u32::MAX);
        Entry { path: path.to_vec(), kind: EntryKind::File, size, mtime, mode, uid, gid, stamp: [0; 32] }
    }

    #[test]
    fn a_header_comes_back() {
        let long = b"deep/\xff".repeat(60);
        let xattrs = vec![(b"user.a=b%".to_vec(), b"\0=\n1 x=".to_vec()), (b"user.c".to_vec(), vec![])];
        for (path, size) in [(&b"a"[..], 0), (&b"folder/".repeat(20), 3), (&long[..long.len() - 1], 1 << 40)]
        {
            let entry = entry(path, size);
            for xattrs in [&[][..], &xattrs] {
                let mut bytes = Vec::new();
                tar::write_header(&mut bytes, "top", &entry, &Extras { xattrs, ..Extras::default() });
                let header = read(&bytes, &entry).unwrap();
                assert_eq!((header.path, &header.xattrs[..]), ([b"top/", path].concat(), xattrs));
                for len in 0..bytes.len() {
                    assert!(read(&bytes[..len], &entry).is_err());
                }
            }
        }
    }

    #[test]
    fn a_header_of_something_else_is_refused() {
        let mut bytes = Vec::new();
        tar::write_header(&mut bytes, "top", &entry(b"a", 5), &Extras::default());
        assert!(read(&bytes, &entry(b"a", 6)).is_err());
        assert!(read(&bytes, &Entry { kind: EntryKind::Fifo, ..entry(b"a", 5) }).is_err());
        let last = bytes.len() - 400;
        bytes[last] ^= 1;
        assert!(read(&bytes, &entry(b"a", 5)).is_err(), "its sum is wrong");
    }
}
