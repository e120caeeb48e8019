//! All that a program has set so far. It is copied where a condition can't be decided, and the copies are
//! merged again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::coerce;
use super::value::{Value, Why};

/// Variables of one scope.
pub(super) type Variables = HashMap<String, Value>;

/// One scope: the global one, or a function's.
#[derive(Clone, Default)]
pub(super) struct Scope {
    /// Its variables.
    pub variables: Variables,
    /// Names that mean the global variable (`global $x`).
    pub globals: HashSet<String>,
    /// Variables that something else may change, and whose value is never known.
    pub aliased: HashSet<String>,
}

/// What was set so far.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Scopes, the global one first.
    pub scopes: Vec<Scope>,
    /// Constants.
    pub constants: Variables,
    /// Those of them that `Config::define` set, which may set them again.
    pub configured: HashSet<String>,
    /// Files that were included, for `include_once`.
    pub included: HashSet<PathBuf>,
    /// Why variables and constants may be set that nobody saw being set.
    pub shadow: Option<Why>,
}

impl State {
    /// The scope that a variable of the innermost scope lives in.
    pub fn scope_of(&mut self, name: &str) -> Option<&mut Scope> {
        let inner = self.scopes.len().checked_sub(1)?;
        let index = if self.scopes.get(inner)?.globals.contains(name) { 0 } else { inner };
        self.scopes.get_mut(index)
    }

    /// A variable's value: `Ok(None)` if it isn't set, `Err` if it can't be told whether.
    pub fn variable(&mut self, name: &str) -> Result<Option<Value>, Why> {
        let shadow = self.shadow.clone();
        let Some(scope) = self.scope_of(name) else { return Ok(None) };
        if scope.aliased.contains(name) {
            return Err(Why::Form("a reference"));
        }
        match (scope.variables.get(name), shadow) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(why)) => Err(why),
            (None, None) => Ok(None),
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(scope) = self.scope_of(name) {
            scope.variables.insert(name.to_owned(), value);
        }
    }

    /// Makes a variable one that is never known.
    pub fn alias(&mut self, name: &str) {
        if let Some(scope) = self.scope_of(name) {
            scope.aliased.insert(name.to_owned());
            scope
                .variables
                .insert(name.to_owned(), Value::unknown(Why::Form("a reference"), super::Place::NOWHERE));
        }
    }

    /// Defines a constant; the first definition stands.
    pub fn define(&mut self, name: &str, value: Value) {
        match self.constants.get(name) {
            // It may be defined already, and this is then without effect.
            Some(maybe) if maybe.why().is_some() => {
                let absent = maybe.assumed().is_some_and(|v| v == Value::null());
                let otherwise = if absent { Some(value) } else { maybe.assumed() };
                let why = maybe.why().cloned().unwrap_or(Why::Limit);
                self.constants.insert(name.to_owned(), Value::unsure(why, otherwise, maybe.at));
            }
            Some(_) => {}
            None => {
                self.constants.insert(name.to_owned(), value);
            }
        }
    }

    /// From here on, any variable may have been changed and any constant defined by something unseen.
    pub fn overshadow(&mut self, why: Why) {
        for scope in &mut self.scopes {
            for value in scope.variables.values_mut() {
                *value = Value::unsure(why.clone(), value.assumed(), value.at);
            }
        }
        self.shadow.get_or_insert(why);
    }

    /// About how much work it is to copy and merge it.
    pub fn weight(&self) -> u64 {
        let variables = self.scopes.iter().flat_map(|scope| scope.variables.values());
        variables.chain(self.constants.values()).map(|value| u64::from(value.weight())).sum()
    }

    /// Two states that one undecided condition led to, as one.
    pub fn merge(why: &Why, assumed: Option<bool>, yes: State, no: State) -> State {
        let constants = merge_variables(why, assumed, yes.constants, no.constants);
        let mut others = no.scopes.into_iter();
        let scopes = yes.scopes.into_iter().map(|scope| {
            let other = others.next().unwrap_or_default();
            Scope {
                variables: merge_variables(why, assumed, scope.variables, other.variables),
                globals: scope.globals.union(&other.globals).cloned().collect(),
                aliased: scope.aliased.union(&other.aliased).cloned().collect(),
            }
        });
        State {
            scopes: scopes.collect(),
            constants,
            configured: yes.configured.union(&no.configured).cloned().collect(),
            included: yes.included.intersection(&no.included).cloned().collect(),
            shadow: yes.shadow.or(no.shadow),
        }
    }
}

fn merge_variables(why: &Why, assumed: Option<bool>, yes: Variables, mut no: Variables) -> Variables {
    let absent = Value::null();
    let mut merged: Variables = yes
        .into_iter()
        .map(|(name, value)| {
            let other = no.remove(&name).unwrap_or_else(|| absent.clone());
            let value = coerce::merge(why, assumed, &value, &other);
            (name, value)
        })
        .collect();
    for (name, value) in no {
        let value = coerce::merge(why, assumed, &absent, &value);
        merged.insert(name, value);
    }
    merged
}
