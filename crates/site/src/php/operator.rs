//! Operators.

use std::rc::Rc;

use tree_sitter::Node;

use super::assign::union;
use super::coerce::{self, Truth};
use super::machine::Machine;
use super::source::Source;
use super::value::{Array, Data, Place, Value, Why};

impl Machine<'_> {
    pub(super) fn binary(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let (Some(left), Some(operator), Some(right)) = (
            node.child_by_field_name("left"),
            node.child_by_field_name("operator"),
            node.child_by_field_name("right"),
        ) else {
            return Value::unknown(Why::Form("an expression"), at);
        };
        let operator = source.name(operator).to_ascii_lowercase();
        match operator.as_str() {
            "??" => self.coalesce(source, left, right),
            "&&" | "and" => {
                let left = self.eval(source, left);
                self.fork_value(
                    coerce::truth(&left),
                    |machine| machine.as_bool(source, right),
                    |_| Value::new(Data::Bool(false), at),
                    at,
                )
            }
            "||" | "or" => {
                let left = self.eval(source, left);
                self.fork_value(
                    coerce::truth(&left),
                    |_| Value::new(Data::Bool(true), at),
                    |machine| machine.as_bool(source, right),
                    at,
                )
            }
            _ => {
                let args = [self.eval(source, left), self.eval(source, right)];
                coerce::lift(&args, at, |args| apply(&operator, args, at))
            }
        }
    }

    fn as_bool(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let value = self.eval(source, node);
        bool_of(&value, source.place(node))
    }

    pub(super) fn unary(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let (field, operand) = if node.kind() == "cast_expression" {
            ("type", node.child_by_field_name("value"))
        } else {
            ("operator", node.child_by_field_name("argument"))
        };
        let (Some(operator), Some(operand)) = (node.child_by_field_name(field), operand) else {
            return Value::unknown(Why::Form("an expression"), at);
        };
        let operator = source.name(operator).trim().to_ascii_lowercase();
        let value = self.eval(source, operand);
        coerce::lift(&[value], at, |args| match args {
            [value] => apply_unary(&operator, value, at),
            _ => Value::null(),
        })
    }
}

/// A value as `true` or `false`.
pub(super) fn bool_of(value: &Value, at: Place) -> Value {
    match coerce::truth(value) {
        Truth::Known(truth) => Value::new(Data::Bool(truth), at),
        Truth::Unsure(why, likely) => {
            Value::unsure(why, likely.map(|truth| Value::new(Data::Bool(truth), at)), at)
        }
    }
}

fn apply_unary(operator: &str, value: &Value, at: Place) -> Value {
    let data = match operator {
        "!" => value.data.truth().map(|truth| Data::Bool(!truth)),
        "bool" | "boolean" => value.data.truth().map(Data::Bool),
        "string" => value.data.to_text().map(Data::Text),
        "int" | "integer" => value.data.to_int().map(Data::Int),
        "-" => value.data.to_int().and_then(i64::checked_neg).map(Data::Int),
        "+" => value.data.to_int().map(Data::Int),
        "array" if !matches!(value.data, Data::Array(_)) => {
            let mut array = Array::default();
            if value.data != Data::Null {
                array.push(value.clone());
            }
            Some(Data::Array(Rc::new(array)))
        }
        // Objects are taken for arrays.
        "array" | "object" => matches!(value.data, Data::Array(_)).then(|| value.data.clone()),
        _ => None,
    };
    data.map_or_else(|| Value::unknown(Why::Form("an operator"), at), |data| Value::new(data, at))
}

/// A binary operator on two known values.
pub(super) fn apply(operator: &str, args: &[Value], at: Place) -> Value {
    let [a, b] = args else { return Value::null() };
    let (a, b) = (&a.data, &b.data);
    let ints = || Some((a.to_int()?, b.to_int()?));
    let exact = || match (a, b) {
        (Data::Int(a), Data::Int(b)) => Some((*a, *b)),
        _ => None,
    };
    let data = match operator {
        "." => a.to_text().zip(b.to_text()).map(|(a, b)| Data::Text(format!("{a}{b}").into())),
        "===" => coerce::same(a, b).map(Data::Bool),
        "!==" => coerce::same(a, b).map(|same| Data::Bool(!same)),
        "==" => coerce::equal(a, b).map(Data::Bool),
        "!=" | "<>" => coerce::equal(a, b).map(|equal| Data::Bool(!equal)),
        "<" => exact().map(|(a, b)| Data::Bool(a < b)),
        ">" => exact().map(|(a, b)| Data::Bool(a > b)),
        "<=" => exact().map(|(a, b)| Data::Bool(a <= b)),
        ">=" => exact().map(|(a, b)| Data::Bool(a >= b)),
        "xor" => a.truth().zip(b.truth()).map(|(a, b)| Data::Bool(a != b)),
        "|" => exact().map(|(a, b)| Data::Int(a | b)),
        "&" => exact().map(|(a, b)| Data::Int(a & b)),
        "^" => exact().map(|(a, b)| Data::Int(a ^ b)),
        "+" => match (a, b) {
            (Data::Array(a), Data::Array(b)) => Some(Data::Array(Rc::new(union(a, b)))),
            _ => ints().and_then(|(a, b)| a.checked_add(b)).map(Data::Int),
        },
        "-" => ints().and_then(|(a, b)| a.checked_sub(b)).map(Data::Int),
        "*" => ints().and_then(|(a, b)| a.checked_mul(b)).map(Data::Int),
        "%" => ints().and_then(|(a, b)| a.checked_rem(b)).map(Data::Int),
        _ => None,
    };
    data.map_or_else(|| Value::unknown(Why::Form("an operator"), at), |data| Value::new(data, at))
}
