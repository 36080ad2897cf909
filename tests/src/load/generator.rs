//! The generator: one thread that writes lines on many sockets and reads what comes of them, cheaper than any server
//! can answer. It reads no JSON on its way: a frame is found by its header, a line by its marker.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::machine::{self, Stopwatch};
use super::mark::{self, Mark};
use super::schedule::Schedule;
use super::wire::{self, opcode};

/// Whom to load: an address, the sessions to come with, the rooms.
#[derive(Debug)]
pub struct Target {
    /// What it speaks.
    pub dialect: Dialect,
    /// `127.0.0.1:PORT`, of each node.
    pub addresses: Vec<String>,
    /// The `Cookie` line of each person.
    pub cookies: Vec<String>,
    /// The rooms' ids.
    pub rooms: Vec<String>,
    /// Keys that were used: a key is good once for a person in a room.
    pub keys: Cell<u64>,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The house's own frames.
    House,
    /// The same objects as events of socket.io.
    SocketIo,
}

impl Dialect {
    fn path(self) -> &'static str {
        match self {
            Self::House => "/ws",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    /// What stands before the rest of a client's object.
    fn opening(self, kind: &str) -> String {
        match self {
            Self::House => format!(r#"{{"type":"{kind}","#),
            Self::SocketIo => format!(r#"42["{kind}",{{"#),
        }
    }

    /// What ends it.
    fn closing(self) -> &'static str {
        match self {
            Self::House => "}",
            Self::SocketIo => "}]",
        }
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not there, or cut by the generator.
    Off,
    /// Connecting.
    Connecting,
    /// Awaits the answer to its upgrade.
    Upgrading,
    /// Awaits `welcome`, then `entered`.
    Entering,
    /// A member of its room.
    In,
    /// A member that reads no more.
    Deaf,
    /// Ended from the other side.
    Ended,
}

struct Conn {
    stream: Option<TcpStream>,
    state: State,
    node: usize,
    room: usize,
    last_seq: u64,
    /// Lines of its own that await their answer.
    unanswered: u64,
    /// Whether it has been in before, and comes back.
    epoch: Option<String>,
    rest: Vec<u8>,
    out: Vec<u8>,
}

struct Room {
    conns: Vec<usize>,
    next: usize,
    /// The highest number seen.
    top: u64,
}

/// What was counted so far.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Lines that were sent.
    pub said: u64,
    /// Answered `acked`.
    pub acked: u64,
    /// Answered otherwise.
    pub refused: u64,
    /// Sent by somebody who was cut, or stopped reading, before the answer came.
    pub unheard: u64,
    /// Lines that arrived at a socket.
    pub deliveries: u64,
    /// Reads that brought something.
    pub reads: u64,
    /// Joins that were answered `entered`.
    pub joined: u64,
    /// Holes that `entered` named.
    pub gaps: u64,
    /// Sockets that ended from the other side.
    pub ended: u64,
    /// Broken promises: a line lost, doubled or out of order without a word.
    pub n_faults: u64,
    /// The first few of them, and of refusals, in words.
    pub remarks: Vec<String>,
    /// Time from when a line was meant to be sent to when it arrived, each member counted, in microseconds.
    pub latency: Histogram<u64>,
}

const REMARKS_MAX: usize = 10;

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            said: 0,
            acked: 0,
            refused: 0,
            unheard: 0,
            deliveries: 0,
            reads: 0,
            joined: 0,
            gaps: 0,
            ended: 0,
            n_faults: 0,
            remarks: Vec::new(),
            latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        })
    }

    fn remark(&mut self, words: impl FnOnce() -> String) {
        if self.remarks.len() < REMARKS_MAX {
            self.remarks.push(words());
        }
    }

    fn fault(&mut self, words: impl FnOnce() -> String) {
        self.n_faults += 1;
        self.remark(words);
    }
}

/// Many sockets of one thread.
pub struct Generator<'a> {
    target: &'a Target,
    addresses: Vec<SocketAddr>,
    poll: Poll,
    events: Option<Events>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    watch: Stopwatch,
    conns: Vec<Conn>,
    rooms: Vec<Room>,
    to_join: VecDeque<usize>,
    n_joining: usize,
    joining_max: usize,
    closed_loop: bool,
    schedule: Option<Schedule>,
    record_from_us: u64,
    /// So many sockets, the first ones, get a small buffer for what they have not read when they connect: set later, it
    /// binds nobody.
    pub n_narrow: usize,
    /// Whether lines are as long as a line may be.
    pub long_lines: bool,
    say_opening: String,
    marker: Finder<'static>,
    seq: Finder<'static>,
    /// What was counted.
    pub tally: Tally,
}

impl<'a> Generator<'a> {
    /// Takes `n_rooms` of the target's rooms with so many members each; nobody is connected yet. Members are spread over
    /// the nodes and over the sessions in turn.
    pub fn new(target: &'a Target, n_rooms: usize, members: usize) -> Result<Self> {
        if n_rooms > target.rooms.len() {
            bail!(
                "{n_rooms} rooms are wanted, {} are there",
                target.rooms.len()
            );
        }
        let addresses = target
            .addresses
            .iter()
            .map(|address| address.parse().context("an address of a node"))
            .collect::<Result<Vec<SocketAddr>>>()?;
        let conns: Vec<Conn> = (0..n_rooms * members)
            .map(|idx| Conn {
                stream: None,
                state: State::Off,
                node: (idx / n_rooms) % addresses.len(),
                room: idx % n_rooms,
                last_seq: 0,
                unanswered: 0,
                epoch: None,
                rest: Vec::new(),
                out: Vec::new(),
            })
            .collect();
        let mut rooms: Vec<Room> = (0..n_rooms)
            .map(|_| Room {
                conns: Vec::new(),
                next: 0,
                top: 0,
            })
            .collect();
        for (idx, conn) in conns.iter().enumerate() {
            rooms[conn.room].conns.push(idx);
        }
        Ok(Self {
            target,
            addresses,
            poll: Poll::new()?,
            events: Some(Events::with_capacity(1024)),
            buffer: vec![0; 256 << 10],
            scratch: Vec::new(),
            watch: Stopwatch::new(),
            conns,
            rooms,
            to_join: VecDeque::new(),
            n_joining: 0,
            joining_max: 64,
            closed_loop: false,
            schedule: None,
            record_from_us: u64::MAX,
            n_narrow: 0,
            long_lines: false,
            say_opening: format!("{}\"room\":\"", target.dialect.opening("say")),
            marker: mark::finder(),
            seq: Finder::new(b"\"seq\":"),
            tally: Tally::new()?,
        })
    }

    /// How many sockets it has, connected or not.
    pub fn n_conns(&self) -> usize {
        self.conns.len()
    }

    /// Microseconds since it was made.
    pub fn now_us(&self) -> u64 {
        self.watch.us()
    }

    /// How many sockets are in a state.
    pub fn n_in(&self, state: State) -> usize {
        self.conns.iter().filter(|conn| conn.state == state).count()
    }

    /// Connects all and comes into the rooms; gives the seconds it took.
    pub fn join_all(&mut self, at_once: usize) -> Result<f64> {
        self.begin_joining(0..self.conns.len(), at_once);
        let watch = Stopwatch::new();
        while self.is_joining() {
            self.turn(Duration::from_millis(50))?;
            if watch.seconds() > 120.0 {
                bail!(
                    "{} sockets have not come in: {:?}",
                    self.n_joining + self.to_join.len(),
                    self.tally.remarks
                );
            }
        }
        let n_missing = self.conns.len() - self.n_in(State::In);
        if n_missing > 0 {
            bail!(
                "{n_missing} sockets did not come in: {:?}",
                self.tally.remarks
            );
        }
        Ok(watch.seconds())
    }

    /// Lets sockets come in (or back) in the turns that follow, so many at a time.
    pub fn begin_joining(&mut self, who: impl IntoIterator<Item = usize>, at_once: usize) {
        self.to_join.extend(who);
        self.joining_max = at_once;
    }

    /// Whether somebody still has to come in.
    pub fn is_joining(&self) -> bool {
        self.n_joining + self.to_join.len() > 0
    }

    /// Cuts sockets without a word.
    pub fn cut(&mut self, who: impl IntoIterator<Item = usize>) {
        for idx in who {
            let conn = &mut self.conns[idx];
            self.tally.unheard += std::mem::take(&mut conn.unanswered);
            conn.state = State::Off;
            conn.stream = None;
            conn.rest.clear();
            conn.out.clear();
        }
    }

    /// Sockets stop reading; the rest of the line stays in the kernel's hands.
    pub fn deafen(&mut self, who: impl IntoIterator<Item = usize>) {
        for idx in who {
            let conn = &mut self.conns[idx];
            self.tally.unheard += std::mem::take(&mut conn.unanswered);
            conn.state = State::Deaf;
        }
    }

    /// Those who stopped reading read again what there is for them, if only the end.
    pub fn read_again(&mut self) {
        for idx in 0..self.conns.len() {
            if self.conns[idx].state == State::Deaf {
                self.conns[idx].state = State::In;
                self.readable(idx);
            }
        }
    }

    /// Opens the window: so many lines are under way in each room from now on, each by another member.
    pub fn open_window(&mut self, lines: usize) {
        self.closed_loop = true;
        for room in 0..self.rooms.len() {
            for _ in 0..lines {
                self.say_in(room, self.watch.us());
            }
        }
    }

    /// Sends lines at a fixed rate from now on, over all rooms in turn.
    pub fn open_schedule(&mut self, lines_per_second: u64) {
        self.schedule = Some(Schedule::new(self.watch.us(), lines_per_second));
    }

    /// Sends no further line.
    pub fn hush(&mut self) {
        self.closed_loop = false;
        self.schedule = None;
    }

    /// Counts latencies anew, of lines that are meant to be sent from now on.
    pub fn record(&mut self) {
        self.tally.latency.reset();
        self.record_from_us = self.watch.us();
    }

    /// Works for this long.
    pub fn run(&mut self, span: Duration) -> Result<()> {
        let end_us = self.watch.us() + span.as_micros() as u64;
        loop {
            let now_us = self.watch.us();
            if now_us >= end_us {
                return Ok(());
            }
            self.turn(Duration::from_micros((end_us - now_us).min(50_000)))?;
        }
    }

    /// Reads until every line was answered and has reached every member, or until the time is up; true if all have.
    pub fn settle(&mut self, span: Duration) -> Result<bool> {
        self.hush();
        let end_us = self.watch.us() + span.as_micros() as u64;
        loop {
            if self.is_settled() {
                return Ok(true);
            }
            if self.watch.us() >= end_us {
                return Ok(false);
            }
            self.turn(Duration::from_millis(10))?;
        }
    }

    fn is_settled(&self) -> bool {
        self.tally.said == self.tally.acked + self.tally.refused + self.tally.unheard
            && self
                .conns
                .iter()
                .all(|conn| conn.state != State::In || conn.last_seq == self.rooms[conn.room].top)
    }

    /// One turn: sends what is due, starts who is to come in, takes what has come.
    pub fn turn(&mut self, longest: Duration) -> Result<()> {
        let mut wait = longest;
        if let Some(mut schedule) = self.schedule {
            let n_rooms = self.rooms.len() as u64;
            while let Some((number, due_us)) = schedule.take(self.watch.us()) {
                self.say_in((number % n_rooms) as usize, due_us);
            }
            self.schedule = Some(schedule);
            // Sleeping is exact to a millisecond only, and what the generator oversleeps is no server's fault.
            let spare_us = schedule.next_us().saturating_sub(self.watch.us());
            wait = wait.min(Duration::from_millis(spare_us.saturating_sub(1000) / 1000));
        }
        while self.n_joining < self.joining_max
            && let Some(idx) = self.to_join.pop_front()
        {
            self.connect(idx)?;
        }
        let mut events = self.events.take().context("one turn at a time")?;
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
        for event in &events {
            let idx = event.token().0;
            if event.is_writable() {
                self.writable(idx);
            }
            if event.is_readable() {
                self.readable(idx);
            }
        }
        self.events = Some(events);
        Ok(())
    }

    fn connect(&mut self, idx: usize) -> Result<()> {
        let conn = &mut self.conns[idx];
        let mut stream = TcpStream::connect(self.addresses[conn.node])?;
        self.poll.registry().register(
            &mut stream,
            Token(idx),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        if idx < self.n_narrow {
            machine::narrow(&stream, 16 << 10)?;
        }
        conn.stream = Some(stream);
        conn.state = State::Connecting;
        conn.rest.clear();
        conn.out.clear();
        self.n_joining += 1;
        Ok(())
    }

    fn writable(&mut self, idx: usize) {
        let conn = &mut self.conns[idx];
        if conn.state == State::Connecting {
            let Some(stream) = &conn.stream else { return };
            if let Ok(Some(error)) = stream.take_error() {
                return self.end(idx, &error.to_string());
            }
            match stream.peer_addr() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotConnected => return,
                Err(error) => return self.end(idx, &error.to_string()),
            }
            if stream.set_nodelay(true).is_err() || machine::end_at_once(stream).is_err() {
                return self.end(idx, "the socket was gone at once");
            }
            conn.state = State::Upgrading;
            let address = &self.target.addresses[conn.node];
            let path = self.target.dialect.path();
            let cookie = match self.target.cookies.len() {
                0 => "",
                n => &self.target.cookies[idx % n],
            };
            let request = format!(
                "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                 origin: http://{address}\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: engawa.v1\r\n\
                 cookie: {cookie}\r\n\r\n"
            );
            self.send(idx, request.as_bytes());
        } else if !conn.out.is_empty() {
            let out = std::mem::take(&mut conn.out);
            self.send(idx, &out);
        }
    }

    fn send_text(&mut self, idx: usize, payload: &[u8]) {
        let mut frame = Vec::new();
        wire::push_client_frame(&mut frame, opcode::TEXT, payload);
        self.send(idx, &frame);
    }

    fn send(&mut self, idx: usize, bytes: &[u8]) {
        let conn = &mut self.conns[idx];
        let Some(stream) = &mut conn.stream else {
            return;
        };
        if !conn.out.is_empty() {
            conn.out.extend_from_slice(bytes);
            return;
        }
        match stream.write(bytes) {
            Ok(n) => conn.out.extend_from_slice(&bytes[n..]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                conn.out.extend_from_slice(bytes);
            }
            Err(error) => self.end(idx, &error.to_string()),
        }
    }

    fn end(&mut self, idx: usize, why: &str) {
        let conn = &mut self.conns[idx];
        if matches!(
            conn.state,
            State::Connecting | State::Upgrading | State::Entering
        ) {
            self.n_joining -= 1;
        }
        conn.state = State::Ended;
        conn.stream = None;
        self.tally.ended += 1;
        self.tally.remark(|| format!("a socket ended: {why}"));
    }

    fn readable(&mut self, idx: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let conn = &mut self.conns[idx];
            if matches!(conn.state, State::Deaf | State::Connecting) {
                break;
            }
            let Some(stream) = &mut conn.stream else {
                break;
            };
            let kept = conn.rest.len();
            buffer[..kept].copy_from_slice(&conn.rest);
            match stream.read(&mut buffer[kept..]) {
                Ok(0) => {
                    self.end(idx, "the other side closed");
                    break;
                }
                Ok(n) => {
                    conn.rest.clear();
                    self.tally.reads += 1;
                    let there = kept + n;
                    let used = self.take(idx, &buffer[..there]);
                    self.conns[idx].rest.extend_from_slice(&buffer[used..there]);
                    // A short read has emptied the socket; more would come as a new event.
                    if there < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.end(idx, &error.to_string());
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// Takes all whole frames; gives the number of bytes used.
    fn take(&mut self, idx: usize, bytes: &[u8]) -> usize {
        let now_us = self.watch.us();
        let mut used = 0;
        if self.conns[idx].state == State::Upgrading {
            let Some(end) = wire::head_end(bytes) else {
                return 0;
            };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                let line = bytes.split(|byte| *byte == b'\r').next();
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                self.end(idx, &line);
                return bytes.len();
            }
            self.conns[idx].state = State::Entering;
            used = end;
        }
        while let Some(frame) = wire::frame_at(bytes, used) {
            used = frame.payload.end;
            let payload = &bytes[frame.payload];
            match frame.opcode {
                opcode::TEXT if self.conns[idx].state == State::In => {
                    match self.marker.find(payload) {
                        Some(at) => self.line(idx, payload, at, now_us),
                        None => self.other(idx, payload),
                    }
                }
                opcode::TEXT => self.other(idx, payload),
                opcode::PING => {
                    let mut pong = Vec::new();
                    wire::push_client_frame(&mut pong, opcode::PONG, payload);
                    self.send(idx, &pong);
                }
                opcode::CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.end(idx, &format!("closed with {code:?}"));
                    return bytes.len();
                }
                _ => {}
            }
        }
        used
    }

    #[inline]
    fn line(&mut self, idx: usize, payload: &[u8], at: usize, now_us: u64) {
        let mark = Mark::read(&payload[at + mark::MARKER.len()..]);
        let seq = self
            .seq
            .find(payload)
            .and_then(|at| wire::digits(&payload[at + 6..]));
        let (Some(mark), Some(seq)) = (mark, seq) else {
            let text = String::from_utf8_lossy(payload).into_owned();
            return self.tally.fault(|| format!("not a line of ours: {text}"));
        };
        let conn = &mut self.conns[idx];
        if seq != conn.last_seq + 1 {
            let last = conn.last_seq;
            self.tally
                .fault(|| format!("socket {idx}: line {seq} came after line {last}"));
        }
        conn.last_seq = seq;
        let room = conn.room;
        self.rooms[room].top = self.rooms[room].top.max(seq);
        self.tally.deliveries += 1;
        if mark.intended_us >= self.record_from_us {
            let us = now_us.saturating_sub(mark.intended_us).max(1);
            self.tally.latency.saturating_record(us);
        }
        if mark.writer == idx && self.closed_loop {
            self.say_in(room, now_us);
        }
    }

    /// Whatever is not a line.
    fn other(&mut self, idx: usize, payload: &[u8]) {
        let mut payload = payload;
        if self.target.dialect == Dialect::SocketIo {
            match payload {
                [b'0', ..] => return self.send_text(idx, b"40"),
                [b'2'] => return self.send_text(idx, b"3"),
                [b'4', b'0', ..] => payload = b"{\"type\":\"welcome\"}",
                _ => {
                    let at = memchr::memchr(b'{', payload).unwrap_or_default();
                    payload = &payload[at..];
                }
            }
        }
        match wire::text_after(payload, b"{\"type\":\"") {
            Some(b"acked") => {
                self.tally.acked += 1;
                let conn = &mut self.conns[idx];
                conn.unanswered = conn.unanswered.saturating_sub(1);
                if let Some(seq) = wire::number_after(payload, b"\"seq\":") {
                    let room = &mut self.rooms[self.conns[idx].room];
                    room.top = room.top.max(seq);
                }
            }
            Some(b"welcome") => {
                let conn = &self.conns[idx];
                let room = &self.target.rooms[conn.room];
                let opening = self.target.dialect.opening("enter");
                let closing = self.target.dialect.closing();
                let enter = match &conn.epoch {
                    None => format!(r#"{opening}"room":"{room}"{closing}"#),
                    Some(epoch) => format!(
                        r#"{opening}"room":"{room}","epoch":"{epoch}","after":{}{closing}"#,
                        conn.last_seq
                    ),
                };
                self.send_text(idx, enter.as_bytes());
            }
            Some(b"entered") if self.conns[idx].state == State::Entering => {
                self.entered(idx, payload);
            }
            Some(b"refused" | b"held" | b"ask" | b"waiting") => {
                let text = String::from_utf8_lossy(payload).into_owned();
                self.tally.remark(|| text);
                if self.conns[idx].state == State::Entering {
                    return self.end(idx, "it may not come in");
                }
                self.tally.refused += 1;
                let conn = &mut self.conns[idx];
                conn.unanswered = conn.unanswered.saturating_sub(1);
                if self.closed_loop {
                    let room = self.conns[idx].room;
                    self.say_in(room, self.watch.us());
                }
            }
            _ => {}
        }
    }

    fn entered(&mut self, idx: usize, payload: &[u8]) {
        let conn = &mut self.conns[idx];
        let comes_back = conn.epoch.is_some();
        let last_seq = wire::number_after(payload, b"\"last_seq\":").unwrap_or_default();
        let mut last = comes_back.then_some(conn.last_seq);
        if memchr::memmem::find(payload, b"\"gap\":{").is_some() {
            self.tally.gaps += 1;
            last = None;
        }
        for at in self.seq.find_iter(payload) {
            let seq = wire::digits(&payload[at + 6..]).unwrap_or_default();
            if last.is_some_and(|last| seq != last + 1) {
                self.tally
                    .fault(|| format!("socket {idx}: entered has line {seq} after {last:?}"));
            }
            last = Some(seq);
        }
        conn.last_seq = last.unwrap_or(last_seq);
        conn.epoch = wire::text_after(payload, b"\"epoch\":\"")
            .map(|epoch| String::from_utf8_lossy(epoch).into_owned());
        conn.state = State::In;
        let room = &mut self.rooms[conn.room];
        room.top = room.top.max(last_seq);
        self.n_joining -= 1;
        self.tally.joined += 1;
    }

    /// The next member of a room says a line; nobody does where nobody is in.
    fn say_in(&mut self, room_idx: usize, intended_us: u64) {
        let room = &mut self.rooms[room_idx];
        let n_conns = room.conns.len();
        let next = (0..n_conns)
            .map(|step| (room.next + step) % n_conns)
            .find(|at| self.conns[room.conns[*at]].state == State::In);
        let Some(at) = next else { return };
        room.next = (at + 1) % n_conns;
        let idx = room.conns[at];
        let key = self.target.keys.get() + 1;
        self.target.keys.set(key);
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        // A line is always longer than 125 bytes: a header of four and an empty mask.
        out.extend_from_slice(&[0x80 | opcode::TEXT, 0x80 | 126, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(self.say_opening.as_bytes());
        out.extend_from_slice(self.target.rooms[room_idx].as_bytes());
        out.extend_from_slice(b"\",\"key\":\"");
        mark::letters(key, 12, &mut out);
        out.extend_from_slice(b"\",\"body\":\"");
        Mark {
            writer: idx,
            intended_us,
        }
        .write(&mut out);
        if self.long_lines {
            mark::lengthen(&mut out);
        }
        out.push(b'"');
        out.extend_from_slice(self.target.dialect.closing().as_bytes());
        let size = (out.len() - 8) as u16;
        out[2..4].copy_from_slice(&size.to_be_bytes());
        self.tally.said += 1;
        self.conns[idx].unanswered += 1;
        self.send(idx, &out);
        self.scratch = out;
    }
}
