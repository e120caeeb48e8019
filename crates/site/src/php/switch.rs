//! `switch` and `match`.

use std::rc::Rc;

use tree_sitter::Node;

use super::coerce;
use super::machine::{Flow, Machine};
use super::source::Source;
use super::value::{Data, Place, Value, Why};

impl Machine<'_> {
    pub(super) fn run_switch(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let (Some(condition), Some(body)) =
            (node.child_by_field_name("condition"), node.child_by_field_name("body"))
        else {
            return Flow::Next;
        };
        let subject = self.eval(source, condition);
        let mut cursor = body.walk();
        let cases: Vec<Node<'_>> = body
            .named_children(&mut cursor)
            .filter(|child| matches!(child.kind(), "case_statement" | "default_statement"))
            .collect();
        let mark = self.pending.len();
        let flow = match self.enter_case(source, &subject, &cases, 0) {
            Flow::Break(1) | Flow::Continue(1) => Flow::Next,
            Flow::Break(levels) => Flow::Break(levels - 1),
            Flow::Continue(levels) => Flow::Continue(levels - 1),
            flow => flow,
        };
        self.end_loop(mark, flow)
    }

    /// Looks for the case that fits, from one on, and runs from there.
    fn enter_case(&mut self, source: &Rc<Source>, subject: &Value, cases: &[Node<'_>], from: usize) -> Flow {
        let next = cases
            .iter()
            .enumerate()
            .skip(from)
            .find_map(|(index, case)| case.child_by_field_name("value").map(|value| (index, value)));
        let Some((index, value)) = next else {
            let default = cases.iter().position(|case| case.kind() == "default_statement");
            return default.map_or(Flow::Next, |index| self.run_cases(source, cases, index));
        };
        let value = self.eval(source, value);
        let truth = loose(subject, &value);
        self.deeper(|machine| {
            machine.fork_flow(
                coerce::truth(&truth),
                |machine| machine.run_cases(source, cases, index),
                |machine| machine.enter_case(source, subject, cases, index + 1),
            )
        })
        .unwrap_or(Flow::Exit)
    }

    /// Runs a case and, unless it leaves, those after it.
    fn run_cases(&mut self, source: &Rc<Source>, cases: &[Node<'_>], from: usize) -> Flow {
        for case in cases.iter().skip(from) {
            let mut cursor = case.walk();
            let value = case.child_by_field_name("value");
            for child in case.named_children(&mut cursor).filter(|child| Some(*child) != value) {
                match self.run_statement(source, child) {
                    Flow::Next => {}
                    flow => return flow,
                }
            }
        }
        Flow::Next
    }

    pub(super) fn eval_match(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let (Some(condition), Some(body)) =
            (node.child_by_field_name("condition"), node.child_by_field_name("body"))
        else {
            return Value::unknown(Why::Form("a match"), source.place(node));
        };
        let subject = self.eval(source, condition);
        let mut cursor = body.walk();
        let arms: Vec<Node<'_>> = body.named_children(&mut cursor).collect();
        self.eval_arms(source, &subject, &arms, source.place(node))
    }

    fn eval_arms(&mut self, source: &Rc<Source>, subject: &Value, arms: &[Node<'_>], at: Place) -> Value {
        let conditional = |arm: &&Node<'_>| arm.kind() == "match_conditional_expression";
        let Some(index) = arms.iter().position(|arm| conditional(&arm)) else {
            let default = arms.iter().find(|arm| arm.kind() == "match_default_expression");
            return match default.and_then(|arm| arm.child_by_field_name("return_expression")) {
                Some(value) => self.eval(source, value),
                None => Value::unknown(Why::Form("a match in which nothing fits"), at),
            };
        };
        let Some(arm) = arms.get(index) else { return Value::null() };
        let mut rest: Vec<Node<'_>> = arms.to_vec();
        rest.remove(index);
        let truth = self.fits(source, subject, *arm);
        let outcome = arm.child_by_field_name("return_expression");
        self.deeper(|machine| {
            machine.fork_value(
                coerce::truth(&truth),
                |machine| outcome.map_or_else(Value::null, |node| machine.eval(source, node)),
                |machine| machine.eval_arms(source, subject, &rest, at),
                at,
            )
        })
        .unwrap_or_else(|| Value::unknown(Why::Limit, at))
    }

    /// Whether one of an arm's conditions is the subject.
    fn fits(&mut self, source: &Rc<Source>, subject: &Value, arm: Node<'_>) -> Value {
        let at = source.place(arm);
        let mut fits = Value::new(Data::Bool(false), at);
        let Some(list) = arm.child_by_field_name("conditional_expressions") else { return fits };
        let mut cursor = list.walk();
        for condition in list.named_children(&mut cursor) {
            let value = self.eval(source, condition);
            let this = coerce::lift(&[subject.clone(), value], at, |args| strict(args, at));
            match this.data {
                Data::Bool(true) => return this,
                Data::Unknown(_) if fits.why().is_none() => fits = this,
                _ => {}
            }
        }
        fits
    }
}

fn strict(args: &[Value], at: Place) -> Value {
    let same = match args {
        [a, b] => coerce::same(&a.data, &b.data),
        _ => None,
    };
    same.map_or_else(
        || Value::unknown(Why::Form("a comparison"), at),
        |same| Value::new(Data::Bool(same), at),
    )
}

fn loose(a: &Value, b: &Value) -> Value {
    let at = b.at;
    coerce::lift(&[a.clone(), b.clone()], at, |args| {
        let equal = match args {
            [a, b] => coerce::equal(&a.data, &b.data),
            _ => None,
        };
        let unknown = || Value::unknown(Why::Form("a comparison"), at);
        equal.map_or_else(unknown, |equal| Value::new(Data::Bool(equal), at))
    })
}
