//! Where a copy may be: neither in the store that is copied or in the data folder, nor around them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a folder can't take a copy.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The path depends on where one is, or leads through what is not there.
    #[error("{0} can't take the copy: name the folder by its whole path, without `..`")]
    NotWhole(PathBuf),
    /// It can't be looked at.
    #[error("{path} can't take the copy: {source}")]
    Unreachable {
        /// The folder, or one above it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a place of the program's own.
    #[error(
        "{to} can't take the copy: it is {own}, or is in it or around it, and that is what is to be saved; name a folder \
         elsewhere, best on another disk"
    )]
    Own {
        /// The folder, as it was named.
        to: PathBuf,
        /// The store or the data folder.
        own: PathBuf,
    },
    /// It holds something else.
    #[error(
        "{to} can't take the copy: it holds other things ({name} is one of them), and no store; name an empty folder, or a \
         new one in it, such as {}", to.join("undercroft").display()
    )]
    Taken {
        /// The folder.
        to: PathBuf,
        /// Something that is in it.
        name: String,
    },
}

/// The folder without links, if it can take the copy of what is in `own` folders. It need not be there yet.
pub fn place(to: &Path, own: &[PathBuf]) -> Result<PathBuf, PlaceError> {
    if !to.is_absolute() {
        return Err(PlaceError::NotWhole(to.to_owned()));
    }
    let found = resolve(to)?;
    for own in own {
        let real = resolve(own)?;
        if found.starts_with(&real) || real.starts_with(&found) || is_same_store(&found, &real) {
            return Err(PlaceError::Own { to: to.to_owned(), own: real });
        }
    }
    match foreign(&found) {
        Ok(None) => Ok(found),
        Ok(Some(name)) => Err(PlaceError::Taken { to: found, name }),
        Err(source) => Err(PlaceError::Unreachable { path: found, source }),
    }
}

/// Something in a folder that is neither a store nor nearly empty: a site's folder, a home.
fn foreign(folder: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut first = None;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "vaults" {
            return Ok(None);
        }
        // The root of a disk has the like; and a copy that was killed soon after it began.
        if !name.starts_with('.') && !["lost+found", "tmp"].contains(&&name[..]) {
            first.get_or_insert(name);
        }
    }
    Ok(first)
}

/// The path without links, of which the last parts need not be there.
fn resolve(path: &Path) -> Result<PathBuf, PlaceError> {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match fs::canonicalize(there) {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, part| path.join(part))),
            // A link that leads nowhere yet may lead anywhere later.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !there.is_symlink() => {}
            Err(source) => return Err(PlaceError::Unreachable { path: there.to_owned(), source }),
        }
        let (Some(last), Some(parent)) = (there.file_name(), there.parent()) else {
            return Err(PlaceError::NotWhole(path.to_owned()));
        };
        missing.push(last);
        there = parent;
    }
}

/// Whether one folder shows up in two places, as a bind mount makes it, or two stores have their vaults in one.
fn is_same_store(one: &Path, other: &Path) -> bool {
    let is_same = |one: &Path, other: &Path| {
        let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) else { return false };
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    };
    is_same(one, other) || is_same(&one.join("vaults"), &other.join("vaults"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_copy_is_never_in_or_around_what_it_is_of_by_whatever_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let path = |name: &str| root.join(name);
        for made in ["data", "disk/store/vaults", "disk/other", "shared"] {
            fs::create_dir_all(path(made)).unwrap();
        }
        symlink(path("disk/store"), path("data/store")).unwrap();
        symlink(path("disk"), path("disk-too")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        symlink(path("disk/store/vaults"), path("shared/vaults")).unwrap();
        let own = [path("data"), path("data/store")];
        for to in [
            "data",
            "data/new",
            "data/store",
            "disk/store",
            "disk/store/new/folder",
            "disk-too/store",
            "disk/other/../store",
            "disk",
            "",
            "shared",
        ] {
            let refused = place(&path(to), &own);
            assert!(matches!(refused, Err(PlaceError::Own { .. })), "{to}: {refused:?}");
        }
        assert!(matches!(place(&path("new/../data"), &own), Err(PlaceError::NotWhole(_))));
        assert!(matches!(place(Path::new("disk/other"), &own), Err(PlaceError::NotWhole(_))));
        assert!(matches!(place(&path("dangling"), &own), Err(PlaceError::Unreachable { .. })));
        fs::create_dir_all(path("site/wp-content")).unwrap();
        fs::create_dir_all(path("mount/lost+found")).unwrap();
        fs::create_dir_all(path("mount/tmp")).unwrap();
        fs::create_dir_all(path("copy/vaults")).unwrap();
        fs::write(path("copy/README"), "").unwrap();
        assert!(matches!(place(&path("site"), &own), Err(PlaceError::Taken { .. })));
        for (to, real) in [
            ("mount", "mount"),
            ("copy", "copy"),
            ("site/new", "site/new"),
            ("disk/other", "disk/other"),
            ("disk-too/new/one", "disk/new/one"),
            ("disk/other/../new", "disk/new"),
            ("database", "database"),
        ] {
            assert_eq!(place(&path(to), &own).unwrap(), path(real));
        }
    }
}
