//! A table's section: its definition, its rows, its triggers.

use undercroft_model::{Observer, Remark, TableContent};
use undercroft_vault::stream::SectionKind;

use super::context::{Context, ELEMENT};
use super::definition::write_definition;
use super::output::{Output, check};
use super::program::write_program;
use super::row::{RowError, RowWriter, Written, evidence};
use super::select::{History, Select};
use super::value::{SET_NOT_ENDED, is_choice, manner};
use crate::database::error::DatabaseError;
use crate::database::load::stand_in;
use crate::database::objects::{Column, TableInfo};
use crate::database::quote;
use crate::database::server::Server;
use crate::database::wire::Connection;

/// Engines whose rows lie elsewhere: in other tables, on other servers, or nowhere.
const ROWS_ELSEWHERE: [&str; 9] =
    ["FEDERATED", "MRG_MYISAM", "CONNECT", "SPIDER", "OQGRAPH", "SPHINX", "VP", "BLACKHOLE", "EXAMPLE"];

/// Whether a table's rows are its own, so that they belong in a dump.
pub(in crate::database) fn has_rows(engine: &str) -> bool {
    !ROWS_ELSEWHERE.iter().any(|elsewhere| engine.eq_ignore_ascii_case(elsewhere))
}

/// Whether an engine keeps old versions of rows, so that a snapshot sees the past.
pub(in crate::database) fn is_in_snapshot(engine: &str) -> bool {
    ["InnoDB", "ROCKSDB", "TokuDB"].iter().any(|known| engine.eq_ignore_ascii_case(known))
}

/// Writes a table's section.
pub(super) fn write_table(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
    table: &TableInfo,
) -> Result<(), DatabaseError> {
    context.doing(connection, &format!("reading the table {}", table.name));
    let mut out = context.open(ordinal, SectionKind::Table, &table.name, connection)?;
    let with_rows = has_rows(&table.engine) && !context.is_structure_only(&table.name);
    let select = Select::of(context.server, table);

    // Read once, the table can't change its shape until the savepoint is rolled back to; so its definition
    // and its rows agree.
    let readable = if with_rows { touch(context, connection, table, &select)? } else { true };
    let definition = context.definition(connection, "TABLE", &table.name, "Create Table")?;
    let mut rows = None;
    if let Some(definition) = definition {
        write_definition(&mut out, &table.name, context.schema, &definition);
        tell_missing_sequences(context, connection, table, &definition)?;
        if with_rows && readable {
            let written = write_rows(context, connection, &mut out, table, &select)?;
            rows = Some(written.rows);
            tell(context, table, &select, &written);
        }
        if select.history == History::Unwritable {
            count_lost_history(context, connection, table)?;
        }
        context.tally().tables += 1;
    } else {
        out.push(format!(
            "-- The definition of the table {} could not be read\n",
            quote::in_comment(&table.name)
        ));
    }
    for trigger in context.objects.triggers.get(&table.name).into_iter().flatten() {
        write_program(context, connection, &mut out, "TRIGGER", trigger)?;
    }
    connection.run("ROLLBACK TO SAVEPOINT undercroft", context.watch)?;
    out.finish(rows)
}

/// Tells of sequences in other schemas that are not there: without them no server takes the table. One of the own schema is
/// made for the moment when the table comes back.
fn tell_missing_sequences(
    context: &Context<'_>,
    connection: &mut Connection,
    table: &TableInfo,
    definition: &[u8],
) -> Result<(), DatabaseError> {
    if !table.columns.iter().any(|column| column.numbered) {
        return Ok(());
    }
    for (schema, name) in stand_in::sequences(definition) {
        let Some(schema) = schema.filter(|schema| schema != context.schema) else { continue };
        let sql = format!(
            "SELECT COUNT(*) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND \
             TABLE_TYPE = 'SEQUENCE'",
            quote::text(&schema),
            quote::text(&name)
        );
        if connection.record(&sql, context.watch)?.text("n") == "0" {
            let text = format!(
                "it numbers its rows by the sequence {schema}.{name}, which is not there, or which the account may not see: \
                 it can't come back without"
            );
            context.lost(&table.name, text);
        }
    }
    Ok(())
}

/// Writes a section with a table's triggers alone.
pub(super) fn write_triggers(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
    table: &str,
) -> Result<(), DatabaseError> {
    let mut out = context.open(ordinal, SectionKind::Table, table, connection)?;
    for trigger in context.objects.triggers.get(table).into_iter().flatten() {
        write_program(context, connection, &mut out, "TRIGGER", trigger)?;
    }
    out.finish(None)
}

/// Opens the table on the server. `false` if that can't be done, which is told.
fn touch(
    context: &Context<'_>,
    connection: &mut Connection,
    table: &TableInfo,
    select: &Select,
) -> Result<bool, DatabaseError> {
    match connection.run(&format!("{} LIMIT 0", select.sql), context.watch) {
        Ok(()) => Ok(true),
        Err(error) => {
            let words = context.or_lost(error)?;
            context.lost(&table.name, format!("its rows can't be read: {words}"));
            Ok(false)
        }
    }
}

/// Tells of old versions of rows that are not in the dump.
fn count_lost_history(
    context: &Context<'_>,
    connection: &mut Connection,
    table: &TableInfo,
) -> Result<(), DatabaseError> {
    let name = quote::name(&table.name);
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM {name} FOR SYSTEM_TIME ALL) - (SELECT COUNT(*) FROM {name}) AS old"
    );
    let old = connection.record(&sql, context.watch)?.text("old");
    if old != "0" {
        context.lost(
            &table.name,
            format!("{old} old versions of its rows are not in the dump: this server can't take them back"),
        );
    }
    Ok(())
}

/// Reads a table's rows as a dump does, and says what they come to.
pub(in crate::database) fn content(
    connection: &mut Connection,
    server: Server,
    table: &TableInfo,
    watch: &dyn Observer,
) -> Result<TableContent, DatabaseError> {
    let select = Select::of(server, table);
    let mut content = TableContent { table: table.name.clone(), ..TableContent::default() };
    if select.columns.is_empty() {
        return Ok(content);
    }
    // The order is not in the sum.
    let mut rows = connection.query(&select.sql, watch)?;
    while let Some(packet) = rows.next()? {
        content.rows += 1;
        content.sum = content.sum.wrapping_add(evidence(packet));
    }
    Ok(content)
}

fn write_rows(
    context: &Context<'_>,
    connection: &mut Connection,
    out: &mut Output<'_>,
    table: &TableInfo,
    select: &Select,
) -> Result<Written, DatabaseError> {
    let is_key = |column: &Column| {
        table.key.iter().any(|part| part.column == column.name)
            || (select.history == History::Implicit && !table.key.is_empty() && column.name == "ROW_END")
    };
    let columns = select.columns.iter().map(|column| (manner(column), is_key(column))).collect();
    let mut writer = RowWriter::new(select.head.clone(), columns);
    if select.columns.is_empty() {
        return writer.end(out);
    }
    let with_history = matches!(select.history, History::Implicit | History::Explicit);
    let mut rows = connection.query(&format!("{}{}", select.sql, select.order), context.watch)?;
    if rows.columns().len() != select.columns.len() {
        return Err(rows.garbled("other columns than were asked for"));
    }
    let mut look = Look::default();
    while let Some(packet) = rows.next()? {
        if writer.is_empty() {
            open_rows(out, table, with_history);
            writer.begin(out);
        }
        let Err(error) = writer.row(out, packet) else {
            look.now_and_then(out, context)?;
            continue;
        };
        return Err(match error {
            RowError::Malformed => rows.garbled("a row that is none"),
            RowError::Output(error) => error,
        });
    }
    let written = writer.end(out)?;
    if written.rows > 0 {
        close_rows(out, table, with_history);
    }
    Ok(written)
}

/// Looks now and then whether the job is still wanted: asking for every row would cost more than the row.
#[derive(Debug, Default)]
struct Look {
    rows: u32,
    bytes: u64,
}

impl Look {
    fn now_and_then(&mut self, out: &Output<'_>, context: &Context<'_>) -> Result<(), DatabaseError> {
        self.rows += 1;
        if self.rows < 1024 && out.len() - self.bytes < 1 << 18 {
            return Ok(());
        }
        *self = Look { rows: 0, bytes: out.len() };
        check(context.watch)
    }
}

fn open_rows(out: &mut Output<'_>, table: &TableInfo, with_history: bool) {
    let (comment, quoted) = (quote::in_comment(&table.name), quote::name(&table.name));
    out.push(format!("\n--\n-- Dumping data for table `{comment}`\n--\n\n"));
    if with_history {
        out.push(
            "/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, \
             @@session.system_versioning_insert_history=1 */;\n",
        );
        out.push(SET_NOT_ENDED);
    }
    if is_lockable(table) {
        out.push(format!("LOCK TABLES {quoted} WRITE;\n"));
    }
    out.push(format!("/*!40000 ALTER TABLE {quoted} DISABLE KEYS */;\n"));
}

fn close_rows(out: &mut Output<'_>, table: &TableInfo, with_history: bool) {
    out.push(format!("/*!40000 ALTER TABLE {} ENABLE KEYS */;\n", quote::name(&table.name)));
    out.push(if is_lockable(table) { "UNLOCK TABLES;\nCOMMIT;\n" } else { "COMMIT;\n" });
    if with_history {
        out.push(
            "/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */;\n",
        );
    }
}

/// Whether the table can be filled under its own lock: one that numbers its rows by a sequence can't, since
/// the server would want the sequence locked as well, even though every row says its number.
fn is_lockable(table: &TableInfo) -> bool {
    !table.columns.iter().any(|column| column.numbered)
}

/// Counts what was written, and tells of values that no server would take.
fn tell(context: &Context<'_>, table: &TableInfo, select: &Select, written: &Written) {
    {
        let mut tally = context.tally();
        tally.rows += written.rows;
        tally.longest_row = tally.longest_row.max(written.longest);
        let (table, rows, sum) = (table.name.clone(), written.rows, written.sum);
        tally.contents.push(TableContent { table, rows, sum });
    }
    for (column, invalid) in select.columns.iter().zip(&written.invalid).filter(|(_, count)| **count > 0) {
        let charset = column.charset.as_deref().unwrap_or("utf8mb4");
        let flaw = if is_choice(column) {
            "are choices that the server shows as ? in the column's definition".to_owned()
        } else {
            format!("are not valid {charset}")
        };
        let text = format!(
            "{invalid} values of its column {} {flaw}; they are in the dump byte for byte, but a server that loads it \
             will not take them whole",
            column.name
        );
        context.watch.remark(ELEMENT, Remark::lost(table.name.clone(), text));
    }
}
