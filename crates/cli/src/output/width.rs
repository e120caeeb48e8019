//! How wide the place is where a table or message is shown.

use std::env;

use console::Term;

/// The width when nothing tells it.
const USUAL: usize = 80;

/// The columns that stdout has: what `COLUMNS` says, else the terminal's width, else 80.
pub fn terminal_width() -> usize {
    width_of(&Term::stdout())
}

/// The columns that stderr has, in the same way.
pub fn stderr_width() -> usize {
    width_of(&Term::stderr())
}

fn width_of(term: &Term) -> usize {
    choose(env::var("COLUMNS").ok().as_deref(), term.size_checked().map(|(_, columns)| columns.into()))
}

fn choose(variable: Option<&str>, terminal: Option<usize>) -> usize {
    let given = variable.and_then(|text| text.trim().parse().ok());
    given.or(terminal).filter(|width| *width > 0).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_rule_then_the_terminal_then_eighty() {
        assert_eq!(choose(Some("120"), Some(100)), 120);
        assert_eq!(choose(None, Some(100)), 100);
        assert_eq!(choose(Some("wide"), Some(100)), 100);
        assert_eq!(choose(Some("0"), None), 80);
        assert_eq!(choose(None, None), 80);
    }
}
