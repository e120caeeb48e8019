//! Text on a terminal: what is safe to show, how wide it is, where it is broken.

/// The text without what a terminal would obey: control characters but for newlines, and marks that turn the
/// direction of what follows. Names and messages come from others; none may move the cursor or colour the
/// screen. A tab becomes a space.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\n',
            '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// How many columns of a terminal the text takes, on one line.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// What becomes of a word that is wider than a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LongWord {
    /// It is cut: a cell has to keep to its column.
    Cut,
    /// It stays whole: an address or a path must stay one to be copied.
    Keep,
}

/// The text in lines of at most `width` columns, broken at spaces. Newlines in the text are kept.
pub(super) fn wrap(text: &str, width: usize, long: LongWord) -> Vec<String> {
    text.split('\n').flat_map(|line| wrap_line(line, width.max(1), long)).collect()
}

fn wrap_line(text: &str, width: usize, long: LongWord) -> Vec<String> {
    if columns(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut begun = false;
    for word in text.split(' ') {
        if begun && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        } else if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
        while long == LongWord::Cut && columns(&line) > width {
            let rest = cut(&mut line, width);
            if rest.is_empty() {
                // One character that is wider than the line.
                break;
            }
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// Cuts the line after at most `width` columns, but not before its first character, and gives back the rest.
fn cut(line: &mut String, width: usize) -> String {
    let ends = line.char_indices().map(|(at, c)| at + c.len_utf8());
    let fitting =
        ends.clone().take_while(|end| line.get(..*end).is_some_and(|part| columns(part) <= width)).last();
    let first = ends.take(1).next().unwrap_or(line.len());
    line.split_off(fitting.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{literal, php};
    use super::*;

    #[test]
    fn text_is_broken_where_php_breaks_it() {
        let texts = [
            "Life, the Universe and Everything.",
            "b3a42ba5-755d-42ca-9109-21bde32809d0: Team,9bfaaf50-ece3-4460-acb8-dc1b8dd536e8: pantheon-canary",
            "short",
            "",
            "a verylongwordthatisneverending and more",
            "two\nlines of text",
            "one two three four five six seven eight nine ten",
        ];
        let pairs: Vec<(&str, usize)> =
            texts.iter().flat_map(|text| [1, 3, 7, 11, 27, 80].map(|width| (*text, width))).collect();
        let call = |(text, width): &(&str, usize)| {
            format!("echo wordwrap({}, {width}, \"\\n\", true), '|';", literal(text))
        };
        let Some(theirs) = php(&pairs.iter().map(call).collect::<String>()) else { return };
        for ((text, width), theirs) in pairs.into_iter().zip(theirs.split('|')) {
            assert_eq!(wrap(text, width, LongWord::Cut).join("\n"), theirs, "{width}");
        }
    }

    #[test]
    fn wide_characters_count_twice_and_marks_not_at_all() {
        assert_eq!((columns("世界"), columns("e\u{301}"), columns("a😀")), (4, 1, 3));
        assert_eq!(wrap("世界世界", 5, LongWord::Cut), ["世界", "世界"]);
        assert_eq!(wrap("世界", 1, LongWord::Cut), ["世", "界"]);
    }

    #[test]
    fn an_address_stays_whole_where_it_is_to_be_copied() {
        assert_eq!(
            wrap("see https://example.com/a/b now", 8, LongWord::Keep),
            ["see", "https://example.com/a/b", "now"]
        );
    }

    #[test]
    fn nothing_shown_moves_the_cursor() {
        assert_eq!(
            printable("a\u{1b}[2Jb\rc\u{9b}d\te\nf\u{202e}é"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e\nf\u{fffd}é"
        );
    }

    proptest::proptest! {
        #[test]
        fn breaking_loses_nothing_and_keeps_to_the_width(text in "\\PC{0,60}", width in 2_usize..30) {
            let lines = wrap(&text, width, LongWord::Cut);
            proptest::prop_assert!(lines.iter().all(|line| columns(line) <= width));
            let bare = |text: &str| text.replace(' ', "");
            proptest::prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
