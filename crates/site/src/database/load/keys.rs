//! A table's definition without its secondary keys, and the statement that makes them when the rows are in.
//!
//! Sorted and built at once, a key costs a small part of what it costs row by row. But the table must come out as
//! it was defined, so only what is surely understood is taken apart: an InnoDB table with a primary key or without
//! unique ones, plain columns, and ordinary keys. Whatever else stands in a definition (a foreign key, a generated
//! column, partitions, a key that is more than columns) leaves it whole.

use std::ops::Range;

use super::token::{Token, TokenKind, Tokens};

/// A definition that was taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Apart {
    /// The definition without its secondary keys.
    pub(super) table: Vec<u8>,
    /// The statement that adds them, all at once.
    pub(super) keys: Vec<u8>,
}

/// Words of a column that has more to it than its own values, or a key of its own.
const NOT_PLAIN: [&str; 10] = [
    "GENERATED",
    "AS",
    "VIRTUAL",
    "STORED",
    "PERSISTENT",
    "UNIQUE",
    "PRIMARY",
    "KEY",
    "REFERENCES",
    "SERIAL",
];
/// Words behind the columns and keys of a table that is more than rows.
const SPECIAL: [&str; 5] = ["PARTITION", "PARTITIONS", "VERSIONING", "SELECT", "SYSTEM"];

/// What stands between two commas.
enum Item {
    Column {
        name: String,
        numbered: bool,
    },
    /// The primary key, and its first column.
    Primary(String),
    Key {
        unique: bool,
    },
}

/// Takes a table's definition apart; `None` if it has to stay whole, or has no secondary keys.
pub(super) fn apart(definition: &[u8], plain_backslash: bool) -> Option<Apart> {
    let tokens: Vec<Token<'_>> = Tokens::of(definition, plain_backslash).collect();
    let [create, table, name, open, rest @ ..] = tokens.as_slice() else { return None };
    let is_plain = create.is("CREATE") && table.is("TABLE") && name.kind == TokenKind::Name;
    if !is_plain || !open.is_mark(b'(') {
        return None;
    }
    let (items, options) = split(rest)?;
    let is_special = |token: &Token<'_>| SPECIAL.iter().any(|word| token.is(word));
    if !is_innodb(options) || options.iter().any(is_special) {
        return None;
    }
    let (mut numbered, mut primary, mut has_unique) = (None, None, false);
    let (mut cuts, mut added) = (Vec::new(), Vec::new());
    let mut before = open.range().end;
    for item in items {
        let range = item.first()?.at..item.last()?.range().end;
        match read(item)? {
            Item::Column { name, numbered: true } => numbered = Some(name),
            Item::Column { .. } => {}
            Item::Primary(first) => primary = Some(first),
            Item::Key { unique } => {
                has_unique |= unique;
                let cut = before..range.end;
                added.push(text(definition, &cut, item)?);
                cuts.push(cut);
            }
        }
        before = range.end;
    }
    // Without a primary key, the rows are kept by a unique one. What numbers the rows needs its key.
    let needs_keys = (primary.is_none() && has_unique) || (numbered.is_some() && numbered != primary);
    if needs_keys || added.is_empty() || !name.text.is_ascii() {
        return None;
    }
    let keys = [b"ALTER TABLE ", name.text, b" ADD ", &added.join(&b", ADD "[..])].concat();
    Some(Apart { table: without(definition, &cuts), keys })
}

/// Splits what stands between the brackets at its commas; gives what stands behind them as well.
fn split<'t, 's>(tokens: &'t [Token<'s>]) -> Option<(Vec<&'t [Token<'s>]>, &'t [Token<'s>])> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (place, token) in tokens.iter().enumerate() {
        let is_end = depth == 0 && token.is_mark(b')');
        if is_end || (depth == 0 && token.is_mark(b',')) {
            items.push(tokens.get(start..place)?);
            start = place + 1;
        }
        if is_end {
            return Some((items, tokens.get(start..)?));
        }
        depth += usize::from(token.is_mark(b'('));
        depth -= usize::from(token.is_mark(b')'));
    }
    None
}

fn is_innodb(options: &[Token<'_>]) -> bool {
    options.windows(3).any(|three| match three {
        [engine, is, name] => engine.is("ENGINE") && is.is_mark(b'=') && name.is("InnoDB"),
        _ => false,
    })
}

/// What an item is; `None` if it is not surely known.
fn read(item: &[Token<'_>]) -> Option<Item> {
    match item {
        [name, column @ ..] if name.kind == TokenKind::Name => {
            let is_plain = !column.iter().any(|token| NOT_PLAIN.iter().any(|word| token.is(word)));
            let numbered = column.iter().any(|token| token.is("AUTO_INCREMENT"));
            is_plain.then_some(Item::Column { name: name.name()?, numbered })
        }
        [primary, key, open, first, ..] if primary.is("PRIMARY") && key.is("KEY") && open.is_mark(b'(') => {
            Some(Item::Primary(first.name()?))
        }
        [unique, key, rest @ ..] if unique.is("UNIQUE") && key.is("KEY") => {
            is_ordinary(rest).then_some(Item::Key { unique: true })
        }
        [key, rest @ ..] if key.is("KEY") => is_ordinary(rest).then_some(Item::Key { unique: false }),
        _ => None,
    }
}

/// Whether a key is made of columns alone, or their beginnings: `` `name` (`a`,`b`(191) DESC) USING BTREE``.
fn is_ordinary(key: &[Token<'_>]) -> bool {
    let [name, open, rest @ ..] = key else { return false };
    if name.kind != TokenKind::Name || !open.is_mark(b'(') {
        return false;
    }
    let mut rest = rest;
    loop {
        let [column, after @ ..] = rest else { return false };
        let is_len = |len: &Token<'_>| len.text.iter().all(u8::is_ascii_digit);
        let after = match after {
            [open, len, close, after @ ..] if open.is_mark(b'(') && is_len(len) && close.is_mark(b')') => {
                after
            }
            after => after,
        };
        let after = match after {
            [order, after @ ..] if order.is("DESC") || order.is("ASC") => after,
            after => after,
        };
        match after {
            _ if column.kind != TokenKind::Name => return false,
            [comma, after @ ..] if comma.is_mark(b',') => rest = after,
            [close, after @ ..] if close.is_mark(b')') => return is_ordinary_end(after),
            _ => return false,
        }
    }
}

fn is_ordinary_end(options: &[Token<'_>]) -> bool {
    match options {
        [] => true,
        [using, tree, rest @ ..] if using.is("USING") && tree.is("BTREE") => is_ordinary_end(rest),
        [comment, text] => comment.is("COMMENT") && text.kind == TokenKind::Text,
        _ => false,
    }
}

/// The text of a key, if nothing but white space stands between its words: no comment, no condition. In whatever
/// character set the session is by then, it has to read the same.
fn text(definition: &[u8], cut: &Range<usize>, item: &[Token<'_>]) -> Option<Vec<u8>> {
    let mut at = cut.start;
    for token in item {
        let between = definition.get(at..token.at)?;
        if !between.iter().all(|byte| byte.is_ascii_whitespace() || (at == cut.start && *byte == b',')) {
            return None;
        }
        at = token.range().end;
    }
    let text = definition.get(item.first()?.at..cut.end)?;
    text.is_ascii().then(|| text.to_vec())
}

fn without(definition: &[u8], cuts: &[Range<usize>]) -> Vec<u8> {
    let (mut left, mut at) = (Vec::with_capacity(definition.len()), 0);
    for cut in cuts {
        left.extend_from_slice(definition.get(at..cut.start).unwrap_or_default());
        at = cut.end;
    }
    left.extend_from_slice(definition.get(at..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(definition: &str) -> Option<(String, String)> {
        let Apart { table, keys } = apart(definition.as_bytes(), false)?;
        Some((String::from_utf8(table).unwrap(), String::from_utf8(keys).unwrap()))
    }

    #[test]
    fn ordinary_keys_are_taken_out() {
        let definition = "CREATE TABLE `a,``(b` (\n  `id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT 'KEY (x), AS',\n  \
            `KEY` decimal(10,2) DEFAULT NULL CHECK (`KEY` > (1)),\n  PRIMARY KEY (`id`),\n  \
            UNIQUE KEY `u` (`KEY`,`id`) USING BTREE COMMENT 'a, b)',\n  KEY `)k` (`KEY`(191) DESC)\n) \
            ENGINE=InnoDB AUTO_INCREMENT=5 COMMENT='PARTITION'";
        let (table, keys) = taken_apart(definition).unwrap();
        assert!(table.contains("PRIMARY KEY (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=5"), "{table}");
        assert_eq!(
            keys,
            "ALTER TABLE `a,``(b` ADD UNIQUE KEY `u` (`KEY`,`id`) USING BTREE COMMENT 'a, b)', ADD KEY `)k` (`KEY`(191) DESC)"
        );
        let bare = "CREATE TABLE `t` (\n `a` int,\n KEY `k` (`a`)\n) ENGINE=InnoDB";
        assert_eq!(taken_apart(bare).unwrap().0, "CREATE TABLE `t` (\n `a` int\n) ENGINE=InnoDB");
    }

    #[test]
    fn what_is_more_than_that_stays_whole() {
        let table =
            |items: &str, options: &str| format!("CREATE TABLE `t` (`a` int, `b` text, {items}) {options}");
        let innodb = "ENGINE=InnoDB";
        assert!(taken_apart(&table("PRIMARY KEY (`a`), KEY `k` (`b`)", innodb)).is_some());
        for items in [
            "PRIMARY KEY (`a`)",
            "UNIQUE KEY `k` (`b`)",
            "KEY `k` (`b`), FULLTEXT KEY `f` (`b`)",
            "KEY `k` (`b`), SPATIAL KEY `f` (`b`)",
            "KEY `k` (`b`), CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `x` (`y`)",
            "KEY `k` (`b`), CONSTRAINT `c` CHECK (`a` > 1)",
            "KEY `k` (`b`), PERIOD FOR SYSTEM_TIME (`x`, `y`)",
            "`c` int GENERATED ALWAYS AS (`a` + 1) VIRTUAL, KEY `k` (`b`)",
            "`c` int AUTO_INCREMENT, KEY `c` (`c`)",
            "`c` int AUTO_INCREMENT, PRIMARY KEY (`a`,`c`), KEY `c` (`c`)",
            "PRIMARY KEY (`a`), UNIQUE KEY `k` (`b`) USING HASH",
            "PRIMARY KEY (`a`), KEY `k` ((`a` + 1))",
            "PRIMARY KEY (`a`), KEY `k` (`b`) IGNORED",
            "PRIMARY KEY (`a`), KEY `k` (`b`) /*!80000 INVISIBLE */",
            "PRIMARY KEY (`a`) /*!80000 , KEY `k` (`b`) */",
            "PRIMARY KEY (`a`), KEY `k` (`b`) /* x */ USING BTREE",
            "PRIMARY KEY (`a`), KEY `k\u{e9}` (`b`)",
            "PRIMARY KEY (`a`), KEY (`b`)",
        ] {
            assert_eq!(taken_apart(&table(items, innodb)), None, "{items}");
        }
        let items = "PRIMARY KEY (`a`), KEY `k` (`b`)";
        for options in [
            "ENGINE=MyISAM",
            "",
            "ENGINE=InnoDB WITH SYSTEM VERSIONING",
            "ENGINE=InnoDB /*!50100 PARTITION BY x */",
        ] {
            assert_eq!(taken_apart(&table(items, options)), None, "{options}");
        }
        for text in
            ["CREATE TABLE `t` (`a` int, KEY `k` (`a`", "CREATE TABLE `t` LIKE `u`", "CREATE TABLE `t` ()"]
        {
            assert_eq!(taken_apart(text), None, "{text}");
        }
    }
}
