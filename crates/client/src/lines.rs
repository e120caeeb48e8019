//! A list on its way: a JSON value a line.

use std::collections::VecDeque;
use std::marker::PhantomData;

use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::{Answer, ClientError};

/// A list on its way.
pub struct Lines<T> {
    answer: Answer,
    rest: Vec<u8>,
    ready: VecDeque<T>,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(crate) fn new(answer: Answer) -> Self {
        Lines { answer, rest: Vec::new(), ready: VecDeque::new(), of: PhantomData }
    }

    /// The next value; `None` after the last.
    ///
    /// # Errors
    /// [`ClientError`] if the list breaks off, or holds what can't be understood.
    pub async fn next_value(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Ok(Some(value));
            }
            let Some(frame) = self.answer.body_mut().frame().await else {
                return match self.rest.is_empty() {
                    true => Ok(None),
                    false => Err(ClientError::Broken("its last line is cut off".into())),
                };
            };
            let Ok(piece) = frame.map_err(ClientError::Broken)?.into_data() else { continue };
            self.rest.extend_from_slice(&piece);
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let after = self.rest.split_off(end + 1);
            for line in self.rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.ready.push_back(serde_json::from_slice(line).map_err(ClientError::Malformed)?);
            }
            self.rest = after;
        }
    }
}
