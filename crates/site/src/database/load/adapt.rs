//! What has to be changed in a definition so that this server, this schema and this account take it.
//!
//! Only words outside of texts and comments are changed, and never a statement with rows.

use std::collections::BTreeSet;
use std::ops::Range;

use super::sort::{Kind, Program};
use super::token::{Token, TokenKind, Tokens};

/// What a server and an account take.
#[derive(Debug, Clone, Default)]
pub(in crate::database) struct Taken {
    /// The collations that the server knows; empty if it does not say.
    pub(in crate::database) collations: BTreeSet<String>,
    /// Whether programs may only be made in the account's own name.
    pub(in crate::database) own_definer: bool,
    /// Accounts that are there, if that can be known.
    pub(in crate::database) accounts: Option<BTreeSet<String>>,
    /// Whether events are to be made so that they do not run.
    pub(in crate::database) sleeping_events: bool,
}

/// What was changed, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::database) enum Change {
    /// A program's definer is not there, or may not be set: it is the account's own now.
    Definer(String),
    /// The server does not know a collation; another was taken.
    Collation(String, String),
}

/// Pieces of a statement and what stands there instead.
type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// Changes a definition as is needed; tells what was changed.
pub(super) fn adapt(
    statement: &[u8],
    kind: &Kind,
    taken: &Taken,
    plain_backslash: bool,
) -> (Vec<u8>, Vec<Change>) {
    let tokens: Vec<Token<'_>> = Tokens::of(statement, plain_backslash).collect();
    let (mut edits, mut changes) = (Edits::new(), Vec::new());
    match kind {
        Kind::Program(program) => {
            definer(&tokens, taken, &mut edits, &mut changes);
            match program {
                Program::Trigger => without_schema(&tokens, statement, &mut edits),
                Program::Event if taken.sleeping_events => sleeping(&tokens, &mut edits),
                _ => {}
            }
        }
        Kind::AlterSchema => own_schema(&tokens, &mut edits),
        _ => {}
    }
    collations(&tokens, taken, &mut edits, &mut changes);
    (apply(statement, edits), changes)
}

fn apply(statement: &[u8], mut edits: Edits) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut done = Vec::with_capacity(statement.len() + 64);
    let mut at = 0;
    for (range, instead) in edits {
        done.extend_from_slice(statement.get(at..range.start).unwrap_or_default());
        done.extend(instead);
        at = range.end;
    }
    done.extend_from_slice(statement.get(at..).unwrap_or_default());
    done
}

/// Where the account in `DEFINER=account` stands, and how it reads.
fn account(tokens: &[Token<'_>]) -> Option<(Range<usize>, String)> {
    let place = tokens.iter().position(|token| token.is("DEFINER"))?;
    let is_head = |token: &Token<'_>| {
        ["VIEW", "TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "PACKAGE"].iter().any(|word| token.is(word))
    };
    if tokens.iter().take(place).any(is_head) || !tokens.get(place + 1)?.is_mark(b'=') {
        return None;
    }
    let user = tokens.get(place + 2)?;
    let at = tokens.get(place + 3).is_some_and(|token| token.is_mark(b'@'));
    let host = tokens.get(place + 4).filter(|_| at);
    let name = user.name()?;
    if user.kind == TokenKind::Word && name.eq_ignore_ascii_case("current_user") {
        return None;
    }
    Some(match host {
        Some(host) => (user.at..host.range().end, format!("{name}@{}", host.name()?)),
        None => (user.range(), format!("{name}@")),
    })
}

fn definer(tokens: &[Token<'_>], taken: &Taken, edits: &mut Edits, changes: &mut Vec<Change>) {
    let Some((range, account)) = account(tokens) else { return };
    let is_gone = taken.accounts.as_ref().is_some_and(|accounts| !accounts.contains(&account));
    if taken.own_definer || is_gone {
        edits.push((range, b"CURRENT_USER".to_vec()));
        changes.push(Change::Definer(account));
    }
}

/// A trigger is in its table's schema, whatever was typed before the two names.
fn without_schema(tokens: &[Token<'_>], statement: &[u8], edits: &mut Edits) {
    let mut drop_before = |name: Option<usize>| {
        let Some(place) = name else { return };
        if let (Some(schema), Some(dot), Some(own)) =
            (tokens.get(place), tokens.get(place + 1), tokens.get(place + 2))
            && dot.is_mark(b'.')
            && schema.name().is_some()
            && own.at <= statement.len()
        {
            edits.push((schema.at..own.at, Vec::new()));
        }
    };
    let Some(head) = tokens.iter().position(|token| token.is("TRIGGER")) else { return };
    let is_condition = |token: &&Token<'_>| ["IF", "NOT", "EXISTS"].iter().any(|word| token.is(word));
    let conditions = tokens.iter().skip(head + 1).take_while(is_condition).count();
    drop_before(Some(head + 1 + conditions));
    let on = tokens.iter().skip(head).position(|token| token.is("ON"));
    drop_before(on.map(|on| head + on + 1));
}

/// An event that is made must not run where its tables are only being looked at.
fn sleeping(tokens: &[Token<'_>], edits: &mut Edits) {
    let words = |place: usize| tokens.get(place);
    let Some(preserve) = tokens.iter().position(|token| token.is("PRESERVE")) else { return };
    if let Some(state) = words(preserve + 1).filter(|token| token.is("ENABLE")) {
        edits.push((state.range(), b"DISABLE".to_vec()));
    }
}

/// The schema whose settings change is always the one that the dump is loaded into.
fn own_schema(tokens: &[Token<'_>], edits: &mut Edits) {
    let Some(name) = tokens.get(2) else { return };
    let options = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE"];
    if !options.iter().any(|word| name.is(word)) {
        edits.push((name.range(), Vec::new()));
    }
}

fn collations(tokens: &[Token<'_>], taken: &Taken, edits: &mut Edits, changes: &mut Vec<Change>) {
    if taken.collations.is_empty() {
        return;
    }
    for pair in tokens.windows(2) {
        let [before, token] = pair else { continue };
        let is_named = before.is("COLLATE") || before.is_mark(b'=');
        if !is_named || token.kind == TokenKind::Mark {
            continue;
        }
        let Some(name) = token.name() else { continue };
        if let Some(other) = instead_of(&name, &taken.collations) {
            edits.push((token.range(), other.clone().into_bytes()));
            changes.push(Change::Collation(name, other));
        }
    }
}

/// What to take for a collation of the other family, or of a newer server; `None` if it is known or is none.
pub(in crate::database) fn instead_of(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let (charset, rest) = name.split_once('_')?;
    let is_newer = rest.starts_with("0900_") || rest.starts_with("uca1400_") || name.starts_with("utf8mb3_");
    // MariaDB lists those of 10.10 without their character set.
    if !is_newer || known.contains(name) || known.contains(rest) {
        return None;
    }
    if charset == "utf8mb3" {
        let other = format!("utf8_{rest}");
        if known.contains(&other) {
            return Some(other);
        }
    }
    let exact = rest.ends_with("_bin") || rest.ends_with("_as_cs");
    let likely: &[&str] = match exact {
        true => &["0900_as_cs", "uca1400_as_cs", "bin"],
        false => &["0900_ai_ci", "uca1400_ai_ci", "unicode_520_ci", "unicode_ci", "general_ci"],
    };
    let has = |rest: &str| known.contains(&format!("{charset}_{rest}")) || known.contains(rest);
    likely.iter().find(|rest| has(rest)).map(|rest| format!("{charset}_{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::load::sort::sort;

    fn adapted(text: &str, taken: &Taken) -> (String, Vec<Change>) {
        let kind = sort(text.as_bytes(), false);
        let (statement, changes) = adapt(text.as_bytes(), &kind, taken, false);
        (String::from_utf8(statement).unwrap(), changes)
    }

    #[test]
    fn definers_become_the_account_itself() {
        let own = Taken { own_definer: true, ..Taken::default() };
        for (before, after) in [
            (
                "CREATE DEFINER=`a`@`b` PROCEDURE p() SELECT 'DEFINER=`a`@`b`'",
                "CREATE DEFINER=CURRENT_USER PROCEDURE p() SELECT 'DEFINER=`a`@`b`'",
            ),
            (
                "/*!50001 CREATE ALGORITHM=MERGE */ /*!50013 DEFINER=`a``@`@`%` SQL SECURITY DEFINER */ /*!50001 VIEW v AS x */",
                "/*!50001 CREATE ALGORITHM=MERGE */ /*!50013 DEFINER=CURRENT_USER SQL SECURITY DEFINER */ /*!50001 VIEW v AS x */",
            ),
            ("CREATE PROCEDURE p() SET DEFINER = x", "CREATE PROCEDURE p() SET DEFINER = x"),
            ("CREATE DEFINER=CURRENT_USER VIEW v AS x", "CREATE DEFINER=CURRENT_USER VIEW v AS x"),
        ] {
            assert_eq!(adapted(before, &own).0, after);
        }
        let accounts = Some(BTreeSet::from(["a@b".to_owned()]));
        let some = Taken { accounts, ..Taken::default() };
        let kept = "CREATE DEFINER=`a`@`b` VIEW v AS x";
        assert_eq!(adapted(kept, &some), (kept.to_owned(), vec![]));
        let gone = "CREATE DEFINER=`z`@`b` VIEW v AS x";
        assert_eq!(adapted(gone, &some).1, [Change::Definer("z@b".to_owned())]);
    }

    #[test]
    fn a_trigger_stays_in_its_schema_and_an_event_may_sleep() {
        let (trigger, _) = adapted(
            "CREATE DEFINER=a@b TRIGGER `x`.`t` BEFORE INSERT ON y . z FOR EACH ROW SET @a = x.b",
            &Taken::default(),
        );
        assert_eq!(trigger, "CREATE DEFINER=a@b TRIGGER `t` BEFORE INSERT ON z FOR EACH ROW SET @a = x.b");
        let event =
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SET @a = 'ENABLE'";
        let sleeping = Taken { sleeping_events: true, ..Taken::default() };
        assert_eq!(adapted(event, &sleeping).0, event.replacen("ENABLE", "DISABLE", 1));
        assert_eq!(adapted(event, &Taken::default()).0, event);
        let alter = adapted("ALTER DATABASE `shop` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", &sleeping).0;
        assert_eq!(alter, "ALTER DATABASE  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        assert_eq!(
            adapted("ALTER DATABASE COLLATE utf8mb4_bin", &sleeping).0,
            "ALTER DATABASE COLLATE utf8mb4_bin"
        );
    }

    #[test]
    fn collations_of_the_other_family_are_mapped() {
        let known = |names: &[&str]| Taken {
            collations: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Taken::default()
        };
        let table = "CREATE TABLE t (a TEXT COLLATE utf8mb4_0900_ai_ci DEFAULT 'COLLATE utf8mb4_0900_ai_ci', \
                     b TEXT COLLATE `utf8mb4_0900_as_cs`) COLLATE=utf8mb4_general_ci";
        let mariadb = known(&["utf8mb4_general_ci", "utf8mb4_bin", "uca1400_ai_ci"]);
        let expected = table
            .replacen("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", 1)
            .replace("`utf8mb4_0900_as_cs`", "utf8mb4_bin");
        let (statement, changes) = adapted(table, &mariadb);
        assert_eq!((statement, changes.len()), (expected, 2));
        let mysql = known(&["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_general_ci"]);
        assert_eq!(adapted(table, &mysql).0, table);
        let old = known(&["utf8mb4_unicode_ci", "utf8_general_ci"]);
        assert_eq!(instead_of("utf8mb4_uca1400_ai_ci", &old.collations).unwrap(), "utf8mb4_unicode_ci");
        assert_eq!(instead_of("utf8mb3_general_ci", &old.collations).unwrap(), "utf8_general_ci");
        assert_eq!(instead_of("latin1_swedish_ci", &old.collations), None);
    }
}
