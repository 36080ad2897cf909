//! An encoded frame: made once, with its WebSocket header, and shared by everybody who gets it.
//!
//! A server's frames are not masked (RFC 6455, 5.1), so the very bytes of the wire are the same for all.

use std::sync::Arc;

use bytes::Bytes;

use super::ServerFrame;

/// RFC 6455, 5.2: the last frame of its message, and its kind.
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
/// The longest header of a frame without a mask.
const HEADER_BYTES_MAX: usize = 10;

/// One text frame as it goes over the wire: header and text. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header_bytes: u8,
}

impl Frame {
    /// Encodes a frame.
    pub fn of(frame: &ServerFrame) -> Self {
        Self::of_json(frame)
    }

    /// Encodes anything that is JSON of the contract.
    fn of_json(value: &impl serde::Serialize) -> Self {
        let mut wire = Vec::with_capacity(256);
        wire.resize(HEADER_BYTES_MAX, 0);
        serde_json::to_writer(&mut wire, value).expect("every frame of the contract is JSON");
        let (header, n) = header(TEXT, wire.len() - HEADER_BYTES_MAX);
        let start = HEADER_BYTES_MAX - n;
        wire[start..HEADER_BYTES_MAX].copy_from_slice(&header[..n]);
        Self {
            bytes: Bytes::from(wire).slice(start..),
            header_bytes: n as u8,
        }
    }

    /// Its size on the wire in bytes, header and all.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[usize::from(self.header_bytes)..])
            .expect("JSON is made as UTF-8")
    }

    /// The bytes of the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Debug for Frame {
    /// Never the text: it holds what people write.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} bytes)", self.n_bytes())
    }
}

/// Frames that go to many in one piece, so that each of them costs one write. Clones share the bytes.
#[derive(Clone)]
pub struct Batch {
    bytes: Bytes,
    frames: Arc<[Frame]>,
}

impl Batch {
    /// One piece of those frames, in order; nothing of none.
    pub fn of(frames: Vec<Frame>) -> Option<Self> {
        let bytes = match &frames[..] {
            [] => return None,
            [one] => one.bytes.clone(),
            several => {
                let n_bytes = several.iter().map(Frame::n_bytes).sum();
                let mut bytes = Vec::with_capacity(n_bytes);
                for frame in several {
                    bytes.extend_from_slice(&frame.bytes);
                }
                bytes.into()
            }
        };
        Some(Self {
            bytes,
            frames: frames.into(),
        })
    }

    /// The bytes of the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The frames one by one.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} frames)", self.frames.len())
    }
}

/// A ping without content.
pub fn ping_bytes() -> Bytes {
    Bytes::from_static(&[FIN | PING, 0])
}

/// A close frame with that code and no reason.
pub fn close_bytes(code: u16) -> Bytes {
    let [high, low] = code.to_be_bytes();
    Bytes::copy_from_slice(&[FIN | CLOSE, 2, high, low])
}

/// The header of a whole frame without a mask, and how many of the bytes it is (RFC 6455, 5.2).
fn header(opcode: u8, n_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = FIN | opcode;
    let n = match n_bytes {
        0..=125 => {
            header[1] = n_bytes as u8;
            2
        }
        126..=0xFFFF => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(n_bytes as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(n_bytes as u64).to_be_bytes());
            10
        }
    };
    (header, n)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
    use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

    use super::*;

    /// What another implementation reads of those bytes.
    fn read_back(bytes: &[u8]) -> Vec<Message> {
        let mut socket =
            WebSocket::from_raw_socket(Cursor::new(bytes.to_vec()), Role::Client, None);
        let mut read = Vec::new();
        while let Ok(message) = socket.read() {
            let is_last = message.is_close();
            read.push(message);
            if is_last {
                break;
            }
        }
        read
    }

    fn text(message: &Message) -> &Utf8Bytes {
        match message {
            Message::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    #[test]
    fn headers_of_every_length_are_read_by_another_implementation() {
        for n_chars in [
            0, 90, 100, 101, 102, 103, 200, 65_510, 65_511, 65_512, 65_513, 70_000,
        ] {
            let value = "a".repeat(n_chars);
            let frame = Frame::of_json(&value);
            let read = read_back(frame.bytes());
            assert_eq!(read.len(), 1);
            assert_eq!(text(&read[0]).as_str(), frame.as_str());
            assert_eq!(frame.as_str().len(), n_chars + 2);
        }
        for n_bytes in [125, 126, 0xFFFF, 0x1_0000] {
            let frame = Frame::of_json(&"a".repeat(n_bytes - 2));
            assert_eq!(text(&read_back(frame.bytes())[0]).len(), n_bytes);
        }
    }

    #[test]
    fn a_batch_is_its_frames_in_order() {
        let frames: Vec<Frame> = (0..3)
            .map(|n| Frame::of(&ServerFrame::Pong { n }))
            .collect();
        assert!(Batch::of(Vec::new()).is_none());
        let batch = Batch::of(frames.clone()).expect("frames are there");
        assert_eq!(batch.frames(), frames);
        let read = read_back(batch.bytes());
        let texts: Vec<&str> = read.iter().map(|message| text(message).as_str()).collect();
        let wanted: Vec<&str> = frames.iter().map(Frame::as_str).collect();
        assert_eq!(texts, wanted);
    }

    #[test]
    fn control_words_are_read_by_another_implementation() {
        assert!(
            matches!(&read_back(&ping_bytes())[..], [Message::Ping(content)] if content.is_empty())
        );
        match &read_back(&close_bytes(4003))[..] {
            [Message::Close(Some(close))] => assert_eq!(u16::from(close.code), 4003),
            other => panic!("not a close: {other:?}"),
        }
    }
}
