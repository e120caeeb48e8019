//! `backup:info SITE.ENV`

use undercroft_model::{CodeFacts, DatabaseFacts, Facts, FilesFacts};

use super::backup_create::sentence;
use super::{Context, backup_list, lookup};
use crate::args::BackupInfo;
use crate::error::Failure;
use crate::output::{Column, Properties, PropertyOptions, Value, human_size};

const COLUMNS: [Column; 14] = [
    Column::new("file", "Filename"),
    Column::new("size", "Size"),
    Column::new("date", "Date"),
    Column::new("expiry", "Expiry"),
    Column::new("initiator", "Initiator"),
    Column::new("url", "URL"),
    Column::new("state", "State"),
    Column::new("kept", "Kept"),
    Column::new("verified", "Verified"),
    Column::new("moment", "Moment"),
    Column::new("contents", "Contents"),
    Column::new("work", "Work"),
    Column::new("left_out", "Left out"),
    Column::new("remarks", "Remarks"),
];

/// Shows one archive.
pub async fn run(context: &Context, args: BackupInfo) -> Result<(), Failure> {
    let archive = lookup::archive(context, &args.which).await?;
    let entry = &archive.entry;
    let id = format!("{}_{}", entry.folder, archive.element);
    let mut values = backup_list::cells(&id, entry);
    let mut remarks: Vec<_> = entry.remarks.iter().map(|remark| sentence(archive.element, remark)).collect();
    let more = entry.remarks_total.saturating_sub(remarks.len() as u64);
    if more > 0 {
        remarks.push(format!("and {more} more"));
    }
    values.extend([
        ("contents", entry.facts.as_ref().map(contents).into()),
        ("work", format!("{} read, {} reused", human_size(entry.read), human_size(entry.reused)).into()),
        ("left_out", entry.facts.as_ref().map(left_out).unwrap_or_default().into()),
        ("remarks", remarks.join("\n").into()),
    ]);
    values.iter_mut().filter(|(key, _)| *key == "url").for_each(|(_, value)| {
        // Only a server that answers over the network has an address that a link could begin with.
        *value = Value::human(Value::Null, "-");
    });
    let mut options = args.output;
    if options == PropertyOptions::default() {
        // A person need not read what there is nothing to say of.
        options.fields = Some(told(&values));
    }
    context.print_properties(&Properties { columns: &COLUMNS, values, default_field: None }, &options)
}

/// The fields that have something to say.
fn told(values: &[(&'static str, Value)]) -> String {
    let empty = |key: &str| {
        let value = values.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
        value.is_none_or(|value| *value == Value::from("") || *value == Value::Null)
    };
    let keys = COLUMNS.iter().map(|column| column.key).filter(|key| *key != "url" && !empty(key));
    keys.collect::<Vec<_>>().join(",")
}

fn contents(facts: &Facts) -> String {
    match facts {
        Facts::Code(CodeFacts { commit, reference, references, tree, .. }) => match commit {
            Some(commit) => format!(
                "commit {commit}{}, {references} references, {}",
                reference.as_ref().map(|name| format!(" ({name})")).unwrap_or_default(),
                files(tree)
            ),
            None => files(tree),
        },
        Facts::Database(DatabaseFacts {
            server,
            schema,
            tables,
            rows,
            views,
            triggers,
            routines,
            events,
            sequences,
            ..
        }) => {
            let counted = [
                (*tables, "tables"),
                (*rows, "rows"),
                (*views, "views"),
                (*triggers, "triggers"),
                (*routines, "routines"),
                (*events, "events"),
                (*sequences, "sequences"),
            ];
            let counted: Vec<_> = counted
                .iter()
                .filter(|(count, what)| *count > 0 || *what == "tables")
                .map(|(count, what)| format!("{count} {what}"))
                .collect();
            format!("{schema} of {server}: {}", counted.join(", "))
        }
        Facts::Files(tree) => files(tree),
    }
}

fn files(tree: &FilesFacts) -> String {
    format!("{} files in {} entries, {}", tree.files, tree.entries, human_size(tree.content))
}

fn left_out(facts: &Facts) -> String {
    let list = match facts {
        Facts::Code(code) => &code.tree.left_out,
        Facts::Files(tree) => &tree.left_out,
        Facts::Database(_) => return String::new(),
    };
    let lines =
        list.iter().map(|out| format!("{}: {} entries, {}", out.reason, out.entries, human_size(out.bytes)));
    lines.collect::<Vec<_>>().join("\n")
}
