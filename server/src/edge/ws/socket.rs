//! The reading end of a socket, and how its stream is taken over from the HTTP server.
//!
//! The stream is the plain `TcpStream` under the upgrade, so that a frame that comes in is read by the connection's task
//! and a frame that goes out is written by whoever has it, without a second task and without another copy. RFC 6455 is
//! tungstenite's: it reads what has come and says when that is not a whole frame yet.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::features::rooms::outbox::Outbox;

/// RFC 6455, 7.4.1: done.
pub const CLOSE_NORMAL: u16 = 1000;
/// RFC 6455, 7.4.1: it goes away.
pub const CLOSE_AWAY: u16 = 1001;
/// RFC 6455, 7.4.1: data that is not accepted.
pub const CLOSE_UNSUPPORTED: u16 = 1003;
/// RFC 6455, 7.4.1: against a rule of ours.
pub const CLOSE_POLICY: u16 = 1008;
const CLOSE_PROTOCOL: u16 = 1002;
const CLOSE_INVALID: u16 = 1007;
const CLOSE_TOO_BIG: u16 = 1009;

/// Held for every idle socket; a frame that is longer grows it.
const READ_BUFFER_BYTES: usize = 512;
/// Answers to pings leave at once.
const WRITE_BUFFER_BYTES: usize = 0;
/// How long a closed socket may take to say so.
const CLOSE_ECHO_WITHIN: Duration = Duration::from_secs(3);

/// What tungstenite reads from and writes to: the socket one way, the outbox the other, so that the answer to a ping
/// never gets between the halves of a frame.
struct Ends {
    wire: Arc<TcpStream>,
    outbox: Outbox,
    /// The last read took all there was: the next one need not ask to be told so.
    is_drained: bool,
}

impl io::Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.is_drained) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut n_read = 0;
        let read = self.wire.try_io(Interest::READABLE, || {
            n_read = (&*SockRef::from(&*self.wire)).read(buffer)?;
            // Told to the runtime inside, so that what comes after this very read wakes the task again.
            if n_read > 0 && n_read < buffer.len() {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(n_read)
            }
        });
        if n_read == 0 {
            return read;
        }
        self.is_drained = n_read < buffer.len();
        Ok(n_read)
    }
}

impl io::Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A closing outbox takes nothing more, and needs nothing more.
        self.outbox.push_bytes(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading end. What is written goes through the outbox.
pub struct Reader {
    socket: WebSocket<Ends>,
    wire: Arc<TcpStream>,
}

impl Reader {
    /// Takes the stream over after the handshake and attaches the outbox to it. A message may have `message_bytes_max`
    /// bytes, in however many frames.
    ///
    /// # Errors
    /// Gives the stream back where it is not a plain TCP stream: our own accept loop hands over nothing else.
    pub fn take_over(
        stream: Upgraded,
        outbox: &Outbox,
        message_bytes_max: usize,
    ) -> Result<Self, Upgraded> {
        let parts = stream.downcast::<TokioIo<TcpStream>>()?;
        let wire = Arc::new(parts.io.into_inner());
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        outbox.attach(Arc::clone(&wire));
        let ends = Ends {
            wire: Arc::clone(&wire),
            outbox: outbox.clone(),
            is_drained: false,
        };
        let socket =
            WebSocket::from_partially_read(ends, parts.read_buf.into(), Role::Server, Some(config));
        Ok(Self { socket, wire })
    }

    /// The next message if it is there already; `None` where [`Reader::readable`] has to be waited for.
    pub fn try_next(&mut self) -> Option<Result<Message, Error>> {
        match self.socket.read() {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            read => Some(read),
        }
    }

    /// Waits until there may be more to read.
    ///
    /// # Errors
    /// Where the socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.wire.readable().await
    }

    /// Reads what still comes after the close and throws it away, so that the other end sees the close and no reset; for
    /// some seconds at most.
    pub async fn drain(self) {
        let wire = self.wire;
        drop(self.socket);
        let to_the_end = async {
            let mut buffer = [0; 512];
            while wire.readable().await.is_ok() {
                match wire.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
        };
        let _ = tokio::time::timeout(CLOSE_ECHO_WITHIN, to_the_end).await;
    }
}

/// With which code a socket is closed that could not be read.
pub fn close_code(error: &Error) -> u16 {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CLOSE_TOO_BIG,
        Error::Capacity(_) | Error::Protocol(_) | Error::AttackAttempt => CLOSE_PROTOCOL,
        Error::Utf8(_) => CLOSE_INVALID,
        _ => CLOSE_AWAY,
    }
}
