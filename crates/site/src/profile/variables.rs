//! The environment variables that a site sees: those that were told, over those of its `.env` files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::dotenv;
use super::found::LookOptions;
use super::locate::small_text;
use super::sheet::Sheet;

/// Variables, and whether these are all.
pub(super) struct Variables {
    pub values: HashMap<String, String>,
    pub are_whole: bool,
}

/// Reads `.env` and, over it, `.env.local` of a site. Where the CMS is known to read them (`trusted`), what they
/// don't say is taken for not set.
pub(super) fn read(root: &Path, options: &LookOptions, trusted: bool, sheet: &mut Sheet) -> Variables {
    let mut values = HashMap::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for name in [".env", ".env.local"] {
        let path = root.join(name);
        let Some(text) = small_text(&path) else { continue };
        values.extend(dotenv::parse(&text, &options.environment));
        files.push(path);
    }
    for other in others(root) {
        sheet.note(format!("{} is there as well, and was not read", other.display()));
    }
    let read = !files.is_empty();
    for file in files {
        sheet.found("environment file", file.display().to_string(), None, None);
    }
    values.extend(options.environment.clone());
    Variables { values, are_whole: !options.environment.is_empty() || (trusted && read) }
}

/// `.env.production` and the like; examples are none of them.
fn others(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = name.strip_prefix(".env.").unwrap_or_default();
            !["", "local", "example", "dist", "sample", "template"].contains(&kind)
                && !kind.contains("example")
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}
