//! A tar stream taken apart as it comes (POSIX ustar and pax), trusting nothing that it says.

use crate::reader::Malformed;
use crate::stream::FileTime;
use crate::tar::BLOCK;

/// No member of ours says more in pax records: extended attributes, long paths.
const PAX_MAX: u64 = 16 << 20;

/// A member as the stream tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub path: Vec<u8>,
    /// The type flag: `0` to `6`.
    pub kind: u8,
    pub size: u64,
    pub mode: u64,
    pub uid: u64,
    pub gid: u64,
    pub time: FileTime,
    pub link: Vec<u8>,
    pub device: (u64, u64),
}

/// What was met in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// Nothing yet: more bytes are needed.
    Nothing,
    /// A member's header, whole.
    Member(Box<Member>),
    /// A member's content and what fills its last block ended.
    End,
    /// A block of zeros.
    Zeros,
    /// What is no tar stream; says what is wrong. Nothing more can be told from here on.
    Broken(&'static str),
}

/// Takes a stream apart that comes in any pieces.
#[derive(Debug)]
pub(super) struct Untar {
    state: State,
    pax: Pax,
}

#[derive(Debug)]
enum State {
    Block { bytes: Box<[u8; BLOCK]>, have: usize },
    Pax { left: u64, padding: u64, bytes: Vec<u8> },
    Content { left: u64, padding: u64 },
}

/// What pax records say of the next member.
#[derive(Debug, Default)]
struct Pax {
    is_there: bool,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    time: Option<FileTime>,
}

fn block() -> State {
    State::Block { bytes: Box::new([0; BLOCK]), have: 0 }
}

fn padding(len: u64) -> u64 {
    crate::tar::padding(len) as u64
}

impl Default for Untar {
    fn default() -> Self {
        Untar { state: block(), pax: Pax::default() }
    }
}

impl Untar {
    /// Whether a member may begin here.
    pub(super) fn is_between(&self) -> bool {
        !self.pax.is_there && matches!(self.state, State::Block { have: 0, .. })
    }

    /// Takes bytes off the front of `bytes` until something is met.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Met {
        loop {
            let met = match &mut self.state {
                State::Block { bytes: block, have } => {
                    let taken = take(bytes, (BLOCK - *have) as u64);
                    if let Some(to) = block.get_mut(*have..*have + taken.len()) {
                        to.copy_from_slice(taken);
                    }
                    *have += taken.len();
                    if *have < BLOCK {
                        return Met::Nothing;
                    }
                    let block = **block;
                    self.header(&block)
                }
                State::Pax { left, padding, bytes: body } => {
                    let taken = take(bytes, *left);
                    body.extend_from_slice(taken);
                    *left -= taken.len() as u64;
                    if *left == 0 && !zeros(take_counted(bytes, padding)) {
                        return Met::Broken("what fills up its pax records is not zeros");
                    }
                    if *left > 0 || *padding > 0 {
                        return Met::Nothing;
                    }
                    let body = std::mem::take(body);
                    self.records(&body)
                }
                State::Content { left, padding } => {
                    take_counted(bytes, left);
                    if *left == 0 && !zeros(take_counted(bytes, padding)) {
                        return Met::Broken("what fills up its last block is not zeros");
                    }
                    if *left > 0 || *padding > 0 {
                        return Met::Nothing;
                    }
                    self.state = block();
                    Some(Met::End)
                }
            };
            if let Some(met) = met {
                return met;
            }
        }
    }

    fn header(&mut self, block: &[u8; BLOCK]) -> Option<Met> {
        self.state = self::block();
        if zeros(block) {
            let met = if self.pax.is_there { Met::Broken("its header is zeros") } else { Met::Zeros };
            return Some(met);
        }
        let Some(mut member) = read_header(block) else {
            return Some(Met::Broken("its header is damaged"));
        };
        if member.kind == b'x' {
            if self.pax.is_there || member.size > PAX_MAX {
                return Some(Met::Broken("its pax records are not as they should be"));
            }
            let (left, padding) = (member.size, padding(member.size));
            self.pax.is_there = true;
            self.state = State::Pax { left, padding, bytes: Vec::new() };
            return None;
        }
        if !(b'0'..=b'6').contains(&member.kind) {
            return Some(Met::Broken("it is of a kind that is never written"));
        }
        let pax = std::mem::take(&mut self.pax);
        member.path = pax.path.unwrap_or(member.path);
        member.link = pax.link.unwrap_or(member.link);
        member.size = pax.size.unwrap_or(member.size);
        member.uid = pax.uid.unwrap_or(member.uid);
        member.gid = pax.gid.unwrap_or(member.gid);
        member.time = pax.time.unwrap_or(member.time);
        // Only files have content, whatever the size says.
        let left = if member.kind == b'0' { member.size } else { 0 };
        self.state = State::Content { left, padding: padding(left) };
        Some(Met::Member(Box::new(member)))
    }

    fn records(&mut self, body: &[u8]) -> Option<Met> {
        self.state = block();
        match self.pax.read(body) {
            Ok(()) => None,
            Err(Malformed) => Some(Met::Broken("its pax records are damaged")),
        }
    }
}

fn take<'b>(bytes: &mut &'b [u8], at_most: u64) -> &'b [u8] {
    let len = usize::try_from(at_most).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}

fn take_counted<'b>(bytes: &mut &'b [u8], left: &mut u64) -> &'b [u8] {
    let taken = take(bytes, *left);
    *left -= taken.len() as u64;
    taken
}

fn zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn read_header(block: &[u8; BLOCK]) -> Option<Member> {
    let field = |at: usize, len: usize| block.get(at..at + len).unwrap_or_default();
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    if octal(field(148, 8))? != sum || field(257, 8) != b"ustar\x0000" {
        return None;
    }
    let (prefix, name) = (until_nul(field(345, 155)), until_nul(field(0, 100)));
    let path = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
    let seconds = i64::try_from(octal(field(136, 12))?).ok()?;
    Some(Member {
        path,
        kind: *block.get(156)?,
        size: octal(field(124, 12))?,
        mode: octal(field(100, 8))?,
        uid: octal(field(108, 8))?,
        gid: octal(field(116, 8))?,
        time: FileTime { seconds, nanos: 0 },
        link: until_nul(field(157, 100)).to_vec(),
        device: (octal(field(329, 8))?, octal(field(337, 8))?),
    })
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Digits, then a zero byte or a space; none at all is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let end = field.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let (digits, _) = field.split_at(end);
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

impl Pax {
    fn read(&mut self, mut body: &[u8]) -> Result<(), Malformed> {
        while !body.is_empty() {
            let space = body.iter().position(|byte| *byte == b' ').ok_or(Malformed)?;
            let (digits, _) = body.split_at(space);
            let len = usize::try_from(decimal(digits)?).map_err(|_| Malformed)?;
            let (record, rest) = body.split_at_checked(len).ok_or(Malformed)?;
            let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or(Malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(Malformed)?;
            let (key, value) = record.split_at(equals);
            self.record(key, value.get(1..).unwrap_or_default())?;
            body = rest;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.time = Some(time(value)?),
            b"hdrcharset" if value == b"BINARY" => {}
            _ if key.starts_with(b"SCHILY.xattr.") => {}
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

fn decimal(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

/// A decimal number of seconds; nanoseconds count forward from the second, also before 1970.
fn time(text: &[u8]) -> Result<FileTime, Malformed> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let whole = decimal(parts.next().ok_or(Malformed)?)?;
    let nanos = match parts.next() {
        None => 0,
        Some(digits) if digits.len() <= 9 => {
            let scale = 10_u64.pow(9 - digits.len() as u32);
            u32::try_from(decimal(digits)? * scale).map_err(|_| Malformed)?
        }
        Some(_) => return Err(Malformed),
    };
    let seconds = i64::try_from(whole).map_err(|_| Malformed)?;
    Ok(match (negative, nanos) {
        (false, _) => FileTime { seconds, nanos },
        (true, 0) => FileTime { seconds: -seconds, nanos },
        (true, _) => FileTime { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Entry, EntryKind};
    use crate::tar::{Extras, write_header};
    use proptest::prelude::*;

    fn members(mut bytes: &[u8], step: usize) -> Vec<Met> {
        let (mut untar, mut all) = (Untar::default(), vec![]);
        while !bytes.is_empty() {
            let mut part = take(&mut bytes, step as u64);
            loop {
                match untar.next(&mut part) {
                    Met::Nothing => break,
                    Met::Broken(why) => {
                        all.push(Met::Broken(why));
                        return all;
                    }
                    met => all.push(met),
                }
            }
        }
        all
    }

    fn entry(path: Vec<u8>, size: u64, seconds: i64, nanos: u32, uid: u32) -> Entry {
        let mtime = FileTime { seconds, nanos };
        Entry { path, kind: EntryKind::File, size, mtime, mode: 0o4644, uid, gid: 33, stamp: [0; 32] }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_was_written_is_read_back_in_any_pieces(
            name in prop::collection::vec(1_u8..=255, 1..300),
            size in 0_u64..3000,
            seconds in -5_000_000_000_i64..5_000_000_000,
            nanos in 0_u32..1_000_000_000,
            uid in any::<u32>(),
            step in 1_usize..1500,
        ) {
            let path: Vec<u8> = name.iter().map(|b| if *b == b'/' { b'_' } else { *b }).collect();
            let entry = entry(path.clone(), size, seconds, nanos, uid);
            let mut out = vec![];
            let xattrs = [(b"user.a=b".to_vec(), vec![0, 10, 255])];
            write_header(&mut out, "top", &entry, &Extras { xattrs: &xattrs, ..Extras::default() });
            out.resize(out.len() + size as usize, 7);
            out.resize(out.len() + crate::tar::padding(size), 0);
            out.resize(out.len() + 2 * BLOCK, 0);
            let met = members(&out, step);
            let expected = Member {
                path: [b"top/", &path[..]].concat(),
                kind: b'0',
                size,
                mode: 0o4644,
                uid: uid.into(),
                gid: 33,
                time: FileTime { seconds, nanos },
                link: vec![],
                device: (0, 0),
            };
            let expected = [Met::Member(Box::new(expected)), Met::End, Met::Zeros, Met::Zeros];
            prop_assert_eq!(&met[..], &expected[..]);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..4000), step in 1_usize..600) {
            members(&bytes, step);
        }

        #[test]
        fn damage_never_panics(at in 0_usize..4096, bit in 0_u8..8, step in 1_usize..600) {
            let mut out = vec![];
            let xattrs = [(b"user.x".to_vec(), vec![9; 700])];
            let entry = entry(b"a".repeat(150), 1000, -3, 5, 70_000_000);
            write_header(&mut out, "top", &entry, &Extras { xattrs: &xattrs, ..Extras::default() });
            out.resize(4096, 0);
            out[at] ^= 1 << bit;
            members(&out, step);
        }
    }

    #[test]
    fn an_endless_promise_takes_no_memory() {
        let mut out = vec![];
        write_header(&mut out, "top", &entry(b"a".to_vec(), u64::MAX, 0, 0, 0), &Extras::default());
        let mut untar = Untar::default();
        let mut rest = &out[..];
        assert!(matches!(untar.next(&mut rest), Met::Member(member) if member.size == u64::MAX));
        let mut more = &[1; 4096][..];
        assert_eq!((untar.next(&mut more), more.len()), (Met::Nothing, 0));
    }
}
