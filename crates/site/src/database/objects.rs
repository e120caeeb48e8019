//! What a schema is made of.

use std::collections::{BTreeMap, BTreeSet};

/// All objects of a schema, each kind in byte order of names, save views: those come after what they read.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) tables: Vec<TableInfo>,
    pub(super) sequences: Vec<String>,
    pub(super) views: Vec<ViewInfo>,
    /// The triggers of each table, in the order in which they fire.
    pub(super) triggers: BTreeMap<String, Vec<String>>,
    pub(super) routines: Vec<Routine>,
    pub(super) events: Vec<String>,
    /// Tables that a crashed ALTER TABLE left behind; no part of the schema.
    pub(super) leftovers: Vec<String>,
    /// The schema's default collation.
    pub(super) collation: String,
}

impl Objects {
    /// How many triggers all tables have.
    pub(super) fn trigger_count(&self) -> usize {
        self.triggers.values().map(Vec::len).sum()
    }
}

/// A base table.
#[derive(Debug, Default)]
pub(super) struct TableInfo {
    pub(super) name: String,
    /// The storage engine; empty if the server can't open the table.
    pub(super) engine: String,
    /// Whether it keeps its rows' history (MariaDB's system versioning).
    pub(super) versioned: bool,
    /// Bytes that its rows take on the server's disk, as it estimates.
    pub(super) bytes: u64,
    pub(super) columns: Vec<Column>,
    /// The key in whose order the rows come: the one that the storage engine keeps them in.
    pub(super) key: Vec<KeyPart>,
}

/// A column of a table.
#[derive(Debug, Default, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type, without length or attributes: `varchar`.
    pub(super) data_type: String,
    /// Its character set, if it has one.
    pub(super) charset: Option<String>,
    pub(super) nature: Nature,
    /// `SELECT *` does not show it.
    pub(super) invisible: bool,
    /// Its default takes the next number of a sequence.
    pub(super) numbered: bool,
}

/// Where a column's values come from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// From whoever inserts.
    #[default]
    Stored,
    /// From the row's other columns.
    Generated,
    /// From the server: when the row's version began or ended.
    Version,
}

/// A column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPart {
    pub(super) column: String,
    pub(super) descending: bool,
}

/// A view.
#[derive(Debug, Default)]
pub(super) struct ViewInfo {
    pub(super) name: String,
    /// Its columns' names; none if the server can't open the view.
    pub(super) columns: Vec<String>,
    /// Other views that it may read.
    pub(super) uses: BTreeSet<String>,
}

/// Puts views behind those that they read. Where that can't be known or done, the order is that of names.
pub(super) fn in_order_of_use(views: Vec<ViewInfo>) -> Vec<ViewInfo> {
    let mut left: BTreeMap<String, ViewInfo> =
        views.into_iter().map(|view| (view.name.clone(), view)).collect();
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(name) = left.keys().next().cloned() {
        // The view on top has to wait for those below it that are not written yet.
        let mut waiting = vec![name];
        while let Some(name) = waiting.last().cloned() {
            let needed = left.get(&name).and_then(|view| {
                view.uses.iter().find(|used| left.contains_key(*used) && !waiting.contains(used)).cloned()
            });
            if let Some(needed) = needed {
                waiting.push(needed);
            } else {
                waiting.pop();
                ordered.extend(left.remove(&name));
            }
        }
    }
    ordered
}

/// The names between backticks in a definition.
pub(super) fn quoted_names(definition: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = definition;
    while let Some((_, after)) = rest.split_once('`') {
        let mut name = String::new();
        rest = after;
        while let Some((part, after)) = rest.split_once('`') {
            name.push_str(part);
            rest = after;
            match rest.strip_prefix('`') {
                Some(after) => {
                    name.push('`');
                    rest = after;
                }
                None => break,
            }
        }
        names.insert(name);
    }
    names
}

/// A stored program that is called by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Routine {
    pub(super) kind: RoutineKind,
    pub(super) name: String,
}

/// What a routine is, in the order in which they are written: a package's body needs the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RoutineKind {
    Package,
    PackageBody,
    Function,
    Procedure,
}

impl RoutineKind {
    /// The words that SQL and `information_schema` have for it.
    pub(super) fn words(self) -> &'static str {
        match self {
            RoutineKind::Package => "PACKAGE",
            RoutineKind::PackageBody => "PACKAGE BODY",
            RoutineKind::Function => "FUNCTION",
            RoutineKind::Procedure => "PROCEDURE",
        }
    }

    /// The kind that is called so.
    pub(super) fn of(words: &str) -> Option<RoutineKind> {
        use RoutineKind::{Function, Package, PackageBody, Procedure};
        [Package, PackageBody, Function, Procedure].into_iter().find(|kind| kind.words() == words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, uses: &[&str]) -> ViewInfo {
        let uses = uses.iter().map(|name| (*name).to_owned()).collect();
        ViewInfo { name: name.to_owned(), columns: Vec::new(), uses }
    }

    #[test]
    fn views_come_after_those_they_read() {
        let views = vec![
            view("a", &["c", "a", "a table"]),
            view("b", &[]),
            view("c", &["d", "b"]),
            view("d", &[]),
            view("x", &["y"]),
            view("y", &["x"]),
        ];
        let names: Vec<String> = in_order_of_use(views).into_iter().map(|view| view.name).collect();
        assert_eq!(names, ["b", "d", "c", "a", "y", "x"]);
    }

    #[test]
    fn names_are_found_between_backticks() {
        let names = quoted_names("select `a`.`b``c` AS `d` from `shop`.`a view`");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "a view", "b`c", "d", "shop"]);
    }
}
