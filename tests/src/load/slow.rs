//! Sockets that are as slow as can be: heads, bodies and frames that come a byte at a time and never end. One that the
//! server lets go comes again at once.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use anyhow::Result;

use super::machine;
use super::wire;

/// What is slow about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The head of a request never ends.
    Head,
    /// A body comes a byte at a time.
    Body,
    /// An upgraded socket sends half a frame.
    Frame,
}

struct Slow {
    kind: Kind,
    stream: Option<TcpStream>,
    /// What is still to be sent, a byte at a time.
    rest: Vec<u8>,
    cookie: String,
}

/// Many slow sockets.
pub struct SlowSockets {
    address: String,
    all: Vec<Slow>,
    next: usize,
    /// How often one was let go and came again.
    pub n_let_go: u64,
}

impl SlowSockets {
    /// So many, of each kind in turn; they connect in their first turns.
    pub fn new(address: &str, cookies: &[String], n: usize) -> Self {
        let kinds = [Kind::Head, Kind::Body, Kind::Frame];
        let all = (0..n).map(|idx| Slow {
            kind: kinds[idx % kinds.len()],
            stream: None,
            rest: Vec::new(),
            cookie: cookies[idx % cookies.len()].clone(),
        });
        Self {
            address: address.to_owned(),
            all: all.collect(),
            next: 0,
            n_let_go: 0,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Lets the next so many send a byte, or come (again).
    pub fn turn(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            let n_all = self.all.len();
            let slow = &mut self.all[self.next];
            self.next = (self.next + 1) % n_all;
            if slow.stream.is_none() {
                slow.connect(&self.address)?;
            } else if !slow.send_a_byte() {
                slow.stream = None;
                self.n_let_go += 1;
            }
        }
        Ok(())
    }
}

impl Slow {
    fn connect(&mut self, address: &str) -> Result<()> {
        let mut stream = TcpStream::connect(address)?;
        machine::end_at_once(&stream)?;
        stream.set_nonblocking(true)?;
        let host = format!("host: {address}\r\n");
        let first = match self.kind {
            Kind::Head => {
                self.rest = format!("{host}x-slow: {}", "a".repeat(4000)).into_bytes();
                "GET / HTTP/1.1\r\n".to_owned()
            }
            Kind::Body => {
                self.rest = vec![b' '; 4000];
                format!(
                    "POST /api/v1/handles HTTP/1.1\r\n{host}content-type: application/json\r\ncontent-length: 4000\r\n\r\n"
                )
            }
            Kind::Frame => {
                self.rest.clear();
                wire::push_client_frame(&mut self.rest, wire::opcode::TEXT, &[b' '; 4000]);
                format!(
                    "GET /ws HTTP/1.1\r\n{host}connection: Upgrade\r\nupgrade: websocket\r\norigin: http://{address}\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     sec-websocket-protocol: engawa.v1\r\ncookie: {}\r\n\r\n",
                    self.cookie
                )
            }
        };
        stream.write_all(first.as_bytes())?;
        self.rest.reverse();
        self.stream = Some(stream);
        Ok(())
    }

    /// False when the other side has ended it.
    fn send_a_byte(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let Some(byte) = self.rest.pop() else {
            return false;
        };
        let mut buffer = [0; 2048];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        stream.write_all(&[byte]).is_ok()
    }
}
