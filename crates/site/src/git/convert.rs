//! Files that git writes otherwise into a work tree than it keeps them.
//!
//! They are few (line ends of Windows' scripts, mostly), and only git knows how: it writes them into the shadow.
//! Filters that are programs are not run.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::attributes::Attributes;
use super::command::run;
use super::error::GitError;
use super::objects;
use super::shadow::Shadow;
use super::tree::Node;

/// A file as it is in a work tree.
#[derive(Debug)]
pub(super) struct Converted {
    pub path: PathBuf,
    pub size: u64,
    pub stamp: [u8; 32],
}

/// Writes the files that are converted, and gives them by their paths. What git can't convert is not among them.
pub(super) fn convert<'a>(
    shadow: &Shadow,
    nodes: &'a [Node],
    attributes: &[Attributes],
) -> Result<HashMap<&'a [u8], Converted>, GitError> {
    let wanted: Vec<_> = nodes
        .iter()
        .zip(attributes)
        .filter(|(node, attributes)| attributes.converted && node.size.is_some())
        .map(|(node, _)| node.path.as_slice())
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let top = shadow.path("work");
    fs::create_dir(&top).map_err(GitError::io("make", &top))?;
    let mut command = shadow.git.command();
    command.env("GIT_WORK_TREE", &top).current_dir(&top);
    command.args(["-c", "core.bare=false", "checkout-index", "--quiet", "-z", "--stdin"]);
    let mut input = wanted.join(&0);
    input.push(0);
    // It fails if one file can't be converted; the others are there all the same.
    run(command, Some(&input))?;
    let mut converted = HashMap::new();
    for name in wanted {
        let path = top.join(OsStr::from_bytes(name));
        let Ok(Some(file)) = objects::file(&path) else { continue };
        let bytes = fs::read(&path).map_err(GitError::io("read", &path))?;
        let stamp = *blake3::hash(&bytes).as_bytes();
        converted.insert(name, Converted { path, size: file.size, stamp });
    }
    Ok(converted)
}
