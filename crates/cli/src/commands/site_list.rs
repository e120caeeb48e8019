//! `site:list`

use undercroft_model::api::SiteObject;

use super::Context;
use crate::args::List;
use crate::error::Failure;
use crate::output::{Column, Rows, Value};

const COLUMNS: [Column; 6] = [
    Column::new("name", "Name"),
    Column::new("id", "ID"),
    Column::new("framework", "Framework"),
    Column::new("environments", "Environments"),
    Column::new("created", "Created"),
    Column::on_request("frozen", "Is Frozen?"),
];

/// Lists the sites.
pub async fn run(context: &Context, args: List) -> Result<(), Failure> {
    let sites = context.client.sites().await?;
    if sites.is_empty() {
        context.messages.warning("You have no sites. Add one with `undercroft site:add FOLDER`.");
    }
    let rows = sites.into_iter().map(|site| (site.id.to_string(), cells(&site))).collect();
    context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output)
}

/// A site's fields.
pub fn cells(site: &SiteObject) -> Vec<(&'static str, Value)> {
    let environments: Vec<_> = site.environments.iter().map(ToString::to_string).collect();
    vec![
        ("name", site.name.to_string().into()),
        ("id", site.id.to_string().into()),
        ("label", site.label.clone().into()),
        ("framework", site.framework.clone().into()),
        ("environments", environments.join(", ").into()),
        ("created", Value::Time(Some(site.created as f64))),
        ("frozen", site.frozen.into()),
    ]
}
