//! Loops: run while their conditions are known, distrusted where they are not.

use std::rc::Rc;

use tree_sitter::Node;

use super::coerce::{self, Truth};
use super::machine::{Flow, Machine, Pending};
use super::source::Source;
use super::state::State;
use super::value::{Data, Key, Value, Why};

/// Turns of one loop; settings have a handful.
const TURNS_MAX: u32 = 2_000;

/// What a loop does after a turn.
enum Turn {
    Again,
    Over,
    Leave(Flow),
}

impl Machine<'_> {
    pub(super) fn run_foreach(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        let parts: Vec<Node<'_>> = node
            .named_children(&mut cursor)
            .filter(|child| child.kind() != "comment" && Some(*child) != node.child_by_field_name("body"))
            .collect();
        let [subject, target] = parts[..] else {
            self.distrust(source, node, &Why::Form("a loop"));
            return Flow::Next;
        };
        let subject = self.eval(source, subject);
        let Some(array) =
            subject.as_array().filter(|array| target.kind() != "by_ref" && array.open.is_none()).cloned()
        else {
            let hidden = subject.as_array().and_then(|array| array.open.as_ref());
            let why = hidden
                .or(subject.why())
                .cloned()
                .unwrap_or(Why::Form("a loop over something that is no array"));
            self.distrust(source, node, &why);
            return Flow::Next;
        };
        let mark = self.pending.len();
        for (key, value) in array.iter() {
            self.bind(source, target, key, value);
            let flow = match node.child_by_field_name("body") {
                Some(body) => self.run_statement(source, body),
                None => Flow::Next,
            };
            match self.end_turn(mark, flow) {
                Turn::Again => {}
                Turn::Over => break,
                Turn::Leave(flow) => return self.end_loop(mark, flow),
            }
        }
        self.end_loop(mark, Flow::Next)
    }

    fn bind(&mut self, source: &Rc<Source>, target: Node<'_>, key: &Key, value: &Value) {
        if target.kind() != "pair" {
            return self.assign(source, target, value.clone());
        }
        if let Some(node) = target.named_child(0) {
            self.assign(source, node, Value::new(key.to_data(), value.at));
        }
        match target.named_child(1) {
            Some(node) if node.kind() == "by_ref" => {
                self.distrust(source, node, &Why::Form("a reference"));
            }
            Some(node) => self.assign(source, node, value.clone()),
            None => {}
        }
    }

    /// `while`, `do … while` and `for`.
    pub(super) fn run_loop(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        if let Some(first) = node.child_by_field_name("initialize") {
            self.eval(source, first);
        }
        let mark = self.pending.len();
        for turn in 0..TURNS_MAX {
            let skips_test = node.kind() == "do_statement" && turn == 0;
            if !skips_test && let Some(condition) = node.child_by_field_name("condition") {
                let value = self.eval(source, condition);
                match coerce::truth(&value) {
                    Truth::Known(true) => {}
                    Truth::Known(false) => return self.end_loop(mark, Flow::Next),
                    Truth::Unsure(why, _) => {
                        self.distrust(source, node, &why);
                        return self.end_loop(mark, Flow::Next);
                    }
                }
            }
            let mut flow = Flow::Next;
            if let Some(body) = node.child_by_field_name("body") {
                flow = self.run_statement(source, body);
            }
            match self.end_turn(mark, flow) {
                Turn::Again => {}
                Turn::Over => return self.end_loop(mark, Flow::Next),
                Turn::Leave(flow) => return self.end_loop(mark, flow),
            }
            if let Some(update) = node.child_by_field_name("update") {
                self.eval(source, update);
            }
        }
        self.distrust(source, node, &Why::Limit);
        self.end_loop(mark, Flow::Next)
    }

    /// What a turn's end means for its loop. What perhaps continued is merged in.
    fn end_turn(&mut self, mark: usize, flow: Flow) -> Turn {
        let flow = match flow {
            Flow::Next | Flow::Continue(1) => Flow::Next,
            flow => self.give_way(mark, flow, |flow| matches!(flow, Flow::Continue(1))),
        };
        if matches!(flow, Flow::Next) {
            self.settle(mark, |flow| matches!(flow, Flow::Continue(1)));
        }
        match flow {
            Flow::Next | Flow::Continue(1) => Turn::Again,
            Flow::Break(1) => Turn::Over,
            Flow::Break(levels) => Turn::Leave(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Turn::Leave(Flow::Continue(levels - 1)),
            flow => Turn::Leave(flow),
        }
    }

    /// Ends a loop or a `switch`: what perhaps left it earlier is merged in.
    pub(super) fn end_loop(&mut self, mark: usize, flow: Flow) -> Flow {
        let flow = match flow {
            Flow::Next => Flow::Next,
            flow => self.give_way(mark, flow, |flow| matches!(flow, Flow::Break(1) | Flow::Continue(1))),
        };
        if matches!(flow, Flow::Next) {
            self.settle(mark, |flow| matches!(flow, Flow::Break(1) | Flow::Continue(1)));
        }
        for pending in self.pending.iter_mut().skip(mark) {
            if let Flow::Break(levels) | Flow::Continue(levels) = &mut pending.flow {
                *levels = (*levels - 1).max(1);
            }
        }
        flow
    }

    /// Leaving is only one way, if another one perhaps stayed: then leaving is what waits.
    fn give_way(&mut self, mark: usize, flow: Flow, stays: impl Fn(&Flow) -> bool) -> Flow {
        let found = self.pending.iter().skip(mark).position(|pending| stays(&pending.flow));
        let Some(pending) = found.map(|index| self.pending.remove(mark + index)) else { return flow };
        let left = std::mem::replace(&mut self.state, pending.state);
        if !matches!(flow, Flow::Exit) {
            let assumed = pending.assumed.map(|stayed| !stayed);
            self.pending.push(Pending { flow, state: left, why: pending.why, assumed });
        }
        Flow::Next
    }

    fn settle(&mut self, mark: usize, wanted: impl Fn(&Flow) -> bool) {
        let mut index = self.pending.len();
        while index > mark {
            index -= 1;
            if !self.pending.get(index).is_some_and(|pending| wanted(&pending.flow)) {
                continue;
            }
            let weight = self.state.weight();
            self.spend(weight / 8);
            let pending = self.pending.remove(index);
            let after = std::mem::take(&mut self.state);
            self.state = State::merge(&pending.why, pending.assumed, pending.state, after);
        }
    }

    pub(super) fn run_unset(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        for target in node.named_children(&mut cursor) {
            match target.kind() {
                "variable_name" => {
                    let name = source.name(target).trim_start_matches('$').to_owned();
                    self.state.set(&name, Value::new(Data::Null, source.place(target)));
                }
                "subscript_expression" => self.unset_element(source, target),
                _ => self.distrust(source, target, &Why::Form("an unset()")),
            }
        }
        Flow::Next
    }
}
