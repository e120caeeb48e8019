//! Assignments: to variables, to elements of nested arrays, to lists.

use std::rc::Rc;

use tree_sitter::Node;

use super::coerce;
use super::machine::Machine;
use super::source::Source;
use super::value::{Array, Data, Key, Place, Value, Why};

/// One step into an array.
pub(super) enum Step {
    /// To an element.
    Key(Value),
    /// To a new element at the end.
    Push,
}

impl Machine<'_> {
    /// Assigns a value to whatever stands left of `=`.
    pub(super) fn assign(&mut self, source: &Rc<Source>, target: Node<'_>, value: Value) {
        match target.kind() {
            "list_literal" => self.assign_list(source, target, &value),
            "parenthesized_expression" => {
                if let Some(inner) = target.named_child(0) {
                    self.assign(source, inner, value);
                }
            }
            "scoped_property_access_expression" => {}
            _ => match self.path_of(source, target) {
                Some((root, steps)) => self.assign_path(&root, &steps, value, source.place(target)),
                None => {
                    self.note(
                        source.place(target),
                        "an assignment to a variable whose name can't be told".into(),
                    );
                    self.state.overshadow(Why::Form("an assignment to a variable whose name can't be told"));
                }
            },
        }
    }

    fn assign_path(&mut self, root: &str, steps: &[Step], value: Value, at: Place) {
        if steps.is_empty() {
            return self.state.set(root, value);
        }
        let current = match self.state.variable(root) {
            Ok(current) => current.unwrap_or_else(Value::null),
            Err(why) => Value::unsure(why, Some(Value::null()), at),
        };
        self.spend(u64::from(current.weight()) / 16);
        // Let go of it first, so that it is changed in place.
        self.state.set(root, Value::null());
        let changed = put(current, steps, value, at);
        self.state.set(root, changed);
    }

    /// The variable that an assignment changes, and the way into it.
    pub(super) fn path_of(&mut self, source: &Rc<Source>, node: Node<'_>) -> Option<(String, Vec<Step>)> {
        let mut steps = Vec::new();
        let mut node = node;
        loop {
            match node.kind() {
                "variable_name" => {
                    let name = source.name(node).trim_start_matches('$').to_owned();
                    steps.reverse();
                    return Some(self.through_globals(name, steps));
                }
                "dynamic_variable_name" => {
                    let name = node.named_child(0).map(|name| self.eval(source, name))?;
                    steps.reverse();
                    return name.as_text().map(|name| (name.to_owned(), steps));
                }
                "subscript_expression" => {
                    let key = node.named_child(1).map(|key| self.eval(source, key));
                    steps.push(key.map_or(Step::Push, Step::Key));
                    node = node.named_child(0)?;
                }
                "member_access_expression" => {
                    let name = node.child_by_field_name("name").filter(|name| name.kind() == "name")?;
                    steps.push(Step::Key(Value::text(source.name(name))));
                    node = node.child_by_field_name("object")?;
                }
                _ => return None,
            }
        }
    }

    /// `$GLOBALS['x']` is the global variable `x`.
    fn through_globals(&mut self, name: String, mut steps: Vec<Step>) -> (String, Vec<Step>) {
        let global = match steps.first() {
            Some(Step::Key(key)) if name == "GLOBALS" => key.as_text().map(str::to_owned),
            _ => None,
        };
        let Some(global) = global else { return (name, steps) };
        steps.remove(0);
        if self.state.scopes.len() > 1
            && let Some(scope) = self.state.scopes.last_mut()
        {
            scope.globals.insert(global.clone());
        }
        (global, steps)
    }

    /// `[$a, , 'k' => $b] = …`: the parts stand in a row, between commas.
    fn assign_list(&mut self, source: &Rc<Source>, target: Node<'_>, value: &Value) {
        let mut cursor = target.walk();
        let children: Vec<Node<'_>> = target.children(&mut cursor).collect();
        let inner = children
            .iter()
            .filter(|child| !matches!(child.kind(), "comment" | "list" | "(" | "[" | ")" | "]"));
        let inner: Vec<Node<'_>> = inner.copied().collect();
        for (index, part) in inner.split(|child| child.kind() == ",").enumerate() {
            let key = i64::try_from(index).unwrap_or(i64::MAX);
            match part {
                [] => {}
                [inner] => self.assign_part(source, *inner, value, &Key::Int(key)),
                [key, _, inner] => {
                    let key = self.eval(source, *key);
                    match key.data.to_key() {
                        Some(key) => self.assign_part(source, *inner, value, &key),
                        None => self.distrust(source, *inner, &Why::Form("a list")),
                    }
                }
                other => other.iter().for_each(|node| self.distrust(source, *node, &Why::Form("a list"))),
            }
        }
    }

    fn assign_part(&mut self, source: &Rc<Source>, target: Node<'_>, value: &Value, key: &Key) {
        if target.kind() == "by_ref" {
            return self.distrust(source, target, &Why::Form("a reference"));
        }
        let part = element(value, key, source.place(target)).unwrap_or_else(Value::null);
        self.assign(source, target, part);
    }

    pub(super) fn unset_element(&mut self, source: &Rc<Source>, node: Node<'_>) {
        let at = source.place(node);
        let Some((root, steps)) = self.path_of(source, node) else {
            return self.distrust(source, node, &Why::Form("an unset()"));
        };
        let Ok(Some(current)) = self.state.variable(&root) else { return };
        let changed = drop_element(current, &steps, at);
        self.state.set(&root, changed);
    }
}

/// An element of a value, or `None` where there surely is none.
pub(super) fn element(value: &Value, key: &Key, at: Place) -> Option<Value> {
    match &value.data {
        Data::Array(array) => array.find(key),
        Data::Unknown(unknown) => {
            let likely =
                unknown.otherwise.as_ref().map(|likely| element(likely, key, at).unwrap_or_else(Value::null));
            Some(Value::unsure(unknown.why.clone(), likely, at))
        }
        Data::Null => None,
        _ => Some(Value::unknown(Why::Form("an element of something that is no array"), at)),
    }
}

/// A value with an element somewhere in it set anew.
fn put(current: Value, steps: &[Step], value: Value, at: Place) -> Value {
    let Some((step, rest)) = steps.split_first() else { return value };
    let Some(mut array) = to_array(current) else {
        return Value::unknown(Why::Form("an element of something that is no array"), at);
    };
    let changed = Rc::make_mut(&mut array);
    match step {
        Step::Push => {
            let inner = put(Value::null(), rest, value, at);
            match changed.open.clone() {
                Some(why) => return Value::unknown(why, at),
                None => changed.push(inner),
            }
        }
        Step::Key(key) => match key.data.to_key() {
            Some(key) => {
                let hidden = changed.open.clone().map(|why| Value::unsure(why, Some(Value::null()), at));
                let inner = changed.take(&key).or(hidden).unwrap_or_else(Value::null);
                changed.set(key, put(inner, rest, value, at));
            }
            None => {
                let why = key.why().cloned().unwrap_or(Why::Form("a key that is no text"));
                return Value::unknown(why, at);
            }
        },
    }
    Value::new(Data::Array(array), at).bounded()
}

/// A value as an array that elements can be put in. One that isn't known becomes one that may have others.
fn to_array(value: Value) -> Option<Rc<Array>> {
    match value.data {
        Data::Array(array) => Some(array),
        Data::Null => Some(Rc::default()),
        Data::Unknown(unknown) => {
            let mut array = Array::opened(Some(unknown.why.clone()));
            let likely = unknown.otherwise.as_ref().and_then(Value::as_array);
            for (key, element) in likely.into_iter().flat_map(Array::iter) {
                let element = Value::unsure(unknown.why.clone(), element.assumed(), element.at);
                array.set(key.clone(), element);
            }
            Some(Rc::new(array))
        }
        _ => None,
    }
}

fn drop_element(current: Value, steps: &[Step], at: Place) -> Value {
    let (Data::Array(mut array), Some((Step::Key(key), rest))) = (current.data.clone(), steps.split_first())
    else {
        return current;
    };
    let Some(key) = key.data.to_key() else {
        return Value::unknown(key.why().cloned().unwrap_or(Why::Limit), at);
    };
    let changed = Rc::make_mut(&mut array);
    if rest.is_empty() {
        // Where others may be hidden, this one must not come back as one of them.
        if changed.open.is_some() { changed.set(key, Value::null()) } else { changed.remove(&key) }
    } else if let Some(inner) = changed.take(&key) {
        changed.set(key, drop_element(inner, rest, at));
    }
    Value::new(Data::Array(array), current.at)
}

/// `a + b` of arrays: elements of `a`, and those of `b` whose keys `a` lacks.
pub(super) fn union(a: &Array, b: &Array) -> Array {
    let mut sum = a.clone();
    for (key, value) in b.iter() {
        match sum.find(key) {
            None => sum.set(key.clone(), value.clone()),
            Some(maybe) => {
                if let Some(why) = maybe.why().cloned()
                    && maybe.assumed().is_none_or(|likely| likely == Value::null())
                {
                    let merged = coerce::merge(&why, Some(false), &maybe, value);
                    sum.set(key.clone(), merged);
                }
            }
        }
    }
    sum.open = sum.open.or_else(|| b.open.clone());
    sum
}
