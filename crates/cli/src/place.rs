//! Finds the data folder and opens it.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use undercroft_client::{Client, InProcess};
use undercroft_server::{App, DataFolder, router};

use crate::args::CatalogRebuild;
use crate::error::Failure;

/// Where root's data folder is.
const SYSTEM: &str = "/var/lib/undercroft";

/// The data folder: the one that was named, else root's, else the user's own (XDG Base Directory Specification).
pub fn data_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(SYSTEM));
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    own.map(|own| own.join("undercroft")).ok_or_else(|| {
        Failure::Because("There is no home folder to keep data in: name a folder with --data.".to_owned())
    })
}

/// A client of a server in this process, on that data folder. It is made only if a command `begins` with it.
pub async fn open(folder: &Path, begins: bool) -> Result<Client, Failure> {
    if !begins && std::fs::metadata(folder).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(Failure::Because(format!(
            "There is no data folder {}. `undercroft site:add FOLDER` begins one; another one is named by --data or \
             UNDERCROFT_DATA.",
            folder.display()
        )));
    }
    let app = App::open(DataFolder::open(folder)?).await?;
    Ok(Client::new(InProcess(router(app))))
}

/// Prepares a data folder for a catalog that is made anew: with the store and the recovery key that are named.
pub fn set_up(folder: &Path, args: &CatalogRebuild) -> Result<(), Failure> {
    let read =
        |source| Failure::File { action: "reading", path: args.key.clone().unwrap_or_default(), source };
    let key = match &args.key {
        None => None,
        Some(key) if key.as_os_str() == "-" => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(read)?;
            Some(line)
        }
        Some(key) => Some(std::fs::read_to_string(key).map_err(read)?),
    };
    let data = DataFolder::open(folder)?;
    Ok(data.take(args.store.as_deref(), key.as_deref().map(str::trim))?)
}
