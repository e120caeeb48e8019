//! Values separated by commas or tabs, one row a line.

/// A line of values separated by commas, quoted as PHP's `fputcsv` does it: wherever a value holds a comma, a
/// quote, a backslash or white space.
pub(super) fn comma_line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    format!("{}\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    if !cell.contains([',', '"', '\\', '\n', '\r', '\t', ' ']) {
        return cell.to_owned();
    }
    let mut out = String::from("\"");
    // To PHP a quote after a backslash is already marked; readers that share its habit undo it.
    let mut marked = false;
    for c in cell.chars() {
        if c == '"' && !marked {
            out.push('"');
        }
        marked = c == '\\';
        out.push(c);
    }
    out.push('"');
    out
}

/// A line of values separated by tabs; a tab or newline in a value is spelled `\t` or `\n`.
pub(super) fn tab_line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.as_ref().replace('\t', "\\t").replace('\n', "\\n")).collect();
    format!("{}\n", cells.join("\t"))
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{literal, php};
    use super::*;

    #[test]
    fn commas_are_phps() {
        let lines: [&[&str]; 7] = [
            &["a", "two words", "", "31.8MB"],
            &["say \"no\"", "it's", "a,b", ";"],
            &["back\\slash", "\\\"marked\\\"", "\\\\\"", "\"\"", "\\\"\"", "\""],
            &["tab\t", "new\nline", "\r", "é 世"],
            &[""],
            &["", ""],
            &["-1", "=1+1", "#", "'"],
        ];
        for line in lines {
            let cells: Vec<String> = line.iter().map(|cell| literal(cell)).collect();
            let call = format!("fputcsv(fopen('php://output', 'w'), [{}]);", cells.join(", "));
            if let Some(expected) = php(&call) {
                assert_eq!(comma_line(line), expected);
            }
        }
    }

    #[test]
    fn cells_with_spaces_are_quoted() {
        let line = comma_line(&["my-site", "2026-11-21 01:45:03", "automated"]);
        assert_eq!(line, "my-site,\"2026-11-21 01:45:03\",automated\n");
    }

    #[test]
    fn tabs_and_newlines_do_not_break_a_line() {
        assert_eq!(tab_line(&["a\tb", "c d", "e\nf", ""]), "a\\tb\tc d\te\\nf\t\n");
    }
}
