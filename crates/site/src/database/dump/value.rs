//! One value of a row as SQL writes it: so that it comes back bit for bit, and people can read it where
//! possible.

use std::str;

use super::output::Output;
use crate::database::error::DatabaseError;
use crate::database::objects::{Column, Nature};

/// How the values of a column are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// As the server sent it: whole numbers, decimals, years.
    Number,
    /// A floating point number.
    Real,
    /// Between quotes, as the server sent it: times, UUIDs, addresses.
    Quoted,
    /// When a row's version began or ended; one that has not ended is given as a variable.
    Version,
    /// Between quotes: text in UTF-8 or a part of it.
    Text(Utf8),
    /// Between quotes, as UTF-8: text in Windows' Latin 1, which is what MySQL calls latin1.
    Latin1,
    /// As a hexadecimal literal.
    Binary,
    /// As a hexadecimal literal in a character set, since not all of them convert to UTF-8 and back
    /// without loss.
    Foreign(String),
    /// A type that we don't know: between quotes if it is text, else as a hexadecimal literal.
    Unknown,
}

/// Which UTF-8 a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf8 {
    /// All of it.
    Full,
    /// At most three bytes a character.
    Three,
    /// One byte a character.
    Ascii,
}

/// How a column's values are written.
pub(super) fn manner(column: &Column) -> Manner {
    if column.nature == Nature::Version {
        return Manner::Version;
    }
    match &*column.data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal" | "numeric"
        | "year" => Manner::Number,
        "float" | "double" | "real" => Manner::Real,
        "date" | "time" | "datetime" | "timestamp" | "uuid" | "inet4" | "inet6" => Manner::Quoted,
        "json" => Manner::Text(Utf8::Full),
        "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
            Manner::Binary
        }
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => Manner::Binary,
        _ => match column.charset.as_deref() {
            // Servers show a table's definition with at most three bytes a character, so a choice of four is
            // not in it.
            Some("utf8mb4") if is_choice(column) => Manner::Text(Utf8::Three),
            Some("utf8mb4") => Manner::Text(Utf8::Full),
            Some("utf8" | "utf8mb3") => Manner::Text(Utf8::Three),
            Some("ascii") => Manner::Text(Utf8::Ascii),
            Some("latin1") => Manner::Latin1,
            Some("binary") => Manner::Binary,
            Some(other) => Manner::Foreign(other.to_owned()),
            None => Manner::Unknown,
        },
    }
}

/// What servers have for the end of a version that has not ended: MariaDB up to 11.4, and later ones.
const NOT_ENDED: [&[u8]; 2] = [b"2038-01-19 03:14:07.999999", b"2106-02-07 06:28:15.999999"];

/// Statements that set the variable for such an end to what the server has that loads the dump. To a newer
/// one, the older end would say that the row was deleted; an older one does not take the newer end.
pub(super) const SET_NOT_ENDED: &str = "\
/*M!101100 SET @system_time_end='2038-01-19 03:14:07.999999' */;
/*M!110500 SET @system_time_end='2106-02-07 06:28:15.999999' */;
";

/// Whether a column's values are choices that its definition names.
pub(super) fn is_choice(column: &Column) -> bool {
    matches!(&*column.data_type, "enum" | "set")
}

/// What to select to get a column's values whole: the server shortens a `FLOAT` to six digits, but not the
/// `DOUBLE` of the same value. (A sum would lose the sign of zero.)
pub(super) fn selected(column: &Column, name: &str) -> String {
    if column.data_type == "float" { format!("{name} * 1e0") } else { name.to_owned() }
}

/// Whether a value was what its column's character set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    /// It is not, and a server that loads the dump will take it only in part.
    Invalid,
}

/// Writes a value.
#[inline]
pub(super) fn write(
    out: &mut Output<'_>,
    manner: &Manner,
    value: Option<&[u8]>,
) -> Result<Validity, DatabaseError> {
    let Some(value) = value else {
        out.push(b"NULL");
        return Ok(Validity::Valid);
    };
    match manner {
        Manner::Number => out.push(value),
        // SQL reads -0 as the whole number zero, which has no sign.
        Manner::Real if value == b"-0" => out.push(b"-0e0"),
        Manner::Real => out.push(value),
        Manner::Version if NOT_ENDED.contains(&value) => out.push(b"@system_time_end"),
        Manner::Quoted | Manner::Version => quoted(out, value)?,
        Manner::Text(utf8) if is_plain(value, *utf8) => quoted(out, value)?,
        // The literal is binary to the server, which checks it against the column's character set alone.
        Manner::Text(utf8) => {
            out.push(b"0x");
            out.push_hex(value)?;
            return Ok(if is_servers(value, *utf8) { Validity::Valid } else { Validity::Invalid });
        }
        Manner::Latin1 if value.is_ascii() => quoted(out, value)?,
        Manner::Latin1 => latin1(out, value)?,
        Manner::Unknown if str::from_utf8(value).is_ok() => quoted(out, value)?,
        Manner::Foreign(charset) if !value.is_empty() => {
            out.push(format!("_{charset} 0x"));
            out.push_hex(value)?;
        }
        _ if value.is_empty() => out.push(b"''"),
        Manner::Binary | Manner::Unknown | Manner::Foreign(_) => {
            out.push(b"0x");
            out.push_hex(value)?;
        }
    }
    Ok(Validity::Valid)
}

#[inline]
fn quoted(out: &mut Output<'_>, value: &[u8]) -> Result<(), DatabaseError> {
    out.push(b"'");
    out.push_escaped(value)?;
    out.push(b"'");
    Ok(())
}

#[inline]
fn is_plain(value: &[u8], utf8: Utf8) -> bool {
    match utf8 {
        Utf8::Full => str::from_utf8(value).is_ok(),
        Utf8::Three => str::from_utf8(value).is_ok_and(|text| text.bytes().all(|byte| byte < 0xF0)),
        Utf8::Ascii => value.is_ascii(),
    }
}

/// Whether a server holds a value for UTF-8: like Rust, but halves of surrogate pairs are well to it.
fn is_servers(value: &[u8], utf8: Utf8) -> bool {
    let mut rest = value;
    while let Some(first) = rest.first() {
        let len = match (first, utf8) {
            (0..=0x7F, _) => 1,
            (0xC2..=0xDF, Utf8::Three | Utf8::Full) => 2,
            (0xE0..=0xEF, Utf8::Three | Utf8::Full) => 3,
            (0xF0..=0xF4, Utf8::Full) => 4,
            _ => return false,
        };
        let Some((character, after)) = rest.split_at_checked(len) else { return false };
        let is_half = matches!(character, [0xED, 0xA0..=0xBF, 0x80..=0xBF]);
        if !is_half && str::from_utf8(character).is_err() {
            return false;
        }
        rest = after;
    }
    true
}

/// The characters of the bytes 0x80 to 0x9F. The five that Windows leaves open are control characters to
/// the server, so every byte comes back.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

fn latin1(out: &mut Output<'_>, value: &[u8]) -> Result<(), DatabaseError> {
    out.push(b"'");
    let mut utf8 = String::new();
    for stretch in value.chunks(16 * 1024) {
        utf8.clear();
        utf8.extend(stretch.iter().map(|&byte| match byte {
            0x80..=0x9F => WINDOWS[usize::from(byte - 0x80)],
            other => char::from(other),
        }));
        out.push_escaped(utf8.as_bytes())?;
    }
    out.push(b"'");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_hold_for_utf8() {
        for (value, utf8, valid) in [
            ("é😀".as_bytes(), Utf8::Full, true),
            ("é😀".as_bytes(), Utf8::Three, false),
            ("é".as_bytes(), Utf8::Three, true),
            ("é".as_bytes(), Utf8::Ascii, false),
            (b"\xED\xA0\x80", Utf8::Full, true),
            (b"\xED\xA0", Utf8::Full, false),
            (b"\xC0\x80", Utf8::Full, false),
            (b"a\xFFb", Utf8::Full, false),
        ] {
            assert_eq!(is_servers(value, utf8), valid, "{value:?}");
        }
    }
}
