//! Deflate by Intel's ISA-L.
#![allow(unsafe_code)]

use std::ptr;

use isal_sys::igzip_lib as sys;

use super::BadDeflate;

/// Level 2: measured at three times zlib's speed for nearly its ratio.
const LEVEL: u32 = 2;

/// ISA-L with its working memory.
pub struct Deflater {
    stream: Box<sys::isal_zstream>,
    level_buffer: Vec<u8>,
    inflate: Box<sys::inflate_state>,
}

// SAFETY: the structs hold pointers only while a call runs; every call sets them anew.
unsafe impl Send for Deflater {}

/// A zeroed C struct on the heap; the two used here are 80 KB and more, too large for some stacks.
fn zeroed<T>() -> Box<T> {
    // SAFETY: both structs are plain C data for which all-zero is valid, and are set up by their own
    // `init` functions before use.
    unsafe { Box::<T>::new_zeroed().assume_init() }
}

impl Deflater {
    pub fn new() -> Self {
        Deflater {
            stream: zeroed(),
            level_buffer: vec![0; sys::ISAL_DEF_LVL2_DEFAULT as usize],
            inflate: zeroed(),
        }
    }

    /// Deflates into `out` and says how many bytes that made; an error means that it did not fit with room to
    /// spare.
    pub fn deflate(&mut self, raw: &[u8], out: &mut [u8]) -> Result<usize, BadDeflate> {
        let avail_in = u32::try_from(raw.len()).map_err(|_| BadDeflate)?;
        let avail_out = u32::try_from(out.len()).map_err(|_| BadDeflate)?;
        if raw.is_empty() {
            return Err(BadDeflate);
        }
        let stream = &mut *self.stream;
        // SAFETY: the pointers are to live buffers of the lengths given, and ISA-L writes no further.
        let (result, left) = unsafe {
            sys::isal_deflate_init(stream);
            stream.level = LEVEL;
            stream.level_buf = self.level_buffer.as_mut_ptr();
            stream.level_buf_size = self.level_buffer.len() as u32;
            stream.flush = sys::FULL_FLUSH as u16;
            stream.end_of_stream = 0;
            stream.next_in = raw.as_ptr().cast_mut();
            stream.avail_in = avail_in;
            stream.next_out = out.as_mut_ptr();
            stream.avail_out = avail_out;
            let result = sys::isal_deflate(stream);
            stream.next_in = ptr::null_mut();
            stream.next_out = ptr::null_mut();
            stream.level_buf = ptr::null_mut();
            (result, stream.avail_out)
        };
        // With no room left the flush may be incomplete.
        if result != sys::COMP_OK as i32 || stream.avail_in != 0 || left == 0 || left > avail_out {
            return Err(BadDeflate);
        }
        Ok((avail_out - left) as usize)
    }

    /// Fills `raw` exactly.
    pub fn inflate(&mut self, fragment: &[u8], raw: &mut [u8]) -> Result<(), BadDeflate> {
        let avail_in = u32::try_from(fragment.len()).map_err(|_| BadDeflate)?;
        let avail_out = u32::try_from(raw.len()).map_err(|_| BadDeflate)?;
        let mut spill = [0u8; 8];
        let state = &mut *self.inflate;
        // SAFETY: as above; the second call, which only has to take the closing block, writes to `spill`.
        unsafe {
            sys::isal_inflate_init(state);
            state.next_in = fragment.as_ptr().cast_mut();
            state.avail_in = avail_in;
            state.next_out = raw.as_mut_ptr();
            state.avail_out = avail_out;
            let mut result = sys::isal_inflate(state);
            let short = state.avail_out != 0;
            if result == sys::ISAL_DECOMP_OK as i32 && !short {
                state.next_out = spill.as_mut_ptr();
                state.avail_out = spill.len() as u32;
                result = sys::isal_inflate(state);
            }
            let extra = state.avail_out != spill.len() as u32;
            state.next_in = ptr::null_mut();
            state.next_out = ptr::null_mut();
            let whole = result == sys::ISAL_DECOMP_OK as i32 && !short && !extra && state.avail_in == 0;
            if whole { Ok(()) } else { Err(BadDeflate) }
        }
    }
}
