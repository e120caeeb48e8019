//! Whether two schemas are the same, by what the server itself says of them.

use undercroft_testkit::mariadb::Server;

/// Asserts that two schemas hold the same objects with the same content.
pub fn assert_same(server: &Server, one: &str, other: &str) {
    let (one, other) = (described(server, one), described(server, other));
    for (left, right) in one.lines().zip(other.lines()) {
        assert_eq!(left, right);
    }
    assert_eq!(one.lines().count(), other.lines().count());
}

/// All that the server says of a schema, line by line.
pub fn described(server: &Server, schema: &str) -> String {
    let tables = names(server, schema, "TABLE_NAME", "TABLES", "TABLE_SCHEMA", "TABLE_TYPE");
    let mut statements = String::new();
    for (name, kind) in &tables {
        let quoted = quote(name);
        match kind.as_str() {
            "VIEW" => statements += &format!("SHOW CREATE VIEW {quoted};\n"),
            "SEQUENCE" => {
                statements += &format!("SHOW CREATE SEQUENCE {quoted}; SELECT * FROM {quoted};\n");
            }
            // Its hidden columns hold numbers of this server's transactions.
            _ if name == "counted_past" => {
                statements += &format!("SHOW CREATE TABLE {quoted}; SELECT * FROM {quoted};\n");
            }
            kind => {
                statements += &format!("SHOW CREATE TABLE {quoted}; CHECKSUM TABLE {quoted} EXTENDED;\n");
                statements += &format!("SELECT COUNT(*) FROM {quoted};\n");
                if kind == "SYSTEM VERSIONED" {
                    let (since, until) =
                        if name == "named_past" { ("since", "until") } else { ("ROW_START", "ROW_END") };
                    statements += &format!(
                        "SELECT *, {since}, {until} FROM {quoted} FOR SYSTEM_TIME ALL ORDER BY id, {until};\n"
                    );
                }
            }
        }
    }
    for (kind, column, table, schema_column) in [
        ("TRIGGER", "TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA"),
        ("PROCEDURE", "ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA"),
        ("EVENT", "EVENT_NAME", "EVENTS", "EVENT_SCHEMA"),
    ] {
        let extra = if kind == "PROCEDURE" { "ROUTINE_TYPE" } else { "''" };
        for (name, words) in names(server, schema, column, table, schema_column, extra) {
            let kind = if words.is_empty() { kind } else { &words };
            statements += &format!("SHOW CREATE {kind} {};\n", quote(&name));
        }
    }
    statements += "SELECT EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, TRIGGER_NAME \
                   FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1, 2, 3, 4;\n";
    // When a trigger was made is no property of the schema, nor is the schema's own name.
    let text = server.query(&format!("USE {}; SET time_zone = '+00:00';\n{statements}", quote(schema)));
    let lines = text.lines().map(|line| match line.rsplit_once('\t') {
        Some((rest, created)) if created.starts_with("20") && created.len() == 22 => rest.to_owned(),
        _ => line.replace(&format!("`{schema}`."), "").replacen(&format!("{schema}."), "", 1),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn names(
    server: &Server,
    schema: &str,
    column: &str,
    table: &str,
    schema_column: &str,
    extra: &str,
) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT HEX({column}), {extra} FROM information_schema.{table} WHERE {schema_column} = '{schema}' ORDER BY 1, 2"
    );
    let answer = server.query(&sql);
    answer
        .lines()
        .map(|line| {
            let (name, extra) = line.split_once('\t').unwrap();
            let bytes = name
                .as_bytes()
                .chunks(2)
                .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            (String::from_utf8(bytes.collect()).unwrap(), extra.to_owned())
        })
        .collect()
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
