//! As much of WebSocket as a load needs: headers of frames, and the frames of a client with an empty mask.

use std::ops::Range;

/// Opcodes that come up.
pub mod opcode {
    /// A text frame.
    pub const TEXT: u8 = 0x1;
    /// The end.
    pub const CLOSE: u8 = 0x8;
    /// A ping.
    pub const PING: u8 = 0x9;
    /// Its answer.
    pub const PONG: u8 = 0xA;
}

/// Where a frame's parts lie in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameAt {
    /// What sort it is.
    pub opcode: u8,
    /// The mask, if a client sent it.
    pub mask: Option<[u8; 4]>,
    /// Its payload.
    pub payload: Range<usize>,
}

/// The frame that starts at `from`, once all of it is there. Frames in pieces come from nobody here.
#[inline]
pub fn frame_at(buffer: &[u8], from: usize) -> Option<FrameAt> {
    let bytes = &buffer[from..];
    let &[first, second, ..] = bytes else {
        return None;
    };
    let (size, mut start) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            4,
        ),
        127 => {
            let size: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
            (usize::try_from(u64::from_be_bytes(size)).ok()?, 10)
        }
        short => (usize::from(short), 2),
    };
    let mut mask = None;
    if second & 0x80 != 0 {
        mask = Some(bytes.get(start..start + 4)?.try_into().ok()?);
        start += 4;
    }
    let end = start.checked_add(size)?;
    (bytes.len() >= end).then(|| FrameAt {
        opcode: first & 0x0f,
        mask,
        payload: from + start..from + end,
    })
}

/// Adds a frame as a server sends it.
pub fn push_server_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push_header(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Adds a frame as a client sends it. The mask is zero, which is legal, and costs nothing.
pub fn push_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push_header(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

fn push_header(out: &mut Vec<u8>, opcode: u8, size: usize, masked: u8) {
    out.push(0x80 | opcode);
    match size {
        0..=125 => out.push(masked | size as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
}

/// Takes a mask off.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask != [0; 4] {
        for (idx, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[idx & 3];
        }
    }
}

/// Where an HTTP head ends, its empty line included.
pub fn head_end(buffer: &[u8]) -> Option<usize> {
    memchr::memmem::find(buffer, b"\r\n\r\n").map(|at| at + 4)
}

/// The number behind a name, as `"seq":` followed by digits.
#[inline]
pub fn number_after(payload: &[u8], name: &[u8]) -> Option<u64> {
    digits(&payload[memchr::memmem::find(payload, name)? + name.len()..])
}

/// The number that starts here.
#[inline]
pub fn digits(bytes: &[u8]) -> Option<u64> {
    let n = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (1..=18).contains(&n).then(|| {
        bytes[..n]
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    })
}

/// The text behind a name up to the next bare quote, escapes left as they stand.
pub fn text_after<'a>(payload: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let text = &payload[memchr::memmem::find(payload, name)? + name.len()..];
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(&text[..at]);
        }
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_whatever_its_size() {
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; size];
            let mut bytes = b"before".to_vec();
            push_client_frame(&mut bytes, opcode::TEXT, &payload);
            let at = frame_at(&bytes, 6).expect("all of it is there");
            assert_eq!((at.opcode, at.mask), (opcode::TEXT, Some([0; 4])));
            assert_eq!(bytes[at.payload.clone()], payload[..]);
            assert_eq!(at.payload.end, bytes.len());
            for end in 6..bytes.len().min(20) {
                assert_eq!(
                    frame_at(&bytes[..end], 6),
                    None,
                    "{size} bytes, cut at {end}"
                );
            }
        }
        let mut bytes = Vec::new();
        push_server_frame(&mut bytes, opcode::PING, b"abc");
        let at = frame_at(&bytes, 0).expect("all of it is there");
        assert_eq!(
            (at.opcode, at.mask, &bytes[at.payload]),
            (opcode::PING, None, &b"abc"[..])
        );
    }

    #[test]
    fn numbers_and_texts_are_found_by_their_names() {
        let payload = br#"{"type":"said","last_seq":9,"seq":1207,"body":"a \"b\" \\","at":""}"#;
        assert_eq!(number_after(payload, b"\"seq\":"), Some(1207));
        assert_eq!(number_after(payload, b"\"none\":"), None);
        assert_eq!(
            text_after(payload, b"\"body\":\""),
            Some(&br#"a \"b\" \\"#[..])
        );
        assert_eq!(text_after(payload, b"\"at\":\""), Some(&b""[..]));
        assert_eq!(text_after(b"\"body\":\"open\\", b"\"body\":\""), None);
    }

    #[test]
    fn a_mask_is_taken_off() {
        let mut payload = *b"abcdef";
        unmask(&mut payload, [1, 2, 3, 4]);
        assert_ne!(payload, *b"abcdef");
        unmask(&mut payload, [1, 2, 3, 4]);
        assert_eq!(payload, *b"abcdef");
    }
}
