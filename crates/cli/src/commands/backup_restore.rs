//! `backup:restore SITE.ENV`

mod tell;

use undercroft_model::api::{CatalogEntry, RestoreOutcome, RestoreParams, SiteObject, Workflow};
use undercroft_model::{Element, ElementState, EnvName, SiteEnv};

use super::follow::{follow, reason};
use super::stop::Stop;
use super::{Context, lookup, places};
use crate::args::BackupRestore;
use crate::error::Failure;
use crate::output::{Answer, confirm};

/// In the order in which Terminus restores them.
const ELEMENTS: [Element; 3] = [Element::Code, Element::Files, Element::Database];

/// Brings an environment back.
pub async fn run(context: &Context, args: BackupRestore) -> Result<(), Failure> {
    if args.file.is_some() && args.element.as_deref().is_some_and(|element| element != "all") {
        return Err(Failure::Because(
            "You cannot specify a file and an element at the same time.".to_owned(),
        ));
    }
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let from = match &args.from {
        Some(from) => Some(other_environment(context, &site, from).await?),
        None => None,
    };
    let source = from.as_ref().unwrap_or(&env);
    let archives = if args.undo { Vec::new() } else { choose(context, &site, source, &args).await? };
    let params = params(&args, archives, from)?;
    let mut stop = Stop::listen()?;
    if args.dry_run {
        let workflow = context.client.create_workflow(site.id, &env, "plan_restore", &params).await?;
        let done = follow(context, &site, workflow, &mut stop, "Nothing was changed.").await?;
        let outcome = finished(context, &done, &args.site_env)?;
        tell::plan(context, &outcome)?;
        context.messages.notice("This is what would change. Nothing was changed.");
        return Ok(());
    }
    if !agreed(context, &site, &env, &params)? {
        context.messages.notice("Nothing was restored.");
        return Ok(());
    }
    let workflow = context.client.create_workflow(site.id, &env, "restore", &params).await?;
    let done = follow(
        context,
        &site,
        workflow,
        &mut stop,
        "Until it switches, the environment is as it was; from then on it goes to its end.",
    )
    .await?;
    let outcome = finished(context, &done, &args.site_env)?;
    tell::restored(context, &env, &outcome, &args);
    if args.skip_damaged && tell::is_lossy(&outcome) {
        context.messages.error_text("Not everything came back: the vault is damaged.");
        return Err(Failure::Told);
    }
    Ok(())
}

async fn other_environment(context: &Context, site: &SiteObject, from: &SiteEnv) -> Result<EnvName, Failure> {
    let (other, env, _) = lookup::env(&context.client, from).await?;
    if other.id == site.id {
        return Ok(env);
    }
    Err(Failure::Because(format!(
        "{from} is another site's: only environments of {} can be the source. Take the other site's backup out with \
         backup:get {from} --to=FOLDER.",
        site.name
    )))
}

/// The archives that come back.
async fn choose(
    context: &Context,
    site: &SiteObject,
    env: &EnvName,
    args: &BackupRestore,
) -> Result<Vec<String>, Failure> {
    let entries = context.client.catalog(site.id, env).await?;
    let which = args.from.as_ref().unwrap_or(&args.site_env);
    if let Some(file) = &args.file {
        return named(context, &entries, file, args, which);
    }
    let elements = lookup::elements(args.element.as_deref().unwrap_or_else(|| default_element(args)))?;
    let elements = narrowed(elements.iter().collect(), args)?;
    refuse_what_says_nothing(&elements, args)?;
    let chosen: Vec<_> =
        elements.iter().filter_map(|element| newest_good(context, &entries, *element)).collect();
    let folders: std::collections::BTreeSet<_> = chosen.iter().map(|entry| &entry.folder).collect();
    if folders.len() > 1 {
        let names: Vec<_> = chosen.iter().filter_map(|entry| entry.filename.as_deref()).collect();
        context.messages.warning(&format!(
            "The newest good archives are of different backups: {}. --file=FOLDER takes all of one.",
            names.join(", ")
        ));
    }
    let names: Vec<_> = chosen.into_iter().filter_map(|entry| entry.filename.clone()).collect();
    if names.is_empty() {
        return Err(nothing_to_restore(context, (site, env, which), &elements, &entries).await);
    }
    Ok(names)
}

/// Why there is nothing that could come back, and what to do.
async fn nothing_to_restore(
    context: &Context,
    (site, env, which): (&SiteObject, &EnvName, &SiteEnv),
    elements: &[Element],
    entries: &[(String, CatalogEntry)],
) -> Failure {
    if entries.iter().any(|(_, entry)| entry.filename.is_some() && !entry.safety) {
        let elements = elements.iter().map(Element::to_string).collect::<Vec<_>>().join(" or ");
        return Failure::Because(format!(
            "No backup of {which} has the element {elements}. backup:list {which} shows what there is."
        ));
    }
    let trash = match context.client.trash(site.id, env).await {
        Ok(trash) if !trash.is_empty() => {
            format!(", or bring one back from the trash: backup:undelete {which}")
        }
        _ => String::new(),
    };
    Failure::Because(format!(
        "No backups available. Create one with `undercroft backup:create {which}`{trash}"
    ))
}

/// An option that concerns none of what comes back was meant for something else.
fn refuse_what_says_nothing(elements: &[Element], args: &BackupRestore) -> Result<(), Failure> {
    let options = [
        (!args.search_replace.is_empty(), "--search-replace", Element::Database, "database"),
        (args.in_place, "--in-place", Element::Database, "database"),
        (args.remove_untracked, "--remove-untracked", Element::Code, "code"),
    ];
    let useless =
        options.into_iter().find(|(is_given, _, element, _)| *is_given && !elements.contains(element));
    match useless {
        Some((_, option, _, of)) => Err(Failure::Because(format!(
            "There is no archive of a {of} among what is to be restored, so {option} says nothing."
        ))),
        None => Ok(()),
    }
}

/// What is meant where no element is named: tables are in databases, and paths in files.
fn default_element(args: &BackupRestore) -> &'static str {
    if !args.table.is_empty() {
        "database"
    } else if !args.path.is_empty() {
        "files"
    } else {
        "all"
    }
}

/// Those of the elements in which there is what is named, in the order in which they come back: nobody who names a
/// table or a file wants all else, too.
fn narrowed(mut elements: Vec<Element>, args: &BackupRestore) -> Result<Vec<Element>, Failure> {
    let nothing = |option: &str, of: &str| {
        Failure::Because(format!(
            "There is no archive of {of} among what is to be restored, so {option} says nothing."
        ))
    };
    elements.sort_by_key(|element| ELEMENTS.iter().position(|one| one == element));
    if !args.table.is_empty() {
        elements.retain(|element| *element == Element::Database);
        return if elements.is_empty() { Err(nothing("--table", "a database")) } else { Ok(elements) };
    }
    if !args.path.is_empty() {
        elements.retain(|element| *element != Element::Database);
        return match elements.len() {
            0 => Err(nothing("--path", "files or code")),
            1 => Ok(elements),
            _ => Err(Failure::Because(
                "The paths may be of the code or of the files: say which with --element=files or --element=code, or \
                 name one archive with --file."
                    .to_owned(),
            )),
        };
    }
    Ok(elements)
}

/// The archives that a file name, an id or a folder names.
fn named(
    context: &Context,
    entries: &[(String, CatalogEntry)],
    text: &str,
    args: &BackupRestore,
    which: &SiteEnv,
) -> Result<Vec<String>, Failure> {
    let one = entries.iter().find(|(id, entry)| id == text || entry.filename.as_deref() == Some(text));
    let mut meant: Vec<_> = match one {
        Some(one) => vec![one],
        None => entries.iter().filter(|(_, entry)| entry.folder == text).collect(),
    };
    meant.retain(|(_, entry)| entry.filename.is_some());
    if meant.is_empty() {
        return Err(not_found(text, which));
    }
    let of = |(id, _): &&(String, CatalogEntry)| lookup::element_of(id);
    let wanted = narrowed(meant.iter().filter_map(of).collect(), args)?;
    refuse_what_says_nothing(&wanted, args)?;
    meant.retain(|one| of(one).is_some_and(|element| wanted.contains(&element)));
    for (_, entry) in &meant {
        warn_if_incomplete(context, entry);
    }
    Ok(meant.into_iter().filter_map(|(_, entry)| entry.filename.clone()).collect())
}

/// There is no such backup; if its name is of another environment, how to take that one.
fn not_found(text: &str, which: &SiteEnv) -> Failure {
    let rest = text.strip_prefix(&format!("{}_", which.site));
    let other = rest.and_then(|rest| rest.split_once('_')).map(|(env, _)| env);
    match other.and_then(|other| other.parse::<EnvName>().ok()).filter(|other| *other != which.env) {
        Some(other) => Failure::Because(format!(
            "Could not find a backup identified by {text} among those of {which}. By its name it is one of {0}.{other}: \
             --from={0}.{other} takes it from there.",
            which.site
        )),
        None => lookup::not_found(text, which),
    }
}

fn newest_good<'e>(
    context: &Context,
    entries: &'e [(String, CatalogEntry)],
    element: Element,
) -> Option<&'e CatalogEntry> {
    let mine: Vec<_> = entries
        .iter()
        .filter(|(id, entry)| lookup::element_of(id) == Some(element) && entry.filename.is_some())
        // What the last restore replaced is taken by --undo, or by its name.
        .filter(|(_, entry)| !entry.safety)
        .map(|(_, entry)| entry)
        .collect();
    let sound = |entry: &&&CatalogEntry| {
        entry.state == ElementState::Good && entry.proven.as_ref().is_none_or(|proven| proven.good)
    };
    let good = mine.iter().find(sound).copied();
    let newest = mine.first().copied()?;
    if newest.state == ElementState::Incomplete {
        warn_if_incomplete(context, newest);
        if good.is_some() {
            context.messages.notice("The newest good one is taken; --file takes the other.");
        }
    }
    good.or(Some(newest))
}

fn warn_if_incomplete(context: &Context, entry: &CatalogEntry) {
    if entry.state == ElementState::Incomplete {
        let file = entry.filename.as_deref().unwrap_or_default();
        context.messages.warning(&format!("{file} is incomplete: {} lost.", entry.lost_total));
    }
}

fn params(
    args: &BackupRestore,
    archives: Vec<String>,
    from: Option<EnvName>,
) -> Result<RestoreParams, Failure> {
    let pairs = args.search_replace.chunks_exact(2).filter_map(|pair| match pair {
        [old, new] => Some((old.clone(), new.clone())),
        _ => None,
    });
    Ok(RestoreParams {
        archives,
        from,
        undo: args.undo,
        tables: args.table.clone(),
        paths: args.path.clone(),
        to: args.to.as_deref().map(places::absolute).transpose()?,
        no_safety_backup: args.no_safety_backup,
        in_place: args.in_place,
        remove_untracked: args.remove_untracked,
        skip_damaged: args.skip_damaged,
        search_replace: pairs.collect(),
    })
}

fn agreed(
    context: &Context,
    site: &SiteObject,
    env: &EnvName,
    params: &RestoreParams,
) -> Result<bool, Failure> {
    if params.to.is_some() {
        return Ok(true);
    }
    for archive in &params.archives {
        context.messages.notice(&format!("To be restored: {archive}{}", only(params)));
    }
    let question = if params.undo {
        format!("Are you sure you want to undo the last restore of {env} on {}?", site.name)
    } else {
        format!("Are you sure you want to restore to {env} on {}?", site.name)
    };
    let answer = Answer::from_options(context.global.yes, context.global.no_interaction);
    confirm(&question, answer).map_err(Failure::Print)
}

/// What of an archive comes back alone, as words.
fn only(params: &RestoreParams) -> String {
    let named: Vec<_> = params.tables.iter().chain(&params.paths).map(String::as_str).collect();
    if named.is_empty() { String::new() } else { format!(", of it only {}", named.join(", ")) }
}

/// What came of it; a failure is told.
fn finished(context: &Context, done: &Workflow, which: &SiteEnv) -> Result<RestoreOutcome, Failure> {
    match done.result.as_deref() {
        Some("succeeded") => Ok(serde_json::from_value(done.outcome.clone()).unwrap_or_default()),
        Some("aborted") => {
            context.messages.warning(&format!("The restore was stopped. {which} is as it was."));
            Err(Failure::Interrupted)
        }
        _ => {
            context.messages.error_text(&format!("{which}: {}", reason(done)));
            Err(Failure::Told)
        }
    }
}
