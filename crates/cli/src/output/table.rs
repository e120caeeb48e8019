//! Tables for people, in the style of Terminus: dashes above and below, one space around every column.

use super::fit::{Wish, fit};
use super::text::{LongWord, columns, printable, wrap};

/// A table of texts.
pub(super) struct Table {
    /// What stands above the columns; nothing for a list of properties, whose labels are the first column.
    pub head: Option<Vec<String>>,
    /// The rows; each has as many cells as the others.
    pub rows: Vec<Vec<String>>,
}

/// What a column takes beside its text: a space on either side, and one between two columns.
const AROUND: usize = 3;

/// A column is no narrower than its longest word, and than this where that is shorter: a name that is broken can't
/// be copied. Rather is the table wider than the terminal.
const READABLE: usize = 8;
/// But a word that is longer than any name may be broken.
const WORD: usize = 64;

impl Table {
    /// The table as lines that fit in `width` columns of a terminal.
    pub(super) fn render(&self, width: usize) -> String {
        let head = self.head.iter().map(|cells| printables(cells)).next();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|cells| printables(cells)).collect();
        let room = width.saturating_sub(1 + AROUND * self.count());
        let widths = fit(&self.wishes(head.as_deref(), &rows), room);
        let head: Vec<_> = head.iter().flat_map(|cells| lines(cells, &widths)).collect();
        let rows: Vec<_> = rows.iter().flat_map(|cells| lines(cells, &widths)).collect();
        // Broken at spaces, a column may need less than it got.
        let widths = used(head.iter().chain(&rows), widths.len());
        let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        let rule = format!(" {} \n", dashes.join(" "));
        let mut out = String::new();
        for part in [&head, &rows].into_iter().filter(|part| !part.is_empty()) {
            out.push_str(&rule);
            part.iter().for_each(|line| out.push_str(&draw(line, &widths)));
        }
        out.push_str(&rule);
        out
    }

    fn count(&self) -> usize {
        self.head.as_ref().or(self.rows.first()).map_or(0, Vec::len)
    }

    fn wishes(&self, head: Option<&[String]>, rows: &[Vec<String>]) -> Vec<Wish> {
        (0..self.count())
            .map(|at| {
                let heading = head.and_then(|cells| cells.get(at));
                let cells = rows.iter().filter_map(|cells| cells.get(at));
                let cells = cells.chain(heading);
                let full = cells.clone().map(|cell| widest(cell, '\n')).max().unwrap_or_default();
                let words = cells.map(|cell| cell.split_whitespace().map(columns).max().unwrap_or_default());
                let word = words.max().unwrap_or_default().clamp(READABLE, WORD);
                // Labels are not broken.
                let least = if head.is_none() && at == 0 { full } else { full.min(word) };
                Wish { full, least }
            })
            .collect()
    }
}

fn printables(cells: &[String]) -> Vec<String> {
    cells.iter().map(|cell| printable(cell)).collect()
}

/// The columns of the widest part of a text.
fn widest(text: &str, between: char) -> usize {
    text.split(between).map(columns).max().unwrap_or_default()
}

/// A row of cells as lines of the table.
fn lines(cells: &[String], widths: &[usize]) -> Vec<Vec<String>> {
    let broken: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width, LongWord::Cut)).collect();
    let height = broken.iter().map(Vec::len).max().unwrap_or_default();
    let line = |at: usize| broken.iter().map(|cell| cell.get(at).cloned().unwrap_or_default()).collect();
    (0..height).map(line).collect()
}

/// The widths that the lines really use.
fn used<'a>(lines: impl Iterator<Item = &'a Vec<String>> + Clone, count: usize) -> Vec<usize> {
    let width = |at: usize| lines.clone().filter_map(|cells| cells.get(at)).map(|cell| columns(cell)).max();
    (0..count).map(|at| width(at).unwrap_or_default()).collect()
}

fn draw(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths);
    let padded: String = cells
        .map(|(cell, width)| format!("  {cell}{} ", " ".repeat(width.saturating_sub(columns(cell)))))
        .collect();
    format!("{padded} \n")
}

/// Rows one below the other, each under its id with a line for every cell.
pub(super) fn sections(rows: &[(String, Vec<(&str, String)>)]) -> String {
    let mut out = String::new();
    for (id, cells) in rows {
        out.push_str(&format!("\n{}\n", printable(id)));
        let width = cells.iter().map(|(label, _)| columns(label)).max().unwrap_or_default();
        for (label, value) in cells {
            let pad = " ".repeat(width.saturating_sub(columns(label)));
            // Further lines of a value stand below its first.
            let value = printable(value).replace('\n', &format!("\n{}", " ".repeat(width + 2)));
            out.push_str(format!(" {label}{pad} {value}").trim_end());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn table(head: &[&str], rows: &[&[&str]], width: usize) -> String {
        let head = (!head.is_empty()).then(|| texts(head));
        Table { head, rows: rows.iter().map(|row| texts(row)).collect() }.render(width)
    }

    fn trimmed(text: &str) -> Vec<&str> {
        text.lines().map(str::trim_end).collect()
    }

    #[test]
    fn a_table_has_dashes_above_and_below() {
        let out = table(&["One", "Two", "Three"], &[&["a", "b", "c"], &["x", "", "z"]], 80);
        assert_eq!(
            out,
            concat!(
                " ----- ----- ------- \n",
                "  One   Two   Three  \n",
                " ----- ----- ------- \n",
                "  a     b     c      \n",
                "  x           z      \n",
                " ----- ----- ------- \n",
            )
        );
    }

    #[test]
    fn a_table_without_rows_keeps_its_head() {
        let out = table(&["I", "II", "III"], &[], 80);
        assert_eq!(out, " --- ---- ----- \n  I   II   III  \n --- ---- ----- \n");
    }

    #[test]
    fn long_cells_are_broken_to_the_width() {
        let out = table(
            &["Id", "Vid", "Description"],
            &[
                &["42", "321", "Life, the Universe and Everything."],
                &["13", "789", "Why is six afraid of seven?"],
            ],
            42,
        );
        assert_eq!(
            trimmed(&out),
            [
                " ---- ----- -----------------------------",
                "  Id   Vid   Description",
                " ---- ----- -----------------------------",
                "  42   321   Life, the Universe and",
                "             Everything.",
                "  13   789   Why is six afraid of seven?",
                " ---- ----- -----------------------------",
            ]
        );
    }

    #[test]
    fn properties_have_labels_that_are_never_broken() {
        let out = table(
            &[],
            &[
                &["Name", "Rex"],
                &["Description", "Rex is a very good dog, Brett. He likes kibble, and has four legs."],
            ],
            42,
        );
        assert_eq!(
            trimmed(&out),
            [
                " ------------- -------------------------",
                "  Name          Rex",
                "  Description   Rex is a very good dog,",
                "                Brett. He likes kibble,",
                "                and has four legs.",
                " ------------- -------------------------",
            ]
        );
    }

    #[test]
    fn every_line_is_equally_wide_and_within_the_width() {
        let row = [
            "my-site_dev_2026-11-24T01-44-57_UTC_code.tar.gz",
            "31.8MB",
            "2026-11-24 01:45:06",
            "世界 世界 世界",
        ];
        for width in 82..140 {
            let out = table(&["Filename", "Size", "Date", "世"], &[&row], width);
            let widths: Vec<usize> = out.lines().map(columns).collect();
            assert!(
                widths.iter().all(|line| line == widths.first().unwrap() && *line <= width),
                "{width}\n{out}"
            );
        }
    }

    #[test]
    fn cells_from_outside_cannot_draw_on_the_screen() {
        let out = table(&["A"], &[&["\u{1b}[31mred\tline\nnext"]], 80);
        assert!(!out.contains('\u{1b}') && out.contains("[31mred line  \n  next"), "{out}");
    }

    #[test]
    fn sections_stand_under_their_ids() {
        let out = sections(&[
            ("Walrus".to_owned(), vec![("One", "a".to_owned()), ("Three", "c\nd".to_owned())]),
            ("Carpenter".to_owned(), vec![("One", "x".to_owned()), ("Three", String::new())]),
        ]);
        assert_eq!(out, "\nWalrus\n One   a\n Three c\n       d\n\nCarpenter\n One   x\n Three\n");
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_straight(
            rows in proptest::collection::vec(proptest::collection::vec("(\\PC|\\n){0,30}", 3), 0..4),
            width in 0_usize..100,
        ) {
            let head = Some(texts(&["A", "Bb", "世界"]));
            let out = Table { head, rows }.render(width);
            let widths: Vec<usize> = out.lines().map(columns).collect();
            proptest::prop_assert!(widths.iter().all(|line| Some(line) == widths.first()), "{}", out);
            proptest::prop_assert!(widths.iter().all(|line| *line <= width.max(1 + 3 * (AROUND + READABLE))));
        }
    }
}
