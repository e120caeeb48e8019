//! Permissions, of which git keeps none but whether a file may be run: secrets stay secret, and folders that were closed
//! to their owner, as Drupal does it to `sites/default`, are open only while something is laid out in them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::RestoreError;
use super::desk::{Desk, Repo, path_of};
use super::view::View;

/// What a folder's owner needs to lay something out in it.
const OPEN: u32 = 0o300;
/// So many arguments a command is given.
const ARGUMENTS: usize = 200;

/// Permissions of something that are not those that git gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mode {
    pub folder: bool,
    pub bits: u32,
    /// Below the work tree; empty for itself.
    pub path: Vec<u8>,
}

/// Whose permissions are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// Those of the same files: all of them.
    Same,
    /// Those of other files in their places: nobody gets more than git gives, nor more than he had.
    Others,
}

/// Those of what a restore changes.
pub(super) fn of(desk: &Desk<'_>, view: &View) -> Vec<Mode> {
    let Some(top) = &desk.repo.work_tree else { return Vec::new() };
    let files = view.touched().into_iter().filter_map(|path| {
        let facts = fs::symlink_metadata(top.join(path_of(path))).ok().filter(fs::Metadata::is_file)?;
        let bits = facts.mode() & 0o7777;
        (bits != usual(desk.repo, bits, false)).then(|| Mode { folder: false, bits, path: path.clone() })
    });
    let folders = folders(top, view).into_iter().filter_map(|path| {
        let bits = fs::symlink_metadata(top.join(path_of(&path))).ok()?.mode() & 0o7777;
        (bits != usual(desk.repo, bits, true)).then_some(Mode { folder: true, bits, path })
    });
    files.chain(folders).collect()
}

/// What git gives.
fn usual(repo: &Repo, bits: u32, folder: bool) -> u32 {
    let most = if folder || bits & 0o100 != 0 { 0o777 } else { 0o666 };
    most & !repo.umask
}

/// The folders, as far as they are there, that what is changed is in.
fn folders(top: &Path, view: &View) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::from([Vec::new()]);
    let mut absent = BTreeSet::new();
    for path in view.touched() {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for folder in ends.filter_map(|end| path.get(..end)) {
            if found.contains(folder) {
                continue;
            }
            let is_there = !absent.contains(folder)
                && fs::symlink_metadata(top.join(path_of(folder))).is_ok_and(|facts| facts.is_dir());
            if !is_there {
                absent.insert(folder.to_vec());
                break;
            }
            found.insert(folder.to_vec());
        }
    }
    found
}

/// The folders that something is made or removed in: not all of those above.
fn changing(top: &Path, view: &View) -> BTreeSet<Vec<u8>> {
    let there = folders(top, view);
    let nearest = |path: &Vec<u8>| {
        let ends = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut above = ends.chain([0]).filter_map(|end| path.get(..end));
        above.find(|folder| there.contains(*folder)).map(<[u8]>::to_vec)
    };
    view.touched().into_iter().filter_map(nearest).collect()
}

/// Refuses folders in which the owner would have to lay something out, and can't.
pub(super) fn check(desk: &Desk<'_>, view: &View) -> Result<(), RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(()) };
    let all: Vec<_> =
        changing(top, view).iter().map(|path| top.join(path_of(path)).into_os_string()).collect();
    for folder in closed(desk, &all)? {
        let facts = fs::symlink_metadata(&folder);
        let can_be_opened =
            facts.is_ok_and(|facts| facts.uid() == desk.repo.owner && facts.mode() & OPEN != OPEN);
        if !can_be_opened {
            return Err(RestoreError::NotWritable(folder.into()));
        }
    }
    Ok(())
}

/// Those of some folders in which the owner may not lay anything out.
pub(super) fn closed(desk: &Desk<'_>, folders: &[OsString]) -> Result<Vec<OsString>, RestoreError> {
    let script = r#"for folder; do [ -w "$folder" ] && [ -x "$folder" ] || printf '%s\0' "$folder"; done"#;
    let mut found = Vec::new();
    for some in folders.chunks(ARGUMENTS) {
        let args: Vec<&OsStr> = some.iter().map(OsString::as_os_str).collect();
        let answer = desk.shell("look at the folders", script, &args)?;
        let names = answer.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        found.extend(names.map(|name| path_of(name).into_os_string()));
    }
    Ok(found)
}

/// Opens the closed ones among the owner's folders that are kept.
pub(super) fn open(desk: &Desk<'_>, kept: &[Mode]) -> Result<(), RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(()) };
    let owned = |mode: &Mode| {
        fs::symlink_metadata(top.join(path_of(&mode.path))).is_ok_and(|facts| facts.uid() == desk.repo.owner)
    };
    let wanted = |mode: &&Mode| mode.folder && mode.bits & OPEN != OPEN && owned(mode);
    change(desk, kept.iter().filter(wanted).map(|mode| (mode, mode.bits | 0o700)))
}

/// Gives folders the permissions that are kept.
pub(super) fn close(desk: &Desk<'_>, kept: &[Mode]) -> Result<(), RestoreError> {
    let mut folders: Vec<_> = kept.iter().filter(|mode| mode.folder).collect();
    // The deepest first: one may forbid to reach what is in it.
    folders.sort_by(|a, b| b.path.cmp(&a.path));
    change(desk, folders.into_iter().map(|mode| (mode, mode.bits)))
}

/// Gives files the permissions that are kept.
pub(super) fn set(desk: &Desk<'_>, kept: &[Mode], whose: Set) -> Result<(), RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(()) };
    let files = kept.iter().filter(|mode| !mode.folder).filter_map(|mode| {
        let facts = fs::symlink_metadata(top.join(path_of(&mode.path))).ok().filter(fs::Metadata::is_file)?;
        let now = facts.mode() & 0o7777;
        let runs = |bits: u32| bits & 0o100 != 0;
        let bits = match whose {
            Set::Same => mode.bits,
            // What could not be run by those who could read it is made so.
            Set::Others if runs(now) && !runs(mode.bits) => now & (mode.bits | (mode.bits & 0o444) >> 2),
            Set::Others => now & mode.bits,
        };
        Some((mode, bits))
    });
    change(desk, files)
}

/// Changes permissions as the owner, where they are others.
fn change<'m>(desk: &Desk<'_>, wanted: impl Iterator<Item = (&'m Mode, u32)>) -> Result<(), RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(()) };
    let mut args = Vec::new();
    for (mode, bits) in wanted {
        let path = top.join(path_of(&mode.path));
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        if facts.is_symlink() || facts.is_dir() != mode.folder || facts.mode() & 0o7777 == bits {
            continue;
        }
        args.extend([OsString::from(format!("{bits:05o}")), path.into_os_string()]);
    }
    let script = r#"while [ $# -gt 1 ]; do chmod -- "$1" "$2" || exit 1; shift 2; done"#;
    for some in args.chunks(ARGUMENTS) {
        let args: Vec<&OsStr> = some.iter().map(OsString::as_os_str).collect();
        desk.shell("set permissions", script, &args)?;
    }
    Ok(())
}

const WORDS: [(bool, &str); 2] = [(false, "Mode: "), (true, "Folder: ")];

/// As lines of a message.
pub(super) fn lines(modes: &[Mode]) -> String {
    let line = |mode: &Mode| {
        let word = WORDS.iter().find(|(folder, _)| *folder == mode.folder).map(|(_, word)| *word);
        format!("{}{:04o} {}\n", word.unwrap_or_default(), mode.bits, mode.path.escape_ascii())
    };
    modes.iter().map(line).collect()
}

/// From the lines of a message.
pub(super) fn parse(message: &str) -> Vec<Mode> {
    let parse = |line: &str| {
        let (folder, rest) =
            WORDS.iter().find_map(|(folder, word)| Some((*folder, line.strip_prefix(word)?)))?;
        let (bits, path) = rest.split_once(' ')?;
        Some(Mode { folder, bits: u32::from_str_radix(bits, 8).ok()? & 0o7777, path: unescape(path)? })
    };
    message.lines().filter_map(parse).collect()
}

/// Undoes `escape_ascii`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                itself => itself,
            },
            byte => byte,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let mode = |folder, bits, path: &[u8]| Mode { folder, bits, path: path.to_vec() };
        let modes = [
            mode(false, 0o600, b"wp-config.php"),
            mode(true, 0o2555, b""),
            mode(false, 0o440, b"a\nb\\ \"\t\xff'.php"),
        ];
        let text = lines(&modes);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(parse(&text), modes);
        assert_eq!(parse("Head: x\nMode: 9 a\nMode: 600\n\n"), []);
    }
}
