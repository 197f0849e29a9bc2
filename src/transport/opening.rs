//! What a client of HTTP/2 may write before it has heard of its peer: all but calls.

/// The length of the preface (RFC 9113 §3.4).
const PREFACE: usize = 24;

/// The length of a frame's header.
const HEADER: usize = 9;

/// The kind of the frame that begins a call.
const HEADERS: u8 = 1;

/// Follows what is written, from the preface on.
#[derive(Debug)]
pub(super) struct Opening {
    /// How much of the preface, or of the frame under way, is yet to be written.
    left: usize,
}

impl Default for Opening {
    fn default() -> Self {
        Self { left: PREFACE }
    }
}

impl Opening {
    /// How many of the bytes that come next stand before the first call. A frame whose header is not whole
    /// is left for later.
    pub(super) fn room(&self, bytes: &[u8]) -> usize {
        let mut room = self.left.min(bytes.len());
        while let Some((length, kind)) = header(&bytes[room..])
            && kind != HEADERS
        {
            room = (room + length).min(bytes.len());
        }
        room
    }

    /// So much was written of these bytes, all of which [there was room](Self::room) for.
    pub(super) fn passed(&mut self, bytes: &[u8], written: usize) {
        let mut end = self.left;
        // Each frame that there was room for has its header whole.
        while end < written
            && let Some((length, _)) = header(&bytes[end..])
        {
            end += length;
        }
        self.left = end.saturating_sub(written);
    }
}

/// The length of the frame that begins here, with its header, and its kind.
fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, kind, ..] = *bytes.get(..HEADER)? else {
        return None;
    };
    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    Some((HEADER + length, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        frame.resize(HEADER + usize::from(length), 7);
        frame
    }

    /// The preface, SETTINGS, WINDOW_UPDATE, and then a call.
    fn written() -> (Vec<u8>, usize) {
        let opening = [vec![b'P'; PREFACE], frame(4, 18), frame(8, 4)].concat();
        let before = opening.len();
        ([opening, frame(HEADERS, 40), frame(0, 9)].concat(), before)
    }

    #[test]
    fn a_call_has_to_wait_and_what_comes_before_it_has_not() {
        let (bytes, before) = written();
        assert_eq!(Opening::default().room(&bytes), before);
    }

    #[test]
    fn it_does_not_matter_in_what_pieces_it_is_written() {
        let (bytes, before) = written();
        for size in 1..before {
            let mut opening = Opening::default();
            let mut at = 0;
            loop {
                let room = opening.room(&bytes[at..]);
                if room == 0 {
                    break;
                }
                let written = room.min(size);
                opening.passed(&bytes[at..at + room], written);
                at += written;
            }
            assert_eq!(at, before, "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_that_is_cut_in_its_header_waits_for_the_rest() {
        let (bytes, _) = written();
        assert_eq!(Opening::default().room(&bytes[..PREFACE + 3]), PREFACE);
    }
}
