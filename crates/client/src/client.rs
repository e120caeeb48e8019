//! A method for each call.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use undercroft_model::api::{
    AddSite, AddedSite, BrowsedEntry, CatalogEntry, CopyObject, CopyParams, DiffObject, DownloadToken,
    EnvironmentObject, ExportParams, KeepParams, KeptObject, NewWorkflow, Overrides, RebuiltObject,
    RecoveryKeyObject, RecoveryKeyState, RecoveryObject, SiteNameObject, SiteObject, TrashObject, Workflow,
};
use undercroft_model::{BackupFolder, Element, EnvName};
use uuid::Uuid;

use crate::{Answer, ClientError, Download, Lines, Transport};

/// Speaks the API.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client whose calls the transport carries.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Client { transport: Arc::new(transport) }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let answer = self.transport.send(request).await.map_err(ClientError::Broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().collect().await.map_err(ClientError::Broken)?.to_bytes();
        let message = serde_json::from_slice(&body)
            .unwrap_or_else(|_| format!("The server answered {status} and nothing that can be understood."));
        Err(ClientError::Refused { status, message })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json");
            bytes = serde_json::to_vec(body).map_err(ClientError::Malformed)?;
        }
        let answer = self.answer(request.body(Full::from(bytes))?).await?;
        let body = answer.into_body().collect().await.map_err(ClientError::Broken)?.to_bytes();
        serde_json::from_slice(&body).map_err(ClientError::Malformed)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// All sites, by name.
    ///
    /// # Errors
    /// [`ClientError`] if the call fails; so with every method here.
    pub async fn sites(&self) -> Result<Vec<SiteObject>, ClientError> {
        self.get("/api/sites").await
    }

    /// The site with that name or UUID.
    pub async fn site(&self, name: &str) -> Result<SiteObject, ClientError> {
        let id = match Uuid::parse_str(name) {
            Ok(id) => id,
            Err(_) => {
                let found: SiteNameObject = self.get(&format!("/api/site-names/{}", escape(name))).await?;
                found.id
            }
        };
        self.get(&format!("/api/sites/{id}?site_state=true")).await
    }

    /// Adds a site, or an environment to the site of that name.
    pub async fn add_site(&self, asked: &AddSite) -> Result<AddedSite, ClientError> {
        self.call(Method::POST, "/api/sites", Some(asked)).await
    }

    /// Removes a site. Where its backups are still kept, if they are.
    pub async fn remove_site(&self, site: Uuid, backups_too: bool) -> Result<Option<String>, ClientError> {
        let backups = if backups_too { "?backups=delete" } else { "" };
        let answer: Value =
            self.call(Method::DELETE, &format!("/api/sites/{site}{backups}"), None::<&()>).await?;
        Ok(answer.get("kept").and_then(Value::as_str).map(str::to_owned))
    }

    /// A site's environments, in the order in which they were added.
    pub async fn environments(&self, site: Uuid) -> Result<Vec<(EnvName, EnvironmentObject)>, ClientError> {
        let objects: Map<String, Value> = self.get(&format!("/api/sites/{site}/environments")).await?;
        objects
            .into_iter()
            .map(|(name, object)| {
                let name = serde_json::from_value(Value::String(name)).map_err(ClientError::Malformed)?;
                Ok((name, serde_json::from_value(object).map_err(ClientError::Malformed)?))
            })
            .collect()
    }

    /// Changes an environment's settings.
    pub async fn update_environment(
        &self,
        site: Uuid,
        env: &EnvName,
        changes: &Overrides,
    ) -> Result<AddedSite, ClientError> {
        self.call(Method::PUT, &format!("/api/sites/{site}/environments/{env}/settings"), Some(changes)).await
    }

    /// Asks for a backup.
    pub async fn create_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        params: &ExportParams,
    ) -> Result<Workflow, ClientError> {
        self.create_workflow(site, env, "do_export", params).await
    }

    /// Asks for a job of an environment.
    pub async fn create_workflow(
        &self,
        site: Uuid,
        env: &EnvName,
        kind: &str,
        params: &(impl Serialize + Sync),
    ) -> Result<Workflow, ClientError> {
        let params = serde_json::to_value(params).map_err(ClientError::Malformed)?;
        let new = NewWorkflow { kind: kind.to_owned(), params };
        self.call(Method::POST, &format!("/api/sites/{site}/environments/{env}/workflows"), Some(&new)).await
    }

    /// Asks for a job of a whole site.
    pub async fn create_site_workflow(
        &self,
        site: Uuid,
        kind: &str,
        params: &(impl Serialize + Sync),
    ) -> Result<Workflow, ClientError> {
        let params = serde_json::to_value(params).map_err(ClientError::Malformed)?;
        let new = NewWorkflow { kind: kind.to_owned(), params };
        self.call(Method::POST, &format!("/api/sites/{site}/workflows"), Some(&new)).await
    }

    /// How far a workflow is.
    pub async fn workflow(&self, site: Uuid, id: Uuid) -> Result<Workflow, ClientError> {
        self.get(&format!("/api/sites/{site}/workflows/{id}")).await
    }

    /// Asks a workflow to stop.
    pub async fn cancel_workflow(&self, site: Uuid, id: Uuid) -> Result<(), ClientError> {
        let path = format!("/api/sites/{site}/workflows/{id}");
        self.call::<Value>(Method::DELETE, &path, None::<&()>).await.map(|_| ())
    }

    /// An environment's archives by id, newest first; those, too, that hold what a restore replaced.
    pub async fn catalog(
        &self,
        site: Uuid,
        env: &EnvName,
    ) -> Result<Vec<(String, CatalogEntry)>, ClientError> {
        self.archives(&format!("/api/sites/{site}/environments/{env}/backups/catalog?safety=true")).await
    }

    /// The archives of an environment that lie in the trash.
    pub async fn trash(&self, site: Uuid, env: &EnvName) -> Result<Vec<(String, CatalogEntry)>, ClientError> {
        self.archives(&format!("/api/sites/{site}/environments/{env}/backups/trash")).await
    }

    async fn archives(&self, path: &str) -> Result<Vec<(String, CatalogEntry)>, ClientError> {
        let entries: Map<String, Value> = self.get(path).await?;
        entries
            .into_iter()
            .map(|(id, entry)| Ok((id, serde_json::from_value(entry).map_err(ClientError::Malformed)?)))
            .collect()
    }

    /// Puts a backup into the trash. Where it lies.
    pub async fn delete_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
    ) -> Result<Option<TrashObject>, ClientError> {
        let path = format!("/api/sites/{site}/environments/{env}/backups/catalog/{folder}");
        let answer: Value = self.call(Method::DELETE, &path, None::<&()>).await?;
        serde_json::from_value(answer.get("trash").cloned().unwrap_or_default())
            .map_err(ClientError::Malformed)
    }

    /// Brings a backup back from the trash. How long it is kept.
    pub async fn undelete_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
    ) -> Result<KeptObject, ClientError> {
        let path = format!("/api/sites/{site}/environments/{env}/backups/catalog/{folder}/undelete");
        self.kept(Method::POST, &path, &json!({})).await
    }

    /// Keeps a backup for another while. How long it is kept.
    pub async fn keep_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
        params: &KeepParams,
    ) -> Result<KeptObject, ClientError> {
        let path = format!("/api/sites/{site}/environments/{env}/backups/catalog/{folder}/keep");
        self.kept(Method::PUT, &path, params).await
    }

    async fn kept(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<KeptObject, ClientError> {
        let answer: Value = self.call(method, path, Some(body)).await?;
        serde_json::from_value(answer.get("kept").cloned().unwrap_or_default())
            .map_err(ClientError::Malformed)
    }

    /// Begins a listing of what is in an archive, at or below a path.
    pub async fn browse(
        &self,
        site: Uuid,
        env: &EnvName,
        archive: (BackupFolder, Element),
        path: &str,
        depth: Option<usize>,
    ) -> Result<Lines<BrowsedEntry>, ClientError> {
        let (folder, element) = archive;
        let depth = depth.map(|depth| format!("&depth={depth}")).unwrap_or_default();
        let path = escape(path);
        let uri = format!(
            "/api/sites/{site}/environments/{env}/backups/catalog/{folder}/{element}/entries?path={path}{depth}"
        );
        let request = Request::builder().method(Method::GET).uri(uri);
        Ok(Lines::new(self.answer(request.body(Full::default())?).await?))
    }

    /// What differs between two archives, by their file names.
    pub async fn diff(
        &self,
        site: Uuid,
        env: &EnvName,
        before: &str,
        after: &str,
    ) -> Result<DiffObject, ClientError> {
        let (before, after) = (escape(before), escape(after));
        self.get(&format!("/api/sites/{site}/environments/{env}/backups/diff?before={before}&after={after}"))
            .await
    }

    /// What became of restores that were stopped, since this was asked last.
    pub async fn recoveries(&self) -> Result<Vec<RecoveryObject>, ClientError> {
        self.call(Method::POST, "/api/recoveries", Some(&json!({}))).await
    }

    /// Takes everything that the store has into the catalog.
    pub async fn rebuild_catalog(&self) -> Result<RebuiltObject, ClientError> {
        self.call(Method::POST, "/api/catalog/rebuild", Some(&json!({}))).await
    }

    /// Begins to bring the store to another one.
    pub async fn copy_store(&self, params: &CopyParams) -> Result<CopyObject, ClientError> {
        self.call(Method::POST, "/api/store/copy", Some(params)).await
    }

    /// How far a copy is.
    pub async fn copy_at(&self, id: Uuid) -> Result<CopyObject, ClientError> {
        self.get(&format!("/api/store/copy/{id}")).await
    }

    /// Asks a copy to stop.
    pub async fn cancel_copy(&self, id: Uuid) -> Result<(), ClientError> {
        self.call::<Value>(Method::DELETE, &format!("/api/store/copy/{id}"), None::<&()>).await.map(|_| ())
    }

    /// A new link to an archive.
    pub async fn download_link(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
        element: Element,
    ) -> Result<String, ClientError> {
        let path = format!("/api/sites/{site}/environments/{env}/backups/catalog/{folder}/{element}/s3token");
        let token: DownloadToken = self.call(Method::POST, &path, Some(&json!({ "method": "get" }))).await?;
        Ok(token.url)
    }

    /// Begins a download at a link, from the byte `from` on.
    pub async fn download(&self, link: &str, from: u64) -> Result<Download, ClientError> {
        let mut request = Request::builder().method(Method::GET).uri(link);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        Ok(Download::new(self.answer(request.body(Full::default())?).await?))
    }

    /// The recovery key.
    pub async fn recovery_key(&self) -> Result<RecoveryKeyObject, ClientError> {
        self.get("/api/recovery-key").await
    }

    /// Whether a person has the recovery key.
    pub async fn recovery_key_is_exported(&self) -> Result<bool, ClientError> {
        let state: RecoveryKeyState = self.get("/api/recovery-key/state").await?;
        Ok(state.exported)
    }

    /// Says that a person has the recovery key now.
    pub async fn recovery_key_exported(&self) -> Result<(), ClientError> {
        self.call::<Value>(Method::POST, "/api/recovery-key", Some(&json!({}))).await.map(|_| ())
    }
}

/// A text as one segment of a path (RFC 3986, 2.1).
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_segment() {
        assert_eq!(escape("my-shop2"), "my-shop2");
        assert_eq!(escape("a/b ?ü"), "a%2Fb%20%3F%C3%BC");
    }
}
