//! An archive on its way.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;

use crate::{Answer, ClientError};

/// An archive, or the rest of one, on its way.
pub struct Download {
    answer: Answer,
    left: u64,
}

impl Download {
    pub(crate) fn new(answer: Answer) -> Self {
        let length = answer.headers().get(CONTENT_LENGTH);
        let left = length.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        Download { answer, left }
    }

    /// Whether it begins where it was asked to, and not at the archive's start.
    pub fn is_partial(&self) -> bool {
        self.answer.status() == StatusCode::PARTIAL_CONTENT
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`ClientError::Broken`] if it breaks off, or is shorter than was promised.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.answer.body_mut().frame().await {
                None if self.left > 0 => {
                    let missing = format!("{} bytes are missing", self.left);
                    return Err(ClientError::Broken(missing.into()));
                }
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(piece) = frame.map_err(ClientError::Broken)?.into_data() {
                        self.left = self.left.saturating_sub(piece.len() as u64);
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}
