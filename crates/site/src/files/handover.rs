//! From the walk's thread to the reader's: many items at a time, in order.

use std::io;

use crossbeam_channel::Sender;
use undercroft_model::Remark;
use undercroft_vault::stream::Entry;

/// What the walk hands over.
#[derive(Debug)]
pub enum Item {
    /// An entry.
    Entry(Entry),
    /// Something to be told, in its place among the entries.
    Remark(Remark),
    /// The top folder can't be read, or is gone.
    Failed(io::Error),
    /// The walk is done.
    End,
}

/// Nobody waits for the walk any more.
#[derive(Debug)]
pub struct Abandoned;

/// So many items are handed over together.
const BATCH: usize = 256;

/// The walk's end of the channel.
#[derive(Debug)]
pub struct Out {
    send: Sender<Vec<Item>>,
    batch: Vec<Item>,
}

impl Out {
    /// Gathers for this channel.
    pub fn new(send: Sender<Vec<Item>>) -> Self {
        Out { send, batch: Vec::with_capacity(BATCH) }
    }

    /// Hands an item over, sooner or later. Blocks while the reader is far behind.
    pub fn give(&mut self, item: Item) -> Result<(), Abandoned> {
        self.batch.push(item);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    /// Hands over what was gathered.
    pub fn flush(&mut self) -> Result<(), Abandoned> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.send.send(batch).map_err(|_| Abandoned)
    }
}
