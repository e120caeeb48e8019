//! Which entries of an archive are wanted, and where in its order they can stand.

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Sorted; all if `None`.
    paths: Option<Vec<Vec<u8>>>,
    /// The folders above them too.
    above: bool,
}

impl Wanted {
    /// All of them.
    pub fn all() -> Self {
        Wanted::default()
    }

    /// These, and what is below those that are folders. The empty path is the top folder, and so everything.
    pub fn these(paths: &[Vec<u8>]) -> Self {
        let mut paths = paths.to_vec();
        paths.sort();
        paths.dedup();
        let all = paths.first().is_some_and(|path| path.is_empty());
        Wanted { paths: (!all).then_some(paths), above: false }
    }

    /// The same, and the folders that they are in.
    pub fn with_folders_above(self) -> Self {
        Wanted { above: true, ..self }
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.paths.is_none()
    }

    /// Whether a path is wanted for itself.
    pub fn holds(&self, path: &[u8]) -> bool {
        let Some(paths) = &self.paths else { return true };
        let has = |path: &[u8]| paths.binary_search_by(|p| p.as_slice().cmp(path)).is_ok();
        let above = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        above.map(|(at, _)| path.get(..at).unwrap_or_default()).any(has) || has(path)
    }

    /// Whether a path is a folder above something wanted.
    pub fn leads_to(&self, path: &[u8]) -> bool {
        let Some(paths) = &self.paths else { return true };
        if path.is_empty() {
            return !paths.is_empty();
        }
        let inside = [path, b"/"].concat();
        let first = paths.partition_point(|p| p.as_slice() < inside.as_slice());
        paths.get(first).is_some_and(|p| p.starts_with(&inside))
    }

    /// Whether a path is wanted for itself, or as a folder above others if these are wanted.
    pub(super) fn takes(&self, path: &[u8]) -> bool {
        self.holds(path) || (self.above && self.leads_to(path))
    }

    /// Whether anything wanted can stand from one place in the order up to another.
    pub(super) fn may_hold(&self, from: &[u8], to: Option<&[u8]>) -> bool {
        let Some(paths) = &self.paths else { return true };
        let before = |key: &[u8]| to.is_none_or(|to| key < to);
        let first = paths.partition_point(|path| path.as_slice() < from);
        if paths.get(first).is_some_and(|path| before(path)) {
            return true;
        }
        // What is below a path stands before the path with the byte after `/` at its end.
        let has = |path: &[u8]| paths.binary_search_by(|p| p.as_slice().cmp(path)).is_ok();
        let within = from.iter().enumerate().filter(|(_, byte)| **byte <= b'/');
        if within.filter_map(|(at, _)| from.get(..at)).any(has) {
            return true;
        }
        let folder_above = |path: &Vec<u8>| {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
            [0].into_iter()
                .chain(ends)
                .filter_map(|end| path.get(..end))
                .any(|key| from <= key && before(key))
        };
        self.above && paths.iter().any(folder_above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(paths: &[&str]) -> Wanted {
        Wanted::these(&paths.iter().map(|path| path.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_folder_is_wanted_with_all_below_it() {
        let wanted = these(&["a/b", "c"]);
        for path in ["a/b", "a/b/c", "c", "c/d/e"] {
            assert!(wanted.holds(path.as_bytes()), "{path}");
        }
        for path in ["", "a", "a/b.txt", "a/c", "cc", "b"] {
            assert!(!wanted.holds(path.as_bytes()), "{path}");
        }
        assert!(these(&["", "x"]).holds(b"anything"));
        assert!(
            wanted.leads_to(b"")
                && wanted.leads_to(b"a")
                && !wanted.leads_to(b"a/b")
                && !wanted.leads_to(b"b")
        );
        let above = wanted.with_folders_above();
        assert!(above.may_hold(b"", Some(b"a/")) && above.may_hold(b"a/", Some(b"a/a")));
        assert!(!above.may_hold(b"a/a", Some(b"a/b")));
    }

    #[test]
    fn only_stretches_that_can_hold_it_are_looked_into() {
        let wanted = these(&["a/b"]);
        let may = |from: &str, to: Option<&str>| wanted.may_hold(from.as_bytes(), to.map(str::as_bytes));
        assert!(may("", Some("b")) && may("", None) && may("a/b/zzz", Some("c")) && may("a/b", None));
        assert!(may("a/b.txt", Some("a/b/")), "it may still come as a folder");
        assert!(!may("a/b0", None) && !may("a/c", None) && !may("", Some("a/")) && !may("", Some("a/b")));
    }
}
