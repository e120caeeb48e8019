//! `site:info SITE`

use super::{Context, lookup, site_list};
use crate::args::SiteInfo;
use crate::error::Failure;
use crate::output::{Column, Properties, Value};

const COLUMNS: [Column; 7] = [
    Column::new("id", "ID"),
    Column::new("name", "Name"),
    Column::new("label", "Label"),
    Column::new("created", "Created"),
    Column::new("framework", "Framework"),
    Column::new("environments", "Environments"),
    Column::new("frozen", "Is Frozen?"),
];

/// Shows a site.
pub async fn run(context: &Context, args: SiteInfo) -> Result<(), Failure> {
    let site = lookup::site(&context.client, &args.site).await?;
    let mut values = site_list::cells(&site);
    for (key, value) in &mut values {
        if *key == "framework" {
            *value = framework(&site.framework);
        }
    }
    context.print_properties(&Properties { columns: &COLUMNS, values, default_field: None }, &args.output)
}

fn framework(word: &str) -> Value {
    match word {
        "drupal" => Value::human(word, "Drupal 6 or 7"),
        "drupal8" => Value::human(word, "Drupal 8 or later"),
        other => Value::from(other),
    }
}
