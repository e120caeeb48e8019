//! What a statement is, and what no load runs.
//!
//! A dump that was made of one schema may name others: `USE`, `CREATE DATABASE`, names with a schema before them.
//! None of that is obeyed, so a dump can't end up in another schema than the one it is loaded into.

use super::token::{Token, Tokens};

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Settings of the session.
    Set,
    /// Rows for a table.
    Insert(String),
    /// A table's definition.
    CreateTable(String),
    /// A sequence's definition.
    CreateSequence(String),
    /// Removes a table or sequence, if it is there.
    Drop,
    /// Sets a sequence's next number.
    SetValue,
    /// Locks or unlocks tables.
    Lock,
    /// Ends or begins a transaction.
    Commit,
    /// Turns a table's keys off or on.
    Keys(String),
    /// The definition of a view, trigger, routine or event, or its removal.
    Program(Program),
    /// Settings of the schema itself.
    AlterSchema,
    /// Left out: it is about another schema, or the server as a whole.
    Skip,
    /// Nothing that a dump of one schema holds.
    Forbidden,
}

/// A definition that is no table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    View,
    Trigger,
    Routine,
    Event,
}

/// Sorts a statement.
pub(super) fn sort(statement: &[u8], plain_backslash: bool) -> Kind {
    let mut tokens = Tokens::of(statement, plain_backslash);
    let Some(first) = tokens.next() else { return Kind::Skip };
    let word = String::from_utf8_lossy(first.text).to_uppercase();
    match &*word {
        "SET" => set(tokens),
        "INSERT" | "REPLACE" => insert(tokens),
        "CREATE" => create(tokens),
        "DROP" => drop(tokens),
        "ALTER" => alter(tokens),
        "LOCK" | "UNLOCK" => Kind::Lock,
        "COMMIT" | "BEGIN" => Kind::Commit,
        "START" if tokens.next().is_some_and(|token| token.is("TRANSACTION")) => Kind::Commit,
        "DO" | "SELECT" => set_value(tokens),
        "USE" | "CHANGE" | "FLUSH" | "START" | "STOP" => Kind::Skip,
        _ => Kind::Forbidden,
    }
}

/// Settings of this session alone; those of the whole server, of replication and of accounts are not for a load.
fn set(mut tokens: Tokens<'_>) -> Kind {
    let beyond = |token: &Token<'_>| {
        ["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "ROLE", "SQL_LOG_BIN", "GTID_NEXT"]
            .iter()
            .any(|word| token.is(word))
    };
    if tokens.any(|token| beyond(&token)) { Kind::Skip } else { Kind::Set }
}

fn insert(tokens: Tokens<'_>) -> Kind {
    let fill = ["INTO", "IGNORE", "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"];
    let mut rest = tokens.skip_while(|token| fill.iter().any(|word| token.is(word)));
    own_name(&mut rest).map_or(Kind::Forbidden, Kind::Insert)
}

/// A name with no schema before it.
fn own_name<'s>(tokens: &mut impl Iterator<Item = Token<'s>>) -> Option<String> {
    let name = tokens.next()?.name()?;
    // The token behind the name is never needed again but for this.
    if tokens.next().is_some_and(|token| token.is_mark(b'.')) { None } else { Some(name) }
}

fn is_condition(token: &Token<'_>) -> bool {
    ["IF", "NOT", "EXISTS"].iter().any(|word| token.is(word))
}

fn create(mut tokens: Tokens<'_>) -> Kind {
    while let Some(token) = tokens.next() {
        let word = String::from_utf8_lossy(token.text).to_uppercase();
        let mut rest = || own_name(&mut tokens.by_ref().skip_while(is_condition));
        match &*word {
            "TABLE" => return rest().map_or(Kind::Forbidden, Kind::CreateTable),
            "SEQUENCE" => return rest().map_or(Kind::Forbidden, Kind::CreateSequence),
            "VIEW" => return rest().map_or(Kind::Forbidden, |_| Kind::Program(Program::View)),
            "EVENT" => return rest().map_or(Kind::Forbidden, |_| Kind::Program(Program::Event)),
            "FUNCTION" | "PROCEDURE" => {
                return rest().map_or(Kind::Forbidden, |_| Kind::Program(Program::Routine));
            }
            "PACKAGE" => {
                let name = own_name(&mut tokens.by_ref().skip_while(|t| is_condition(t) || t.is("BODY")));
                return name.map_or(Kind::Forbidden, |_| Kind::Program(Program::Routine));
            }
            // A schema before its name is taken out later: servers keep it as it was typed.
            "TRIGGER" => return Kind::Program(Program::Trigger),
            "DATABASE" | "SCHEMA" => return Kind::Skip,
            "USER" | "ROLE" | "SERVER" | "INDEX" | "TABLESPACE" | "LOGFILE" => return Kind::Forbidden,
            // DEFINER, ALGORITHM, OR REPLACE, TEMPORARY and their values.
            _ => {}
        }
    }
    Kind::Forbidden
}

fn drop(mut tokens: Tokens<'_>) -> Kind {
    let Some(what) = tokens.next() else { return Kind::Forbidden };
    let program = match &*String::from_utf8_lossy(what.text).to_uppercase() {
        "TABLE" | "SEQUENCE" => None,
        "VIEW" => Some(Program::View),
        "TRIGGER" => Some(Program::Trigger),
        "FUNCTION" | "PROCEDURE" | "PACKAGE" => Some(Program::Routine),
        "EVENT" => Some(Program::Event),
        "DATABASE" | "SCHEMA" => return Kind::Skip,
        _ => return Kind::Forbidden,
    };
    match tokens.any(|token| token.is_mark(b'.')) {
        true => Kind::Forbidden,
        false => program.map_or(Kind::Drop, Kind::Program),
    }
}

fn alter(mut tokens: Tokens<'_>) -> Kind {
    match tokens.next() {
        Some(token) if token.is("TABLE") => {
            let Some(name) = tokens.next().and_then(|token| token.name()) else { return Kind::Forbidden };
            match tokens.next() {
                Some(token) if token.is("DISABLE") || token.is("ENABLE") => Kind::Keys(name),
                _ => Kind::Forbidden,
            }
        }
        Some(token) if token.is("DATABASE") || token.is("SCHEMA") => Kind::AlterSchema,
        _ => Kind::Forbidden,
    }
}

fn set_value(mut tokens: Tokens<'_>) -> Kind {
    match tokens.next() {
        Some(token) if token.is("SETVAL") && !tokens.any(|token| token.is_mark(b'.')) => Kind::SetValue,
        _ => Kind::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(text: &str) -> Kind {
        sort(text.as_bytes(), false)
    }

    #[test]
    fn statements_are_what_they_are() {
        for (text, kind) in [
            ("/*!40101 SET NAMES utf8mb4 */", Kind::Set),
            ("/*!50003 SET sql_mode = 'GLOBAL' */", Kind::Set),
            ("SET @@SESSION.SQL_LOG_BIN= 0", Kind::Skip),
            ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ ''", Kind::Skip),
            ("INSERT INTO `a``b` VALUES\n(1)", Kind::Insert("a`b".into())),
            ("INSERT  IGNORE INTO `a` VALUES (1)", Kind::Insert("a".into())),
            ("INSERT INTO t (`x`.y) VALUES (1)", Kind::Insert("t".into())),
            ("INSERT INTO `other` . `a` VALUES (1)", Kind::Forbidden),
            ("CREATE TABLE IF NOT EXISTS `a` (b int)", Kind::CreateTable("a".into())),
            ("CREATE TABLE mysql.user (b int)", Kind::Forbidden),
            ("CREATE OR REPLACE TABLE `a` (b int)", Kind::CreateTable("a".into())),
            ("CREATE SEQUENCE `s` START 1", Kind::CreateSequence("s".into())),
            ("DROP TABLE IF EXISTS `a`, b", Kind::Drop),
            ("DROP TABLE IF EXISTS `a`, x.b", Kind::Forbidden),
            ("DO SETVAL(`s`, 1, 0, 0)", Kind::SetValue),
            ("SELECT SETVAL(s, 1)", Kind::SetValue),
            ("SELECT * FROM mysql.user INTO OUTFILE '/x'", Kind::Forbidden),
            ("LOCK TABLES `a` WRITE", Kind::Lock),
            ("UNLOCK TABLES", Kind::Lock),
            ("/*!40000 ALTER TABLE `a` DISABLE KEYS */", Kind::Keys("a".into())),
            ("ALTER TABLE a DROP COLUMN b", Kind::Forbidden),
            ("ALTER DATABASE COLLATE utf8mb4_bin", Kind::AlterSchema),
            ("USE `mysql`", Kind::Skip),
            ("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `x`", Kind::Skip),
            ("/*!40000 DROP DATABASE IF EXISTS `x`*/", Kind::Skip),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` */\n/*!50001 VIEW `v` AS SELECT 1 */",
                Kind::Program(Program::View),
            ),
            (
                "CREATE DEFINER=`trigger`@`%` FUNCTION f() RETURNS INT RETURN 1",
                Kind::Program(Program::Routine),
            ),
            ("CREATE DEFINER=`x`@`%` PACKAGE BODY p AS END", Kind::Program(Program::Routine)),
            ("CREATE PROCEDURE mysql.p() SELECT 1", Kind::Forbidden),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW x */",
                Kind::Program(Program::Trigger),
            ),
            (
                "/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT e ON SCHEDULE x */",
                Kind::Program(Program::Event),
            ),
            ("GRANT ALL ON *.* TO x", Kind::Forbidden),
            ("CREATE USER x", Kind::Forbidden),
            ("DELETE FROM t", Kind::Forbidden),
            ("LOAD DATA INFILE 'x'", Kind::Forbidden),
        ] {
            assert_eq!(sorted(text), kind, "{text}");
        }
    }
}
