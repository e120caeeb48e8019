//! Packets: the stream of bytes is a row of chunks of at most 16 MB, each with its length and a number.

use std::io::{self, Read as _, Write as _};
use std::ops::Range;

use undercroft_model::Observer;

use super::transport::{Stream, TICK};

/// Length of a chunk's header: three bytes of length, one of number.
const HEADER: usize = 4;
/// A chunk of this length is followed by more of the same packet.
const CHUNK_MAX: usize = 0x00FF_FFFF;
/// Bytes that are read at a time. Grown for a longer chunk, and shrunk again.
const BUFFER: usize = 256 * 1024;
/// A chunk that is sent is put together with its header up to this length.
const JOINED: usize = 16 * 1024;
/// A server sends no packet longer than its `max_allowed_packet`, which can't be set higher.
const PACKET_MAX: usize = 1 << 30;

/// Why there is no packet.
#[derive(Debug)]
pub(super) enum PacketError {
    /// The stream broke or ended.
    Broken(io::Error),
    /// What came is no packet.
    Garbled(&'static str),
    /// The job was stopped.
    Cancelled,
}

/// Sends and receives packets.
pub(super) struct Packets {
    stream: Stream,
    buffer: Vec<u8>,
    /// Where in `buffer` the bytes are that were read and not yet given out.
    filled: Range<usize>,
    /// A packet of several chunks, put together.
    joined: Vec<u8>,
    /// The number that the next chunk should have, in either direction.
    number: u8,
    /// How often in a row a read may come back without a byte; `None` while any wait is in order.
    patience: Option<u32>,
}

impl Packets {
    /// Packets over a stream; silence of 30 seconds is an error until [`wait_on`](Self::wait_on).
    pub(super) fn new(stream: Stream) -> Self {
        let patience = Some(30_000 / TICK.as_millis() as u32);
        Packets { stream, buffer: vec![0; BUFFER], filled: 0..0, joined: Vec::new(), number: 0, patience }
    }

    /// From now on the server may take as long as it likes.
    pub(super) fn wait_on(&mut self) {
        self.patience = None;
    }

    /// The stream below.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Puts another stream over the one below, when nothing read is waiting.
    pub(super) fn map_stream<E>(self, over: impl FnOnce(Stream) -> Result<Stream, E>) -> Result<Self, E> {
        let number = self.number;
        let mut packets = Packets::new(over(self.stream)?);
        packets.number = number;
        Ok(packets)
    }

    /// Sends a command, with which numbers begin anew; one of 16 MB or more in several chunks.
    pub(super) fn send_command(&mut self, kind: u8, text: &[u8]) -> Result<(), PacketError> {
        self.number = 0;
        let (mut first, mut rest) = (Some(kind), text);
        loop {
            let room = CHUNK_MAX - usize::from(first.is_some());
            let (chunk, after) = rest.split_at(rest.len().min(room));
            let len = chunk.len() + usize::from(first.is_some());
            let [a, b, c, _] = (len as u32).to_le_bytes();
            let mut payload = vec![a, b, c, self.number];
            payload.extend(first.take());
            // A short chunk goes out in one piece; a long one is not worth a copy.
            let (joined, apart) = if chunk.len() <= JOINED { (chunk, &[][..]) } else { chunk.split_at(0) };
            payload.extend_from_slice(joined);
            self.number = self.number.wrapping_add(1);
            let sent = self.stream.write_all(&payload).and_then(|()| self.stream.write_all(apart));
            sent.map_err(PacketError::Broken)?;
            rest = after;
            // A chunk that is full says that there is another, even if that is empty.
            if len < CHUNK_MAX {
                return self.stream.flush().map_err(PacketError::Broken);
            }
        }
    }

    /// Sends an answer to the packet that came last. It must be shorter than 16 MB.
    pub(super) fn send(&mut self, payload: &[u8]) -> Result<(), PacketError> {
        let Some(len) = u32::try_from(payload.len()).ok().filter(|len| (*len as usize) < CHUNK_MAX) else {
            return Err(PacketError::Garbled("nothing, for the statement is too long to be sent"));
        };
        let [a, b, c, _] = len.to_le_bytes();
        let mut packet = Vec::with_capacity(HEADER + payload.len());
        packet.extend([a, b, c, self.number]);
        packet.extend_from_slice(payload);
        self.number = self.number.wrapping_add(1);
        self.stream.write_all(&packet).and_then(|()| self.stream.flush()).map_err(PacketError::Broken)
    }

    /// The next packet, without headers.
    pub(super) fn next(&mut self, watch: &dyn Observer) -> Result<&[u8], PacketError> {
        let chunk = self.next_chunk(watch)?;
        if chunk.len() < CHUNK_MAX {
            if self.joined.capacity() > 0 {
                self.joined = Vec::new();
            }
            return Ok(self.buffer.get(chunk).unwrap_or_default());
        }
        self.join(chunk, watch)?;
        Ok(&self.joined)
    }

    /// Puts a packet together from this chunk and those that follow.
    fn join(&mut self, first: Range<usize>, watch: &dyn Observer) -> Result<(), PacketError> {
        self.joined.clear();
        let mut chunk = first;
        loop {
            let full = chunk.len() == CHUNK_MAX;
            if self.joined.len() + chunk.len() > PACKET_MAX + CHUNK_MAX {
                return Err(PacketError::Garbled("a row of more than a gigabyte"));
            }
            self.joined.extend_from_slice(self.buffer.get(chunk).unwrap_or_default());
            if !full {
                return Ok(());
            }
            chunk = self.next_chunk(watch)?;
        }
    }

    /// Where in the buffer the next chunk's content is.
    fn next_chunk(&mut self, watch: &dyn Observer) -> Result<Range<usize>, PacketError> {
        self.fill(HEADER, watch)?;
        let header = self.buffer.get(self.filled.clone()).and_then(|bytes| bytes.first_chunk::<HEADER>());
        let Some(&[a, b, c, number]) = header else {
            return Err(PacketError::Garbled("a packet without a header"));
        };
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        self.fill(HEADER + len, watch)?;
        let start = self.filled.start + HEADER;
        self.filled.start = start + len;
        // An error may come out of turn, when the server is told to stop.
        let is_error = self.buffer.get(start) == Some(&0xFF);
        if number != self.number && !is_error {
            return Err(PacketError::Garbled("packets out of order"));
        }
        self.number = number.wrapping_add(1);
        Ok(start..start + len)
    }

    /// Reads until so many bytes are there.
    fn fill(&mut self, wanted: usize, watch: &dyn Observer) -> Result<(), PacketError> {
        if self.filled.len() >= wanted {
            return Ok(());
        }
        self.make_room(wanted);
        let mut silent = 0;
        while self.filled.len() < wanted {
            let free = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
            match self.stream.read(free) {
                Ok(0) => return Err(PacketError::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.filled.end += count;
                    silent = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_tick(&error) => {
                    silent += 1;
                    if watch.cancelled() {
                        return Err(PacketError::Cancelled);
                    }
                    if self.patience.is_some_and(|patience| silent > patience) {
                        return Err(PacketError::Broken(io::ErrorKind::TimedOut.into()));
                    }
                }
                Err(error) => return Err(PacketError::Broken(error)),
            }
        }
        Ok(())
    }

    /// Moves what is waiting to the buffer's start, and makes the buffer as long as is needed.
    fn make_room(&mut self, wanted: usize) {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        let len = wanted.max(BUFFER);
        if self.buffer.len() < len || self.buffer.len() > 8 * len {
            // What is waiting is never longer than BUFFER, unless it is less than wanted.
            self.buffer.resize(len.max(self.filled.len()), 0);
            self.buffer.shrink_to_fit();
        }
    }
}

/// Whether a read came back only so that somebody could look around.
fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use undercroft_model::Silent;

    use super::*;

    /// Packets that a peer sends as these bytes, before it hangs up.
    fn sent(bytes: Vec<u8>) -> Packets {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || theirs.write_all(&bytes));
        Packets::new(Stream::Unix(ours))
    }

    fn chunk(number: u8, content: &[u8]) -> Vec<u8> {
        let len = (content.len() as u32).to_le_bytes();
        [&len[..3], &[number], content].concat()
    }

    #[test]
    fn small_and_joined_packets_come_through() {
        let long = vec![b'x'; CHUNK_MAX];
        let mut bytes = chunk(0, b"one");
        bytes.extend([chunk(1, &long), chunk(2, &long), chunk(3, b"end"), chunk(4, b"two")].concat());
        bytes.extend([chunk(5, &long), chunk(6, b"")].concat());
        let mut packets = sent(bytes);
        assert_eq!(packets.next(&Silent).unwrap(), b"one");
        let joined = packets.next(&Silent).unwrap();
        assert_eq!(joined.len(), 2 * CHUNK_MAX + 3);
        assert!(joined.ends_with(b"xend"));
        assert_eq!(packets.next(&Silent).unwrap(), b"two");
        assert_eq!(packets.next(&Silent).unwrap().len(), CHUNK_MAX);
        assert!(matches!(packets.next(&Silent), Err(PacketError::Broken(_))));
    }

    #[test]
    fn a_packet_out_of_turn_is_refused_unless_it_is_an_error() {
        let mut packets = sent([chunk(7, b"\xFFgoodbye"), chunk(3, b"x")].concat());
        assert_eq!(packets.next(&Silent).unwrap(), b"\xFFgoodbye");
        assert!(matches!(packets.next(&Silent), Err(PacketError::Garbled(_))));
    }

    #[test]
    fn the_buffer_shrinks_after_a_long_chunk() {
        let mut packets = sent([chunk(0, &vec![b'x'; 9_000_000]), chunk(1, b"a"), chunk(2, b"b")].concat());
        assert_eq!(packets.next(&Silent).unwrap().len(), 9_000_000);
        while packets.next(&Silent).is_ok() {}
        assert_eq!(packets.buffer.len(), BUFFER);
    }
}
