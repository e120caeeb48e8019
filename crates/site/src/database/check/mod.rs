//! Whether a dump that is stored says what a dump of ours says: statement by statement, section by section.
//!
//! [`SqlCheck`] is given to `undercroft_vault::check`, which reads the text. It takes statements apart (`scan.rs`), looks
//! whether each has its place in its section, counts rows, and asks for the end mark. It needs no server.

mod scan;

use undercroft_vault::check::{SectionCheck, TextCheck};
use undercroft_vault::stream::{SectionKind, SectionLabel};

use super::dump::END_MARK;
use super::quote;
use scan::{Scanner, Statement};

/// Knows what a dump of ours says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqlCheck;

/// So many flaws of one section are told; one cause makes many.
const FLAWS_MAX: usize = 5;
/// So many bytes at a section's start are kept, to see how it begins.
const START: usize = 80;

impl TextCheck for SqlCheck {
    fn section(&self, label: &SectionLabel, rows: Option<u64>) -> Box<dyn SectionCheck + '_> {
        Box::new(SectionLook {
            quoted: quote::name(&label.name),
            label: label.clone(),
            claimed: rows,
            scanner: Scanner::default(),
            seen: Seen::default(),
        })
    }

    fn order(&self, labels: &[SectionLabel]) -> Vec<String> {
        let mut flaws = Vec::new();
        if labels.first().is_none_or(|label| label.kind != SectionKind::Preamble) {
            flaws.push("the dump does not begin with its settings".to_owned());
        }
        if labels.last().is_none_or(|label| label.kind != SectionKind::End) {
            flaws.push("the dump has no end: it was cut short".to_owned());
        }
        for pair in labels.windows(2) {
            let [before, after] = pair else { continue };
            let once = rank(after) != 2 && rank(after) != 1 && rank(after) != 5;
            if rank(before) > rank(after) || (rank(before) == rank(after) && once) {
                flaws.push(format!("{} stands where it has no place in the dump", called(after)));
            }
        }
        let mut names: Vec<_> = labels.iter().map(|label| (label.kind, label.name.as_str())).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [(kind, name), other] = pair
                && (*kind, *name) == *other
                && !name.is_empty()
            {
                flaws.push(format!("{name} is in the dump twice"));
            }
        }
        flaws
    }
}

/// The order in which a dump has its sections.
fn rank(label: &SectionLabel) -> u8 {
    match label.kind {
        SectionKind::Preamble => 0,
        SectionKind::Sequence => 1,
        SectionKind::Table => 2,
        SectionKind::View if label.name.is_empty() => 3,
        SectionKind::Routines => 4,
        SectionKind::View => 5,
        SectionKind::Events => 6,
        SectionKind::End => 7,
    }
}

fn called(label: &SectionLabel) -> String {
    let kind = match label.kind {
        SectionKind::Preamble => "the settings",
        SectionKind::Sequence => "the sequence",
        SectionKind::Table => "the table",
        SectionKind::View if label.name.is_empty() => "the views' columns",
        SectionKind::View => "the view",
        SectionKind::Routines => "the routines",
        SectionKind::Events => "the events",
        SectionKind::End => "the end",
    };
    if label.name.is_empty() { kind.to_owned() } else { format!("{kind} {}", label.name) }
}

/// What was met in a section.
#[derive(Debug, Default)]
struct Seen {
    start: Vec<u8>,
    /// The text's last bytes.
    tail: Vec<u8>,
    creates: u64,
    rows: u64,
    /// How many values each row has.
    width: Option<u64>,
    flaws: Vec<String>,
}

/// One section that is being looked at.
struct SectionLook {
    label: SectionLabel,
    quoted: String,
    claimed: Option<u64>,
    scanner: Scanner,
    seen: Seen,
}

impl SectionCheck for SectionLook {
    fn text(&mut self, text: &[u8]) {
        let room = START.saturating_sub(self.seen.start.len()).min(text.len());
        self.seen.start.extend_from_slice(text.get(..room).unwrap_or_default());
        let keep = text.len().min(END_MARK.len());
        self.seen.tail.extend_from_slice(text.get(text.len() - keep..).unwrap_or_default());
        let over = self.seen.tail.len().saturating_sub(END_MARK.len());
        self.seen.tail.drain(..over);
        let mut rest = text;
        while let Some(statement) = self.scanner.next(&mut rest) {
            self.statement(&statement);
        }
    }

    fn end(mut self: Box<Self>) -> Vec<String> {
        if let Some(inside) = self.scanner.inside() {
            self.flaw(format!("its part of the dump ends inside {inside}"));
        }
        if !self.seen.start.starts_with(self.begins()) {
            self.flaw("its part of the dump does not begin as it should".to_owned());
        }
        self.counts();
        self.seen.flaws.truncate(FLAWS_MAX);
        self.seen.flaws
    }
}

impl SectionLook {
    fn flaw(&mut self, text: String) {
        if self.seen.flaws.len() < FLAWS_MAX && !self.seen.flaws.contains(&text) {
            self.seen.flaws.push(text);
        }
    }

    fn begins(&self) -> &'static [u8] {
        match self.label.kind {
            SectionKind::Preamble => b"-- Dump of a MySQL or MariaDB schema",
            SectionKind::Sequence => b"\n--\n-- Sequence structure for `",
            // Of a table that could not be read there is only a comment.
            SectionKind::Table if self.seen.creates == 0 => b"",
            SectionKind::Table => b"\n--\n-- Table structure for table `",
            SectionKind::View if self.label.name.is_empty() => {
                b"\n--\n-- Temporary table structure for view `"
            }
            SectionKind::View => b"\n--\n-- Final view structure for view `",
            SectionKind::Routines => b"\n--\n-- Dumping routines\n--\n",
            SectionKind::Events => b"\n--\n-- Dumping events\n--\n",
            SectionKind::End => b"\nCOMMIT;\n",
        }
    }

    fn statement(&mut self, statement: &Statement) {
        if !self.has_place(statement) {
            let shown: String = String::from_utf8_lossy(&statement.head).chars().take(60).collect();
            self.flaw(format!(
                "a statement is in its part of the dump that has no place there: {}",
                shown.escape_debug()
            ));
            return;
        }
        if statement.unbalanced {
            self.flaw("a statement of it has brackets that do not close".to_owned());
        }
        if self.makes(statement) {
            self.seen.creates += 1;
        }
        if statement.head.starts_with(b"INSERT ") {
            self.seen.rows += statement.rows;
            let width = *self.seen.width.get_or_insert(statement.width);
            if statement.rows == 0 || statement.ragged || statement.width != width {
                self.flaw("its rows in the dump have not all as many values".to_owned());
            }
        }
    }

    /// Whether a statement is one of those that the section is made of.
    fn has_place(&self, statement: &Statement) -> bool {
        let head = statement.head.as_slice();
        let is =
            |before: &str| head.starts_with([before.as_bytes(), self.quoted.as_bytes()].concat().as_slice());
        if statement.program {
            return match self.label.kind {
                SectionKind::Table => has_word(head, b"TRIGGER"),
                SectionKind::Routines => {
                    [&b"PROCEDURE"[..], b"FUNCTION", b"PACKAGE"].iter().any(|w| has_word(head, w))
                }
                SectionKind::Events => has_word(head, b"EVENT"),
                _ => false,
            };
        }
        // Settings, and what only some servers are to do.
        if head.starts_with(b"/*!") || head.starts_with(b"/*M!") {
            return true;
        }
        match self.label.kind {
            SectionKind::Preamble => false,
            SectionKind::End => head == b"COMMIT",
            SectionKind::Sequence => {
                is("DROP SEQUENCE IF EXISTS ") || is("CREATE SEQUENCE ") || is("DO SETVAL(")
            }
            SectionKind::Table => {
                head == b"COMMIT"
                    || head == b"UNLOCK TABLES"
                    || head.starts_with(b"ALTER DATABASE COLLATE ")
                    || is("DROP TABLE IF EXISTS ")
                    || is("CREATE TABLE ")
                    || is("LOCK TABLES ")
                    || is("INSERT INTO ")
            }
            SectionKind::View if self.label.name.is_empty() => {
                head.starts_with(b"DROP TABLE IF EXISTS `") || head.starts_with(b"CREATE VIEW `")
            }
            SectionKind::View => head.starts_with(b"CREATE ") && has_word(head, b"VIEW"),
            SectionKind::Routines | SectionKind::Events => head.starts_with(b"ALTER DATABASE COLLATE "),
        }
    }

    /// Whether a statement makes the object that the section is of.
    fn makes(&self, statement: &Statement) -> bool {
        let head = statement.head.as_slice();
        match self.label.kind {
            SectionKind::Table => !statement.program && head.starts_with(b"CREATE TABLE "),
            SectionKind::Sequence => head.starts_with(b"CREATE SEQUENCE "),
            SectionKind::View => head.starts_with(b"CREATE "),
            _ => false,
        }
    }

    fn counts(&mut self) {
        // What could not be read is said in a comment, and the backup counts as incomplete already.
        let told = self.scanner.told();
        let (creates, rows) = (self.seen.creates, self.seen.rows);
        match self.label.kind {
            SectionKind::Table | SectionKind::Sequence if creates != 1 && !(creates == 0 && told) => {
                self.flaw(format!("its definition is in the dump {creates} times"));
            }
            SectionKind::View if !self.label.name.is_empty() && creates != 1 && !(creates == 0 && told) => {
                self.flaw(format!("its definition is in the dump {creates} times"));
            }
            SectionKind::End if self.seen.tail != END_MARK.as_bytes() => {
                self.flaw("the dump's last line is not there: it was cut short".to_owned());
            }
            _ => {}
        }
        let claimed = self.claimed.unwrap_or(0);
        if rows != claimed {
            self.flaw(format!("the dump has {rows} rows of it, and there were {claimed} when it was made"));
        }
    }
}

/// Whether a word stands in a statement's head, outside of names.
fn has_word(head: &[u8], word: &[u8]) -> bool {
    let mut quoted = false;
    let bare: Vec<u8> = head
        .iter()
        .map(|byte| {
            quoted ^= *byte == b'`';
            if quoted { b'`' } else { byte.to_ascii_uppercase() }
        })
        .collect();
    bare.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(kind: SectionKind, name: &str, rows: Option<u64>, text: &str, step: usize) -> Vec<String> {
        let label = SectionLabel { kind, name: name.to_owned() };
        let mut look = SqlCheck.section(&label, rows);
        text.as_bytes().chunks(step).for_each(|part| look.text(part));
        look.end()
    }

    const TABLE: &str = "\n--\n-- Table structure for table `a``b`\n--\n\nDROP TABLE IF EXISTS `a``b`;\n\
        /*!40101 SET character_set_client = utf8mb4 */;\n\
        CREATE TABLE `a``b` (\n  `x;` int(11) DEFAULT 5 COMMENT 'it\\'s; -- (', `y` text) /*!50100 PARTITION BY HASH (x) */;\n\
        \n--\n-- Dumping data for table `a``b`\n--\n\nLOCK TABLES `a``b` WRITE;\n\
        INSERT INTO `a``b` (`x;`,`y`) VALUES\n(1,'(),(;\\\\'),\n(-2,NULL),\n(3,_big5 0xAB);\nINSERT INTO `a``b` (`x;`,`y`) VALUES\n(4,'');\n\
        UNLOCK TABLES;\nCOMMIT;\n\
        DELIMITER ;;\nCREATE DEFINER=`r`@`%` TRIGGER `t` BEFORE INSERT ON `a``b` FOR EACH ROW BEGIN SET @a = 'x; END\n;;\nDELIMITER ;\n";

    #[test]
    fn a_table_is_taken_apart_in_any_pieces() {
        for step in [1, 2, 3, 7, 64, 10_000] {
            assert_eq!(look(SectionKind::Table, "a`b", Some(4), TABLE, step), [""; 0], "{step}");
        }
    }

    #[test]
    fn what_is_not_as_it_should_be_is_told() {
        let flaws = |text: &str, rows| look(SectionKind::Table, "a`b", rows, text, 50).join("; ");
        let told = [
            (TABLE.to_owned(), Some(5), "4 rows of it, and there were 5"),
            (TABLE.to_owned(), None, "there were 0"),
            (TABLE.split("'');").next().unwrap().to_owned() + "'", Some(4), "ends inside a string"),
            (TABLE.replace("(-2,NULL)", "(-2)"), Some(4), "as many values"),
            (
                TABLE.replace("INSERT INTO `a``b` (`x;`,`y`) VALUES\n(4", "INSERT INTO `c` VALUES\n(4"),
                Some(4),
                "no place",
            ),
            (TABLE.replace("CREATE TABLE", "/*! */; -- "), Some(4), "no place"),
            (TABLE[..TABLE.len() - 30].to_owned(), Some(4), "ends inside a program"),
            (TABLE.replace(",_big5 0xAB)", ",_big5 (0xAB)"), Some(4), "brackets"),
            (TABLE[1..].to_owned(), Some(4), "does not begin"),
            (String::new(), Some(0), "in the dump 0 times"),
        ];
        for (text, rows, expected) in told {
            let found = flaws(&text, rows);
            assert!(found.contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn an_object_that_could_not_be_read_is_in_a_comment() {
        let table = "-- The definition of the table x could not be read\n";
        assert_eq!(look(SectionKind::Table, "x", None, table, 9), [""; 0]);
        let view = "\n--\n-- Final view structure for view `v`\n--\n\n/*!50001 DROP VIEW IF EXISTS `v`*/;\n-- CREATE VIEW ' a\n";
        assert_eq!(look(SectionKind::View, "v", None, view, 9), [""; 0]);
    }

    #[test]
    fn the_end_mark_is_asked_for() {
        let end = format!("\nCOMMIT;\n/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n{END_MARK}");
        assert_eq!(look(SectionKind::End, "", None, &end, 5), [""; 0]);
        let cut = &end[..end.len() - 2];
        assert!(look(SectionKind::End, "", None, cut, 5).join(";").contains("cut short"));
    }

    #[test]
    fn sections_stand_in_their_order() {
        use SectionKind::*;
        let labels = |kinds: &[(SectionKind, &str)]| -> Vec<SectionLabel> {
            kinds.iter().map(|(kind, name)| SectionLabel { kind: *kind, name: (*name).to_owned() }).collect()
        };
        let whole = labels(&[
            (Preamble, ""),
            (Sequence, "s"),
            (Table, "a"),
            (Table, "b"),
            (View, ""),
            (Routines, ""),
            (View, "v"),
            (Events, ""),
            (End, ""),
        ]);
        assert_eq!(SqlCheck.order(&whole), [""; 0]);
        for broken in [
            labels(&[(Preamble, ""), (Table, "a")]),
            labels(&[(Table, "a"), (End, "")]),
            labels(&[(Preamble, ""), (Table, "a"), (Table, "a"), (End, "")]),
            labels(&[(Preamble, ""), (Events, ""), (Table, "a"), (End, "")]),
            labels(&[]),
        ] {
            assert_ne!(SqlCheck.order(&broken), [""; 0], "{broken:?}");
        }
    }
}
