//! A socket without a client library: bytes as they are.

use anyhow::{Context, Result, ensure};
use engawa_tests::{Node, Person, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opcodes (RFC 6455, 5.2).
pub const CONTINUATION: u8 = 0x0;
/// A text.
pub const TEXT: u8 = 0x1;
/// A ping.
pub const PING: u8 = 0x9;

/// An upgraded connection, of which only the head of the answer was read.
pub struct Wire {
    /// The connection.
    pub stream: TcpStream,
}

/// The end of a wire.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// By a close frame with that code.
    Closed(u16),
    /// Without a word.
    Cut,
}

impl Wire {
    /// Opens a socket as a page does.
    pub async fn open(node: &Node, person: &Person) -> Result<Self> {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: engawa.v1\r\n\r\n",
            node.address(),
            person.http.cookie_line()
        );
        let mut stream = within("a connection", TcpStream::connect(node.address())).await??;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the head of the answer", stream.read_u8()).await??);
        }
        ensure!(
            head.starts_with(b"HTTP/1.1 101 "),
            "the upgrade was answered {}",
            String::from_utf8_lossy(&head)
        );
        Ok(Self { stream })
    }

    /// Sends bytes; a server that has closed meanwhile is no error here.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Reads to the end, frame by frame, answering nothing.
    pub async fn ends(&mut self) -> Result<End> {
        within("the end of a wire", async {
            while let Some((opcode, payload)) = self.frame().await {
                if opcode == 0x8 {
                    let code: [u8; 2] = payload
                        .get(..2)
                        .and_then(|code| code.try_into().ok())
                        .context("a close frame has a code")?;
                    return Ok(End::Closed(u16::from_be_bytes(code)));
                }
            }
            Ok(End::Cut)
        })
        .await?
    }

    /// The next frame of the server: its opcode and payload; nothing at the end.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let second = self.stream.read_u8().await.ok()?;
        let length = match second & 0x7f {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((first & 0x0f, payload))
    }
}

/// A frame of a client: masked, whole.
pub fn framed(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(opcode, is_last, payload.len() as u64);
    let mask = [0x21, 0x43, 0x65, 0x87];
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The header of a masked frame without the mask: the length need not be true.
pub fn header(opcode: u8, is_last: bool, length: u64) -> Vec<u8> {
    let mut bytes = vec![opcode | if is_last { 0x80 } else { 0 }];
    match length {
        0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap_or(0)),
        126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}
