//! `backup:diff SITE.ENV [BEFORE] [AFTER]`

use undercroft_model::Element;
use undercroft_model::api::{CatalogEntry, DiffObject, Difference};

use super::{Context, lookup};
use crate::args::BackupDiff;
use crate::error::Failure;
use crate::output::{Column, Rows, Value, human_size};

const COLUMNS: [Column; 7] = [
    Column::new("change", "Change"),
    Column::new("element", "Element"),
    Column::new("name", "What"),
    Column::new("detail", "How"),
    Column::on_request("kind", "Kind"),
    Column::on_request("before", "Bytes before"),
    Column::on_request("after", "Bytes after"),
];

/// Tells what differs between two backups.
pub async fn run(context: &Context, args: BackupDiff) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let elements = lookup::elements(&args.element)?;
    let entries = context.client.catalog(site.id, &env).await?;
    let mut rows = Vec::new();
    let mut compared = false;
    for element in [Element::Code, Element::Database, Element::Files] {
        if !elements.contains(element) {
            continue;
        }
        let Some((before, after)) = pair(&entries, element, &args)? else { continue };
        compared = true;
        let diff = context.client.diff(site.id, &env, &before, &after).await?;
        sum_up(context, element, (&before, &after), &diff);
        for difference in diff.differences {
            let key = format!("{element} {}", difference.name);
            rows.push((key, cells(element, difference)));
        }
    }
    if !compared {
        return Err(Failure::Because(format!(
            "There are no two archives of the same element to compare. backup:list {} shows what there is.",
            args.site_env
        )));
    }
    context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output)
}

/// The two archives of an element that are meant.
fn pair(
    entries: &[(String, CatalogEntry)],
    element: Element,
    args: &BackupDiff,
) -> Result<Option<(String, String)>, Failure> {
    let mine: Vec<_> = entries
        .iter()
        .filter(|(id, _)| lookup::element_of(id) == Some(element))
        .filter_map(|(_, entry)| Some((entry, entry.filename.clone()?)))
        .collect();
    let named = |text: &str| {
        // It must be something, but need not have this element.
        lookup::folder(entries, text, &args.site_env)?;
        let found = mine.iter().find(|(entry, file)| entry.folder == text || file == text);
        Ok::<_, Failure>(found.map(|(_, file)| file.clone()))
    };
    // What a restore replaced is compared only by its name.
    let nth = |n: usize| mine.iter().filter(|(entry, _)| !entry.safety).nth(n).map(|(_, file)| file.clone());
    let (before, after) = match (&args.before, &args.after) {
        (Some(before), Some(after)) => (named(before)?, named(after)?),
        (Some(before), None) => (named(before)?, nth(0)),
        (None, _) => (nth(1), nth(0)),
    };
    Ok(before.zip(after))
}

fn sum_up(context: &Context, element: Element, (before, after): (&str, &str), diff: &DiffObject) {
    let [added, removed, changed, same] = diff.totals;
    context.messages.notice(&format!(
        "{element}: {added} added, {removed} removed, {changed} changed, {same} the same, from {before} to {after}."
    ));
    if let Some(commits) = &diff.commits {
        let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
        let from = commits.from.as_deref().map(short).unwrap_or_default();
        if commits.from.as_deref() == Some(commits.to.as_str()) {
            context.messages.notice(&format!("code: both are at the commit {from}."));
        } else {
            context.messages.notice(&format!(
                "code: from the commit {from} to {}: {} commits more, {} less.",
                short(&commits.to),
                commits.ahead,
                commits.behind
            ));
        }
        for (sign, id, subject) in &commits.first {
            context.messages.notice(&format!("code: {sign} {} {subject}", short(id)));
        }
    }
    for note in &diff.notes {
        context.messages.notice(&format!("{element}: {note}."));
    }
}

fn cells(element: Element, difference: Difference) -> Vec<(&'static str, Value)> {
    let detail = detail(&difference);
    vec![
        ("change", difference.change.into()),
        ("element", element.as_str().into()),
        ("name", difference.name.into()),
        ("detail", detail.into()),
        ("kind", difference.kind.into()),
        ("before", difference.before.map_or(Value::Null, Value::from)),
        ("after", difference.after.map_or(Value::Null, Value::from)),
    ]
}

fn detail(difference: &Difference) -> String {
    let mut parts = Vec::new();
    match difference.rows {
        Some((Some(before), Some(after))) if before != after => {
            parts.push(format!("{before} rows, then {after}"));
        }
        Some((Some(rows), _) | (None, Some(rows))) => parts.push(format!("{rows} rows")),
        _ => {}
    }
    match (difference.before, difference.after) {
        (Some(before), Some(after)) if before != after => {
            parts.push(format!("{}, then {}", human_size(before), human_size(after)));
        }
        (Some(size), _) | (None, Some(size)) => parts.push(human_size(size)),
        (None, None) => {}
    }
    if !difference.what.is_empty() {
        parts.push(difference.what.join(", "));
    }
    parts.join("; ")
}
