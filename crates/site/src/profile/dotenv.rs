//! `.env` files.

use std::collections::HashMap;

/// Reads the text of a `.env` file over what is known already. A later line wins over an earlier one; `outer`
/// wins over the file where its values refer to it (`${NAME}`). Lines that make no sense are passed over.
///
/// The grammar is that of phpdotenv: `export` may come first, `'…'` is literal, `"…"` has escapes and
/// interpolation and may run over several lines, a bare value ends at ` #`.
pub(crate) fn parse(text: &str, outer: &HashMap<String, String>) -> HashMap<String, String> {
    let mut values = HashMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        rest = rest.trim_start();
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..line_end).unwrap_or_default();
        let next = rest.get(line_end..).unwrap_or_default();
        let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            rest = next;
            continue;
        };
        let value_at = name.len() + 1;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim().trim_matches(['\'', '"']);
        let Some(after) = rest.get(value_at..).filter(|_| is_name(name)) else {
            rest = next;
            continue;
        };
        let look_up = |name: &str| outer.get(name).or(values.get(name)).cloned();
        let (value, left) = value(after, &look_up);
        values.insert(name.to_owned(), value);
        rest = left;
    }
    values
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A value, and the text after its line.
fn value<'t>(text: &'t str, look_up: &dyn Fn(&str) -> Option<String>) -> (String, &'t str) {
    let text = text.trim_start_matches([' ', '\t']);
    let quote = text.chars().next().filter(|c| *c == '"' || *c == '\'');
    if let Some(quote) = quote
        && let Some((value, rest)) = quoted(text.get(1..).unwrap_or_default(), quote, look_up)
    {
        let end = rest.find('\n').unwrap_or(rest.len());
        return (value, rest.get(end..).unwrap_or_default());
    }
    let end = text.find('\n').unwrap_or(text.len());
    let line = text.get(..end).unwrap_or_default();
    let bare = if line.starts_with('#') {
        ""
    } else {
        let comment = line.find(" #").or_else(|| line.find("\t#")).unwrap_or(line.len());
        line.get(..comment).unwrap_or_default().trim()
    };
    (interpolate(bare, look_up), text.get(end..).unwrap_or_default())
}

/// What stands up to the closing quote; `None` if there is none.
fn quoted<'t>(
    text: &'t str,
    quote: char,
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, &'t str)> {
    let mut value = String::new();
    let mut pending = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        if c == quote {
            value.push_str(&interpolate_if(quote, &pending, look_up));
            return Some((value, text.get(index + 1..).unwrap_or_default()));
        }
        if c != '\\' {
            pending.push(c);
            continue;
        }
        let (_, next) = chars.next()?;
        let plain = match (quote, next) {
            ('\'', '\\' | '\'') | ('"', '\\' | '"' | '$') => next,
            ('"', 'n') => '\n',
            ('"', 'r') => '\r',
            ('"', 't') => '\t',
            _ => {
                pending.extend(['\\', next]);
                continue;
            }
        };
        // An escaped character is no part of an interpolation.
        value.push_str(&interpolate_if(quote, &pending, look_up));
        pending.clear();
        value.push(plain);
    }
    None
}

fn interpolate_if(quote: char, text: &str, look_up: &dyn Fn(&str) -> Option<String>) -> String {
    if quote == '"' { interpolate(text, look_up) } else { text.to_owned() }
}

/// Puts in the values of `${NAME}`; what is not known stays as it is written.
fn interpolate(text: &str, look_up: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let known = after.split_once('}').and_then(|(name, left)| Some((look_up(name)?, left)));
        match known {
            Some((value, left)) => {
                out.push_str(&value);
                rest = left;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_values_are_read() {
        let text = "\u{feff}# DB_NAME='no'\r\nexport DB_NAME='shop'\r\n  DB_USER = web # who\nDB_PASSWORD='p#s\"s $x ${DB_NAME}'\n\
                    DB_URL=\"mysql://${DB_USER}:\\\"\\${DB_NAME}\\\"@${HOST}/${NONE}\"\nEMPTY=\nHASH=a#b\nKEY=\"one\n# two\nthree\" # rest\n\
                    junk line\nBAD NAME=x\nLAST=\"open\nDB_NAME=later";
        let outer = HashMap::from([("HOST".to_owned(), "db".to_owned())]);
        let values = parse(text, &outer);
        let get = |name: &str| values.get(name).map(String::as_str);
        assert_eq!(get("DB_NAME"), Some("later"));
        assert_eq!(get("DB_USER"), Some("web"));
        assert_eq!(get("DB_PASSWORD"), Some("p#s\"s $x ${DB_NAME}"));
        assert_eq!(get("DB_URL"), Some("mysql://web:\"${DB_NAME}\"@db/${NONE}"));
        assert_eq!((get("EMPTY"), get("HASH")), (Some(""), Some("a#b")));
        assert_eq!(get("KEY"), Some("one\n# two\nthree"));
        assert_eq!((get("BAD NAME"), get("junk line")), (None, None));
        assert_eq!(get("LAST"), Some("\"open"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[A-Z='\"\\\\$\\{\\}#\n é]{0,80}") {
            parse(&text, &HashMap::new());
        }
    }
}
