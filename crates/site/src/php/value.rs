//! Values: what PHP has, and what can't be told.

use std::fmt;
use std::rc::Rc;

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the files that were read; [`Place::NOWHERE`] has none.
    pub file: u32,
    /// The line, from 1.
    pub line: u32,
}

impl Place {
    /// Of what no file says.
    pub const NOWHERE: Place = Place { file: u32::MAX, line: 0 };
}

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct Value {
    /// The value.
    pub data: Data,
    /// Where it was written.
    pub at: Place,
}

/// What a value is.
#[derive(Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    Array(Rc<Array>),
    /// It can't be told.
    Unknown(Rc<Unknown>),
}

/// Why a value can't be told, and what it is most likely.
#[derive(PartialEq)]
pub(crate) struct Unknown {
    /// Why.
    pub why: Why,
    /// The value if everything that isn't known is not there: no such variable, nothing included.
    pub otherwise: Option<Value>,
}

/// Why a value can't be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It hangs on an environment variable that isn't known.
    Variable(String),
    /// It hangs on something that only a request knows.
    Request(String),
    /// It hangs on a function that isn't worked out.
    Call(String),
    /// It hangs on a name that was set nowhere.
    Unset(String),
    /// It hangs on a file that can't be read or may not be.
    Include(String),
    /// It hangs on a form of PHP that isn't worked out.
    Form(&'static str),
    /// The reading was stopped at one of its limits.
    Limit,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Variable(name) => write!(f, "the environment variable {name}, which isn't known here"),
            Why::Request(name) => write!(f, "{name}, which only a request to the site knows"),
            Why::Call(name) => write!(f, "{name}(), which is not worked out here"),
            Why::Unset(name) => write!(f, "{name}, which is set nowhere that could be read"),
            Why::Include(path) => write!(f, "the file {path}, which was not read"),
            Why::Form(what) => write!(f, "{what}, which is not worked out here"),
            Why::Limit => f.write_str("more PHP than is read here"),
        }
    }
}

/// An array's key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Int(i64),
    Text(Rc<str>),
}

impl Key {
    /// A text as a key: PHP takes decimal integers as such.
    pub fn from_text(text: &str) -> Key {
        match text.parse::<i64>() {
            Ok(int) if int.to_string() == text => Key::Int(int),
            _ => Key::Text(text.into()),
        }
    }

    /// The key as a value.
    pub fn to_data(&self) -> Data {
        match self {
            Key::Int(int) => Data::Int(*int),
            Key::Text(text) => Data::Text(text.clone()),
        }
    }
}

/// More elements than settings have.
const ELEMENTS_MAX: usize = 10_000;
/// Deeper than settings are.
const DEPTH_MAX: u32 = 64;

/// An ordered array.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Array {
    items: Vec<(Key, Value)>,
    /// Why there may be other elements, if there may.
    pub open: Option<Why>,
    next: i64,
    depth: u32,
    weight: u32,
}

impl Array {
    /// An empty array in which there may be elements that nobody saw.
    pub fn opened(why: Option<Why>) -> Array {
        Array { open: why, ..Array::default() }
    }

    /// An array of these elements.
    pub fn from_items(items: impl IntoIterator<Item = (Key, Value)>) -> Array {
        let mut array = Array::default();
        for (key, value) in items {
            array.set(key, value);
        }
        array
    }

    /// The element of a key.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.items.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The element of a key; unknown where there may be one that nobody saw.
    pub fn find(&self, key: &Key) -> Option<Value> {
        let hidden = || self.open.clone().map(|why| Value::unknown(why, Place::NOWHERE));
        self.get(key).cloned().or_else(hidden)
    }

    /// The element of a text key.
    pub fn at(&self, key: &str) -> Option<&Value> {
        self.get(&Key::from_text(key))
    }

    /// Takes an element out, to be changed and put back with [`set`](Self::set).
    pub fn take(&mut self, key: &Key) -> Option<Value> {
        let slot = self.items.iter_mut().find(|(k, _)| k == key)?;
        Some(std::mem::replace(&mut slot.1, Value::null()))
    }

    /// Sets an element.
    pub fn set(&mut self, key: Key, value: Value) {
        self.depth = self.depth.max(value.depth().saturating_add(1));
        self.weight = self.weight.saturating_add(value.weight());
        if let Key::Int(int) = key {
            self.next = self.next.max(int.saturating_add(1));
        }
        match self.items.iter_mut().find(|(k, _)| *k == key) {
            Some(slot) => slot.1 = value,
            None => self.items.push((key, value)),
        }
    }

    /// Adds an element under the next number.
    pub fn push(&mut self, value: Value) {
        self.set(Key::Int(self.next), value);
    }

    /// Removes an element.
    pub fn remove(&mut self, key: &Key) {
        self.items.retain(|(k, _)| k != key);
    }

    /// All elements, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Key, Value)> {
        self.items.iter()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it is larger or deeper than settings are.
    fn is_absurd(&self) -> bool {
        self.items.len() > ELEMENTS_MAX || self.depth > DEPTH_MAX || self.weight > 20 * ELEMENTS_MAX as u32
    }
}

/// Longer than any text in settings.
const TEXT_MAX: usize = 1 << 20;

impl Value {
    /// A value at a place.
    pub fn new(data: Data, at: Place) -> Value {
        Value { data, at }
    }

    /// Null, from nowhere.
    pub fn null() -> Value {
        Value::new(Data::Null, Place::NOWHERE)
    }

    /// A text, from nowhere.
    pub fn text(text: &str) -> Value {
        Value::new(Data::Text(text.into()), Place::NOWHERE)
    }

    /// A value that can't be told.
    pub fn unknown(why: Why, at: Place) -> Value {
        Value::unsure(why, None, at)
    }

    /// A value that can't be told, but is most likely `otherwise`.
    pub fn unsure(why: Why, otherwise: Option<Value>, at: Place) -> Value {
        let otherwise = otherwise.and_then(|value| value.assumed());
        Value::new(Data::Unknown(Rc::new(Unknown { why, otherwise })), at)
    }

    /// The value if it is known, else what it most likely is.
    pub fn assumed(&self) -> Option<Value> {
        match &self.data {
            Data::Unknown(unknown) => unknown.otherwise.clone(),
            _ => Some(self.clone()),
        }
    }

    /// Why it can't be told, if it can't.
    pub fn why(&self) -> Option<&Why> {
        match &self.data {
            Data::Unknown(unknown) => Some(&unknown.why),
            _ => None,
        }
    }

    /// The same at another place, if it has none yet.
    pub fn placed(mut self, at: Place) -> Value {
        if self.at == Place::NOWHERE {
            self.at = at;
        }
        self
    }

    /// The same, at the place where it got its name: the line that people look for.
    pub fn at_call(self, at: Place) -> Value {
        Value { at, ..self }
    }

    /// The array, if it is one.
    pub fn as_array(&self) -> Option<&Array> {
        match &self.data {
            Data::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same, unless it is larger than settings are.
    pub fn bounded(self) -> Value {
        let absurd = match &self.data {
            Data::Array(array) => array.is_absurd(),
            Data::Text(text) => text.len() > TEXT_MAX,
            _ => false,
        };
        if absurd { Value::unknown(Why::Limit, self.at) } else { self }
    }

    fn depth(&self) -> u32 {
        match &self.data {
            Data::Array(array) => array.depth,
            Data::Unknown(unknown) => unknown.otherwise.as_ref().map_or(0, |v| v.depth().saturating_add(1)),
            _ => 0,
        }
    }

    /// About how much work it is to walk it.
    pub fn weight(&self) -> u32 {
        match &self.data {
            Data::Array(array) => array.weight.saturating_add(1),
            Data::Text(text) => 1 + (text.len() / 256) as u32,
            Data::Unknown(unknown) => unknown.otherwise.as_ref().map_or(1, |v| v.weight().saturating_add(1)),
            _ => 1,
        }
    }
}

impl PartialEq for Value {
    /// Whether two values are the same, wherever they were written.
    fn eq(&self, other: &Value) -> bool {
        match (&self.data, &other.data) {
            (Data::Array(a), Data::Array(b)) if Rc::ptr_eq(a, b) => true,
            (Data::Unknown(a), Data::Unknown(b)) if Rc::ptr_eq(a, b) => true,
            (a, b) => a == b,
        }
    }
}

/// Shows what kind of value it is and never its text, which may be a password.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Data::Null => f.write_str("null"),
            Data::Bool(bool) => write!(f, "{bool}"),
            Data::Int(_) => f.write_str("int"),
            Data::Text(_) => f.write_str("text"),
            Data::Array(array) => write!(f, "array of {}", array.len()),
            Data::Unknown(unknown) => write!(f, "unknown ({})", unknown.why),
        }
    }
}
