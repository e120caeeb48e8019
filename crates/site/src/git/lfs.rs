//! Large files kept beside the repository (git-lfs): their pointers are in the commit, their content is in
//! `.git/lfs`.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ring::digest::{Context, SHA256};
use undercroft_model::Remark;

use super::attributes::Attributes;
use super::blobs::Blobs;
use super::capture::Capture;
use super::error::GitError;
use super::objects::{self, ObjectFile};
use super::oid::ObjectId;
use super::part::Part;
use super::shown;
use super::tree::Node;

/// A pointer is no longer than this.
const POINTER_MAX: u64 = 1024;

/// What a pointer says of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    /// SHA-256 of the content, in hexadecimal digits.
    pub oid: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Pointer {
    /// Reads a pointer's text; `None` if it is something else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines();
        if !lines.next()?.starts_with("version https://git-lfs.github.com/spec/") {
            return None;
        }
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let oid = value("oid sha256:")?;
        let is_hex = oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let size = value("size ")?.parse().ok()?;
        (oid.len() == 64 && is_hex).then(|| Pointer { oid: oid.to_owned(), size })
    }

    /// Where the content is, below `.git`.
    fn name(&self) -> String {
        let part = |range| self.oid.get(range).unwrap_or_default();
        format!("lfs/objects/{}/{}/{}", part(0..2), part(2..4), self.oid)
    }
}

/// The pointers among a commit's files.
fn pointers(part: &Part, nodes: &[Node], attributes: &[Attributes]) -> Result<Vec<Pointer>, GitError> {
    let mut found = Vec::new();
    for (node, attributes) in nodes.iter().zip(attributes) {
        if !attributes.lfs || node.size.is_none_or(|size| size > POINTER_MAX) {
            continue;
        }
        let text =
            part.blobs.whole(&node.id, POINTER_MAX).map_err(GitError::io("read", &part.place.common_dir))?;
        found.extend(text.and_then(|text| Pointer::parse(&text)));
    }
    Ok(found)
}

impl Capture<'_> {
    /// Adds the content of large files, where the repository has it.
    pub(super) fn add_lfs(
        &mut self,
        part: &Part,
        nodes: &[Node],
        attributes: &[Attributes],
    ) -> Result<(), GitError> {
        let mut found = pointers(part, nodes, attributes)?;
        found.retain(|pointer| pointer.size > 0);
        let files = found.len();
        found.sort_by(|a, b| a.oid.cmp(&b.oid));
        let mut absent = files;
        for same in found.chunk_by(|a, b| a.oid == b.oid) {
            let Some(pointer) = same.first() else { continue };
            if let Some(file) = content(part, pointer)? {
                absent -= same.len();
                part.lay_file(&pointer.name(), file, &mut self.layout);
            }
        }
        if absent > 0 {
            let what = match absent {
                1 => "1 file is an LFS pointer".to_owned(),
                n => format!("{n} files are LFS pointers"),
            };
            let remedy = self.remedy("git lfs fetch");
            let text = format!("{what} whose content is not in this repository: {remedy}");
            self.remark(Remark::lost(shown(&part.spot.work), text));
        }
        Ok(())
    }
}

/// The file that holds a pointer's content, at the length that the pointer tells.
fn content(part: &Part, pointer: &Pointer) -> Result<Option<ObjectFile>, GitError> {
    let path = part.place.common_dir.join(pointer.name());
    match objects::file(&path) {
        Ok(file) => Ok(file.filter(|file| file.size == pointer.size)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GitError::io("read", path)(error)),
    }
}

/// Whether a line of `git status --porcelain=v2` tells of a file that only git-lfs, which is not run here, would
/// find unchanged: its content is what the pointer in the index says.
pub(super) fn is_unchanged(line: &[u8], work_tree: &Path, blobs: &Blobs) -> bool {
    // `1 XY sub mH mI mW hH hI path`
    let fields: Vec<_> = line.splitn(9, |b| *b == b' ').collect();
    let [_, b".M", _, _, _, _, _, id, path] = fields.as_slice() else { return false };
    holds(id, &work_tree.join(OsStr::from_bytes(path)), blobs)
}

/// Whether a file's content is what a pointer says, which is the blob `id`.
pub(super) fn holds(id: &[u8], path: &Path, blobs: &Blobs) -> bool {
    let pointer = ObjectId::parse(id).and_then(|id| Pointer::parse(&blobs.whole(&id, POINTER_MAX).ok()??));
    let (Some(pointer), Ok(Some(file))) = (pointer, objects::file(path)) else { return false };
    file.size == pointer.size && sha256(path).is_ok_and(|oid| oid == pointer.oid)
}

/// The name below `.git` of the content that a file is the pointer of, if it is one.
pub(super) fn content_of(path: &Path) -> Option<(String, u64)> {
    let file = objects::file(path).ok()??;
    let text = (file.size <= POINTER_MAX).then(|| std::fs::read(path).ok()).flatten()?;
    Pointer::parse(&text).map(|pointer| (pointer.name(), pointer.size))
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        context.update(buffer.get(..got).unwrap_or_default());
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_other_files() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
        let pointer = Pointer::parse(text.as_bytes()).unwrap();
        assert_eq!(pointer.size, 12345);
        assert_eq!(pointer.name(), format!("lfs/objects/4d/7a/{oid}"));
        assert_eq!(Pointer::parse(b"version 1\n"), None);
        assert_eq!(Pointer::parse(text.replace("4d7a", "../a").as_bytes()), None);
    }
}
