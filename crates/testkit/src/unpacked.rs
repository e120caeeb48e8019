//! Servers that `scripts/fetch-servers` has unpacked.
//!
//! They are from a newer system than the one they run on, so they and their clients are run with the loader and
//! the libraries that came with them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the servers of that name are unpacked; `None`, with a word to whoever reads the test's output, if they
/// are not.
pub(crate) fn root(name: &str, program: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
    let root = cache.unwrap_or_else(home).join("undercroft/servers").join(name);
    if root.join(program).exists() {
        return Some(root);
    }
    eprintln!("skipped: there is no {name} in {}; scripts/fetch-servers gets it", root.display());
    None
}

/// What has to be run to have a program of such a server.
pub(crate) fn with_loader(root: &Path, program: &str) -> Vec<OsString> {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    vec![
        libraries.join("ld-linux-x86-64.so.2").into(),
        "--library-path".into(),
        libraries.into(),
        root.join(program).into(),
    ]
}
