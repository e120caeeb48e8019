//! Calls: of the program's own functions, of PHP's, and of the few methods that settings files use.

use std::rc::Rc;

use tree_sitter::Node;

use super::builtin;
use super::machine::{Flow, Function, Machine};
use super::source::Source;
use super::state::Scope;
use super::value::{Array, Data, Place, Value, Why};

impl Machine<'_> {
    pub(super) fn call(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let (Some(function), Some(arguments)) =
            (node.child_by_field_name("function"), node.child_by_field_name("arguments"))
        else {
            return Value::unknown(Why::Form("a call"), at);
        };
        if !matches!(function.kind(), "name" | "qualified_name" | "relative_name") {
            self.eval(source, function);
            return Value::unknown(Why::Form("a call of a closure"), at);
        }
        let name = last_part(source.name(function)).to_ascii_lowercase();
        let nodes = argument_nodes(arguments);
        // These look at what is there without using it.
        match name.as_str() {
            "isset" => return self.isset(source, &nodes, at),
            "empty" => return self.empty(source, &nodes, at),
            "compact" | "eval" | "extract" => return self.wild(source, &name, &nodes, at),
            _ => {}
        }
        let Some(args) = self.arguments(source, &nodes) else {
            return Value::unknown(Why::Form("a call with named or spread arguments"), at);
        };
        if let Some(function) = self.functions.get(&name).cloned() {
            return self.call_own(&function, &name, &nodes, source, args, at);
        }
        if builtin::changes_arguments(&name, nodes.len()) {
            for node in &nodes {
                self.distrust(source, *node, &Why::Call(name.clone()));
            }
        }
        self.builtin(source, &name, &args, at)
    }

    /// The values of arguments; `None` if they are named or spread.
    fn arguments(&mut self, source: &Rc<Source>, nodes: &[Node<'_>]) -> Option<Vec<Value>> {
        let mut args = Vec::with_capacity(nodes.len());
        for node in nodes {
            let plain = node.kind() == "argument"
                && node.named_child_count() == 1
                && node.named_child(0).is_some_and(|inner| inner.kind() != "variadic_unpacking");
            if !plain {
                return None;
            }
            args.push(self.eval(source, *node));
        }
        Some(args)
    }

    fn call_own(
        &mut self,
        function: &Function,
        name: &str,
        nodes: &[Node<'_>],
        caller: &Rc<Source>,
        args: Vec<Value>,
        at: Place,
    ) -> Value {
        let unknown = || Value::unknown(Why::Call(name.to_owned()), at);
        let source = &function.source;
        let Some(node) = source.find(&function.range, "function_definition") else { return unknown() };
        if node.has_error() || self.state.scopes.len() > 20 {
            return unknown();
        }
        let Some(scope) = self.bind_parameters(source, node, &args) else {
            for node in nodes {
                self.distrust(caller, *node, &Why::Call(name.to_owned()));
            }
            return unknown();
        };
        self.state.scopes.push(scope);
        let mark = self.pending.len();
        let flow = match node.child_by_field_name("body") {
            Some(body) => self.run_statement(source, body),
            None => Flow::Next,
        };
        let flow = self.settle_returns(mark, flow);
        self.state.scopes.pop();
        match flow {
            Flow::Return(value) => value,
            _ => unknown(),
        }
    }

    /// A function's first variables; `None` if it takes something by reference.
    fn bind_parameters(&mut self, source: &Rc<Source>, function: Node<'_>, args: &[Value]) -> Option<Scope> {
        let mut scope = Scope::default();
        let parameters = function.child_by_field_name("parameters")?;
        let mut cursor = parameters.walk();
        let mut args = args.iter();
        for parameter in parameters.named_children(&mut cursor) {
            if parameter.child_by_field_name("reference_modifier").is_some() {
                return None;
            }
            let Some(name) = parameter.child_by_field_name("name") else { continue };
            let name = source.name(name).trim_start_matches('$').to_owned();
            if parameter.kind() == "variadic_parameter" {
                let mut rest = Array::default();
                args.by_ref().for_each(|value| rest.push(value.clone()));
                scope.variables.insert(name, Value::new(Data::Array(Rc::new(rest)), source.place(parameter)));
                continue;
            }
            let value = match (args.next(), parameter.child_by_field_name("default_value")) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => self.eval(source, default),
                (None, None) => return None,
            };
            scope.variables.insert(name, value);
        }
        Some(scope)
    }

    fn isset(&mut self, source: &Rc<Source>, nodes: &[Node<'_>], at: Place) -> Value {
        let mut outcome = Value::new(Data::Bool(true), at);
        for node in nodes {
            let found = node.named_child(0).and_then(|inner| self.look_up(source, inner));
            match found.map(|value| value.data) {
                None | Some(Data::Null) => return Value::new(Data::Bool(false), at),
                Some(Data::Unknown(unknown)) => {
                    let likely = unknown
                        .otherwise
                        .as_ref()
                        .map(|value| Value::new(Data::Bool(value.data != Data::Null), at));
                    outcome = Value::unsure(unknown.why.clone(), likely, at);
                }
                Some(_) => {}
            }
        }
        outcome
    }

    fn empty(&mut self, source: &Rc<Source>, nodes: &[Node<'_>], at: Place) -> Value {
        let found =
            nodes.first().and_then(|node| node.named_child(0)).map(|inner| self.look_up(source, inner));
        let value = found.flatten().unwrap_or_else(Value::null);
        super::coerce::lift(&[super::operator::bool_of(&value, at)], at, |args| {
            let empty = args.first().and_then(|value| value.data.truth()).map(|truth| !truth);
            empty.map_or_else(Value::null, |empty| Value::new(Data::Bool(empty), at))
        })
    }

    /// `extract()` sets variables that it names itself; `eval()` may do anything.
    fn wild(&mut self, source: &Rc<Source>, name: &str, nodes: &[Node<'_>], at: Place) -> Value {
        let value = nodes.first().map_or_else(Value::null, |node| self.eval(source, *node));
        let array =
            value.as_array().filter(|array| name == "extract" && nodes.len() == 1 && array.open.is_none());
        if let Some(array) = array {
            for (key, value) in array.iter() {
                if let Some(key) = key.to_data().to_text() {
                    self.state.set(&key, value.clone());
                }
            }
        } else if name != "compact" {
            self.note(at, format!("{name}() may set anything, and is not followed"));
            self.state.overshadow(Why::Call(name.to_owned()));
        }
        Value::unknown(Why::Call(name.to_owned()), at)
    }

    /// `Config::define()` of Bedrock, and `Env::get()`.
    pub(super) fn static_call(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let field = |name| node.child_by_field_name(name);
        let (Some(scope), Some(name), Some(arguments)) = (field("scope"), field("name"), field("arguments"))
        else {
            return Value::unknown(Why::Form("a call"), at);
        };
        let called = format!("{}::{}", last_part(source.name(scope)), source.name(name));
        let nodes = argument_nodes(arguments);
        let Some(args) = self.arguments(source, &nodes) else {
            return Value::unknown(Why::Call(called), at);
        };
        match (called.to_ascii_lowercase().as_str(), &args[..]) {
            ("config::define" | "config::set", [name, value, ..]) => {
                self.configure(name, value);
                Value::new(Data::Bool(true), at)
            }
            ("config::get", [name, ..]) => {
                let found = name.as_text().and_then(|name| self.state.constants.get(name)).cloned();
                found.unwrap_or_else(|| Value::unknown(Why::Call(called), at))
            }
            ("env::get" | "env::env", args) => self.builtin(source, "env", args, at),
            _ => Value::unknown(Why::Call(called), at),
        }
    }

    /// Sets a constant that may be set again the same way, and by nothing else.
    fn configure(&mut self, name: &Value, value: &Value) {
        let Some(name) = name.as_text() else { return };
        if self.state.configured.contains(name) {
            self.state.constants.insert(name.to_owned(), value.clone());
        } else {
            let fresh = !self.state.constants.contains_key(name);
            self.state.define(name, value.clone());
            if fresh {
                self.state.configured.insert(name.to_owned());
            }
        }
    }

    /// Methods are not followed; their arguments may hold assignments.
    pub(super) fn method_call(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        if let Some(arguments) = node.child_by_field_name("arguments") {
            let nodes = argument_nodes(arguments);
            self.arguments(source, &nodes);
        }
        let name = node.child_by_field_name("name").map_or("a method", |name| source.name(name));
        Value::unknown(Why::Call(name.to_owned()), source.place(node))
    }
}

fn argument_nodes(arguments: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = arguments.walk();
    arguments.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// A name without its namespace.
fn last_part(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}
