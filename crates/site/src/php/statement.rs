//! Statements.

use std::rc::Rc;

use tree_sitter::Node;

use super::coerce::{self, Truth};
use super::machine::{Flow, Forked, Function, Machine, Pending, Ways};
use super::source::Source;
use super::state::State;
use super::value::{Data, Value, Why};

/// Why code that does not parse is not trusted.
const BROKEN: Why = Why::Form("PHP with a syntax error");
const BROKEN_NOTE: &str = "from here on the file has a syntax error, or newer PHP than is known here";

impl Machine<'_> {
    /// Runs a whole file; gives what it returns.
    pub(super) fn run_file(&mut self, source: &Rc<Source>) -> Flow {
        let root = source.root();
        let mut cursor = root.walk();
        for node in root.named_children(&mut cursor).filter(|node| node.kind() == "function_definition") {
            self.define_function(source, node);
        }
        let mark = self.pending.len();
        let flow = self.run_program(source, root);
        self.settle_returns(mark, flow)
    }

    /// Runs a file's statements up to the first that does not parse. From there on the tree may be nested
    /// otherwise than the program is, and nothing of it is believed.
    fn run_program(&mut self, source: &Rc<Source>, root: Node<'_>) -> Flow {
        let mut cursor = root.walk();
        for child in root.named_children(&mut cursor) {
            if root.is_error() || child.is_error() || child.has_error() {
                self.note(source.place(child), BROKEN_NOTE.to_owned());
                self.distrust_text(source, child.start_byte(), &BROKEN);
                return Flow::Next;
            }
            match self.run_statement(source, child) {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// Runs the statements below a node, in order.
    pub(super) fn run_children(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            match self.run_statement(source, child) {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// Runs one statement.
    pub(super) fn run_statement(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        self.deeper(|machine| machine.statement(source, node)).unwrap_or(Flow::Exit)
    }

    fn statement(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        match node.kind() {
            "compound_statement" | "colon_block" | "declare_statement" => self.run_children(source, node),
            "expression_statement" | "echo_statement" => self.run_expressions(source, node),
            "if_statement" => self.run_if(source, node),
            "return_statement" => Flow::Return(self.first_value(source, node)),
            "exit_statement" => Flow::Exit,
            "break_statement" => Flow::Break(self.level(source, node)),
            "continue_statement" => Flow::Continue(self.level(source, node)),
            "const_declaration" => self.run_const(source, node),
            "function_definition" => {
                self.define_function(source, node);
                Flow::Next
            }
            "unset_statement" => self.run_unset(source, node),
            "global_declaration" => self.run_global(source, node),
            "switch_statement" => self.run_switch(source, node),
            "foreach_statement" => self.run_foreach(source, node),
            "while_statement" | "do_statement" | "for_statement" => self.run_loop(source, node),
            "try_statement" => self.run_try(source, node),
            "namespace_definition" => match node.child_by_field_name("body") {
                Some(body) => self.run_children(source, body),
                None => Flow::Next,
            },
            "php_tag"
            | "php_end_tag"
            | "comment"
            | "text"
            | "text_interpolation"
            | "empty_statement"
            | "namespace_use_declaration"
            | "class_declaration"
            | "interface_declaration"
            | "trait_declaration"
            | "enum_declaration"
            | "named_label_statement"
            | "declare_directive" => Flow::Next,
            _ => {
                self.distrust(source, node, &Why::Form("a statement of a kind that settings rarely have"));
                Flow::Next
            }
        }
    }

    fn run_expressions(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            if matches!(child.kind(), "exit_statement" | "throw_expression") {
                return Flow::Exit;
            }
            self.eval(source, child);
        }
        Flow::Next
    }

    /// The value of the first expression below a node; null if there is none.
    fn first_value(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let mut cursor = node.walk();
        let first = node.named_children(&mut cursor).find(|child| child.kind() != "comment");
        match first {
            Some(child) => self.eval(source, child),
            None => Value::new(Data::Null, source.place(node)),
        }
    }

    fn level(&mut self, source: &Rc<Source>, node: Node<'_>) -> i64 {
        match self.first_value(source, node).data {
            Data::Int(levels) => levels.max(1),
            _ => 1,
        }
    }

    fn run_if(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let Some(condition) = node.child_by_field_name("condition") else { return Flow::Next };
        let mut cursor = node.walk();
        let alternatives: Vec<Node<'_>> = node.children_by_field_name("alternative", &mut cursor).collect();
        self.run_branches(source, condition, node.child_by_field_name("body"), &alternatives)
    }

    /// A condition, what to do if it holds, and the `elseif` and `else` that follow.
    fn run_branches(
        &mut self,
        source: &Rc<Source>,
        condition: Node<'_>,
        body: Option<Node<'_>>,
        rest: &[Node<'_>],
    ) -> Flow {
        let condition = self.eval(source, condition);
        self.fork_flow(
            coerce::truth(&condition),
            |machine| body.map_or(Flow::Next, |body| machine.run_statement(source, body)),
            |machine| machine.run_alternative(source, rest),
        )
    }

    fn run_alternative(&mut self, source: &Rc<Source>, rest: &[Node<'_>]) -> Flow {
        let Some((first, rest)) = rest.split_first() else { return Flow::Next };
        let body = first.child_by_field_name("body");
        match first.child_by_field_name("condition") {
            Some(condition) => self
                .deeper(|machine| machine.run_branches(source, condition, body, rest))
                .unwrap_or(Flow::Exit),
            None => body.map_or(Flow::Next, |body| self.run_statement(source, body)),
        }
    }

    /// [`fork`](Machine::fork) for statements: where one way leaves and the other goes on, the one that left
    /// waits until what it left is over.
    pub(super) fn fork_flow(
        &mut self,
        truth: Truth,
        yes: impl FnOnce(&mut Self) -> Flow,
        no: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let start = self.pending.len();
        let mut middle = start;
        let forked = self.fork(truth, yes, |machine| {
            middle = machine.pending.len();
            no(machine)
        });
        let ways = match forked {
            Forked::One(flow) => return flow,
            Forked::Both(ways) => *ways,
        };
        for (index, pending) in self.pending.iter_mut().enumerate().skip(start) {
            let likely = if index < middle { ways.assumed } else { ways.assumed.map(|yes| !yes) };
            pending.assumed = both(likely, pending.assumed);
        }
        self.join(ways)
    }

    fn join(&mut self, ways: Ways<Flow>) -> Flow {
        let Ways { yes, after_yes, no, after_no, why, assumed } = ways;
        let same = match (&yes, &no) {
            (Flow::Next, Flow::Next) => true,
            (Flow::Break(a), Flow::Break(b)) | (Flow::Continue(a), Flow::Continue(b)) => a == b,
            _ => false,
        };
        if same {
            self.state = State::merge(&why, assumed, after_yes, after_no);
            return yes;
        }
        match (yes, no) {
            (Flow::Exit, no) => {
                self.state = after_no;
                no
            }
            (yes, Flow::Exit) => {
                self.state = after_yes;
                yes
            }
            (Flow::Return(a), Flow::Return(b)) => {
                self.state = State::merge(&why, assumed, after_yes, after_no);
                Flow::Return(coerce::merge(&why, assumed, &a, &b))
            }
            (Flow::Next, no) => {
                let assumed = assumed.map(|yes| !yes);
                self.pending.push(Pending { flow: no, state: after_no, why, assumed });
                self.state = after_yes;
                Flow::Next
            }
            (yes, no) => {
                self.pending.push(Pending { flow: yes, state: after_yes, why, assumed });
                self.state = after_no;
                no
            }
        }
    }

    /// Ends a function or a file: all that perhaps returned earlier is merged in.
    pub(super) fn settle_returns(&mut self, mark: usize, flow: Flow) -> Flow {
        let mut reached = !matches!(flow, Flow::Exit);
        let mut value = match flow {
            Flow::Return(value) => value,
            _ => Value::null(),
        };
        while self.pending.len() > mark {
            let Some(pending) = self.pending.pop() else { break };
            let earlier = match pending.flow {
                Flow::Return(value) => value,
                _ => Value::null(),
            };
            if reached {
                let weight = self.state.weight();
                self.spend(weight / 8);
                let after = std::mem::take(&mut self.state);
                self.state = State::merge(&pending.why, pending.assumed, pending.state, after);
                value = coerce::merge(&pending.why, pending.assumed, &earlier, &value);
            } else {
                (self.state, value, reached) = (pending.state, earlier, true);
            }
        }
        if reached { Flow::Return(value) } else { Flow::Exit }
    }

    fn run_const(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        for element in node.named_children(&mut cursor).filter(|n| n.kind() == "const_element") {
            let (Some(name), Some(value)) = (element.named_child(0), element.named_child(1)) else {
                continue;
            };
            let value = self.eval(source, value);
            self.state.define(source.name(name), value);
        }
        Flow::Next
    }

    /// Remembers a function; the first definition of a name stands.
    pub(super) fn define_function(&mut self, source: &Rc<Source>, node: Node<'_>) {
        if let Some(name) = node.child_by_field_name("name") {
            let function = Function { source: source.clone(), range: node.byte_range() };
            self.functions.entry(source.name(name).to_ascii_lowercase()).or_insert(function);
        }
    }

    fn run_global(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let mut cursor = node.walk();
        for variable in node.named_children(&mut cursor) {
            let name = source.name(variable).trim_start_matches('$').to_owned();
            if self.state.scopes.len() > 1
                && let Some(scope) = self.state.scopes.last_mut()
            {
                scope.globals.insert(name);
            }
        }
        Flow::Next
    }

    fn run_try(&mut self, source: &Rc<Source>, node: Node<'_>) -> Flow {
        let flow =
            node.child_by_field_name("body").map_or(Flow::Next, |body| self.run_statement(source, body));
        if matches!(flow, Flow::Exit) {
            self.distrust(source, node, &Why::Form("an exception"));
            return Flow::Next;
        }
        let mut cursor = node.walk();
        let last = node.named_children(&mut cursor).find(|child| child.kind() == "finally_clause");
        match last.and_then(|clause| clause.child_by_field_name("body")) {
            Some(body) if matches!(flow, Flow::Next) => self.run_statement(source, body),
            _ => flow,
        }
    }
}

/// Whether something is likely that needs two conditions.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), b) => b,
        (None, _) => None,
    }
}
