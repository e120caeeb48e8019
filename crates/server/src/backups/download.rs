//! `GET /download/<site>/<env>/<folder>/<file>`: an archive, whole or a range of it.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    IF_RANGE, RANGE,
};
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use undercroft_model::{BackupFolder, EnvName};
use undercroft_vault::Vault;
use undercroft_vault::archive::write_range;
use undercroft_vault::record::ArchiveRecord;
use uuid::Uuid;

use super::link;
use crate::{ApiError, App};

/// Bytes that go out in one piece, and how many pieces may wait for a slow reader.
const PIECE: usize = 256 << 10;
const WAITING: usize = 8;

/// What makes a link good.
#[derive(Debug, Deserialize)]
pub struct Signed {
    #[serde(rename = "Expires")]
    expires: i64,
    #[serde(rename = "Signature")]
    signature: String,
}

/// Sends an archive.
pub async fn download(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Path((site, env, folder, file)): Path<(Uuid, String, String, String)>,
    signed: Result<Query<Signed>, QueryRejection>,
) -> Result<Response, ApiError> {
    let good = signed.is_ok_and(|Query(signed)| {
        let now = app.now().as_second();
        link::is_good(&app.link_key, uri.path(), signed.expires, &signed.signature, now)
    });
    if !good {
        return Err(ApiError::forbidden("This link is not good any more: ask for a new one."));
    }
    let (vault, archive, tag) = find(&app, site, &env, &folder, &file).await?;
    let whole = archive.len();
    let ranged = method == Method::GET && still_the_same(&headers, &tag);
    let wanted = match headers.get(RANGE).filter(|_| ranged) {
        None => None,
        Some(value) => match parse_range(value.to_str().unwrap_or_default(), whole) {
            Asked::Whole => None,
            Asked::Range(range) => Some(range),
            Asked::Beyond => return Ok(beyond(whole)),
        },
    };
    let range = wanted.clone().unwrap_or(0..whole);
    let mut response = Response::builder()
        .header(CONTENT_TYPE, "application/gzip")
        .header(CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\""))
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, tag)
        .header(CONTENT_LENGTH, range.end - range.start);
    if wanted.is_some() {
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, format!("bytes {}-{}/{whole}", range.start, range.end - 1));
    }
    let body = if method == Method::HEAD { Body::empty() } else { stream(vault, archive, range) };
    response.body(body).map_err(|error| ApiError::internal(&error))
}

async fn find(
    app: &Arc<App>,
    site: Uuid,
    env: &str,
    folder: &str,
    file: &str,
) -> Result<(Vault, ArchiveRecord, String), ApiError> {
    let env: EnvName = env.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let folder: BackupFolder = folder.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let report = app.find_backup(site, &env, folder).await?.report;
    let (vault, archive) = app.open_archive(site, report.id, file).await?;
    // An archive of a backup never changes.
    let tag = format!("\"{}-{file}\"", report.id.simple());
    Ok((vault, archive, tag))
}

fn still_the_same(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

fn beyond(whole: u64) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{whole}"))]).into_response()
}

/// What a `Range` header asks for (RFC 9110, 14.2). One range; a list of them gets the whole.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Range(Range<u64>),
    Beyond,
}

fn parse_range(header: &str, whole: u64) -> Asked {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else {
        return Asked::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..whole.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..whole,
        (Err(_), Ok(count)) if first.trim().is_empty() => whole.saturating_sub(count)..whole,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Range(range) } else { Asked::Beyond }
}

fn stream(vault: Vault, archive: ArchiveRecord, range: Range<u64>) -> Body {
    let (send, receive) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { send, piece: Vec::with_capacity(PIECE) };
        let sent = vault
            .read_index()
            .and_then(|index| write_range(&vault, &Arc::new(index), &archive, range, &mut out))
            .map_err(io::Error::from)
            .and_then(|()| out.flush());
        if let Err(error) = sent {
            // If the reader is gone there is nobody to tell.
            let _ = out.send.blocking_send(Err(error));
        }
    });
    Body::from_stream(ReceiverStream::new(receive))
}

/// Gathers what is written into pieces of a body.
struct Pieces {
    send: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (header, asked) in [
            ("bytes=0-0", Asked::Range(0..1)),
            ("bytes=5-", Asked::Range(5..10)),
            ("bytes=-3", Asked::Range(7..10)),
            ("bytes=-99", Asked::Range(0..10)),
            ("bytes=2-99", Asked::Range(2..10)),
            ("bytes=10-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=3-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(parse_range(header, 10), asked, "{header}");
        }
    }
}
