//! What a statement among those that make triggers, views, routines and events is about.

use super::sort::{Kind, sort};
use super::token::{Token, Tokens};

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::database) enum About {
    /// A setting under which what follows is made.
    Setting,
    /// The schema's default collation is another one from here on.
    Collation(String),
    /// Something is made.
    Makes(Named),
    /// Something is removed, if it is there.
    Removes(Named),
    /// Something else: a setting is kept for later or given back, say.
    Other,
}

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::database) struct Named {
    /// The word after CREATE: one of [`KINDS`].
    pub(in crate::database) kind: &'static str,
    pub(in crate::database) name: String,
    /// The table of a trigger.
    pub(in crate::database) table: Option<String>,
}

/// Words after CREATE and DROP.
const KINDS: [&str; 7] = ["VIEW", "TRIGGER", "FUNCTION", "PROCEDURE", "PACKAGE", "EVENT", "TABLE"];

/// Looks what a statement is about.
pub(in crate::database) fn about(statement: &[u8]) -> About {
    let mut tokens = Tokens::of(statement, false);
    match sort(statement, false) {
        Kind::Set if tokens.any(|token| token.is_mark(b'@')) => About::Other,
        Kind::Set => About::Setting,
        Kind::AlterSchema => {
            tokens.last().and_then(|last| last.name()).map_or(About::Other, About::Collation)
        }
        Kind::Program(_) | Kind::Drop => {
            let makes = tokens.next().is_some_and(|token| token.is("CREATE"));
            match (named(tokens), makes) {
                (Some(named), true) => About::Makes(named),
                (Some(named), false) => About::Removes(named),
                (None, _) => About::Other,
            }
        }
        _ => About::Other,
    }
}

fn named(mut tokens: Tokens<'_>) -> Option<Named> {
    let kind_of = |token: Token<'_>| KINDS.into_iter().find(|kind| token.is(kind));
    let kind = tokens.by_ref().find_map(kind_of)?;
    let fill = |token: &Token<'_>| ["IF", "NOT", "EXISTS", "BODY"].iter().any(|word| token.is(word));
    let mut name = tokens.by_ref().find(|token| !fill(token))?.name()?;
    if kind != "TRIGGER" {
        return Some(Named { kind, name, table: None });
    }
    // A schema may stand before either name.
    let mut before_on: Vec<Token<'_>> = Vec::new();
    for token in tokens.by_ref() {
        if token.is("ON") {
            break;
        }
        before_on.push(token);
    }
    if let [dot, own, ..] = &before_on[..]
        && dot.is_mark(b'.')
    {
        name = own.name()?;
    }
    let mut table = tokens.next()?.name()?;
    if tokens.next().is_some_and(|token| token.is_mark(b'.')) {
        table = tokens.next()?.name()?;
    }
    Some(Named { kind, name, table: Some(table) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named(text: &str, kind: &'static str, name: &str, table: Option<&str>) {
        let named = Named { kind, name: name.to_owned(), table: table.map(str::to_owned) };
        let expected = if text.contains("DROP") { About::Removes(named) } else { About::Makes(named) };
        assert_eq!(about(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn what_is_made_is_known_by_kind_and_name() {
        is_named("CREATE DEFINER=`view`@`%` FUNCTION `f``x`() RETURNS INT RETURN 1", "FUNCTION", "f`x", None);
        is_named(
            "CREATE DEFINER=`a`@`b` TRIGGER `t` BEFORE INSERT ON `c` FOR EACH ROW x",
            "TRIGGER",
            "t",
            Some("c"),
        );
        is_named("CREATE TRIGGER s.t AFTER UPDATE ON s.c FOR EACH ROW x", "TRIGGER", "t", Some("c"));
        is_named("/*!50001 DROP VIEW IF EXISTS `v`*/", "VIEW", "v", None);
        is_named("DROP TABLE IF EXISTS `v`", "TABLE", "v", None);
        is_named("CREATE DEFINER=`x`@`%` PACKAGE BODY p AS END", "PACKAGE", "p", None);
    }

    #[test]
    fn settings_are_told_from_what_is_kept_and_given_back() {
        assert_eq!(about(b"/*!50003 SET sql_mode = '' */"), About::Setting);
        assert_eq!(about(b"/*!50003 SET @saved_sql_mode = @@sql_mode */"), About::Other);
        assert_eq!(about(b"/*!50003 SET sql_mode = @saved_sql_mode */"), About::Other);
        assert_eq!(about(b"ALTER DATABASE COLLATE utf8mb4_bin"), About::Collation("utf8mb4_bin".to_owned()));
    }
}
