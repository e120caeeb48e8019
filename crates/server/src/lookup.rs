//! Finds the site and the environment that a path names.

use undercroft_catalog::{Environment, Site};
use uuid::Uuid;

use crate::{ApiError, App};

impl App {
    /// The site with the UUID or the name.
    pub(crate) async fn find_site(&self, text: &str) -> Result<Site, ApiError> {
        let found = match Uuid::parse_str(text) {
            Ok(id) => self.catalog.site(id).await?,
            Err(_) => self.catalog.site_by_name(text).await?,
        };
        found.ok_or_else(|| ApiError::not_found(format!("A site named {text} was not found.")))
    }

    /// A site's environment.
    pub(crate) async fn find_env(&self, site: &str, env: &str) -> Result<(Site, Environment), ApiError> {
        let site = self.find_site(site).await?;
        let found = self.catalog.environment(site.id, env).await?;
        let missing = || ApiError::not_found(format!("Could not find an environment identified by {env}."));
        Ok((site, found.ok_or_else(missing)?))
    }
}
