//! Texts replaced in the rows of a dump while it is loaded, such as a site's address in another environment's
//! database.
//!
//! One pass over each statement, and none over those that hold nothing of the kind. Only values between quotes and
//! hexadecimal literals are looked at; names of tables and columns are not. Within a value (`php`):
//!
//! - serialized PHP is taken apart, its strings replaced and its lengths corrected, however deep one lies in
//!   another; names of classes and properties and keys of arrays stay, as with `wp search-replace`. Serialized PHP
//!   that is damaged already stays as it is, unless old and new are of one length, and is counted as left;
//! - serialized PHP that something else has escaped (a JSON string, `addslashes`, `htmlspecialchars`) is taken out of
//!   its wrapping and put back into the same (`wrapped`); in a wrapping that is not understood it is left and counted;
//! - elsewhere the text is replaced where it stands as it is, as JSON escapes it (`http:\/\/old.example`, also in
//!   other JSON), and as URLs encode it (`http%3A%2F%2Fold.example`), by the new text in the same guise (`guise`).
//!
//! An address counts as found only as a whole: `http://old.example` is neither in `http://old.example.org` nor in
//! `http://old.example:8080`, a bare `old.example` is not in `www.old.example`, and `/srv/old` not in `/srv/old2`; such
//! places are counted. A bare host is found before a port, if another bare host takes its place. Words that are no
//! address are found anywhere. Where several of the texts begin at one place, the longest is meant. Letters' case matters.

mod guise;
mod literal;
#[cfg(test)]
mod oracle;
mod pattern;
mod php;
mod reader;
mod wrapped;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

mod rows;

use serde::{Deserialize, Serialize};

use pattern::Patterns;
use php::Rewriter;

/// Why a replacement can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// There is nothing to look for.
    #[error("the text to replace is empty: give one, such as https://old.example")]
    Empty,
    /// One text is to become two.
    #[error("{0:?} is to be replaced by two texts: name each text once")]
    Twice(String),
    /// A statement is no whole SQL.
    #[error("a statement that fills the table {table} ends within a value: the dump is damaged there")]
    Unclosed {
        /// The table.
        table: String,
    },
}

/// What was replaced in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The table.
    pub table: String,
    /// How many values were changed.
    pub values: u64,
    /// How many places in them.
    pub places: u64,
    /// Values that hold the text in a part that was left as it is, since a change would break it further: serialized
    /// PHP that is damaged already.
    pub left: u64,
    /// Values that hold the text in serialized PHP that is escaped in a way which is not understood; left as well.
    #[serde(default)]
    pub unclear: u64,
    /// Places that were left, since they are part of a longer name: `www.old.example` is another host than `old.example`.
    #[serde(default)]
    pub longer: u64,
}

/// Texts and what they become.
#[derive(Debug)]
pub struct SearchReplace {
    patterns: Patterns,
    replaced: Mutex<BTreeMap<String, Replaced>>,
}

impl SearchReplace {
    /// For pairs of old and new texts. All are looked for in one pass: what was put in is not looked at again.
    ///
    /// # Errors
    /// [`ReplaceError::Empty`] and [`ReplaceError::Twice`].
    pub fn new(pairs: &[(String, String)]) -> Result<Self, ReplaceError> {
        for (at, (old, new)) in pairs.iter().enumerate() {
            if old.is_empty() {
                return Err(ReplaceError::Empty);
            }
            if pairs.iter().take(at).any(|(other, to)| other == old && to != new) {
                return Err(ReplaceError::Twice(old.clone()));
            }
        }
        Ok(SearchReplace { patterns: Patterns::new(pairs), replaced: Mutex::default() })
    }

    /// Replaces in one statement of a table; one that is no INSERT or REPLACE stays as it is.
    ///
    /// # Errors
    /// [`ReplaceError::Unclosed`].
    pub fn rewrite(&self, table: &str, statement: &mut Vec<u8>) -> Result<(), ReplaceError> {
        if !self.patterns.may_be_in_sql(statement) || !literal::fills_a_table(statement) {
            return Ok(());
        }
        let mut found = Replaced::default();
        let changed = literal::rewrite(statement, |value| {
            let mut rewriter = Rewriter::new(&self.patterns);
            let changed = rewriter.value(value);
            found.values += u64::from(changed.is_some());
            let seen = rewriter.seen;
            found.places += seen.places;
            found.longer += seen.longer;
            found.left += u64::from(seen.damaged);
            found.unclear += u64::from(seen.unclear && !seen.damaged);
            changed
        });
        let Ok(changed) = changed else { return Err(ReplaceError::Unclosed { table: table.to_owned() }) };
        if let Some(changed) = changed {
            *statement = changed;
        }
        self.count(table, &found);
        Ok(())
    }

    fn count(&self, table: &str, found: &Replaced) {
        if *found == Replaced::default() {
            return;
        }
        let mut all = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let of_table = all.entry(table.to_owned()).or_default();
        of_table.values += found.values;
        of_table.places += found.places;
        of_table.left += found.left;
        of_table.unclear += found.unclear;
        of_table.longer += found.longer;
    }

    /// What was replaced so far, by table, for those in which anything was found.
    pub fn replaced(&self) -> Vec<Replaced> {
        let all = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(table, found)| Replaced { table: table.clone(), ..found.clone() }).collect()
    }

    /// What was replaced so far and what was not, for a person to read.
    pub fn summary(&self) -> String {
        let all = self.replaced();
        let sum = |of: fn(&Replaced) -> u64| all.iter().map(of).sum::<u64>();
        let tables = all.iter().filter(|one| one.places > 0).count();
        let mut text = format!("{} places replaced in {tables} tables", sum(|one| one.places));
        let left = [
            (sum(|one| one.longer), "places were left, since they are part of a longer name"),
            (sum(|one| one.left), "values were left as they are, since they are damaged serialized PHP"),
            (
                sum(|one| one.unclear),
                "values were left as they are, since they hold serialized PHP in a form that is not understood",
            ),
        ];
        for (number, what) in left.into_iter().filter(|(number, _)| *number > 0) {
            text.push_str(&format!("; {number} {what}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pairs: &[(&str, &str)], statement: &str) -> (String, Vec<Replaced>) {
        let pairs: Vec<_> = pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        let replace = SearchReplace::new(&pairs).unwrap();
        let mut bytes = statement.as_bytes().to_vec();
        replace.rewrite("t", &mut bytes).unwrap();
        (String::from_utf8(bytes).unwrap(), replace.replaced())
    }

    const SITE: [(&str, &str); 1] = [("http://old.example", "https://new.example/shop")];

    #[test]
    fn values_change_and_names_do_not() {
        let (text, counts) = replace(
            &[("old.example", "new.example")],
            "INSERT INTO `old.example` (`old.example`) VALUES\n(1,'it\\'s old.example, ''old.example'''),(NULL,'x');\n",
        );
        assert_eq!(
            text,
            "INSERT INTO `old.example` (`old.example`) VALUES\n(1,'it\\'s new.example, \\'new.example\\''),(NULL,'x');\n"
        );
        assert_eq!(counts, [Replaced { table: "t".to_owned(), values: 1, places: 2, ..Replaced::default() }]);
    }

    #[test]
    fn serialized_values_keep_their_lengths_right_in_quotes_and_in_hexadecimal() {
        let php = r#"a:1:{s:3:"url";s:20:"http://old.example/x";}"#;
        let right = r#"a:1:{s:3:"url";s:26:"https://new.example/shop/x";}"#;
        let quoted = |text: &str| format!("'{}'", text.replace('"', "\\\""));
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02X}")).collect::<String>();
        let sql = format!("INSERT INTO `t` VALUES ({},0x{},X'{}',7);", quoted(php), hex(php), hex(php));
        let expected =
            format!("INSERT INTO `t` VALUES ({},0x{},X'{}',7);", quoted(right), hex(right), hex(right));
        assert_eq!(replace(&SITE, &sql).0, expected);
    }

    #[test]
    fn what_is_damaged_is_left_and_counted() {
        let sql = "INSERT INTO `t` VALUES ('a:1:{s:3:\\\"url\\\";s:99:\\\"http://old.example\\\";}');";
        let (text, counts) = replace(&SITE, sql);
        assert_eq!((text.as_str(), counts[0].values, counts[0].left), (sql, 0, 1));
        // Nothing gets worse where the length stays.
        let (text, counts) = replace(&[("http://old.example", "http://new.example")], sql);
        assert_eq!((text, counts[0].values, counts[0].left), (sql.replace("old", "new"), 1, 0));
    }

    #[test]
    fn other_statements_stay_and_broken_ones_are_told() {
        for sql in [
            "CREATE TABLE `http://old.example` (a int) COMMENT='http://old.example';",
            "-- http://old.example",
        ] {
            assert_eq!(replace(&SITE, sql).0, sql);
        }
        let search = SearchReplace::new(&[("a".to_owned(), "b".to_owned())]).unwrap();
        let error = search.rewrite("wp_posts", &mut b"INSERT INTO `t` VALUES ('a".to_vec()).unwrap_err();
        assert_eq!(error, ReplaceError::Unclosed { table: "wp_posts".to_owned() });
        assert_eq!(SearchReplace::new(&[(String::new(), String::new())]).unwrap_err(), ReplaceError::Empty);
    }

    #[test]
    fn what_was_left_is_told_and_why() {
        let pairs =
            [("shop.example", "new.test"), ("Acme", "Zeta")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let search = SearchReplace::new(&pairs).unwrap();
        let rewrite = |table: &str, values: &str| {
            let mut sql = format!("INSERT INTO `{table}` VALUES ({values});").into_bytes();
            search.rewrite(table, &mut sql).unwrap();
            String::from_utf8(sql).unwrap()
        };
        let left = "'http://www.shop.example/a','myshop.example','shop.example.com'";
        assert!(rewrite("a", left).contains(left));
        assert!(rewrite("b", "'shop.example:8080 AcmeCorp'").contains("'new.test:8080 ZetaCorp'"));
        rewrite("b", r#"'s:9:\"shop.example\";','<!-- {\"s:12:\\\\\"shop.example\\\\\"} -->'"#);
        assert_eq!(
            search.summary(),
            "2 places replaced in 1 tables; 3 places were left, since they are part of a longer name; 1 values were left as \
             they are, since they are damaged serialized PHP; 1 values were left as they are, since they hold serialized \
             PHP in a form that is not understood"
        );
    }
}
