//! What is selected from a table, and how it is inserted again.

use super::value::selected;
use crate::database::objects::{Column, Nature, TableInfo};
use crate::database::quote;
use crate::database::server::Server;

/// What of a versioned table's past can be dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// There is none to dump.
    None,
    /// All of it; the columns that say when a version began and ended are named `ROW_START` and `ROW_END`.
    Implicit,
    /// All of it; those columns are columns like others.
    Explicit,
    /// Nothing: it can't be inserted again.
    Unwritable,
}

/// What is selected from a table, and how it is inserted again.
pub(super) struct Select {
    pub(super) sql: String,
    pub(super) order: String,
    pub(super) head: String,
    pub(super) columns: Vec<Column>,
    pub(super) history: History,
}

impl Select {
    /// What a dump needs of a table.
    pub(super) fn of(server: Server, table: &TableInfo) -> Select {
        let history = history(server, table);
        let mut columns: Vec<Column> = table
            .columns
            .iter()
            .filter(|column| match column.nature {
                Nature::Stored => true,
                Nature::Generated => false,
                Nature::Version => history == History::Explicit,
            })
            .cloned()
            .collect();
        let is_partial = columns.len() < table.columns.len() || columns.iter().any(|column| column.invisible);
        let mut names: Vec<String> = columns.iter().map(|column| quote::name(&column.name)).collect();
        if history == History::Implicit {
            let moment = |name: &str| Column {
                name: name.to_owned(),
                data_type: "timestamp".to_owned(),
                nature: Nature::Version,
                ..Column::default()
            };
            columns.extend([moment("ROW_START"), moment("ROW_END")]);
            names.extend(["ROW_START".to_owned(), "ROW_END".to_owned()]);
        }
        let selected: Vec<String> =
            columns.iter().zip(&names).map(|(column, name)| selected(column, name)).collect();
        let table_name = quote::name(&table.name);
        let past = if matches!(history, History::Implicit | History::Explicit) {
            " FOR SYSTEM_TIME ALL"
        } else {
            ""
        };
        let list = if is_partial || history == History::Implicit {
            format!(" ({})", names.join(","))
        } else {
            String::new()
        };
        Select {
            sql: format!("SELECT /*!40001 SQL_NO_CACHE */ {} FROM {table_name}{past}", selected.join(",")),
            order: order(table, history),
            head: format!("INSERT INTO {table_name}{list} VALUES\n"),
            columns,
            history,
        }
    }
}

/// The rows' order, so that two dumps of the same rows are the same.
fn order(table: &TableInfo, history: History) -> String {
    let mut parts: Vec<String> = table
        .key
        .iter()
        .map(|part| format!("{}{}", quote::name(&part.column), if part.descending { " DESC" } else { "" }))
        .collect();
    if !parts.is_empty() && history == History::Implicit {
        parts.push("ROW_END".to_owned());
    }
    if parts.is_empty() { String::new() } else { format!(" ORDER BY {}", parts.join(",")) }
}

fn history(server: Server, table: &TableInfo) -> History {
    let mut versions = table.columns.iter().filter(|column| column.nature == Nature::Version).peekable();
    if !table.versioned {
        History::None
    } else if !server.is_mariadb(10, 11) {
        History::Unwritable
    } else if versions.peek().is_none() {
        History::Implicit
    } else if versions.all(|column| column.data_type == "timestamp") {
        History::Explicit
    } else {
        // The versions' bounds are numbers of transactions, which only this server knows.
        History::Unwritable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::objects::KeyPart;

    fn table(columns: Vec<Column>) -> TableInfo {
        let key = vec![KeyPart { column: "id".to_owned(), descending: true }];
        TableInfo { name: "t".to_owned(), columns, key, ..TableInfo::default() }
    }

    fn column(name: &str, data_type: &str, nature: Nature) -> Column {
        Column { name: name.to_owned(), data_type: data_type.to_owned(), nature, ..Column::default() }
    }

    #[test]
    fn a_plain_table_needs_no_list_of_columns() {
        let plain = table(vec![column("id", "int", Nature::Stored), column("f", "float", Nature::Stored)]);
        let select = Select::of(Server::parse("8.4.3"), &plain);
        assert_eq!(select.sql, "SELECT /*!40001 SQL_NO_CACHE */ `id`,`f` * 1e0 FROM `t`");
        assert_eq!(select.order, " ORDER BY `id` DESC");
        assert_eq!(select.head, "INSERT INTO `t` VALUES\n");
    }

    #[test]
    fn what_the_server_computes_is_left_out_and_a_past_comes_with_its_bounds() {
        let mut past =
            table(vec![column("id", "int", Nature::Stored), column("g", "int", Nature::Generated)]);
        past.versioned = true;
        let select = Select::of(Server::parse("5.5.5-10.11.19-MariaDB"), &past);
        assert_eq!(
            select.sql,
            "SELECT /*!40001 SQL_NO_CACHE */ `id`,ROW_START,ROW_END FROM `t` FOR SYSTEM_TIME ALL"
        );
        assert_eq!(select.order, " ORDER BY `id` DESC,ROW_END");
        assert_eq!(select.head, "INSERT INTO `t` (`id`,ROW_START,ROW_END) VALUES\n");
        let older = Select::of(Server::parse("5.5.5-10.6.2-MariaDB"), &past);
        assert_eq!(
            (older.history, older.head.as_str()),
            (History::Unwritable, "INSERT INTO `t` (`id`) VALUES\n")
        );
    }
}
