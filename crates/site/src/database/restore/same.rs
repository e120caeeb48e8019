//! Which triggers, views, routines and events are already as they are to be. Those are left alone: rights that were
//! granted on a routine, and a definer that the account could not set again, would end with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::database::load::{About, Named, about};

/// A kind, which is the word after CREATE, and a name.
pub(super) type Key = (&'static str, String);

/// Programs, each with all that it was made from.
#[derive(Debug, Default)]
pub(super) struct Programs {
    texts: BTreeMap<Key, Vec<u8>>,
    /// The triggers of each table, in the order in which they fire.
    triggers: BTreeMap<String, Vec<Key>>,
}

impl Programs {
    /// Of statements as a dump has them, for a schema of this default collation.
    pub(super) fn of<'s>(statements: impl IntoIterator<Item = &'s [u8]>, collation: &str) -> Self {
        let mut programs = Programs::default();
        let (mut collation, mut settings) = (collation.to_owned(), Vec::new());
        for statement in statements {
            match about(statement) {
                About::Setting => {
                    settings.extend_from_slice(statement);
                    settings.push(0);
                }
                About::Collation(name) => collation = name,
                About::Makes(named) => {
                    let settings = std::mem::take(&mut settings);
                    programs.add(named, [collation.as_bytes(), &settings, statement].join(&0));
                }
                About::Removes(_) | About::Other => {}
            }
        }
        programs
    }

    fn add(&mut self, named: Named, text: Vec<u8>) {
        let key = (named.kind, named.name);
        if let Some(table) = named.table {
            self.triggers.entry(table).or_default().push(key.clone());
        }
        // A package has two parts. A view is made twice: what stands for it first does not count.
        let old = self.texts.remove(&key).filter(|_| key.0 == "PACKAGE").unwrap_or_default();
        self.texts.insert(key, [old, text].concat());
    }

    /// Those that are no triggers.
    pub(super) fn without_triggers(mut self) -> Self {
        self.triggers.clear();
        self.texts.retain(|(kind, _), _| *kind != "TRIGGER");
        self
    }

    /// Whether there is one of this kind and name.
    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.texts.keys().any(|(own_kind, own_name)| *own_kind == kind && own_name == name)
    }

    /// Those that are the same in both. A trigger is so only if all of its table are: they fire in the order in
    /// which they were made.
    pub(super) fn same_as(&self, other: &Programs) -> BTreeSet<Key> {
        let is_same = |key: &&Key| self.texts.get(*key) == other.texts.get(*key);
        let others = self.texts.keys().filter(|(kind, _)| *kind != "TRIGGER").filter(is_same);
        let tables =
            self.triggers.iter().filter(|(table, triggers)| other.triggers.get(*table) == Some(triggers));
        let triggers = tables.filter(|(_, triggers)| triggers.iter().all(|key| is_same(&key)));
        others.chain(triggers.flat_map(|(_, triggers)| triggers)).cloned().collect()
    }
}

/// Whether a statement makes or removes something that is left alone.
pub(super) fn is_left_alone(statement: &[u8], same: &BTreeSet<Key>) -> bool {
    match about(statement) {
        // What stands for a view first may have been a table to another client.
        About::Removes(Named { kind: "TABLE", name, .. }) => same.contains(&("VIEW", name)),
        About::Makes(Named { kind, name, .. }) | About::Removes(Named { kind, name, .. }) => {
            same.contains(&(kind, name))
        }
        About::Setting | About::Collation(_) | About::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(statements: &[&str]) -> Programs {
        Programs::of(statements.iter().map(|text| text.as_bytes()), "utf8mb4_bin")
    }

    fn same(one: &[&str], other: &[&str]) -> Vec<String> {
        programs(one).same_as(&programs(other)).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn the_same_text_under_the_same_settings_is_the_same() {
        let (f, mode) = ("CREATE FUNCTION f() RETURNS INT RETURN 1", "SET sql_mode = 'ANSI'");
        assert_eq!(same(&[f], &["SET @saved = @@sql_mode", "DROP FUNCTION IF EXISTS f", f]), ["f"]);
        assert_eq!(same(&[f], &[mode, f]), [""; 0]);
        assert_eq!(same(&[f], &["ALTER DATABASE COLLATE utf8mb4_general_ci", f]), [""; 0]);
        assert_eq!(same(&["ALTER DATABASE COLLATE utf8mb4_bin", f], &[f]), ["f"]);
        assert_eq!(
            same(&["CREATE VIEW v AS SELECT 1 AS a", "CREATE VIEW v AS x"], &["CREATE VIEW v AS x"]),
            ["v"]
        );
    }

    #[test]
    fn triggers_are_the_same_by_table_and_in_order() {
        let [a, b] =
            ["a", "b"].map(|name| format!("CREATE TRIGGER {name} BEFORE INSERT ON t FOR EACH ROW x"));
        let other = "CREATE TRIGGER c BEFORE INSERT ON u FOR EACH ROW x";
        assert_eq!(same(&[&a, &b, other], &[&b, &a, other]), ["c"]);
        assert_eq!(same(&[&a, other], &[&a, &b, other]), ["c"]);
        assert_eq!(same(&[&a, &b], &[&a, &b]), ["a", "b"]);
    }

    #[test]
    fn what_belongs_to_it_is_left_alone_too() {
        let same = BTreeSet::from([("VIEW", "v".to_owned())]);
        for statement in ["DROP TABLE IF EXISTS `v`", "DROP VIEW IF EXISTS `v`", "CREATE VIEW v AS SELECT 1"]
        {
            assert!(is_left_alone(statement.as_bytes(), &same), "{statement}");
        }
        assert!(
            !is_left_alone(b"DROP FUNCTION IF EXISTS v", &same)
                && !is_left_alone(b"SET sql_mode = ''", &same)
        );
    }
}
