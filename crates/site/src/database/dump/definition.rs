//! A table's definition.

use super::output::Output;
use crate::database::quote;

/// Writes a definition as `SHOW CREATE TABLE` gives it.
pub(super) fn write_definition(out: &mut Output<'_>, name: &str, schema: &str, definition: &[u8]) {
    let (comment, quoted) = (quote::in_comment(name), quote::name(name));
    out.push(format!(
        "\n--\n-- Table structure for table `{comment}`\n--\n\n\
         DROP TABLE IF EXISTS {quoted};\n\
         /*!40101 SET @saved_cs_client     = @@character_set_client */;\n\
         /*!40101 SET character_set_client = utf8mb4 */;\n"
    ));
    out.push(without_schema(definition, schema));
    out.push(";\n/*!40101 SET character_set_client = @saved_cs_client */;\n");
}

/// A definition whose columns number themselves by sequences of the schema that the dump is loaded into.
///
/// MariaDB writes such a default as ``nextval(`shop`.`numbers`)``: loaded into another schema, the table
/// would use up the numbers of the one that was dumped.
fn without_schema(definition: &[u8], schema: &str) -> Vec<u8> {
    let own = format!("{}.", quote::name(schema)).into_bytes();
    let mut bare = Vec::with_capacity(definition.len());
    let mut rest = definition;
    let mut in_quotes = None;
    while let Some((&byte, after)) = rest.split_first() {
        if in_quotes.is_none()
            && bare.ends_with(b"val(")
            && let Some(after) = rest.strip_prefix(&own[..])
        {
            rest = after;
            continue;
        }
        bare.push(byte);
        rest = after;
        match (in_quotes, byte) {
            (None, b'\'' | b'`' | b'"') => in_quotes = Some(byte),
            // A doubled quote closes and opens again, which comes to the same.
            (Some(open), byte) if open == byte => in_quotes = None,
            (Some(b'\'' | b'"'), b'\\') => {
                if let Some((&escaped, after)) = rest.split_first() {
                    bare.push(escaped);
                    rest = after;
                }
            }
            _ => {}
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_lose_the_schema() {
        let before = "`a` DEFAULT nextval(`sh``op`.`s`), `val(``sh````op``.` COMMENT 'val(`sh``op`.''\\'val(`sh``op`.'";
        let after = "`a` DEFAULT nextval(`s`), `val(``sh````op``.` COMMENT 'val(`sh``op`.''\\'val(`sh``op`.'";
        assert_eq!(String::from_utf8_lossy(&without_schema(before.as_bytes(), "sh`op")), after);
        let other = b"nextval(`other`.`s`)";
        assert_eq!(without_schema(other, "shop"), other);
    }
}
