//! Views: first as placeholders of the right columns, so that views on views and programs that use them can
//! be made in any order, then as they are.

use undercroft_vault::stream::SectionKind;

use super::context::Context;
use super::program::{NOT_IN_DUMP, Settings};
use crate::database::error::DatabaseError;
use crate::database::objects::ViewInfo;
use crate::database::quote;
use crate::database::wire::Connection;

/// Said of what can't be used as it is: nothing of it is lost, and whoever reads the dump can make it again.
pub const IN_A_COMMENT: &str = "its definition is in the dump as a comment only";

/// Writes placeholders for all views.
pub(super) fn write_placeholders(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
) -> Result<(), DatabaseError> {
    context.doing(connection, "reading the views' columns");
    let mut out = context.open(ordinal, SectionKind::View, "", connection)?;
    for ViewInfo { name, columns, .. } in &context.objects.views {
        let (comment, quoted) = (quote::in_comment(name), quote::name(name));
        out.push(format!(
            "\n--\n-- Temporary table structure for view `{comment}`\n--\n\n\
             DROP TABLE IF EXISTS {quoted};\n/*!50001 DROP VIEW IF EXISTS {quoted}*/;\n"
        ));
        if columns.is_empty() {
            continue;
        }
        let columns: Vec<String> =
            columns.iter().map(|column| format!(" 1 AS {}", quote::name(column))).collect();
        out.push(format!("CREATE VIEW {quoted} AS SELECT\n{};\n", columns.join(",\n")));
        out.hand_on_if_full()?;
    }
    out.finish(None)
}

/// Writes a view.
///
/// One that the server can't open would stop whoever loads the dump, so it is written as a comment.
pub(super) fn write_view(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
    view: &ViewInfo,
) -> Result<(), DatabaseError> {
    context.doing(connection, &format!("reading the view {}", view.name));
    let (comment, quoted) = (quote::in_comment(&view.name), quote::name(&view.name));
    let mut out = context.open(ordinal, SectionKind::View, &view.name, connection)?;
    out.push(format!("\n--\n-- Final view structure for view `{comment}`\n--\n\n"));
    let record = match connection.record(&format!("SHOW CREATE VIEW {quoted}"), context.watch) {
        Ok(record) => record,
        Err(error) => {
            let advice = context.rights.advice_for_views();
            let words = context.or_lost(error)?;
            context.lost(&view.name, format!("the view {NOT_IN_DUMP}: {words}{advice}"));
            context.tally().lost.views += 1;
            out.push("-- Its definition could not be read\n");
            return out.finish(None);
        }
    };
    let definition = record.bytes("Create View").unwrap_or_default();
    if let Some(words) = flaw(context, connection, record.warnings, &quoted)? {
        context.lost(&view.name, format!("the view can't be used, so {IN_A_COMMENT}: {words}"));
        context.tally().lost.views += 1;
        out.push(format!("/*!50001 DROP VIEW IF EXISTS {quoted}*/;\n"));
        for line in definition.split(|byte| *byte == b'\n') {
            out.push("-- ");
            out.push(line);
            out.push("\n");
        }
        return out.finish(None);
    }
    let settings = Settings::of("VIEW", &record);
    out.push(format!("/*!50001 DROP VIEW IF EXISTS {quoted}*/;\n"));
    settings.set(&mut out);
    out.push(definition);
    out.push(";\n");
    settings.restore(&mut out);
    context.tally().views += 1;
    out.finish(None)
}

/// Why the view just shown can't be used, if it can't: something that it names is gone, or its definer is.
fn flaw(
    context: &Context<'_>,
    connection: &mut Connection,
    warnings: u16,
    quoted: &str,
) -> Result<Option<String>, DatabaseError> {
    if warnings > 0 {
        let said = connection.table("SHOW WARNINGS", context.watch)?;
        let codes = [&b"1449"[..], b"1356", b"1146", b"1054", b"1305", b"4031"];
        let bad = said
            .iter()
            .find(|line| line.get(1).and_then(Option::as_deref).is_some_and(|code| codes.contains(&code)));
        if let Some(words) = bad.and_then(|line| line.get(2)).and_then(Option::as_deref) {
            return Ok(Some(crate::database::error::cut(words)));
        }
    }
    match connection.run(&format!("SHOW COLUMNS FROM {quoted}"), context.watch) {
        Ok(()) => Ok(None),
        Err(error) => context.or_flaw(error).map(Some),
    }
}
