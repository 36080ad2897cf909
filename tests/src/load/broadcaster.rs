//! The bare broadcaster: what this machine can do with the same bytes on the same wire, and nothing else. One thread; a
//! frame is built once for a room; all that came in one turn leaves in one write for each member; what a socket does not
//! take waits beside it and leaves in one write too. Nothing is stored, judged, encrypted or timed.

use std::collections::HashMap;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use memchr::memmem::Finder;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::wire::{self, opcode};

const LISTENER: Token = Token(usize::MAX);
/// A reader for whom more than this waits is let go.
const WAITING_MAX: usize = 16 << 20;
/// The moment that stands in every frame: a clock is not the wire's work.
const AT: &str = "2026-11-24T12:00:00.000Z";

struct Member {
    stream: TcpStream,
    upgraded: bool,
    room: Option<usize>,
    /// A frame that has come in part.
    rest: Vec<u8>,
    /// Answers to this one alone, which go before the batch.
    own: Vec<u8>,
    /// What the socket did not take.
    waiting: Vec<u8>,
}

#[derive(Default)]
struct Room {
    id: String,
    last_seq: u64,
    members: Vec<usize>,
    batch: Vec<u8>,
}

struct Broadcaster {
    poll: Poll,
    listener: TcpListener,
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    rooms: Vec<Room>,
    room_of: HashMap<Vec<u8>, usize>,
    /// Rooms with a batch, and sockets with answers of their own outside a batch.
    due_rooms: Vec<usize>,
    due_members: Vec<usize>,
    key: Finder<'static>,
    body: Finder<'static>,
}

/// Listens on an address, tells it to `started`, and serves until the process ends.
pub fn serve(address: &str, started: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(address.parse().context("an address and a port")?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    started(&listener.local_addr()?.to_string())?;
    let broadcaster = Broadcaster {
        poll,
        listener,
        members: Vec::new(),
        free: Vec::new(),
        rooms: Vec::new(),
        room_of: HashMap::new(),
        due_rooms: Vec::new(),
        due_members: Vec::new(),
        key: Finder::new(b"\"key\":\""),
        body: Finder::new(b"\"body\":\""),
    };
    broadcaster.run()
}

impl Broadcaster {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(4096);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match self.poll.poll(&mut events, Some(Duration::from_secs(60))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let idx = event.token().0;
                if event.is_readable() && !self.read(idx, &mut buffer) {
                    self.drop_member(idx);
                    continue;
                }
                if event.is_writable()
                    && let Some(member) = &mut self.members[idx]
                    && !member.waiting.is_empty()
                    && !flush_waiting(member)
                {
                    self.drop_member(idx);
                }
            }
            self.deliver();
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // A client that was gone before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("accept"),
            };
            stream.set_nodelay(true)?;
            let idx = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            // Both from the start: on an edge-triggered queue the second costs nothing until a write was short.
            self.poll.registry().register(
                &mut stream,
                Token(idx),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.members[idx] = Some(Member {
                stream,
                upgraded: false,
                room: None,
                rest: Vec::new(),
                own: Vec::new(),
                waiting: Vec::new(),
            });
        }
    }

    fn drop_member(&mut self, idx: usize) {
        if let Some(member) = self.members[idx].take() {
            if let Some(room) = member.room {
                self.rooms[room].members.retain(|other| *other != idx);
            }
            self.free.push(idx);
        }
    }

    /// Takes what is there; false at the end of the socket.
    fn read(&mut self, idx: usize, buffer: &mut [u8]) -> bool {
        let Some(mut member) = self.members[idx].take() else {
            return true;
        };
        let lives = loop {
            let kept = member.rest.len();
            buffer[..kept].copy_from_slice(&member.rest);
            match member.stream.read(&mut buffer[kept..]) {
                Ok(0) => break false,
                Ok(n) => {
                    member.rest.clear();
                    let there = kept + n;
                    let Some(used) = self.take(idx, &mut member, &mut buffer[..there]) else {
                        break false;
                    };
                    member.rest.extend_from_slice(&buffer[used..there]);
                    // A short read has emptied the socket; more would come as a new event.
                    if there < buffer.len() {
                        break true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        self.members[idx] = Some(member);
        lives
    }

    /// Takes all whole frames; gives the number of bytes used, or nothing at a close or an unknown word.
    fn take(&mut self, idx: usize, member: &mut Member, bytes: &mut [u8]) -> Option<usize> {
        let mut used = 0;
        if !member.upgraded {
            let Some(end) = wire::head_end(bytes) else {
                return Some(0);
            };
            upgrade(&bytes[..end], &mut member.own)?;
            member.upgraded = true;
            self.due_members.push(idx);
            used = end;
        }
        while let Some(frame) = wire::frame_at(bytes, used) {
            used = frame.payload.end;
            match frame.opcode {
                opcode::TEXT => {
                    let payload = &mut bytes[frame.payload];
                    wire::unmask(payload, frame.mask?);
                    self.word(idx, member, payload)?;
                }
                opcode::CLOSE => return None,
                _ => {}
            }
        }
        Some(used)
    }

    fn word(&mut self, idx: usize, member: &mut Member, payload: &[u8]) -> Option<()> {
        if let Some(at) = self.body.find(payload) {
            let room_idx = member.room?;
            let key = &payload[self.key.find(payload)? + self.key.needle().len()..];
            let key = &key[..memchr::memchr(b'"', key)?];
            let body = wire::text_after(&payload[at..], self.body.needle())?;
            let room = &mut self.rooms[room_idx];
            room.last_seq += 1;
            if room.batch.is_empty() {
                self.due_rooms.push(room_idx);
            }
            push_said(&mut room.batch, &room.id, room.last_seq, idx, body);
            push_acked(&mut member.own, &room.id, room.last_seq, key);
            return Some(());
        }
        let id = wire::text_after(payload, b"\"room\":\"")?;
        let room_idx = match self.room_of.get(id) {
            Some(room_idx) => *room_idx,
            None => {
                self.rooms.push(Room {
                    id: String::from_utf8(id.to_vec()).ok()?,
                    ..Room::default()
                });
                self.room_of.insert(id.to_vec(), self.rooms.len() - 1);
                self.rooms.len() - 1
            }
        };

        if member.room.is_none() {
            // What waits for the room was said before this one came.
            self.deliver_room(room_idx);
            self.rooms[room_idx].members.push(idx);
            member.room = Some(room_idx);
        } else if member.room != Some(room_idx) {
            return None;
        }
        let room = &self.rooms[room_idx];
        let entered = format!(
            r#"{{"type":"entered","room":"{}","epoch":"e_1","you":{{"id":"p_{idx}","name":"みどり"}},"messages":[],"last_seq":{}}}"#,
            room.id, room.last_seq
        );
        wire::push_server_frame(&mut member.own, opcode::TEXT, entered.as_bytes());
        self.due_members.push(idx);
        Some(())
    }

    /// Sends what this turn has gathered.
    fn deliver(&mut self) {
        while let Some(room_idx) = self.due_rooms.pop() {
            self.deliver_room(room_idx);
        }
        while let Some(idx) = self.due_members.pop() {
            if let Some(member) = &mut self.members[idx]
                && !member.own.is_empty()
                && !send(member, &[])
            {
                self.drop_member(idx);
            }
        }
    }

    fn deliver_room(&mut self, room_idx: usize) {
        let room = &mut self.rooms[room_idx];
        if room.batch.is_empty() {
            return;
        }
        let mut gone = Vec::new();
        for idx in &room.members {
            if let Some(member) = &mut self.members[*idx]
                && !send(member, &room.batch)
            {
                gone.push(*idx);
            }
        }
        room.batch.clear();
        for idx in gone {
            self.drop_member(idx);
        }
    }
}

/// Sends a member's own answers and a batch in one write; what does not fit waits. False when the socket is to go.
fn send(member: &mut Member, batch: &[u8]) -> bool {
    if !member.waiting.is_empty() {
        member.waiting.append(&mut member.own);
        member.waiting.extend_from_slice(batch);
        return member.waiting.len() <= WAITING_MAX;
    }
    let written = if member.own.is_empty() {
        member.stream.write(batch)
    } else {
        let parts = [IoSlice::new(&member.own), IoSlice::new(batch)];
        member.stream.write_vectored(&parts)
    };
    let n = match written {
        Ok(n) => n,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => return false,
    };
    let own = member.own.len();
    if n < own + batch.len() {
        member.waiting.extend_from_slice(&member.own[n.min(own)..]);
        member
            .waiting
            .extend_from_slice(&batch[n.saturating_sub(own)..]);
    }
    member.own.clear();
    true
}

fn flush_waiting(member: &mut Member) -> bool {
    match member.stream.write(&member.waiting) {
        Ok(n) => {
            member.waiting.drain(..n);
            true
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn upgrade(head: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let head = std::str::from_utf8(head).ok()?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then_some(value.trim())
    })?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\nsec-websocket-protocol: engawa.v1\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    out.extend_from_slice(answer.as_bytes());
    wire::push_server_frame(out, opcode::TEXT, br#"{"type":"welcome"}"#);
    Some(())
}

/// The same fields as the house sends, in the same order.
fn push_said(out: &mut Vec<u8>, room: &str, seq: u64, from: usize, body: &[u8]) {
    framed(out, |out| {
        put(out, b"{\"type\":\"said\",\"room\":\"", room.as_bytes());
        put_number(out, b"\",\"seq\":", seq);
        put_number(out, b",\"from\":{\"id\":\"p_0000000000000", from as u64);
        put(out, "\",\"name\":\"みどり\"},\"body\":\"".as_bytes(), body);
        put(out, b"\",\"at\":\"", AT.as_bytes());
        out.extend_from_slice(b"\"}");
    });
}

fn push_acked(out: &mut Vec<u8>, room: &str, seq: u64, key: &[u8]) {
    framed(out, |out| {
        put(out, b"{\"type\":\"acked\",\"key\":\"", key);
        put(out, b"\",\"room\":\"", room.as_bytes());
        put_number(out, b"\",\"seq\":", seq);
        put(out, b",\"at\":\"", AT.as_bytes());
        out.extend_from_slice(b"\"}");
    });
}

/// Writes a payload in its place and its header, of four bytes, before it: both sorts of frame are longer than 125
/// bytes only sometimes, so a short one is moved.
fn framed(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | opcode::TEXT, 126, 0, 0]);
    payload(out);
    let size = out.len() - start - 4;
    if size <= 125 {
        out[start + 1] = size as u8;
        out.drain(start + 2..start + 4);
    } else {
        out[start + 2..start + 4].copy_from_slice(&(size as u16).to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn put_number(out: &mut Vec<u8>, name: &[u8], mut number: u64) {
    out.extend_from_slice(name);
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_whether_short_or_long() {
        let mut out = Vec::new();
        push_acked(&mut out, "room", 12, b"k");
        push_said(&mut out, "room", 1_234_567_890, 3, &[b'x'; 200]);
        let acked = wire::frame_at(&out, 0).expect("the first");
        let said = wire::frame_at(&out, acked.payload.end).expect("the second");
        assert_eq!(said.payload.end, out.len());
        let acked: serde_json::Value = serde_json::from_slice(&out[acked.payload]).expect("JSON");
        assert_eq!(
            (&acked["type"], &acked["seq"]),
            (&"acked".into(), &12.into())
        );
        let said: serde_json::Value = serde_json::from_slice(&out[said.payload]).expect("JSON");
        assert_eq!(said["seq"], 1_234_567_890);
        assert_eq!(said["body"].as_str().map(str::len), Some(200));
    }
}
