//! Patterns in delimiters, as PHP has them: `#^drupal#i`.

use regex::{Regex, RegexBuilder};

use super::error::OutputError;

/// The pattern behind a text such as `#…#i`.
///
/// The delimiter is any sign but a backslash; brackets come in pairs. The flags `i`, `m`, `s`, `x`, `U`, `A`,
/// `D` and `u` mean what they mean in PHP. References back and looking around don't exist here: such a pattern
/// is refused.
pub(super) fn pattern(text: &str) -> Result<Regex, OutputError> {
    let bad = |why: String| OutputError::BadPattern { pattern: text.to_owned(), why };
    let (inner, flags) = split(text).map_err(|why| bad(why.to_owned()))?;
    let unknown = flags.chars().find(|flag| !"imsxUADu".contains(*flag));
    if let Some(flag) = unknown {
        return Err(bad(format!("there is no flag {flag}")));
    }
    let has = |flag| flags.contains(flag);
    // Without D, PHP's $ also fits before a newline that ends the text; no value is told apart by that.
    // A newline ends a comment that may end an x-pattern.
    let end = if has('x') { "\n" } else { "" };
    let anchored = if has('A') { format!("\\A(?:{inner}{end})") } else { inner };
    RegexBuilder::new(&anchored)
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .ignore_whitespace(has('x'))
        .swap_greed(has('U'))
        .build()
        .map_err(|error| bad(reason(&error)))
}

/// The last line of what the library says, which names the fault; the lines before draw a picture of it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// What stands between the delimiters, and the flags behind them.
fn split(text: &str) -> Result<(String, &str), &'static str> {
    let text = text.trim_start();
    let open = text.chars().next().ok_or("it is empty")?;
    if open.is_ascii_alphanumeric() || open == '\\' || !open.is_ascii_graphic() {
        return Err("write it between two delimiters, as in #pattern#");
    }
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        same => same,
    };
    let rest = text.get(open.len_utf8()..).unwrap_or_default();
    let end = closing(rest, open, close).ok_or("its closing delimiter is missing")?;
    let (inner, flags) = rest.split_at_checked(end).unwrap_or_default();
    Ok((plain_angles(inner), flags.strip_prefix(close).unwrap_or(flags)))
}

/// Where the delimiter stands that ends the pattern: the first one that no backslash hides and, for brackets,
/// that closes none opened inside.
fn closing(rest: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    let mut hidden = false;
    for (at, c) in rest.char_indices() {
        if hidden {
            hidden = false;
        } else if c == '\\' {
            hidden = true;
        } else if c == close && depth == 0 {
            return Some(at);
        } else if c == close {
            depth -= 1;
        } else if c == open {
            depth += 1;
        }
    }
    None
}

/// The pattern with `\<` and `\>` spelled otherwise: in PHP they are the bare signs, here ends of words.
fn plain_angles(inner: &str) -> String {
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '\\' {
            match chars.next() {
                Some('<') => out.push_str("x3c"),
                Some('>') => out.push_str("x3e"),
                next => out.extend(next),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{literal, php};
    use super::*;

    #[test]
    fn patterns_match_as_in_php() {
        let patterns = [
            "#^drupal#",
            "#^DRUPAL#i",
            "/drupal\\/8/",
            "/8$/",
            "{^drupal}i",
            "(drupal.8)",
            "[drupal]",
            "<al.8>x",
            "~a b~x",
            "#a\\#b#",
            "%^/%",
            "#.+#s",
            "#^b$#m",
            "#DRUPAL#Ui",
            "#8#A",
            "#drupal#A",
            "!\\!!",
            "|a\\|b|",
            "@\\w+\\@\\w+@",
            "#^$#D",
            "=a\\=b=",
            "<a\\>b>",
            "(a(b|#)?)",
            "{a{1}b}",
            "~a b#c~xA",
        ];
        let texts = [
            "drupal8", "drupal/8", "Drupal", "ab", "a#b", "/x", "a\nb", "", "!", "a|b", "a=b", "me@x", "12",
            "a",
        ];
        let pairs: Vec<(&str, &str)> =
            texts.iter().flat_map(|text| patterns.map(|shape| (shape, *text))).collect();
        let call =
            |(shape, text): &(&str, &str)| format!("echo preg_match({}, {});", literal(shape), literal(text));
        let Some(theirs) = php(&pairs.iter().map(call).collect::<String>()) else { return };
        for ((shape, text), theirs) in pairs.into_iter().zip(theirs.chars()) {
            let ours = pattern(shape).unwrap().is_match(text);
            assert_eq!(ours, theirs == '1', "{shape} on {text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        let bad = [
            ("", "it is empty"),
            ("drupal", "between two delimiters"),
            ("\\a\\", "between two delimiters"),
            ("#drupal", "closing delimiter"),
            ("(drupal", "closing delimiter"),
            ("#a#e", "there is no flag e"),
            ("#a#b#", "there is no flag b"),
            ("#a\\#", "closing delimiter"),
            ("#(#", "unclosed group"),
            ("#(?=a)#", "look-around"),
        ];
        for (text, why) in bad {
            let error = pattern(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
    }
}
