//! Small trees of sites.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use undercroft_model::DatabaseTarget;
use undercroft_site::profile::{Found, LookError, LookOptions, look};

/// A folder in which a site is built.
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    /// A folder with these files in it.
    pub fn new(files: &[(&str, &str)]) -> Tree {
        // By its real path, so that paths compare.
        let folder = tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
        let tree = Tree { folder };
        tree.add(files);
        tree
    }

    /// More files. A name that ends in `/` is a folder.
    pub fn add(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    /// What is found, given these variables.
    pub fn try_look(&self, name: &str, variables: &[(&str, &str)]) -> Result<Found, LookError> {
        let environment: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        look(&self.path(name), &LookOptions { environment, ..LookOptions::default() })
    }

    /// What is found where nothing is told.
    pub fn look(&self, name: &str) -> Found {
        let found = self.try_look(name, &[]).unwrap();
        shows_no_password(&found);
        found
    }
}

/// The password is in the settings and nowhere else.
pub fn shows_no_password(found: &Found) {
    let shown = format!(
        "{found:?} {} {} {}",
        serde_json::to_string(&found.findings).unwrap(),
        serde_json::to_string(&found.missing).unwrap(),
        found.notes.join(" ")
    );
    for secret in ["hunter2", "s3cret"] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}

/// The database that was found.
pub fn database(found: &Found) -> &DatabaseTarget {
    match &found.settings.database {
        Some(target) => target,
        None => panic!("no database: {:?}", found.missing),
    }
}

/// Schema, user, password, as `schema|user|password`.
pub fn account(found: &Found) -> String {
    let target = database(found);
    format!("{}|{}|{}", target.schema, target.user, target.password.reveal())
}

/// The files folder that was found.
pub fn files(found: &Found) -> &Path {
    match &found.settings.files {
        Some(files) => &files.path,
        None => panic!("no files: {:?}", found.missing),
    }
}

/// All notes and reasons, to be searched.
pub fn words(found: &Found) -> String {
    let missing: Vec<String> = found
        .missing
        .iter()
        .map(|m| {
            let spot = m.spot.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {} {} {spot} {}", m.element, m.what, m.why, m.option)
        })
        .collect();
    format!("{}\n{}", found.notes.join("\n"), missing.join("\n"))
}
