//! The values in a statement that fills a table.

/// The statement ends within a value, a name or a comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed;

/// Whether a statement puts rows into a table. Comments and spaces may come before.
pub(super) fn fills_a_table(statement: &[u8]) -> bool {
    let mut rest = statement.trim_ascii_start();
    loop {
        let after = match rest {
            [b'-', b'-', ..] | [b'#', ..] => memchr::memchr(b'\n', rest).map(|at| at + 1),
            [b'/', b'*', b'!', ..] => return false,
            [b'/', b'*', ..] => memchr::memmem::find(rest, b"*/").map(|at| at + 2),
            _ => break,
        };
        rest = after.and_then(|at| rest.get(at..)).unwrap_or_default().trim_ascii_start();
    }
    [&b"INSERT"[..], b"REPLACE"].iter().any(|word| {
        rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
            && rest.get(word.len()).is_some_and(|next| next.is_ascii_whitespace())
    })
}

/// Gives each text and hexadecimal literal's value to `change`, and the statement with those that it changed;
/// `None` if it changed none.
pub(super) fn rewrite(
    statement: &[u8],
    mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Unclosed> {
    let mut out = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(skipped) = statement.get(at..).and_then(|rest| rest.iter().position(|b| is_mark(*b))) {
        at += skipped;
        let Some(token) = token(statement, at)? else {
            at += 1;
            continue;
        };
        let (from, end) = token.span;
        let inner = statement.get(from..end).unwrap_or_default();
        let changed = match token.kind {
            Kind::Other => None,
            Kind::Text => change(&unescaped(inner)).map(|value| escaped(&value)),
            Kind::Hex => change(&bytes_of(inner)).map(|value| digits_of(&value)),
        };
        if let Some(changed) = changed {
            out.extend_from_slice(statement.get(copied..from).unwrap_or_default());
            // `0x` without a digit is no literal.
            let empty_number = changed.is_empty() && token.after == end;
            if empty_number {
                out.truncate(out.len().saturating_sub(2));
                out.extend_from_slice(b"''");
            }
            out.extend_from_slice(&changed);
            copied = end;
        }
        at = token.after;
    }
    if copied == 0 {
        return Ok(None);
    }
    out.extend_from_slice(statement.get(copied..).unwrap_or_default());
    Ok(Some(out))
}

/// Bytes at which something begins that is no plain part of the statement.
fn is_mark(byte: u8) -> bool {
    matches!(byte, b'\'' | b'"' | b'`' | b'0' | b'/' | b'-' | b'#')
}

enum Kind {
    Text,
    Hex,
    Other,
}

struct Token {
    kind: Kind,
    /// What is between the quotes, or the digits.
    span: (usize, usize),
    /// Where the next begins.
    after: usize,
}

fn token(sql: &[u8], at: usize) -> Result<Option<Token>, Unclosed> {
    let rest = sql.get(at..).unwrap_or_default();
    let other = |after| Token { kind: Kind::Other, span: (at, at), after };
    let find = |what: &[u8]| memchr::memmem::find(rest, what).map(|found| at + found + what.len());
    Ok(match rest {
        [b'\'', ..] => {
            let end = closing(sql, at)?;
            let kind = match (introducer(sql, at), is_wide(sql, at)) {
                (Some(b'x' | b'X'), false) => Kind::Hex,
                (Some(b'b' | b'B'), _) | (_, true) => Kind::Other,
                _ => Kind::Text,
            };
            Some(Token { kind, span: (at + 1, end), after: end + 1 })
        }
        [b'"' | b'`', ..] => Some(other(closing(sql, at)? + 1)),
        [b'/', b'*', ..] => Some(other(find(b"*/").ok_or(Unclosed)?)),
        [b'#', ..] => Some(other(find(b"\n").unwrap_or(sql.len()))),
        [b'-', b'-', next, ..] if next.is_ascii_whitespace() => Some(other(find(b"\n").unwrap_or(sql.len()))),
        [b'0', b'x', digits @ ..] if !before(sql, at).is_some_and(is_word) => {
            let len = digits.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let kind = if len % 2 == 0 && !is_wide(sql, at) { Kind::Hex } else { Kind::Other };
            Some(Token { kind, span: (at + 2, at + 2 + len), after: at + 2 + len })
        }
        _ => None,
    })
}

fn before(sql: &[u8], at: usize) -> Option<u8> {
    sql.get(at.checked_sub(1)?).copied()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// The letter that stands before a quote, alone.
fn introducer(sql: &[u8], at: usize) -> Option<u8> {
    let letter = before(sql, at)?;
    let alone = !before(sql, at.saturating_sub(1)).is_some_and(is_word);
    (letter.is_ascii_alphabetic() && alone).then_some(letter)
}

/// Whether a literal is in a character set that has no ASCII in it, as told before it: `_utf16 0x`.
fn is_wide(sql: &[u8], at: usize) -> bool {
    let sql = sql.get(..at).unwrap_or_default();
    let sql = sql.strip_suffix(b"X").or(sql.strip_suffix(b"x")).unwrap_or(sql).trim_ascii_end();
    let word = sql.iter().rposition(|b| !is_word(*b)).map_or(0, |at| at + 1);
    let word = sql.get(word..).unwrap_or_default();
    [&b"_utf16"[..], b"_utf16le", b"_utf32", b"_ucs2"].iter().any(|wide| word.eq_ignore_ascii_case(wide))
}

/// Where the quote that opens at `at` is closed. A doubled one closes nothing; between backticks, neither does a
/// backslash mean anything.
fn closing(sql: &[u8], at: usize) -> Result<usize, Unclosed> {
    let quote = sql.get(at).copied().ok_or(Unclosed)?;
    let escape = if quote == b'`' { b'`' } else { b'\\' };
    let mut at = at + 1;
    loop {
        let rest = sql.get(at..).ok_or(Unclosed)?;
        at += memchr::memchr2(quote, escape, rest).ok_or(Unclosed)?;
        match (sql.get(at), sql.get(at + 1)) {
            (Some(byte), next) if *byte == quote && next != Some(&quote) => return Ok(at),
            _ => at += 2,
        }
    }
}

/// The value of a text literal.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\\', b'\'', rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        match special {
            [b'\\', letter, after @ ..] => {
                match letter {
                    b'0' => out.push(0),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'b' => out.push(8),
                    b'Z' => out.push(0x1A),
                    // These keep their backslash: they are for LIKE.
                    b'%' | b'_' => out.extend([b'\\', *letter]),
                    other => out.push(*other),
                }
                rest = after;
            }
            [b'\'', b'\'', after @ ..] => {
                out.push(b'\'');
                rest = after;
            }
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
            [] => break,
        }
    }
    out.extend_from_slice(rest);
    out
}

/// A value between quotes, with the bytes escaped that `mysql_real_escape_string` escapes.
fn escaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    for &byte in value {
        let letter = match byte {
            0 => b'0',
            b'\n' => b'n',
            b'\r' => b'r',
            0x1A => b'Z',
            b'\\' | b'\'' | b'"' => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend([b'\\', letter]);
    }
    out
}

fn bytes_of(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    digits.as_chunks::<2>().0.iter().map(|[high, low]| value(*high) << 4 | value(*low)).collect()
}

fn digits_of(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| b"0123456789ABCDEF".get(usize::from(value)).copied().unwrap_or(b'0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value that is found, and the statement with each replaced by `new`.
    fn take(sql: &str, new: &str) -> (Vec<String>, String) {
        let mut seen = Vec::new();
        let out = rewrite(sql.as_bytes(), |value| {
            seen.push(String::from_utf8_lossy(value).into_owned());
            Some(new.as_bytes().to_vec())
        });
        (seen, String::from_utf8(out.unwrap().unwrap_or_default()).unwrap())
    }

    #[test]
    fn every_form_of_a_value_is_found_and_nothing_else() {
        let sql = "INSERT INTO `a'0x41` (`x``'`) VALUES (-1.0e5,'a\\nb''c\\\\',0x4142,_binary 'd',x'65',b'101',\
                   \"no\",_utf16 0x0061,_latin1 0x62,NULL,@system_time_end,a0x41) -- 'no'\n/* 'no' */;";
        let (seen, out) = take(sql, "'");
        assert_eq!(seen, ["a\nb'c\\", "AB", "d", "e", "b"]);
        let expected = "INSERT INTO `a'0x41` (`x``'`) VALUES (-1.0e5,'\\'',0x27,_binary '\\'',x'27',b'101',\
                        \"no\",_utf16 0x0061,_latin1 0x27,NULL,@system_time_end,a0x41) -- 'no'\n/* 'no' */;";
        assert_eq!(out, expected);
    }

    #[test]
    fn values_survive_being_taken_out_and_put_back() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&escaped(&every)), every);
        assert_eq!(bytes_of(&digits_of(&every)), every);
        assert_eq!(unescaped(b"50\\%\\_\\q\\t\\b"), b"50\\%\\_q\t\x08");
        assert_eq!(take("INSERT INTO t VALUES (0x41,'a',X'41')", "").1, "INSERT INTO t VALUES ('','',X'')");
    }

    #[test]
    fn what_is_cut_short_is_no_statement() {
        for sql in ["('a", "('a\\'", "(`a", "(/* ", "('a''"] {
            assert_eq!(rewrite(sql.as_bytes(), |_| None), Err(Unclosed), "{sql}");
        }
        assert!(fills_a_table(b" -- x\n/* y */ insert into t values (1)"));
        assert!(!fills_a_table(b"CREATE TABLE t") && !fills_a_table(b"INSERTED") && !fills_a_table(b"--"));
    }
}
