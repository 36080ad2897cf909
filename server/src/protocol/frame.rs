//! An encoded frame: made once, shared by everybody who gets it.

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::ServerFrame;

/// One text frame, ready for the wire. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Utf8Bytes);

impl Frame {
    /// Encodes a frame.
    pub fn of(frame: &ServerFrame) -> Self {
        Self(
            serde_json::to_string(frame)
                .expect("every frame of the contract is JSON")
                .into(),
        )
    }

    /// Its size in bytes, without the WebSocket header.
    pub fn n_bytes(&self) -> usize {
        self.0.len()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The shared bytes, for the socket.
    pub fn into_text(self) -> Utf8Bytes {
        self.0
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} bytes)", self.n_bytes())
    }
}
