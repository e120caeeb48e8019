//! Which columns are shown, and in which order.

use super::error::OutputError;
use super::list::Column;

/// The columns to show when none were asked for.
pub(super) fn usual(columns: &'static [Column]) -> Vec<&'static Column> {
    columns.iter().filter(|column| column.shown).collect()
}

/// The columns that a list of names asks for, in its order. A name is a key or a label, exactly as it is
/// written, or a pattern with `*`, which stands for the columns that it fits, in their usual order.
pub(super) fn select(
    columns: &'static [Column],
    names: &[&str],
) -> Result<Vec<&'static Column>, OutputError> {
    let mut selected: Vec<&'static Column> = Vec::new();
    for name in names {
        let found: Vec<&'static Column> =
            columns.iter().filter(|column| fits(name, column.key) || fits(name, column.label)).collect();
        if found.is_empty() {
            return Err(OutputError::UnknownField((*name).to_owned()));
        }
        for column in found {
            if !selected.iter().any(|seen| seen.key == column.key) {
                selected.push(column);
            }
        }
    }
    Ok(selected)
}

/// Whether a name with `*` for anything fits a text whole.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Between the ends each part may take the first place where it fits.
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("id", "ID"),
        Column::new("name", "Name"),
        Column::new("frozen", "Is Frozen?"),
        Column::on_request("last_frozen_at", "Date frozen"),
    ];

    fn keys(names: &[&str]) -> Result<Vec<&'static str>, OutputError> {
        Ok(select(COLUMNS, names)?.iter().map(|column| column.key).collect())
    }

    #[test]
    fn fields_go_by_key_or_label_in_the_order_asked_for() {
        assert_eq!(keys(&["Name", "id"]).unwrap(), ["name", "id"]);
        assert_eq!(keys(&["last_frozen_at", "Is Frozen?"]).unwrap(), ["last_frozen_at", "frozen"]);
        assert_eq!(keys(&["id", "ID", "id"]).unwrap(), ["id"]);
    }

    #[test]
    fn stars_stand_for_anything() {
        assert_eq!(keys(&["*"]).unwrap(), ["id", "name", "frozen", "last_frozen_at"]);
        assert_eq!(keys(&["*rozen*"]).unwrap(), ["frozen", "last_frozen_at"]);
        assert_eq!(keys(&["last*at", "i*"]).unwrap(), ["last_frozen_at", "id"]);
        assert_eq!(keys(&["n*e", "*"]).unwrap(), ["name", "id", "frozen", "last_frozen_at"]);
    }

    #[test]
    fn a_star_needs_room() {
        assert!(fits("a*a", "aa") && fits("a**a", "aba") && !fits("a*a", "a") && !fits("ab*ba", "aba"));
    }

    #[test]
    fn an_unknown_field_is_refused_in_terminus_words() {
        for bad in ["bogus", "NAME", "nam", "", "x*"] {
            let error = keys(&["id", bad]).unwrap_err();
            assert_eq!(error.to_string(), format!("The requested field, '{bad}', is not defined."));
        }
    }

    #[test]
    fn usually_only_what_is_shown() {
        assert_eq!(
            usual(COLUMNS).iter().map(|column| column.key).collect::<Vec<_>>(),
            ["id", "name", "frozen"]
        );
    }

    proptest::proptest! {
        #[test]
        fn stars_fit_as_patterns_do(name in "[ab*é]{0,8}", text in "[abé]{0,8}") {
            let pattern = format!("^{}$", name.replace('*', ".*"));
            let expected = regex::Regex::new(&pattern).unwrap().is_match(&text);
            proptest::prop_assert_eq!(fits(&name, &text), expected, "{} {}", name, text);
        }
    }
}
