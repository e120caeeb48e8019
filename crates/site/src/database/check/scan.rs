//! SQL text taken apart into statements as it comes, without holding any of it but how a statement begins.

/// So many bytes of a statement's beginning are kept: the longest list of columns is shorter.
const HEAD_MAX: usize = 512 << 10;

/// A statement that has ended.
#[derive(Debug, Default)]
pub(super) struct Statement {
    /// How it begins; of an INSERT, what comes before its rows.
    pub(super) head: Vec<u8>,
    /// It stood between marks of its own: a trigger, routine or event.
    pub(super) program: bool,
    /// Rows after VALUES, and how many values the first of them has.
    pub(super) rows: u64,
    pub(super) width: u64,
    /// Rows differ in how many values they have.
    pub(super) ragged: bool,
    /// Its brackets do not close, or something nests within a row.
    pub(super) unbalanced: bool,
}

/// Where in the text the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// After one minus sign, and after two.
    Dash,
    Dashes,
    Slash,
    /// After the beginning of a block comment.
    SlashStar,
    Block {
        star: bool,
    },
    Line,
    Quoted {
        by: u8,
        escaped: bool,
    },
    Program,
}

/// Takes statements apart.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    statement: Statement,
    depth: i64,
    in_rows: bool,
    /// Values of the row at hand.
    values: u64,
    delimiter: Vec<u8>,
    /// The line of a program or comment that is being read, as far as it matters.
    line: Vec<u8>,
    told: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner {
            state: State::Plain,
            statement: Statement::default(),
            depth: 0,
            in_rows: false,
            values: 0,
            delimiter: Vec::new(),
            line: Vec::new(),
            told: false,
        }
    }
}

/// What comments say that every dump has.
const USUAL: [&[u8]; 9] = [
    b"",
    b"Dump of",
    b"Server:",
    b"Default collation:",
    b"Table structure",
    b"Dumping",
    b"Sequence structure",
    b"Temporary table",
    b"Final view",
];

/// Where a byte between quotes leads.
fn quoted(by: u8, escaped: bool, byte: u8) -> State {
    match byte {
        _ if escaped => State::Quoted { by, escaped: false },
        b'\\' if by != b'`' => State::Quoted { by, escaped: true },
        // A doubled quote closes and opens again, which comes to the same.
        byte if byte == by => State::Plain,
        _ => State::Quoted { by, escaped: false },
    }
}

impl Scanner {
    /// Reads on until a statement has ended; `None` once the text is used up.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Option<Statement> {
        while let Some((byte, after)) = rest.split_first() {
            if let State::Quoted { by, escaped: false } = self.state
                && self.in_rows
            {
                // Most of a dump is text between quotes.
                let plain = rest.iter().position(|byte| *byte == by || *byte == b'\\').unwrap_or(rest.len());
                if plain > 0 {
                    *rest = rest.get(plain..).unwrap_or_default();
                    continue;
                }
            }
            *rest = after;
            if self.byte(*byte) {
                self.in_rows = false;
                self.depth = 0;
                return Some(std::mem::take(&mut self.statement));
            }
        }
        None
    }

    /// What the text so far ends inside of, if it does not end between statements.
    pub(super) fn inside(&self) -> Option<&'static str> {
        match self.state {
            State::Quoted { by: b'`', .. } => Some("a name"),
            State::Quoted { .. } => Some("a string"),
            State::Block { .. } | State::Line | State::SlashStar => Some("a comment"),
            State::Program => Some("a program"),
            _ if !self.statement.head.is_empty() => Some("a statement"),
            _ => None,
        }
    }

    /// Whether a comment says more than those that every dump has: that something could not be read.
    pub(super) fn told(&self) -> bool {
        self.told
    }

    /// Whether the byte ends a statement.
    fn byte(&mut self, byte: u8) -> bool {
        match self.state {
            State::Plain => return self.plain(byte),
            State::Dash if byte == b'-' => self.state = State::Dashes,
            State::Dashes if matches!(byte, b' ' | b'\n') => {
                self.line.clear();
                self.state = if byte == b'\n' { State::Plain } else { State::Line };
            }
            State::Dash | State::Dashes => {
                let dashes: &[u8] = if self.state == State::Dash { b"-" } else { b"--" };
                self.keep_all(dashes);
                return self.again(byte);
            }
            State::Slash if byte == b'*' => self.state = State::SlashStar,
            State::Slash => {
                self.keep(b'/');
                return self.again(byte);
            }
            // What some servers obey is no comment.
            State::SlashStar if matches!(byte, b'!' | b'M') => {
                self.keep_all(b"/*");
                self.keep(byte);
                self.state = State::Plain;
            }
            State::SlashStar => self.state = State::Block { star: byte == b'*' },
            State::Block { star: true } if byte == b'/' => self.state = State::Plain,
            State::Block { .. } => self.state = State::Block { star: byte == b'*' },
            State::Line if byte == b'\n' => {
                let usual = |text: &&[u8]| {
                    if text.is_empty() { self.line.is_empty() } else { self.line.starts_with(text) }
                };
                self.told |= !USUAL.iter().any(usual);
                self.state = State::Plain;
            }
            State::Line => self.keep_line(byte, 32),
            State::Quoted { by, escaped } => {
                self.keep(byte);
                self.state = quoted(by, escaped, byte);
            }
            State::Program => return self.program(byte),
        }
        false
    }

    fn again(&mut self, byte: u8) -> bool {
        self.state = State::Plain;
        self.plain(byte)
    }

    fn plain(&mut self, byte: u8) -> bool {
        match byte {
            b'\'' | b'"' | b'`' => self.state = State::Quoted { by: byte, escaped: false },
            b'-' => {
                self.state = State::Dash;
                return false;
            }
            b'/' => {
                self.state = State::Slash;
                return false;
            }
            b'(' => self.open(),
            b')' => self.close(),
            b',' if self.in_rows && self.depth == 1 => self.values += 1,
            b';' if !self.statement.head.starts_with(b"DELIMITER ") => {
                self.statement.unbalanced |= self.depth != 0;
                return !self.statement.head.is_empty();
            }
            b'\n' if self.statement.head.starts_with(b"DELIMITER ") => {
                self.begin_program();
                return false;
            }
            _ => {}
        }
        self.keep(byte);
        false
    }

    fn open(&mut self) {
        if self.depth == 0
            && self.statement.head.starts_with(b"INSERT ")
            && self.statement.head.ends_with(b" VALUES\n")
        {
            self.in_rows = true;
        }
        self.depth += 1;
        self.values = 1;
        // No value of ours is written with brackets.
        self.statement.unbalanced |= self.in_rows && self.depth > 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.statement.unbalanced |= self.depth < 0;
        if self.in_rows && self.depth == 0 {
            if self.statement.rows == 0 {
                self.statement.width = self.values;
            }
            self.statement.ragged |= self.values != self.statement.width;
            self.statement.rows += 1;
        }
    }

    fn begin_program(&mut self) {
        let delimiter = self.statement.head.strip_prefix(b"DELIMITER ").unwrap_or_default().to_vec();
        self.statement = Statement::default();
        if delimiter != b";" {
            self.delimiter = delimiter;
            self.line.clear();
            self.state = State::Program;
        }
    }

    /// A program ends with its mark on a line of its own; what is before is for the server to understand.
    fn program(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            if self.line == self.delimiter {
                self.state = State::Plain;
                self.statement.program = true;
                return true;
            }
            self.line.clear();
        } else {
            self.keep_line(byte, self.delimiter.len() + 1);
        }
        self.keep(byte);
        false
    }

    fn keep_line(&mut self, byte: u8, at_most: usize) {
        if self.line.len() < at_most {
            self.line.push(byte);
        }
    }

    fn keep_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.keep(*byte));
    }

    #[inline]
    fn keep(&mut self, byte: u8) {
        let head = &mut self.statement.head;
        if !self.in_rows && head.len() < HEAD_MAX && !(head.is_empty() && byte.is_ascii_whitespace()) {
            head.push(byte);
        }
    }
}
