//! A reader of tar streams, written for the tests from POSIX alone: it shares nothing with the writer.

use std::collections::BTreeMap;

/// An entry as a tar stream tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    pub path: Vec<u8>,
    pub kind: u8,
    pub link: Vec<u8>,
    pub mode: u64,
    pub uid: u64,
    pub gid: u64,
    /// As text: seconds, with a fraction where there is one.
    pub mtime: String,
    pub device: (u64, u64),
    pub owner: Vec<u8>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub content: Vec<u8>,
}

fn octal(field: &[u8]) -> u64 {
    let digits: Vec<u8> = field.iter().copied().filter(u8::is_ascii_digit).collect();
    digits.iter().fold(0, |value, digit| value * 8 + u64::from(digit - b'0'))
}

fn until_nul(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn pax_records(mut data: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    while !data.is_empty() {
        let space = data.iter().position(|byte| *byte == b' ').expect("a length");
        let len: usize = std::str::from_utf8(&data[..space]).unwrap().parse().unwrap();
        let (record, rest) = data.split_at(len);
        assert_eq!(record.last(), Some(&b'\n'));
        let equals = record.iter().position(|byte| *byte == b'=').expect("a value");
        records.insert(record[space + 1..equals].to_vec(), record[equals + 1..len - 1].to_vec());
        data = rest;
    }
    records
}

fn check_sum(block: &[u8]) {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    assert_eq!(octal(&block[148..156]), sum, "a header's checksum");
    assert_eq!(&block[257..265], b"ustar\x0000");
}

/// Takes a whole tar stream apart; it must end in two blocks of zeros and nothing more.
pub fn untar(stream: &[u8]) -> Vec<TarEntry> {
    let (mut entries, mut pax, mut at) = (vec![], BTreeMap::new(), 0);
    loop {
        let block = &stream[at..at + 512];
        if block.iter().all(|byte| *byte == 0) {
            assert_eq!(stream[at..], [0; 1024], "two blocks of zeros end the stream");
            return entries;
        }
        check_sum(block);
        let pax_number = |key: &[u8]| {
            pax.get(key).map(|v: &Vec<u8>| String::from_utf8(v.clone()).unwrap().parse().unwrap())
        };
        let size: u64 = pax_number(b"size").unwrap_or(octal(&block[124..136]));
        let start = at + 512;
        let content = &stream[start..start + size as usize];
        at = start + size.next_multiple_of(512) as usize;
        assert!(stream[start + size as usize..at].iter().all(|byte| *byte == 0), "padding");
        if block[156] == b'x' {
            pax = pax_records(content);
            continue;
        }
        let (prefix, name) = (until_nul(&block[345..500]), until_nul(&block[..100]));
        let path = if prefix.is_empty() { name } else { [&prefix[..], b"/", &name].concat() };
        let text = |key: &[u8]| pax.get(key).cloned();
        let xattr = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            key.strip_prefix(b"SCHILY.xattr.").map(|name| (name.to_vec(), value.clone()))
        };
        entries.push(TarEntry {
            path: text(b"path").unwrap_or(path),
            kind: block[156],
            link: text(b"linkpath").unwrap_or(until_nul(&block[157..257])),
            mode: octal(&block[100..108]),
            uid: pax_number(b"uid").unwrap_or(octal(&block[108..116])),
            gid: pax_number(b"gid").unwrap_or(octal(&block[116..124])),
            mtime: text(b"mtime")
                .map_or(octal(&block[136..148]).to_string(), |time| String::from_utf8(time).unwrap()),
            device: (octal(&block[329..337]), octal(&block[337..345])),
            owner: until_nul(&block[265..297]),
            xattrs: pax.iter().filter_map(xattr).collect(),
            content: content.to_vec(),
        });
        pax = BTreeMap::new();
    }
}
