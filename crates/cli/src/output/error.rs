//! What can be wrong with the options that choose what is shown.

/// Why nothing can be shown: each is a mistake in an option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// `--format` names no format.
    #[error("The requested format, '{0}', is not available.")]
    UnknownFormat(String),
    /// `--format` names a format that fits rows, but not properties.
    #[error("The format {0} cannot be used with the data produced by this command. Valid formats are: {1}")]
    UnfitFormat(String, String),
    /// `--field` or `--fields` names no field.
    #[error("The requested field, '{0}', is not defined.")]
    UnknownField(String),
    /// A part of `--filter` is no comparison.
    #[error("Could not parse expression {0}: write key=value, key*=part or key~=#pattern#, or !=, !*=, !~=")]
    BadFilter(String),
    /// The pattern of a `~=` in `--filter` can't be used.
    #[error("Could not use the pattern {pattern} in the filter: {why}")]
    BadPattern {
        /// The pattern, as it was given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}
