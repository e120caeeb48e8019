//! Rights that were granted on single routines. They end when a routine is removed, also if it is made again.

use undercroft_model::{Element, Remark};

use super::error::RestoreError;
use super::hand::Hand;
use super::journal::Note;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// There is no such routine.
const NO_ROUTINE: u16 = 1305;

/// The statements that grant what is granted on single routines now; `None` if the account may not know.
pub(super) fn grants(hand: &mut Hand<'_>) -> Result<Option<Vec<Note>>, DatabaseError> {
    let sql = format!(
        "SELECT Routine_type, Routine_name, User, Host, Proc_priv FROM mysql.procs_priv WHERE Db = {}",
        quote::text(&hand.staged.schema)
    );
    match hand.connection.table(&sql, hand.watch) {
        Ok(rows) => {
            Ok(Some(rows.into_iter().map(|row| (grant(&hand.staged.schema, row), Vec::new())).collect()))
        }
        Err(DatabaseError::Statement { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn grant(schema: &str, row: Vec<Option<Vec<u8>>>) -> String {
    let mut texts =
        row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
    let mut next = || texts.next().unwrap_or_default();
    let (kind, name, user, host, rights) = (next(), next(), next(), next(), next());
    let with = if rights.split(',').any(|right| right == "Grant") { " WITH GRANT OPTION" } else { "" };
    let rights: Vec<&str> = rights.split(',').filter(|right| *right != "Grant").collect();
    let rights = if rights.concat().is_empty() { "USAGE".to_owned() } else { rights.join(", ") };
    // A role has no host.
    let host = if host.is_empty() { String::new() } else { format!("@{}", quote::text(&host)) };
    format!(
        "GRANT {rights} ON {kind} {}.{} TO {}{host}{with}",
        quote::name(schema),
        quote::name(&name),
        quote::text(&user)
    )
}

/// Grants again what was granted and no longer is. `replaced`: the routines that were removed and made again.
pub(super) fn give_back(
    hand: &mut Hand<'_>,
    before: Option<&[Note]>,
    replaced: &[String],
) -> Result<(), RestoreError> {
    let tell = |hand: &Hand<'_>, text| hand.watch.remark(Element::Database, Remark::note("", text));
    let (Some(before), Some(now)) = (before, grants(hand)?) else {
        if !replaced.is_empty() {
            let text = format!(
                "rights that were granted on these routines alone, if any, have to be granted again, since the routines were \
                 replaced and this account may not read mysql.procs_priv: {}",
                replaced.join(", ")
            );
            tell(hand, text);
        }
        return Ok(());
    };
    for note in before.iter().filter(|note| !now.contains(note)) {
        match hand.run(&note.0) {
            Ok(()) => {}
            Err(DatabaseError::Statement { code: NO_ROUTINE, .. }) => {}
            Err(DatabaseError::Statement { .. }) => {
                tell(
                    hand,
                    format!("a right has to be granted again, which this account may not: {}", note.0),
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_made_from_what_the_server_keeps() {
        let of = |row: [&str; 5]| grant("my shop", row.map(|value| Some(value.as_bytes().to_vec())).to_vec());
        assert_eq!(
            of(["PROCEDURE", "p", "it's", "%", "Execute,Alter Routine,Grant"]),
            "GRANT Execute, Alter Routine ON PROCEDURE `my shop`.`p` TO 'it\\'s'@'%' WITH GRANT OPTION"
        );
        assert_eq!(
            of(["FUNCTION", "f", "r", "", "Execute"]),
            "GRANT Execute ON FUNCTION `my shop`.`f` TO 'r'"
        );
    }
}
