//! The reader's own state: where it is, what was set, and how much work it may still do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use tree_sitter::Node;

use super::coerce::{self, Truth};
use super::source::Source;
use super::state::{Scope, State};
use super::value::{Data, Place, Value, Why};
use super::{Outcome, World};

/// Steps of work in all; a large settings file takes some thousands.
const STEPS_MAX: u64 = 400_000;
/// How deep expressions, statements and calls may nest.
const DEPTH_MAX: u32 = 300;

/// A function that the program defines.
#[derive(Clone)]
pub(super) struct Function {
    pub source: Rc<Source>,
    pub range: Range<usize>,
}

/// How control goes on after a statement.
pub(super) enum Flow {
    Next,
    Break(i64),
    Continue(i64),
    Return(Value),
    Exit,
}

/// A way out of a loop, a function or a file that was perhaps taken.
pub(super) struct Pending {
    pub flow: Flow,
    pub state: State,
    pub why: Why,
    /// Whether it is the likely way.
    pub assumed: Option<bool>,
}

/// Works out a program.
pub(super) struct Machine<'w> {
    pub world: &'w World,
    pub state: State,
    pub functions: HashMap<String, Function>,
    pub pending: Vec<Pending>,
    pub files: Vec<PathBuf>,
    /// Other files whose content was asked for.
    pub read: Vec<PathBuf>,
    /// Files that were asked for and are not there.
    pub absent: RefCell<Vec<PathBuf>>,
    pub notes: Vec<(Place, String)>,
    /// How many files are being included at once.
    pub including: u32,
    steps: u64,
    depth: u32,
}

impl<'w> Machine<'w> {
    /// A machine that has run nothing yet.
    pub fn new(world: &'w World) -> Self {
        let mut scope = Scope::default();
        for (name, value) in &world.variables {
            scope.variables.insert((*name).to_owned(), value.clone());
        }
        let constants =
            world.constants.iter().map(|(name, text)| ((*name).to_owned(), Value::text(text))).collect();
        Machine {
            world,
            state: State { scopes: vec![scope], constants, ..State::default() },
            functions: HashMap::new(),
            pending: Vec::new(),
            files: Vec::new(),
            read: Vec::new(),
            absent: RefCell::default(),
            notes: Vec::new(),
            including: 0,
            steps: 0,
            depth: 0,
        }
    }

    /// Runs the file that was pointed at.
    pub fn run_first(&mut self, source: Source) {
        self.files.push(source.path.clone());
        self.state.included.insert(source.path.clone());
        self.run_file(&Rc::new(source));
    }

    /// What everything came to. If the work was cut short, no value can be relied on.
    pub fn into_outcome(self) -> Outcome {
        let cut_short = self.is_spent();
        let doubt = |value: Value| {
            if cut_short { Value::unknown(Why::Limit, value.at) } else { value }
        };
        let scope = self.state.scopes.into_iter().next().unwrap_or_default();
        Outcome {
            variables: scope.variables.into_iter().map(|(k, v)| (k, doubt(v))).collect(),
            constants: self.state.constants.into_iter().map(|(k, v)| (k, doubt(v))).collect(),
            files: self.files,
            read: self.read,
            absent: self.absent.into_inner(),
            notes: self.notes,
        }
    }

    /// Counts work; false if there was too much of it.
    pub fn spend(&mut self, steps: u64) -> bool {
        self.steps = self.steps.saturating_add(steps);
        !self.is_spent()
    }

    /// Whether there was too much work.
    pub fn is_spent(&self) -> bool {
        self.steps > STEPS_MAX
    }

    /// Does something one level deeper, unless that is too deep: then all work ends.
    pub fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if !self.spend(1) {
            return None;
        }
        if self.depth >= DEPTH_MAX {
            self.steps = u64::MAX;
            return None;
        }
        self.depth += 1;
        let outcome = work(self);
        self.depth -= 1;
        Some(outcome)
    }

    /// Remembers something that could not be followed.
    pub fn note(&mut self, place: Place, text: String) {
        if self.notes.len() < 100 && !self.notes.iter().any(|(at, said)| *at == place && *said == text) {
            self.notes.push((place, text));
        }
    }

    /// Goes both ways of a condition that may be undecided. The outcomes of both come back with the reason.
    pub fn fork<T>(
        &mut self,
        truth: Truth,
        yes: impl FnOnce(&mut Self) -> T,
        no: impl FnOnce(&mut Self) -> T,
    ) -> Forked<T> {
        let (why, assumed) = match truth {
            Truth::Known(true) => return Forked::One(yes(self)),
            Truth::Known(false) => return Forked::One(no(self)),
            Truth::Unsure(why, assumed) => (why, assumed),
        };
        let weight = self.state.weight();
        self.spend(weight / 8 + 4);
        let before = self.state.clone();
        let yes = yes(self);
        let after_yes = std::mem::replace(&mut self.state, before);
        let no = no(self);
        let after_no = std::mem::take(&mut self.state);
        Forked::Both(Box::new(Ways { yes, after_yes, no, after_no, why, assumed }))
    }

    /// [`fork`](Self::fork) for expressions: the values and all that was set are merged.
    pub fn fork_value(
        &mut self,
        truth: Truth,
        yes: impl FnOnce(&mut Self) -> Value,
        no: impl FnOnce(&mut Self) -> Value,
        at: Place,
    ) -> Value {
        match self.fork(truth, yes, no) {
            Forked::One(value) => value,
            Forked::Both(ways) => {
                let Ways { yes, after_yes, no, after_no, why, assumed } = *ways;
                self.state = State::merge(&why, assumed, after_yes, after_no);
                // What is likely stays unsure even where both ways gave the same kind of doubt.
                coerce::merge(&why, assumed, &yes, &no).placed(at)
            }
        }
    }

    /// Makes everything that a stretch of code might set unknown. Where it might leave what it stands in, all
    /// that follows is in doubt too.
    pub fn distrust(&mut self, source: &Source, node: Node<'_>, why: &Why) {
        let mut stack = vec![node];
        let mut leaves = None;
        while let Some(node) = stack.pop() {
            if !self.spend(1) {
                return;
            }
            match node.kind() {
                "variable_name" => {
                    self.doubt_variable(source.name(node).trim_start_matches('$'), why, source.place(node));
                }
                "string" | "encapsed_string" => {
                    self.doubt_constant(source.name(node).trim_matches(['\'', '"']), why, source.place(node));
                }
                "include_expression"
                | "include_once_expression"
                | "require_expression"
                | "require_once_expression" => self.state.overshadow(why.clone()),
                "function_definition" | "anonymous_function" | "class_declaration" => continue,
                "return_statement" => {
                    leaves = Some(Flow::Return(Value::unknown(why.clone(), source.place(node))))
                }
                "break_statement" | "continue_statement" if node.named_child_count() > 0 => {
                    leaves = leaves.or(Some(Flow::Break(1)));
                }
                _ => {}
            }
            let mut cursor = node.walk();
            stack.extend(node.named_children(&mut cursor));
        }
        if let Some(flow) = leaves {
            let state = self.state.clone();
            self.pending.push(Pending { flow, state, why: why.clone(), assumed: None });
        }
    }

    /// [`distrust`](Self::distrust) of a file from some byte on, where it does not parse: the tree can't be
    /// relied on, so the text is searched for names.
    pub fn distrust_text(&mut self, source: &Source, from: usize, why: &Why) {
        let before = source.bytes.get(..from).unwrap_or_default();
        let row = before.iter().filter(|byte| **byte == b'\n').count();
        let at = Place { file: source.index, line: u32::try_from(row).unwrap_or(0).saturating_add(1) };
        let text = String::from_utf8_lossy(source.bytes.get(from..).unwrap_or_default()).into_owned();
        self.spend(text.len() as u64 / 16);
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let mut from = 0;
        while let Some(start) = text.get(from..).and_then(|rest| rest.find(is_part)).map(|found| from + found)
        {
            let rest = text.get(start..).unwrap_or_default();
            let word = rest.get(..rest.find(|c| !is_part(c)).unwrap_or(rest.len())).unwrap_or_default();
            from = start + word.len();
            let before = text.get(..start).unwrap_or_default();
            if before.ends_with(['$', '{']) {
                self.doubt_variable(word, why, at);
            } else if before.ends_with(['\'', '"']) {
                self.doubt_constant(word, why, at);
            } else if word.starts_with("include") || word.starts_with("require") || word == "eval" {
                self.state.overshadow(why.clone());
            }
        }
    }

    fn doubt_variable(&mut self, name: &str, why: &Why, at: Place) {
        self.state.set(name, Value::unknown(why.clone(), at));
    }

    /// A text in code that is not followed may be the name of a constant that it defines.
    fn doubt_constant(&mut self, name: &str, why: &Why, at: Place) {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_name && !self.state.constants.contains_key(name) {
            let absent = Value::unsure(why.clone(), Some(Value::null()), at);
            self.state.constants.insert(name.to_owned(), absent);
        }
    }

    /// A text as a value at a place.
    pub fn text(&self, text: &str, at: Place) -> Value {
        Value::new(Data::Text(text.into()), at)
    }
}

/// What came of a fork.
pub(super) enum Forked<T> {
    /// The condition was known.
    One(T),
    /// It was not.
    Both(Box<Ways<T>>),
}

/// Both ways of a condition.
pub(super) struct Ways<T> {
    pub yes: T,
    pub after_yes: State,
    pub no: T,
    pub after_no: State,
    pub why: Why,
    pub assumed: Option<bool>,
}
