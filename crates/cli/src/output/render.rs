//! From rows or properties to the text of a format.

use super::csv::{comma_line, tab_line};
use super::data::{Data, Key};
use super::error::OutputError;
use super::fields::{select, usual};
use super::filter::Filter;
use super::list::{Cell, Column, Properties, Rows, find};
use super::options::{Format, OutputOptions, PropertyOptions};
use super::table::{Table, sections};
use super::value::Value;
use super::{json, php, xml, yaml};

/// Columns to show, in their order.
type Columns = Vec<&'static Column>;

/// The rows in the format and with the fields that the options ask for, less those that the filter leaves out.
/// The text ends with a newline, unless it is empty. `width` is how many columns a table may take.
pub fn render_rows(rows: &Rows, options: &OutputOptions, width: usize) -> Result<String, OutputError> {
    let field = given(&options.field);
    let format = match (field, given(&options.format)) {
        (Some(_), _) => Format::String,
        (None, Some(name)) => Format::of_rows(name)?,
        (None, None) => Format::Table,
    };
    let columns = columns(rows.columns, field, given(&options.fields))?;
    let filter = given(&options.filter).map(Filter::parse).transpose()?;
    let kept: Vec<&(String, Vec<Cell>)> = rows
        .rows
        .iter()
        .filter(|(_, cells)| filter.as_ref().is_none_or(|filter| filter.keeps(cells)))
        .collect();
    let cells: Vec<&[Cell]> = kept.iter().map(|(_, cells)| cells.as_slice()).collect();
    Ok(match format {
        Format::Null => String::new(),
        Format::Table => {
            let head = Some(columns.iter().map(|column| column.label.to_owned()).collect());
            Table { head, rows: cells.iter().map(|cells| shown(cells, &columns)).collect() }.render(width)
        }
        Format::Sections => {
            let labelled = |cells: &[Cell]| {
                columns.iter().map(|column| column.label).zip(shown(cells, &columns)).collect::<Vec<_>>()
            };
            sections(&kept.iter().map(|(id, cells)| (id.clone(), labelled(cells))).collect::<Vec<_>>())
        }
        Format::List => kept.iter().map(|(id, _)| format!("{id}\n")).collect(),
        Format::Csv | Format::Tsv | Format::String => lines(format, &cells, &columns),
        raw => {
            let map =
                kept.iter().map(|(id, cells)| (Key::new(id), Data::Map(data(cells, &columns)))).collect();
            render_raw(raw, &Data::Map(map))
        }
    })
}

/// The properties in the format and with the fields that the options ask for. Where neither is asked for and
/// there is a default field, that one is printed bare. The text ends with a newline, unless it is empty.
pub fn render_properties(
    properties: &Properties,
    options: &PropertyOptions,
    width: usize,
) -> Result<String, OutputError> {
    let field = given(&options.field);
    let fields = given(&options.fields);
    let format = match (field, given(&options.format)) {
        (Some(_), _) => Format::String,
        (None, Some(name)) => Format::of_properties(name)?,
        (None, None) if properties.default_field.is_some() => Format::String,
        (None, None) => Format::Table,
    };
    let bare = properties.default_field.filter(|_| format == Format::String && fields.is_none());
    let columns = columns(properties.columns, field.or(bare), fields)?;
    let cells = properties.values.as_slice();
    Ok(match format {
        Format::Null => String::new(),
        Format::Table | Format::Sections => {
            let label = |(column, value): (&&Column, String)| vec![column.label.to_owned(), value];
            let rows = columns.iter().zip(shown(cells, &columns)).map(label).collect();
            Table { head: None, rows }.render(width)
        }
        Format::List => shown(cells, &columns).iter().map(|value| format!("{value}\n")).collect(),
        Format::Csv | Format::Tsv | Format::String => lines(format, &[cells], &columns),
        raw => render_raw(raw, &Data::Map(data(cells, &columns))),
    })
}

/// An option's value; an empty one counts as none, as in Terminus.
fn given(option: &Option<String>) -> Option<&str> {
    option.as_deref().filter(|text| !text.is_empty())
}

fn columns(
    all: &'static [Column],
    field: Option<&str>,
    fields: Option<&str>,
) -> Result<Columns, OutputError> {
    match (field, fields) {
        (Some(field), _) => select(all, &[field]),
        (None, Some(fields)) => select(all, &fields.split(',').map(str::trim).collect::<Vec<_>>()),
        (None, None) => Ok(usual(all)),
    }
}

/// What a person reads in each column of a row.
fn shown(cells: &[Cell], columns: &Columns) -> Vec<String> {
    columns.iter().map(|column| find(cells, column.key).map(Value::shown).unwrap_or_default()).collect()
}

/// The raw value of each column of a row, by the column's key.
fn data(cells: &[Cell], columns: &Columns) -> Vec<(Key, Data)> {
    let raw = |key| find(cells, key).map_or(Data::Null, Value::raw);
    columns.iter().map(|column| (Key::new(column.key), raw(column.key))).collect()
}

/// Rows as lines of values.
fn lines(format: Format, rows: &[&[Cell]], columns: &Columns) -> String {
    let raw = |cells: &[Cell]| data(cells, columns).iter().map(|(_, value)| value.text()).collect::<Vec<_>>();
    let each = |line: &dyn Fn(&[Cell]) -> String| rows.iter().map(|cells| line(cells)).collect::<String>();
    match format {
        Format::Csv => {
            let labels: Vec<&str> = columns.iter().map(|column| column.label).collect();
            comma_line(&labels) + &each(&|cells| comma_line(&shown(cells, columns)))
        }
        Format::Tsv => each(&|cells| tab_line(&shown(cells, columns))),
        _ => each(&|cells| tab_line(&raw(cells))),
    }
}

/// Data in one of the raw formats.
fn render_raw(format: Format, data: &Data) -> String {
    match format {
        Format::Yaml => yaml::yaml(data),
        Format::Xml => xml::xml(data),
        Format::Php => php::serialize(data),
        Format::PrintR => php::print_r(data),
        Format::VarDump => php::var_dump(data),
        Format::VarExport => php::var_export(data),
        _ => json::json(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUPS: &[Column] = &[
        Column::new("file", "Filename"),
        Column::new("size", "Size"),
        Column::new("date", "Date"),
        Column::new("expiry", "Expiry"),
        Column::new("initiator", "Initiator"),
        Column::on_request("verified", "Is Verified?"),
    ];

    fn backup(id: &str, kind: &'static str, date: Option<f64>) -> (String, Vec<Cell>) {
        let cells = vec![
            ("file", Value::from(format!("my-site_dev_{kind}.tar.gz"))),
            ("size", Value::from("31.8MB")),
            ("date", Value::Time(date)),
            ("expiry", Value::Time(date.map(|date| date + 31_536_000.0))),
            ("initiator", Value::from("manual")),
            ("verified", Value::from(date.is_some())),
            ("url", Value::Null),
            ("type", Value::from(kind)),
        ];
        (format!("{id}_{kind}"), cells)
    }

    fn backups() -> Rows {
        let rows = vec![
            backup("1795484697_backup", "code", Some(1795484706.77)),
            backup("1795484697_backup", "database", Some(1795484706.0)),
            backup("1795484697_backup", "files", None),
        ];
        Rows { columns: BACKUPS, rows }
    }

    /// Options as on a command line: `format=json fields=a,b`.
    fn options(line: &str) -> OutputOptions {
        let mut options = OutputOptions::default();
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap();
            let value = Some(value.to_owned());
            match name {
                "format" => options.format = value,
                "fields" => options.fields = value,
                "field" => options.field = value,
                "filter" => options.filter = value,
                _ => panic!("{name}"),
            }
        }
        options
    }

    fn rows(line: &str) -> String {
        render_rows(&backups(), &options(line), 200).unwrap()
    }

    fn none(line: &str) -> String {
        render_rows(&Rows { columns: BACKUPS, rows: Vec::new() }, &options(line), 80).unwrap()
    }

    fn me() -> Properties {
        const COLUMNS: &[Column] = &[
            Column::new("firstname", "First Name"),
            Column::new("email", "Email"),
            Column::new("created", "Created"),
            Column::new("id", "ID"),
        ];
        let values = vec![
            ("firstname", Value::Null),
            ("email", Value::from("admin@example.com")),
            ("created", Value::Time(Some(0.0))),
            ("id", Value::from("11111111-2222-3333-4444-555555555555")),
        ];
        Properties { columns: COLUMNS, values, default_field: None }
    }

    fn properties(of: &Properties, line: &str) -> Result<String, OutputError> {
        let OutputOptions { format, fields, field, .. } = options(line);
        render_properties(of, &PropertyOptions { format, fields, field }, 80)
    }

    #[test]
    fn csv_has_a_head_and_human_values() {
        assert_eq!(
            rows("format=csv"),
            concat!(
                "Filename,Size,Date,Expiry,Initiator\n",
                "my-site_dev_code.tar.gz,31.8MB,\"2026-11-24 01:45:06\",\"2027-11-24 01:45:06\",manual\n",
                "my-site_dev_database.tar.gz,31.8MB,\"2026-11-24 01:45:06\",\"2027-11-24 01:45:06\",manual\n",
                "my-site_dev_files.tar.gz,31.8MB,-,-,manual\n",
            )
        );
    }

    #[test]
    fn tsv_has_no_head_and_string_is_raw() {
        assert_eq!(
            rows("format=tsv fields=file,date,verified filter=type=code"),
            "my-site_dev_code.tar.gz\t2026-11-24 01:45:06\ttrue\n"
        );
        assert_eq!(
            rows("format=string fields=date,file,verified filter=type=code"),
            "1795484706.77\tmy-site_dev_code.tar.gz\ttrue\n"
        );
    }

    #[test]
    fn a_field_is_printed_bare_whatever_the_format() {
        assert_eq!(rows("field=date format=json"), "1795484706.77\n1795484706\n\n");
        assert_eq!(rows("field=Initiator"), "manual\nmanual\nmanual\n");
        assert_eq!(rows("field=size fields=file format=bogus filter=type=code"), "31.8MB\n");
    }

    #[test]
    fn json_is_keyed_by_row() {
        assert_eq!(
            rows("format=json fields=date,expiry,verified filter=type!=database"),
            concat!(
                "{\n",
                "    \"1795484697_backup_code\": {\n",
                "        \"date\": 1795484706.77,\n",
                "        \"expiry\": 1827020706.77,\n",
                "        \"verified\": true\n",
                "    },\n",
                "    \"1795484697_backup_files\": {\n",
                "        \"date\": null,\n",
                "        \"expiry\": null,\n",
                "        \"verified\": false\n",
                "    }\n",
                "}\n",
            )
        );
    }

    #[test]
    fn yaml_is_keyed_by_row_and_ends_with_an_empty_line() {
        assert_eq!(
            rows("format=yaml fields=file,date filter=type=code"),
            "1795484697_backup_code:\n  file: my-site_dev_code.tar.gz\n  date: 1795484706.77\n\n"
        );
    }

    #[test]
    fn a_list_of_rows_is_their_ids() {
        assert_eq!(
            rows("format=list filter=file*=.TAR&&type!~=#^f#"),
            "1795484697_backup_code\n1795484697_backup_database\n"
        );
    }

    #[test]
    fn a_table_is_what_people_get_unasked() {
        assert_eq!(
            rows("fields=Size,date,verified filter=type=files"),
            concat!(
                " -------- ------ -------------- \n",
                "  Size     Date   Is Verified?  \n",
                " -------- ------ -------------- \n",
                "  31.8MB   -      false         \n",
                " -------- ------ -------------- \n",
            )
        );
        assert_eq!(rows(""), rows("format=table fields=file,size,date,expiry,initiator"));
        let narrow = render_rows(&backups(), &options(""), 80).unwrap();
        assert!(narrow.lines().all(|line| line.len() <= 80), "{narrow}");
    }

    #[test]
    fn sections_name_each_row() {
        assert_eq!(
            rows("format=sections fields=file,date filter=type=code"),
            "\n1795484697_backup_code\n Filename my-site_dev_code.tar.gz\n Date     2026-11-24 01:45:06\n"
        );
    }

    #[test]
    fn hidden_values_are_known_to_the_filter_alone() {
        assert_eq!(rows("format=list filter=type=database").lines().count(), 1);
        let error = render_rows(&backups(), &options("fields=type"), 80).unwrap_err();
        assert_eq!(error, OutputError::UnknownField("type".to_owned()));
    }

    #[test]
    fn no_rows_have_their_own_look_in_each_format() {
        assert_eq!(none("format=json"), "[]\n");
        assert_eq!(none("format=yaml"), "{  }\n");
        assert_eq!(none("format=csv fields=file,verified"), "Filename,\"Is Verified?\"\n");
        assert_eq!(none("fields=size"), " ------ \n  Size  \n ------ \n");
        assert_eq!(none("format=php"), "a:0:{}\n");
        for nothing in
            ["format=list", "format=tsv", "format=string", "field=file", "format=sections", "format=null"]
        {
            assert_eq!(none(nothing), "");
        }
        assert_eq!(rows("format=json filter=bogus=1"), "[]\n");
    }

    #[test]
    fn mistakes_are_told_even_where_there_is_nothing_to_show() {
        let rows = Rows { columns: BACKUPS, rows: Vec::new() };
        let error = |line| render_rows(&rows, &options(line), 80).unwrap_err().to_string();
        assert_eq!(error("format=bogus"), "The requested format, 'bogus', is not available.");
        assert_eq!(error("field=bogus"), "The requested field, 'bogus', is not defined.");
        assert!(error("filter=bogus").starts_with("Could not parse expression bogus"));
    }

    #[test]
    fn properties_in_each_format() {
        let all = me();
        let of = |line| properties(&all, line).unwrap();
        assert_eq!(
            of("fields=email,created"),
            concat!(
                " --------- --------------------- \n",
                "  Email     admin@example.com    \n",
                "  Created   1970-01-01 00:00:00  \n",
                " --------- --------------------- \n",
            )
        );
        assert_eq!(
            of("format=json fields=created,firstname"),
            "{\n    \"created\": 0,\n    \"firstname\": null\n}\n"
        );
        assert_eq!(of("format=list fields=created,email"), "1970-01-01 00:00:00\nadmin@example.com\n");
        assert_eq!(of("format=csv fields=firstname,email"), "\"First Name\",Email\n,admin@example.com\n");
        assert_eq!(of("format=tsv fields=email,created"), "admin@example.com\t1970-01-01 00:00:00\n");
        assert_eq!(of("format=string fields=email,created"), "admin@example.com\t0\n");
        assert_eq!(of("format=yaml fields=email,firstname"), "email: admin@example.com\nfirstname: null\n\n");
        assert_eq!(of("format=null"), "");
        assert!(matches!(properties(&all, "format=sections"), Err(OutputError::UnfitFormat(..))));
    }

    #[test]
    fn a_default_field_is_printed_bare_until_something_else_is_asked_for() {
        let mut me = me();
        me.default_field = Some("email");
        let of = |line| properties(&me, line).unwrap();
        assert_eq!(of(""), "admin@example.com\n");
        assert_eq!(of("format=string"), "admin@example.com\n");
        assert_eq!(of("fields=ID,email"), "11111111-2222-3333-4444-555555555555\tadmin@example.com\n");
        assert_eq!(of("field=created format=table"), "0\n");
        assert_eq!(of("format=list").lines().count(), 4);
    }
}
