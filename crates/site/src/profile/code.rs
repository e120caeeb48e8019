//! Where a site's code is: the repository that tracks it, else its folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use undercroft_model::{CodeRevision, CodeSource};

use super::exclude;
use super::found::Spot;
use super::locate::Site;
use super::sheet::Sheet;

/// How far up a repository is looked for.
const LEVELS_UP: usize = 8;
/// Larger than the index of a repository that holds a site, in bytes.
const INDEX_MAX: u64 = 64 << 20;

/// Finds the code. `leave_out` are patterns, anchored at the site's root, for when it is a plain folder.
pub(super) fn find(site: &Site, leave_out: Vec<String>, sheet: &mut Sheet) {
    for folder in site.docroot.ancestors().take(LEVELS_UP) {
        let Some(index) = index_of(folder) else { continue };
        if tracks(&index, folder, &site.docroot) {
            sheet.found(
                "code",
                format!("git repository {}", folder.display()),
                Some(Spot::file(&index)),
                None,
            );
            sheet.settings.code = Some(CodeSource::git(&folder.display().to_string(), CodeRevision::Head));
            note_untracked(&index, folder, sheet);
            return;
        }
        sheet.note(format!(
            "{} is a git repository, but {} is not in it; if its code is there, say so with --code {}",
            folder.display(),
            site.docroot.display(),
            folder.display()
        ));
    }
    plain_folder(site, leave_out, sheet);
}

/// Settings files are often kept out of the repository, and so are in no archive: who restores the site has to know.
fn note_untracked(index: &Path, top: &Path, sheet: &mut Sheet) {
    let files: BTreeSet<PathBuf> =
        sheet.findings.iter().filter_map(|finding| Some(finding.spot.as_ref()?.file.clone())).collect();
    for file in files {
        let inside = file.strip_prefix(top).is_ok_and(|inner| !inner.starts_with(".git"));
        if inside && !tracks_file(index, top, &file) {
            sheet.note(format!(
                "{} is in no commit, and so in no archive of the code: keep a copy of it yourself",
                file.display()
            ));
        }
    }
}

/// Whether an index has a file; what can't be told counts as yes.
fn tracks_file(index: &Path, top: &Path, file: &Path) -> bool {
    let (Ok(bytes), Ok(inner)) = (std::fs::read(index), file.strip_prefix(top)) else { return true };
    if word(&bytes, 4).is_none_or(|version| version >= 4) || bytes.len() as u64 > INDEX_MAX {
        return true;
    }
    let mut name = inner.as_os_str().as_encoded_bytes().to_vec();
    name.push(0);
    let starts = bytes.windows(name.len()).enumerate().filter(|(_, window)| **window == *name);
    starts.map(|(start, _)| start).any(|start| is_entry_name(&bytes, start))
}

fn plain_folder(site: &Site, leave_out: Vec<String>, sheet: &mut Sheet) {
    sheet.found("code", format!("folder {} (in no git repository)", site.root.display()), None, None);
    if !leave_out.is_empty() {
        sheet.note(format!("left out of the code: {}", leave_out.join(" ")));
    }
    sheet.settings.code = Some(CodeSource::Folder { path: site.root.clone(), exclude: leave_out });
}

/// The index of the work tree whose top a folder is: `.git` is a folder, or a file that says where.
fn index_of(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    let found = std::fs::metadata(&git).ok()?;
    if found.is_dir() {
        return git.join("HEAD").is_file().then(|| git.join("index"));
    }
    let text = super::locate::small_text(&git)?;
    let told = text.strip_prefix("gitdir:")?.trim();
    Some(folder.join(told).join("index"))
}

/// Whether an index has files of a folder. What can't be told (no index as in a fresh clone without a checkout,
/// or names that are packed) counts as yes when the folder is the top itself.
fn tracks(index: &Path, top: &Path, folder: &Path) -> bool {
    let is_top = top == folder;
    let Ok(found) = std::fs::metadata(index) else { return false };
    if found.len() > INDEX_MAX {
        return true;
    }
    let Ok(bytes) = std::fs::read(index) else { return is_top };
    let (Some(b"DIRC"), Some(version), Some(count)) = (bytes.get(..4), word(&bytes, 4), word(&bytes, 8))
    else {
        return false;
    };
    // Version 4 packs names: they can't be looked for.
    if is_top || version == 4 {
        return count > 0;
    }
    let Ok(inner) = folder.strip_prefix(top) else { return false };
    let mut name = inner.as_os_str().as_encoded_bytes().to_vec();
    name.push(b'/');
    let starts = bytes.windows(name.len()).enumerate().filter(|(_, window)| **window == *name);
    starts.map(|(start, _)| start).any(|start| is_entry_name(&bytes, start))
}

/// Whether an entry's name starts here: before it stand its flags, which hold its length (and, in some entries,
/// two more bytes).
fn is_entry_name(bytes: &[u8], start: usize) -> bool {
    const LONGEST: usize = 0xfff;
    let Some(rest) = bytes.get(start..) else { return false };
    let Some(length) = rest.iter().position(|byte| *byte == 0) else { return false };
    [2, 4].iter().any(|back| {
        let flags = start.checked_sub(*back).and_then(|at| bytes.get(at..at + 2));
        flags.is_some_and(|flags| {
            let [high, low] = [flags.first(), flags.get(1)].map(|byte| usize::from(*byte.unwrap_or(&0)));
            ((high << 8) | low) & LONGEST == length.min(LONGEST)
        })
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// A folder as a pattern to leave it out of the code, if it lies in it.
pub(super) fn leave_out_folder(root: &Path, folder: &Path) -> Option<String> {
    let inner = folder.strip_prefix(root).ok()?.to_str().filter(|inner| !inner.is_empty())?;
    Some(format!("/{}/", exclude::escape(inner)))
}
