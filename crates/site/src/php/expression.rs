//! Expressions.

use std::rc::Rc;

use tree_sitter::Node;

use super::assign::element;
use super::coerce::{self, Truth};
use super::machine::Machine;
use super::operator;
use super::source::Source;
use super::value::{Array, Data, Key, Place, Value, Why};

impl Machine<'_> {
    /// The value of an expression.
    pub(super) fn eval(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let value = self.deeper(|machine| machine.expression(source, node));
        value.unwrap_or_else(|| Value::unknown(Why::Limit, at)).placed(at)
    }

    fn expression(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        if node.is_error() || node.is_missing() {
            return Value::unknown(Why::Form("PHP with a syntax error"), at);
        }
        match node.kind() {
            "string" => self.plain_text(source, node),
            "encapsed_string" => self.quoted_text(source, node),
            "heredoc" => self.heredoc(source, node),
            "nowdoc" => self.nowdoc(source, node),
            "integer" => integer(source.name(node), at),
            "boolean" => Value::new(Data::Bool(source.name(node).eq_ignore_ascii_case("true")), at),
            "null" => Value::new(Data::Null, at),
            "parenthesized_expression" | "error_suppression_expression" | "argument" | "print_intrinsic" => {
                self.inner(source, node)
            }
            "sequence_expression" => {
                let mut cursor = node.walk();
                let values: Vec<Value> =
                    node.named_children(&mut cursor).map(|child| self.eval(source, child)).collect();
                values.into_iter().next_back().unwrap_or_else(Value::null)
            }
            "variable_name"
            | "subscript_expression"
            | "member_access_expression"
            | "nullsafe_member_access_expression"
            | "dynamic_variable_name" => self
                .look_up(source, node)
                .unwrap_or_else(|| Value::unknown(Why::Unset(source.name(node).to_owned()), at)),
            "array_creation_expression" => self.array(source, node),
            "name" | "qualified_name" | "relative_name" => self.constant(source, node),
            "class_constant_access_expression" => class_constant(source, node),
            "binary_expression" => self.binary(source, node),
            "unary_op_expression" | "cast_expression" => self.unary(source, node),
            "conditional_expression" => self.conditional(source, node),
            "match_expression" => self.eval_match(source, node),
            "function_call_expression" => self.call(source, node),
            "scoped_call_expression" => self.static_call(source, node),
            "member_call_expression" | "nullsafe_member_call_expression" => self.method_call(source, node),
            "assignment_expression" => self.assignment(source, node),
            "augmented_assignment_expression" => self.augmented(source, node),
            "reference_assignment_expression" => self.reference(source, node),
            "update_expression" => {
                self.distrust(source, node, &Why::Form("++ or --"));
                Value::unknown(Why::Form("++ or --"), at)
            }
            "include_expression"
            | "include_once_expression"
            | "require_expression"
            | "require_once_expression" => self.include(source, node),
            "anonymous_function" | "arrow_function" => self.closure(source, node),
            "shell_command_expression" => Value::unknown(Why::Form("a shell command"), at),
            "object_creation_expression" => Value::unknown(Why::Form("an object"), at),
            "float" => Value::unknown(Why::Form("a number with a fraction"), at),
            _ => Value::unknown(Why::Form("an expression of a rare kind"), at),
        }
    }

    fn inner(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let mut cursor = node.walk();
        let inner = node.named_children(&mut cursor).find(|child| child.kind() != "comment");
        inner.map_or_else(Value::null, |inner| self.eval(source, inner))
    }

    /// What a variable, an element or a property holds; `None` if it surely is not there.
    pub(super) fn look_up(&mut self, source: &Rc<Source>, node: Node<'_>) -> Option<Value> {
        self.deeper(|machine| machine.look_up_once(source, node))
            .unwrap_or_else(|| Some(Value::unknown(Why::Limit, source.place(node))))
    }

    fn look_up_once(&mut self, source: &Rc<Source>, node: Node<'_>) -> Option<Value> {
        let at = source.place(node);
        match node.kind() {
            "variable_name" => self.variable(source.name(node).trim_start_matches('$'), at),
            "dynamic_variable_name" => {
                let name = node.named_child(0).map(|name| self.eval(source, name))?;
                match name.as_text().map(str::to_owned) {
                    Some(name) => self.variable(&name, at),
                    None => Some(Value::unknown(Why::Form("a variable whose name can't be told"), at)),
                }
            }
            "subscript_expression" => {
                let (object, key) = (node.named_child(0)?, node.named_child(1)?);
                let key = self.eval(source, key);
                self.look_up_element(source, object, key, at)
            }
            "member_access_expression" | "nullsafe_member_access_expression" => {
                let object = node.child_by_field_name("object")?;
                let name = node.child_by_field_name("name")?;
                let key = if name.kind() == "name" {
                    Value::text(source.name(name))
                } else {
                    self.eval(source, name)
                };
                self.look_up_element(source, object, key, at)
            }
            "parenthesized_expression" => node.named_child(0).and_then(|inner| self.look_up(source, inner)),
            "name" | "qualified_name" | "relative_name" => {
                let value = self.constant(source, node);
                if matches!(value.why(), Some(Why::Unset(_))) { None } else { Some(value) }
            }
            _ => Some(self.eval(source, node)),
        }
    }

    pub(super) fn look_up_element(
        &mut self,
        source: &Rc<Source>,
        object: Node<'_>,
        key: Value,
        at: Place,
    ) -> Option<Value> {
        if object.kind() == "variable_name"
            && let Some(found) = self.superglobal(source.name(object), &key, at)
        {
            return found;
        }
        let base = self.look_up(source, object)?;
        match key.data.to_key() {
            Some(key) => element(&base, &key, at),
            None => Some(coerce::lift(&[base, key.clone()], at, |args| match args {
                [base, key] => {
                    key.data.to_key().and_then(|key| element(base, &key, at)).unwrap_or_else(Value::null)
                }
                _ => Value::null(),
            })),
        }
    }

    /// An element of `$_SERVER` and the like. `None` if it is no such variable.
    fn superglobal(&mut self, variable: &str, key: &Value, at: Place) -> Option<Option<Value>> {
        let name = variable.trim_start_matches('$');
        if !matches!(name, "_SERVER" | "_ENV" | "GLOBALS" | "_GET" | "_POST" | "_COOKIE" | "_REQUEST") {
            return None;
        }
        let Some(key) = key.data.to_text() else {
            return Some(Some(Value::unknown(Why::Request(variable.to_owned()), at)));
        };
        let set = self.state.scopes.first().and_then(|scope| scope.variables.get(name)).cloned();
        if let Some(value) = set.as_ref().and_then(Value::as_array).and_then(|array| array.at(&key)) {
            return Some(Some(value.clone()));
        }
        Some(match name {
            "GLOBALS" => self.state.scopes.first().and_then(|scope| scope.variables.get(&*key)).cloned(),
            "_SERVER" | "_ENV" => self.environment(&key, name == "_SERVER", at),
            _ => {
                let why = Why::Request(format!("{variable}['{key}']"));
                Some(Value::unsure(why, Some(Value::null()), at))
            }
        })
    }

    fn variable(&mut self, name: &str, at: Place) -> Option<Value> {
        match self.state.variable(name) {
            Ok(value) => value.filter(|value| value.data != Data::Null),
            Err(why) => Some(Value::unsure(why, Some(Value::null()), at)),
        }
    }

    fn array(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let mut array = Array::default();
        let mut cursor = node.walk();
        for element in node.named_children(&mut cursor) {
            if element.kind() != "array_element_initializer" {
                continue;
            }
            if !self.spend(1 + array.len() as u64 / 32) {
                return Value::unknown(Why::Limit, at);
            }
            if let Err(why) = self.array_element(source, element, &mut array) {
                return Value::unknown(why, at);
            }
        }
        Value::new(Data::Array(Rc::new(array)), at).bounded()
    }

    fn array_element(&mut self, source: &Rc<Source>, node: Node<'_>, array: &mut Array) -> Result<(), Why> {
        let mut cursor = node.walk();
        let parts: Vec<Node<'_>> =
            node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect();
        match parts[..] {
            [spread] if spread.kind() == "variadic_unpacking" => {
                let value = self.inner(source, spread);
                let other = value.as_array().ok_or(value.why().cloned().unwrap_or(Why::Form("a spread")))?;
                if let Some(why) = other.open.clone() {
                    return Err(why);
                }
                for (key, value) in other.iter() {
                    match key {
                        Key::Int(_) => array.push(value.clone()),
                        key => array.set(key.clone(), value.clone()),
                    }
                }
            }
            [value] => {
                let value = self.eval(source, value);
                array.push(value);
            }
            [key, value] => {
                let key = self.eval(source, key);
                let value = self.eval(source, value);
                let key = key.data.to_key().ok_or(key.why().cloned().unwrap_or(Why::Form("a key")))?;
                array.set(key, value);
            }
            _ => return Err(Why::Form("an array")),
        }
        Ok(())
    }

    fn conditional(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let (Some(condition), Some(alternative)) =
            (node.child_by_field_name("condition"), node.child_by_field_name("alternative"))
        else {
            return Value::unknown(Why::Form("a condition"), at);
        };
        let condition = self.eval(source, condition);
        let body = node.child_by_field_name("body");
        let itself = condition.clone();
        self.fork_value(
            coerce::truth(&condition),
            |machine| body.map_or(itself, |body| machine.eval(source, body)),
            |machine| machine.eval(source, alternative),
            at,
        )
    }

    /// `a ?? b`
    pub(super) fn coalesce(&mut self, source: &Rc<Source>, left: Node<'_>, right: Node<'_>) -> Value {
        let at = source.place(left);
        let value = self.look_up(source, left).unwrap_or_else(Value::null);
        let there = match &value.data {
            Data::Null => Truth::Known(false),
            Data::Unknown(unknown) => {
                let likely = unknown.otherwise.as_ref().map(|likely| likely.data != Data::Null);
                Truth::Unsure(unknown.why.clone(), likely)
            }
            _ => Truth::Known(true),
        };
        self.fork_value(there, |_| value, |machine| machine.eval(source, right), at)
    }

    fn assignment(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let (Some(left), Some(right)) = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        else {
            return Value::unknown(Why::Form("an assignment"), source.place(node));
        };
        let value = self.eval(source, right);
        self.assign(source, left, value.clone());
        value
    }

    fn augmented(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let (Some(left), Some(operator), Some(right)) = (
            node.child_by_field_name("left"),
            node.child_by_field_name("operator"),
            node.child_by_field_name("right"),
        ) else {
            return Value::unknown(Why::Form("an assignment"), at);
        };
        let operator = source.name(operator).trim_end_matches('=').to_owned();
        let value = if operator == "??" {
            self.coalesce(source, left, right)
        } else {
            let current = self.look_up(source, left).unwrap_or_else(Value::null);
            let right = self.eval(source, right);
            coerce::lift(&[current, right], at, |args| operator::apply(&operator, args, at))
        };
        self.assign(source, left, value.clone());
        value
    }

    /// `$a = &$b`: from here on, neither is known.
    fn reference(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        for side in ["left", "right"] {
            let side = node.child_by_field_name(side);
            if let Some((root, _)) = side.and_then(|side| self.path_of(source, side)) {
                self.state.alias(&root);
            }
        }
        Value::unknown(Why::Form("a reference"), source.place(node))
    }

    /// A closure is not followed; what it may change by reference is not known any more.
    fn closure(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if !self.spend(1) {
                break;
            }
            if node.kind() == "by_ref"
                && let Some(name) = node.named_child(0)
            {
                let name = source.name(name).trim_start_matches('$').to_owned();
                self.state.alias(&name);
            }
            let mut cursor = node.walk();
            stack.extend(node.named_children(&mut cursor));
        }
        Value::unknown(Why::Form("a closure"), source.place(node))
    }
}

fn integer(text: &str, at: Place) -> Value {
    let digits = text.replace('_', "").to_ascii_lowercase();
    let parsed = match digits.as_bytes() {
        [b'0', b'x', ..] => i64::from_str_radix(digits.get(2..).unwrap_or_default(), 16),
        [b'0', b'b', ..] => i64::from_str_radix(digits.get(2..).unwrap_or_default(), 2),
        [b'0', b'o', ..] => i64::from_str_radix(digits.get(2..).unwrap_or_default(), 8),
        [b'0', _, ..] => i64::from_str_radix(digits.get(1..).unwrap_or_default(), 8),
        _ => digits.parse(),
    };
    parsed.map_or_else(
        |_| Value::unknown(Why::Form("a number out of range"), at),
        |int| Value::new(Data::Int(int), at),
    )
}

/// `PDO::MYSQL_ATTR_SSL_CA` stands for itself, as a text.
fn class_constant(source: &Source, node: Node<'_>) -> Value {
    let text = source.name(node).trim_start_matches('\\').replace("Pdo\\Mysql::ATTR_", "PDO::MYSQL_ATTR_");
    let at = source.place(node);
    if text.starts_with("PDO::") || text.starts_with("Pdo\\") || text.ends_with("::class") {
        Value::new(Data::Text(text.into()), at)
    } else {
        Value::unknown(Why::Form("a constant of a class"), at)
    }
}
