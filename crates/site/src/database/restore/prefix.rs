//! What the names of a site's tables begin with.
//!
//! An environment that takes another's content keeps its own settings, and these say what its tables are called. A dump
//! whose tables are called otherwise would leave it without any that it knows.

use std::collections::BTreeSet;

use undercroft_vault::stream::SectionKind;

use super::error::RestoreError;
use super::hand::Look;
use super::order::Order;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// Tables by whose names a site's are known, behind the prefix: WordPress's, Drupal's since 8 and before.
const KNOWN: [[&str; 2]; 3] = [["options", "posts"], ["key_value", "users"], ["node", "users"]];

/// Refuses another environment's dump whose tables begin otherwise than those of this one.
pub(super) fn fits(look: &mut Look, order: &Order<'_>) -> Result<(), RestoreError> {
    let sections = order.dump.sections().iter();
    let tables = sections.filter(|section| section.label.kind == SectionKind::Table);
    let dumped = prefixes(&tables.map(|section| section.label.name.clone()).collect());
    if !order.foreign || dumped.is_empty() {
        return Ok(());
    }
    let live = tables_of(look, order)?;
    let (own, said_by) = match &order.target.table_prefix {
        Some(own) if live.is_empty() || live.iter().any(|name| name.starts_with(own)) => {
            (BTreeSet::from([own.clone()]), "as its settings file says (wp-config.php or settings.php)")
        }
        // What was said once does not hold any more.
        Some(_) => return Ok(()),
        None => (prefixes(&live), "as the tables do that are there"),
    };
    if own.is_empty() || own.iter().any(|prefix| dumped.contains(prefix)) {
        return Ok(());
    }
    let first = |all: BTreeSet<String>| all.into_iter().min_by_key(String::len).unwrap_or_default();
    Err(RestoreError::OtherPrefix { own: first(own), dumped: first(dumped), said_by })
}

/// What the tables of the sites begin with that are among these.
fn prefixes(tables: &BTreeSet<String>) -> BTreeSet<String> {
    let of = |[one, other]: [&str; 2]| {
        let heads = tables.iter().filter_map(move |name| name.strip_suffix(one));
        let whole: Vec<String> =
            heads.filter(|head| tables.contains(&format!("{head}{other}"))).map(str::to_owned).collect();
        whole
    };
    KNOWN.into_iter().flat_map(of).collect()
}

fn tables_of(look: &mut Look, order: &Order<'_>) -> Result<BTreeSet<String>, DatabaseError> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE'",
        quote::text(&look.schema)
    );
    let first = |row: Vec<Option<Vec<u8>>>| row.into_iter().next().flatten();
    let names = look.connection.table(&sql, order.observer)?.into_iter().filter_map(first);
    Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_off_names() {
        let of = |names: &[&str]| -> Vec<String> {
            prefixes(&names.iter().map(|name| (*name).to_owned()).collect()).into_iter().collect()
        };
        assert_eq!(
            of(&["wp_options", "wp_posts", "wp_2_options", "wp_2_posts", "x_options"]),
            ["wp_", "wp_2_"]
        );
        assert_eq!(of(&["node", "users", "key_value", "main_node"]), [""]);
        assert_eq!(of(&["orders"]), [""; 0]);
    }
}
