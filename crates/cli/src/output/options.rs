//! The options that choose what is shown, and the formats they name.

use clap::Args;

use super::error::OutputError;

/// Options of a command that shows rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct OutputOptions {
    /// Print for people (table, sections, list, csv, tsv) or for scripts (json, yaml, xml, string, php, print-r,
    /// var_dump, var_export), or not at all (null)
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show only these fields, in this order: keys or labels, separated by commas; * stands for anything
    #[arg(long, value_name = "FIELDS")]
    pub fields: Option<String>,
    /// Print only this field, bare, one value a line, whatever --format says
    #[arg(long, value_name = "FIELD")]
    pub field: Option<String>,
    /// Show only rows that fit: key=value, key*=part or key~=#pattern#, or their opposites !=, !*= and !~=;
    /// several are joined by && and ||, from left to right
    #[arg(long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
}

/// Options of a command that shows the properties of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PropertyOptions {
    /// Print for people (table, list, csv, tsv) or for scripts (json, yaml, xml, string, php, print-r, var_dump,
    /// var_export), or not at all (null)
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show only these fields, in this order: keys or labels, separated by commas; * stands for anything
    #[arg(long, value_name = "FIELDS")]
    pub fields: Option<String>,
    /// Print only this field, bare, whatever --format says
    #[arg(long, value_name = "FIELD")]
    pub field: Option<String>,
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
    List,
    Null,
    Php,
    PrintR,
    Sections,
    String,
    Table,
    Tsv,
    VarDump,
    VarExport,
    Xml,
    Yaml,
}

impl Format {
    /// Every format by its name, in the order in which they are listed.
    const ALL: [(&str, Format); 14] = [
        ("csv", Format::Csv),
        ("json", Format::Json),
        ("list", Format::List),
        ("null", Format::Null),
        ("php", Format::Php),
        ("print-r", Format::PrintR),
        ("sections", Format::Sections),
        ("string", Format::String),
        ("table", Format::Table),
        ("tsv", Format::Tsv),
        ("var_dump", Format::VarDump),
        ("var_export", Format::VarExport),
        ("xml", Format::Xml),
        ("yaml", Format::Yaml),
    ];

    /// The format of that name for rows.
    pub(super) fn of_rows(name: &str) -> Result<Format, OutputError> {
        let known = Format::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, format)| *format).ok_or_else(|| OutputError::UnknownFormat(name.to_owned()))
    }

    /// The format of that name for properties.
    pub(super) fn of_properties(name: &str) -> Result<Format, OutputError> {
        match Format::of_rows(name)? {
            Format::Sections => {
                let fit = Format::ALL.iter().filter(|(_, format)| *format != Format::Sections);
                let names: Vec<&str> = fit.map(|(name, _)| *name).collect();
                Err(OutputError::UnfitFormat(name.to_owned(), names.join(",")))
            }
            format => Ok(format),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    /// Lists things.
    #[derive(Parser)]
    struct List {
        #[command(flatten)]
        output: OutputOptions,
    }

    /// Shows a thing.
    #[derive(Parser)]
    struct Show {
        #[command(flatten)]
        output: PropertyOptions,
    }

    #[test]
    fn every_name_has_its_format() {
        for (name, format) in Format::ALL {
            assert_eq!(Format::of_rows(name), Ok(format));
        }
    }

    #[test]
    fn the_help_names_every_format_and_stays_the_commands_own() {
        for (command, about) in [(List::command(), "Lists things"), (Show::command(), "Shows a thing")] {
            assert_eq!(command.get_about().unwrap().to_string(), about);
            assert!(command.get_long_about().is_none());
            let format = command.get_arguments().find(|argument| argument.get_id() == "format").unwrap();
            let help = format.get_help().unwrap().to_string();
            for (name, of) in Format::ALL {
                let named = help.split(|c: char| " ,()".contains(c)).any(|word| word == name);
                assert_eq!(named, of != Format::Sections || about == "Lists things", "{name} in {help}");
            }
        }
    }

    #[test]
    fn an_unknown_format_is_refused_in_terminus_words() {
        for bad in ["bogus", "JSON", "print_r", ""] {
            let error = Format::of_properties(bad).unwrap_err();
            assert_eq!(error.to_string(), format!("The requested format, '{bad}', is not available."));
        }
    }

    #[test]
    fn sections_are_for_rows_only() {
        let error = Format::of_properties("sections").unwrap_err().to_string();
        assert!(
            error.starts_with("The format sections cannot be used with the data produced by this command")
        );
        assert!(
            error.ends_with("csv,json,list,null,php,print-r,string,table,tsv,var_dump,var_export,xml,yaml")
        );
    }

    #[test]
    fn the_options_are_read_from_a_command_line() {
        let line = ["x", "--format=json", "--fields", "a,B c", "--filter=type=code&&x!=1"];
        let options = List::try_parse_from(line).unwrap().output;
        assert_eq!(options.format.as_deref(), Some("json"));
        assert_eq!(options.fields.as_deref(), Some("a,B c"));
        assert_eq!((options.field, options.filter.as_deref()), (None, Some("type=code&&x!=1")));
    }
}
