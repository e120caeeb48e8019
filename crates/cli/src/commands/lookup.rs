//! Finds what the arguments name.

use undercroft_client::Client;
use undercroft_model::api::{CatalogEntry, EnvironmentObject, SiteObject};
use undercroft_model::{BackupFolder, Element, ElementSet, ElementState, EnvName, SiteEnv};

use super::Context;
use crate::args::Which;
use crate::error::Failure;

/// The site with that name or UUID.
pub async fn site(client: &Client, name: &str) -> Result<SiteObject, Failure> {
    client.site(name).await.map_err(|error| {
        if error.is_not_found() {
            Failure::Because(format!(
                "Could not locate a site identified by {name}. site:list shows what there is, site:add adds one."
            ))
        } else {
            error.into()
        }
    })
}

/// An environment, and its site.
pub async fn env(
    client: &Client,
    which: &SiteEnv,
) -> Result<(SiteObject, EnvName, EnvironmentObject), Failure> {
    let site = site(client, &which.site).await?;
    let all = client.environments(site.id).await?;
    let there: Vec<_> = all.iter().map(|(name, _)| name.to_string()).collect();
    let found = all.into_iter().find(|(name, _)| *name == which.env);
    let (name, object) = found.ok_or_else(|| {
        Failure::Because(format!(
            "Could not find an environment identified by {}. {} has: {}.",
            which.env,
            site.name,
            there.join(", ")
        ))
    })?;
    Ok((site, name, object))
}

/// An archive as the catalog has it.
pub struct Archive {
    /// The site.
    pub site: SiteObject,
    /// The environment.
    pub env: EnvName,
    /// What is in it.
    pub element: Element,
    /// Its file name.
    pub filename: String,
    /// What the catalog says of it.
    pub entry: CatalogEntry,
}

/// The element that an entry's id ends in.
pub fn element_of(id: &str) -> Option<Element> {
    id.rsplit('_').next()?.parse().ok()
}

/// The elements that an option names.
pub fn elements(text: &str) -> Result<ElementSet, Failure> {
    text.parse().map_err(|_| not_an_element(", all"))
}

fn not_an_element(more: &str) -> Failure {
    Failure::Because(format!("Element should be one of the following items: code, files, database, db{more}"))
}

fn one_element(text: &str) -> Result<Element, Failure> {
    match text {
        "all" => {
            Err(Failure::Because("The backup element \"all\" is not supported for this command.".into()))
        }
        text => text.parse().map_err(|_| not_an_element("")),
    }
}

/// The archive that is meant: the one of that file name or id, else the newest of the element.
///
/// The newest that is good: one that is incomplete is passed over, and that is told, unless there is no other.
pub async fn archive(context: &Context, which: &Which) -> Result<Archive, Failure> {
    let client = &context.client;
    let element = one_element(&which.element)?;
    let (site, env, _) = self::env(client, &which.site_env).await?;
    let entries = client.catalog(site.id, &env).await?;
    let others = entries.iter().any(|(_, entry)| !entry.safety);
    let failure = entries
        .iter()
        .find_map(|(id, entry)| (element_of(id) == Some(element)).then(|| entry.error.clone()).flatten());
    let there = entries
        .into_iter()
        .filter_map(|(id, entry)| Some((element_of(&id)?, entry.filename.clone()?, id, entry)));
    let mut there: Vec<_> = there.collect();
    match &which.file {
        Some(file) => there.retain(|(of, filename, id, entry)| {
            filename == file || id == file || (*of == element && entry.folder == *file)
        }),
        // What a restore replaced is taken only by its name.
        None => there.retain(|(of, .., entry)| *of == element && !entry.safety),
    }
    let good = there.iter().position(|(.., entry)| entry.state == ElementState::Good);
    if let Some((_, newest, _, entry)) = there.first().filter(|(.., e)| e.state != ElementState::Good) {
        let instead =
            if good.is_some() { " The newest good one is taken; --file gets the other." } else { "" };
        let lost = entry.lost_total;
        context.messages.warning(&format!("{newest} is incomplete: {lost} lost.{instead}"));
    }
    let found = (!there.is_empty()).then(|| there.swap_remove(good.unwrap_or(0)));
    let (element, filename, _, entry) = found.ok_or_else(|| {
        Failure::Because(match &which.file {
            Some(file) => format!(
                "Could not find a backup identified by {file}. backup:list {} shows what there is.",
                which.site_env
            ),
            None if others && failure.is_none() => format!(
                "No backup of {0} has the element {element}. backup:list {0} shows what there is.",
                which.site_env
            ),
            None => format!(
                "No backups available. Create one with `undercroft backup:create {}`{}",
                which.site_env,
                failure.map(|why| format!(". The last one failed: {why}")).unwrap_or_default()
            ),
        })
    })?;
    Ok(Archive { site, env, element, filename, entry })
}

/// The folder of the backup that is meant, among those entries: by its folder, or the file name or id of one of its
/// archives.
pub fn folder(
    entries: &[(String, CatalogEntry)],
    text: &str,
    which: &SiteEnv,
) -> Result<BackupFolder, Failure> {
    let found = entries
        .iter()
        .find(|(id, entry)| entry.folder == text || id == text || entry.filename.as_deref() == Some(text));
    let found = found.ok_or_else(|| not_found(text, which))?;
    found.1.folder.parse().map_err(|error| Failure::Because(format!("{error}")))
}

/// There is no such backup.
pub fn not_found(text: &str, which: &SiteEnv) -> Failure {
    Failure::Because(format!(
        "Could not find a backup identified by {text}. backup:list {which} shows what there is, backup:undelete {which} \
         what is in the trash."
    ))
}

/// The sites that are meant: the one that is named, else all.
pub async fn sites(client: &Client, name: Option<&str>) -> Result<Vec<SiteObject>, Failure> {
    match name {
        Some(name) => Ok(vec![site(client, name).await?]),
        None => Ok(client.sites().await?),
    }
}
