//! Triggers, routines and events: programs that the server keeps as text, with the settings under which
//! they were made.

use super::context::Context;
use super::output::Output;
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::{Connection, Record};

/// Said of what is there and can't be read.
pub(in crate::database) const NOT_IN_DUMP: &str = "is not in the dump";

/// Writes a trigger, routine or event: `kind` is the word after CREATE. One that the server does not show
/// is told and counted.
pub(super) fn write_program(
    context: &Context<'_>,
    connection: &mut Connection,
    out: &mut Output<'_>,
    kind: &str,
    name: &str,
) -> Result<(), DatabaseError> {
    let words = match connection.record(&format!("SHOW CREATE {kind} {}", quote::name(name)), context.watch) {
        Ok(record) => match record.bytes(statement_column(kind)) {
            Some(statement) => {
                write(context, out, kind, name, &record, statement);
                count(&mut context.tally().facts, kind);
                return Ok(());
            }
            None => format!("the account may not see its text; {}", context.rights.advice_for_routines()),
        },
        Err(error) => context.or_lost(error)?,
    };
    context.lost(name, format!("the {} {NOT_IN_DUMP}: {words}", kind.to_lowercase()));
    count(&mut context.tally().lost, kind);
    Ok(())
}

/// The column of `SHOW CREATE` that holds the statement.
fn statement_column(kind: &str) -> &'static str {
    match kind {
        "TRIGGER" => "SQL Original Statement",
        "EVENT" => "Create Event",
        "FUNCTION" => "Create Function",
        "PACKAGE" => "Create Package",
        "PACKAGE BODY" => "Create Package Body",
        _ => "Create Procedure",
    }
}

fn count(facts: &mut undercroft_model::DatabaseFacts, kind: &str) {
    match kind {
        "TRIGGER" => facts.triggers += 1,
        "EVENT" => facts.events += 1,
        _ => facts.routines += 1,
    }
}

fn write(
    context: &Context<'_>,
    out: &mut Output<'_>,
    kind: &str,
    name: &str,
    record: &Record,
    statement: &[u8],
) {
    out.push("\n");
    let collation = record.text("Database Collation");
    let own = &context.objects.collation;
    // Types without a character set take the schema's, as it was when the program was made.
    let is_foreign = !collation.is_empty() && collation != *own;
    if is_foreign {
        out.push(format!("ALTER DATABASE COLLATE {collation};\n"));
    }
    let settings = Settings::of(kind, record);
    settings.set(out);
    // Under the program's own settings: MariaDB knows packages only in its Oracle mode.
    if kind != "TRIGGER" {
        out.push(format!("/*!50003 DROP {kind} IF EXISTS {} */;\n", quote::name(name)));
    }
    let delimiter = delimiter(statement);
    out.push(format!("DELIMITER {delimiter}\n"));
    out.push(statement);
    // On a line of its own: the statement may end in a comment.
    out.push(format!("\n{delimiter}\nDELIMITER ;\n"));
    settings.restore(out);
    if is_foreign {
        out.push(format!("ALTER DATABASE COLLATE {own};\n"));
    }
}

/// A mark that ends the statement and does not occur in it.
fn delimiter(statement: &[u8]) -> &'static str {
    let occurs = |mark: &str| statement.windows(mark.len()).any(|window| window == mark.as_bytes());
    [";;", "$$", "//", "~~", "^^", "##"].into_iter().find(|mark| !occurs(mark)).unwrap_or(";;")
}

/// Session settings that a program remembers from when it was made.
pub(super) struct Settings {
    charset: String,
    collation: String,
    sql_mode: Option<String>,
    time_zone: Option<String>,
}

impl Settings {
    /// As `SHOW CREATE` tells them.
    pub(super) fn of(kind: &str, record: &Record) -> Settings {
        let text = |column: &str| record.bytes(column).map(|_| record.text(column));
        Settings {
            charset: text("character_set_client").unwrap_or_else(|| "utf8mb4".to_owned()),
            collation: text("collation_connection").unwrap_or_else(|| "utf8mb4_general_ci".to_owned()),
            sql_mode: text("sql_mode"),
            time_zone: if kind == "EVENT" { text("time_zone") } else { None },
        }
    }

    /// Writes statements that set them.
    pub(super) fn set(&self, out: &mut Output<'_>) {
        let Settings { charset, collation, sql_mode, time_zone } = self;
        out.push(format!(
            "/*!50003 SET @saved_cs_client      = @@character_set_client */ ;\n\
             /*!50003 SET @saved_cs_results     = @@character_set_results */ ;\n\
             /*!50003 SET @saved_col_connection = @@collation_connection */ ;\n\
             /*!50003 SET character_set_client  = {charset} */ ;\n\
             /*!50003 SET character_set_results = {charset} */ ;\n\
             /*!50003 SET collation_connection  = {collation} */ ;\n"
        ));
        if let Some(mode) = sql_mode {
            out.push(format!(
                "/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;\n\
                 /*!50003 SET sql_mode              = {} */ ;\n",
                quote::text(mode)
            ));
        }
        if let Some(zone) = time_zone {
            out.push(format!(
                "/*!50106 SET @saved_time_zone      = @@time_zone */ ;\n\
                 /*!50106 SET time_zone             = {} */ ;\n",
                quote::text(zone)
            ));
        }
    }

    /// Writes statements that take them back.
    pub(super) fn restore(&self, out: &mut Output<'_>) {
        if self.time_zone.is_some() {
            out.push("/*!50106 SET time_zone             = @saved_time_zone */ ;\n");
        }
        if self.sql_mode.is_some() {
            out.push("/*!50003 SET sql_mode              = @saved_sql_mode */ ;\n");
        }
        out.push(
            "/*!50003 SET character_set_client  = @saved_cs_client */ ;\n\
             /*!50003 SET character_set_results = @saved_cs_results */ ;\n\
             /*!50003 SET collation_connection  = @saved_col_connection */ ;\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_does_not_occur_in_the_statement() {
        assert_eq!(delimiter(b"BEGIN SET @a = 1; END"), ";;");
        assert_eq!(delimiter(b"BEGIN SET @a = ';;'; END"), "$$");
    }
}
