//! Cleaning up after a restore: what is left half done is ended, for all parts, before anything of one is removed.
//! Removing the old code changes files that have another name among the old uploads.

use undercroft_model::Element;
use undercroft_site::database::restore as database;
use undercroft_site::files::restore::{self as files, CleanUpError};
use undercroft_site::git::restore as git;

use super::error::PartError;
use super::objects;
use super::part::{How, Live, Staged};

impl Staged {
    /// Ends what was left half done, and carries over what visitors brought meanwhile.
    fn finish(&self, all: &[&Staged], live: Live<'_>) -> Result<(), PartError> {
        let How::Tree { staged } = &self.how else { return Ok(()) };
        let of_git = |part: &&Staged| match &part.how {
            // If git does not tell, some of it may be taken for a visitor's.
            How::Git { staged: git, .. } => git::laid_out(git, &staged.place).ok(),
            _ => None,
        };
        let written: Vec<_> = all.iter().filter_map(of_git).flatten().collect();
        files::finish(staged, &written, live.observer).map_err(|error| CleanUpError::Unfinished(error).into())
    }

    /// Cleans up after all parts of a restore, as far as that can be done. Gives what could not.
    pub fn clean_up_all(all: &[&Staged], live: Live<'_>) -> Vec<(Element, PartError)> {
        let finished: Vec<_> = all.iter().map(|part| (part, part.finish(all, live))).collect();
        let cleaned =
            finished.into_iter().map(|(part, done)| (part.element, done.and_then(|()| part.clean_up(live))));
        cleaned.filter_map(|(element, done)| done.err().map(|error| (element, error))).collect()
    }

    /// Removes what was made beside the live environment, or what was live before; a tree, once it is finished.
    pub fn clean_up(&self, live: Live<'_>) -> Result<(), PartError> {
        match &self.how {
            How::Database { staged, .. } => Ok(database::clean_up(staged, &live.database()?)?),
            How::Tree { staged } => Ok(files::remove_stage(staged, live.observer)?),
            How::Git { staged, objects: laid_out } => {
                git::clean_up(staged)?;
                laid_out.as_deref().map_or(Ok(()), objects::remove)
            }
            How::TestRestore { id } => Ok(database::test_clean_up(&live.database()?, *id)?),
            How::GitBack { .. } => Ok(()),
        }
    }
}
