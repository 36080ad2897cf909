//! A connection's buffer: bounded in frames and in bytes, so that nobody waits for the slowest.
//!
//! Rooms push and never wait. What the socket takes at once is written at once, by whoever pushes; only what it does
//! not take is kept here, and one task writes it as the socket lets it. So an idle connection and one whose reader keeps
//! up cost no wake-up and no copy. A full outbox ends its connection with "reconnect and resume"; what was in it is
//! dropped, because the store has it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Outcomes;
use super::room::{ConnId, Input};
use crate::protocol::{Batch, Frame, ServerFrame, Why, close_bytes, ping_bytes};

/// Why and how a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The WebSocket close code.
    pub code: u16,
    /// What `bye` says; no `bye` where absent.
    pub bye: Option<(Why, u64)>,
}

/// Something that waits to be written or read, in order.
#[derive(Debug)]
pub enum Item {
    /// A frame.
    Frame(Frame),
    /// Bytes of the wire: a batch, or a control word.
    Bytes {
        /// The bytes.
        bytes: Bytes,
        /// How many frames of the contract they are.
        n_frames: usize,
    },
    /// To be told to a room once all before it has left.
    Mark(Mark),
}

impl Item {
    fn bytes(&self) -> &[u8] {
        match self {
            Item::Frame(frame) => frame.bytes(),
            Item::Bytes { bytes, .. } => bytes,
            Item::Mark(_) => &[],
        }
    }

    fn n_frames(&self) -> usize {
        match self {
            Item::Frame(_) => 1,
            Item::Bytes { n_frames, .. } => *n_frames,
            Item::Mark(_) => 0,
        }
    }
}

/// Tells a room that what it sent to a connection has left.
#[derive(Debug)]
pub struct Mark {
    outcomes: Outcomes,
    conn: ConnId,
}

impl Mark {
    /// Tells it.
    pub fn reached(self) {
        self.outcomes.tell(Input::Flushed { conn: self.conn });
    }
}

/// What somebody who reads an outbox by hand gets.
#[derive(Debug)]
pub enum Next {
    /// All that was there.
    Items(Vec<Item>),
    /// Nothing more comes.
    Close(Closing),
}

#[derive(Debug, Default)]
struct Queue {
    /// What the socket has not taken.
    items: VecDeque<Item>,
    /// Bytes of the first item that it has taken.
    n_begun: usize,
    n_frames: usize,
    n_bytes: usize,
    closing: Option<Closing>,
    /// Nothing more will be written.
    ended: bool,
    /// Frames that were put, since this was last asked.
    n_put: u64,
    /// The task that waits for the socket; there only while the socket does not take what waits.
    waiter: Option<AbortHandle>,
}

impl Queue {
    fn add(&mut self, item: Item) {
        self.n_put += item.n_frames() as u64;
        self.n_frames += item.n_frames();
        self.n_bytes += item.bytes().len();
        self.items.push_back(item);
    }

    /// Whether so much more is too much. One frame always fits an empty outbox, or a large `entered` could never be told.
    fn fits(&self, n_frames: usize, n_bytes: usize, bounds: Bounds) -> bool {
        self.n_frames == 0
            || (self.n_frames + n_frames <= bounds.frames && self.n_bytes + n_bytes <= bounds.bytes)
    }

    /// Drops what waits, but for the rest of what has begun: a frame on the wire is whole or not there.
    fn drop_waiting(&mut self) {
        self.items.truncate(usize::from(self.n_begun > 0));
        self.n_frames = self.items.iter().map(Item::n_frames).sum();
        self.n_bytes = self.items.iter().map(|item| item.bytes().len()).sum();
    }

    /// Takes off what the socket took; gives the marks that were reached.
    fn taken(&mut self, mut n_bytes: usize, reached: &mut Vec<Mark>) {
        n_bytes += self.n_begun;
        self.n_begun = 0;
        while let Some(first) = self.items.front() {
            let size = first.bytes().len();
            if size > n_bytes {
                self.n_begun = n_bytes;
                return;
            }
            n_bytes -= size;
            self.n_bytes -= size;
            self.n_frames -= first.n_frames();
            if let Some(Item::Mark(mark)) = self.items.pop_front() {
                reached.push(mark);
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.items.clear();
        (self.n_begun, self.n_frames, self.n_bytes) = (0, 0, 0);
        if let Some(waiter) = self.waiter.take() {
            waiter.abort();
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    frames: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    wire: OnceLock<Arc<TcpStream>>,
    /// Told when there is something to read by hand, and at the end.
    wake: Notify,
    bounds: Bounds,
}

/// The buffer. Clones share it.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Inner>);

/// The close code for a reader that is too slow (`protocol.md`).
pub const CLOSE_SLOW: u16 = 4003;
/// When a reader that was too slow should come again, in milliseconds: at once, but not in lockstep with a retry loop.
const SLOW_RECONNECT_MS: u64 = 500;
/// How many outboxes the answers to `enter` may fill.
const ENTERED_OUTBOXES: usize = 8;
/// Pieces that go into one write at most.
const SLICES: usize = 32;

enum Flushed {
    /// Nothing waits.
    All,
    /// The socket takes no more now.
    Blocked,
}

impl Outbox {
    /// An empty one with those bounds, to be read by hand until a socket is attached.
    pub fn new(frames_max: usize, bytes_max: usize) -> Self {
        Self(Arc::new(Inner {
            queue: Mutex::default(),
            wire: OnceLock::new(),
            wake: Notify::new(),
            bounds: Bounds {
                frames: frames_max,
                bytes: bytes_max,
            },
        }))
    }

    /// From here on everything goes to that socket.
    pub fn attach(&self, wire: Arc<TcpStream>) {
        // A connection has one socket, so there is no second to be set.
        let _ = self.0.wire.set(wire);
        self.flush();
    }

    /// Puts a frame at the end and writes what the socket takes. False when it did not fit, or the connection is closing:
    /// the frame is dropped then.
    pub fn push(&self, frame: Frame) -> bool {
        self.push_item(Item::Frame(frame))
    }

    /// As [`Outbox::push`] without writing; [`Outbox::flush`] follows.
    pub fn put(&self, frame: Frame) -> bool {
        self.put_within(Item::Frame(frame), self.0.bounds)
    }

    /// As [`Outbox::put`], for `entered`: it may be larger than all other frames together, and somebody who comes back
    /// enters several rooms at once.
    pub fn put_entered(&self, frame: Frame) -> bool {
        let bytes = self.0.bounds.bytes.saturating_mul(ENTERED_OUTBOXES);
        self.put_within(
            Item::Frame(frame),
            Bounds {
                bytes,
                ..self.0.bounds
            },
        )
    }

    /// As [`Outbox::push`], for a batch: one write, where nothing waits.
    pub fn push_batch(&self, batch: &Batch) -> bool {
        if self.0.wire.get().is_none() {
            return batch
                .frames()
                .iter()
                .all(|frame| self.push_item(Item::Frame(frame.clone())));
        }
        self.push_item(Item::Bytes {
            bytes: batch.bytes().clone(),
            n_frames: batch.frames().len(),
        })
    }

    fn push_item(&self, item: Item) -> bool {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return false;
        }
        if queue.items.is_empty()
            && let Some(wire) = self.0.wire.get()
        {
            match wire.try_write(item.bytes()) {
                Ok(n) if n == item.bytes().len() => {
                    queue.n_put += item.n_frames() as u64;
                    return true;
                }
                Ok(n) => {
                    // Begun, so it is finished, whatever the bounds are.
                    queue.add(item);
                    queue.n_begun = n;
                    self.flush_locked(wire, queue, true);
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.hung_up(queue);
                    return false;
                }
            }
        }
        let fits = put(&mut queue, item, self.0.bounds);
        drop(queue);
        self.flush();
        fits
    }

    /// Puts control words at the end: they are no frames of the contract, and nobody is ended for them.
    pub fn push_bytes(&self, bytes: Bytes) -> bool {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return false;
        }
        queue.add(Item::Bytes { bytes, n_frames: 0 });
        let fits = queue.n_bytes <= self.0.bounds.bytes.saturating_mul(ENTERED_OUTBOXES);
        if !fits {
            too_slow(&mut queue);
        }
        drop(queue);
        self.flush();
        fits
    }

    fn put_within(&self, item: Item, bounds: Bounds) -> bool {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return false;
        }
        if !queue.fits(item.n_frames(), item.bytes().len(), bounds) && queue.waiter.is_none() {
            // Much was put without writing; the bounds are about what the socket does not take.
            drop(queue);
            self.flush();
            queue = self.lock();
            if queue.closing.is_some() {
                return false;
            }
        }
        put(&mut queue, item, bounds)
    }

    /// Asks that the room be told when everything before this has been written.
    pub fn mark(&self, outcomes: Outcomes, conn: ConnId) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.add(Item::Mark(Mark { outcomes, conn }));
        }
    }

    /// Sends a ping of the server's own.
    pub fn ping(&self) {
        self.push_bytes(ping_bytes());
    }

    /// Closes the connection once what is there has been written.
    pub fn close(&self, closing: Closing) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            begin_close(&mut queue, closing);
            drop(queue);
            self.flush();
        }
    }

    /// How many frames came since this was last asked; what was dropped for slowness is among them.
    pub fn take_count(&self) -> u64 {
        std::mem::take(&mut self.lock().n_put)
    }

    /// Whether it is closing.
    pub fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }

    /// Ends it: what waits is dropped, and nothing is written any more.
    pub fn end(&self) {
        let mut queue = self.lock();
        queue.closing.get_or_insert(Closing {
            code: CLOSE_AWAY,
            bye: None,
        });
        queue.end();
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Returns once nothing more will be written: the close has left, or the socket is gone.
    pub async fn ended(&self) {
        loop {
            let told = self.0.wake.notified();
            if self.lock().ended {
                return;
            }
            told.await;
        }
    }

    /// Waits for something to read by hand; where no socket is attached.
    pub async fn next(&self) -> Next {
        loop {
            let woken = self.0.wake.notified();
            if let Some(next) = self.take() {
                return next;
            }
            woken.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut queue = self.lock();
        if let Some(closing) = queue.closing
            && (queue.ended || queue.items.is_empty())
        {
            return Some(Next::Close(closing));
        }
        if queue.items.is_empty() {
            return None;
        }
        (queue.n_frames, queue.n_bytes) = (0, 0);
        Some(Next::Items(std::mem::take(&mut queue.items).into()))
    }

    /// Writes what the socket takes now; the rest as it lets it.
    pub fn flush(&self) {
        let Some(wire) = self.0.wire.get() else {
            return self.0.wake.notify_one();
        };
        let queue = self.lock();
        if queue.waiter.is_none() {
            self.flush_locked(wire, queue, true);
        }
    }

    fn flush_locked(
        &self,
        wire: &Arc<TcpStream>,
        mut queue: MutexGuard<'_, Queue>,
        wait_if_blocked: bool,
    ) -> Flushed {
        let mut reached = Vec::new();
        let flushed = loop {
            // Marks at the front take no bytes.
            queue.taken(0, &mut reached);
            if queue.items.is_empty() {
                break Flushed::All;
            }
            match write_some(wire, &queue) {
                Ok(n) => queue.taken(n, &mut reached),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Flushed::Blocked,
                Err(_) => {
                    self.hung_up(queue);
                    return Flushed::All;
                }
            }
        };
        match flushed {
            Flushed::All => {
                // Nobody holds a buffer for the rest of the evening.
                queue.items = VecDeque::new();
                queue.waiter = None;
                if queue.closing.is_some() {
                    queue.end();
                    self.0.wake.notify_one();
                }
            }
            Flushed::Blocked if wait_if_blocked => {
                let waiting = tokio::spawn(wait_and_flush(self.clone(), Arc::clone(wire)));
                queue.waiter = Some(waiting.abort_handle());
            }
            Flushed::Blocked => {}
        }
        drop(queue);
        reached.into_iter().for_each(Mark::reached);
        flushed
    }

    /// The socket is gone.
    fn hung_up(&self, mut queue: MutexGuard<'_, Queue>) {
        queue.closing.get_or_insert(Closing {
            code: CLOSE_AWAY,
            bye: None,
        });
        queue.end();
        drop(queue);
        self.0.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 6455, 7.4.1: it goes away.
const CLOSE_AWAY: u16 = 1001;

fn put(queue: &mut Queue, item: Item, bounds: Bounds) -> bool {
    let fits = queue.fits(item.n_frames(), item.bytes().len(), bounds);
    if fits {
        queue.add(item);
    } else {
        too_slow(queue);
    }
    fits
}

fn too_slow(queue: &mut Queue) {
    queue.drop_waiting();
    let bye = Some((Why::Slow, SLOW_RECONNECT_MS));
    let code = CLOSE_SLOW;
    begin_close(queue, Closing { code, bye });
}

/// The closing words go to the end; nothing follows them.
fn begin_close(queue: &mut Queue, closing: Closing) {
    queue.closing = Some(closing);
    if let Some((why, reconnect_after_ms)) = closing.bye {
        queue.add(Item::Frame(Frame::of(&ServerFrame::Bye {
            why,
            reconnect_after_ms,
        })));
    }
    queue.add(Item::Bytes {
        bytes: close_bytes(closing.code),
        n_frames: 0,
    });
}

fn write_some(wire: &TcpStream, queue: &Queue) -> io::Result<usize> {
    let mut waiting = queue.items.iter().map(Item::bytes);
    let first = &waiting.next().unwrap_or_default()[queue.n_begun..];
    if queue.items.len() == 1 {
        return wire.try_write(first);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    slices[0] = IoSlice::new(first);
    let mut n_slices = 1;
    for bytes in waiting.filter(|bytes| !bytes.is_empty()).take(SLICES - 1) {
        slices[n_slices] = IoSlice::new(bytes);
        n_slices += 1;
    }
    wire.try_write_vectored(&slices[..n_slices])
}

/// Writes as the socket lets it, until nothing waits.
async fn wait_and_flush(outbox: Outbox, wire: Arc<TcpStream>) {
    loop {
        if wire.writable().await.is_err() {
            return outbox.end();
        }
        let queue = outbox.lock();
        match outbox.flush_locked(&wire, queue, false) {
            Flushed::All => return,
            Flushed::Blocked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn pong(n: i64) -> Frame {
        Frame::of(&ServerFrame::Pong { n })
    }

    fn lamp(n_bytes: usize) -> Frame {
        Frame::of(&ServerFrame::Hidden {
            room: "r".repeat(n_bytes),
            seq: 1,
        })
    }

    /// An outbox with a real socket, and the other end of it.
    async fn with_socket(frames_max: usize, bytes_max: usize) -> (Outbox, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let outbox = Outbox::new(frames_max, bytes_max);
        outbox.attach(Arc::new(ours.expect("a client").0));
        (outbox, theirs.expect("a server"))
    }

    async fn read_all(mut theirs: TcpStream) -> Vec<u8> {
        let mut read = Vec::new();
        tokio::time::timeout(SOON, theirs.read_to_end(&mut read))
            .await
            .expect("it ends")
            .expect("it is read");
        read
    }

    fn away() -> Closing {
        Closing {
            code: CLOSE_AWAY,
            bye: None,
        }
    }

    #[tokio::test]
    async fn by_hand_what_does_not_fit_ends_the_connection_and_drops_the_rest() {
        let outbox = Outbox::new(2, 1_000);
        assert!(outbox.push(pong(1)) && outbox.push(pong(2)));
        assert!(!outbox.push(pong(3)));
        assert!(!outbox.push(pong(4)));
        let Next::Items(items) = outbox.next().await else {
            panic!("the closing words come first")
        };
        assert!(matches!(&items[0], Item::Frame(bye) if bye.as_str().contains("slow")));
        assert_eq!(items.len(), 2);
        match outbox.next().await {
            Next::Close(closing) => assert_eq!(closing.code, CLOSE_SLOW),
            Next::Items(..) => panic!("nothing else is left"),
        }
    }

    #[tokio::test]
    async fn bytes_count_while_they_wait() {
        let size = pong(1).n_bytes();
        let outbox = Outbox::new(100, 2 * size);
        assert!(outbox.push(pong(1)) && outbox.push(pong(2)));
        assert!(matches!(outbox.next().await, Next::Items(items) if items.len() == 2));
        assert!(outbox.push(pong(3)) && outbox.push(pong(4)));
        assert!(!outbox.push(pong(5)));
    }

    #[tokio::test]
    async fn a_close_comes_after_what_was_there() {
        let (outbox, theirs) = with_socket(10, 1_000).await;
        outbox.put(pong(1));
        let batch = Batch::of(vec![pong(2), pong(3)]).expect("frames");
        outbox.push_batch(&batch);
        outbox.close(away());
        assert!(!outbox.push(pong(4)));
        outbox.ended().await;
        let wanted = [
            &pong(1).bytes()[..],
            &pong(2).bytes()[..],
            &pong(3).bytes()[..],
            &close_bytes(CLOSE_AWAY)[..],
        ]
        .concat();
        drop(outbox);
        assert_eq!(read_all(theirs).await, wanted);
    }

    #[tokio::test]
    async fn what_a_socket_does_not_take_at_once_comes_later_whole_and_in_order() {
        let (outbox, theirs) = with_socket(1_000_000, 1_000_000_000).await;
        let mut wanted = Vec::new();
        for n in 0..3_000_usize {
            let frame = lamp(n % 4_000);
            wanted.extend_from_slice(frame.bytes());
            if n % 3 == 0 {
                assert!(outbox.push(frame));
            } else if n % 3 == 1 {
                assert!(outbox.put(frame));
            } else {
                assert!(outbox.push_batch(&Batch::of(vec![frame]).expect("a frame")));
            }
        }
        assert!(outbox.lock().waiter.is_some(), "the socket was full");
        outbox.close(away());
        wanted.extend_from_slice(&close_bytes(CLOSE_AWAY));
        let reading = tokio::spawn(read_all(theirs));
        outbox.ended().await;
        drop(outbox);
        assert!(reading.await.expect("it is read") == wanted);
    }

    #[tokio::test]
    async fn a_reader_that_stops_is_told_in_whole_frames_and_costs_no_more_than_its_bounds() {
        let (outbox, theirs) = with_socket(64, 100_000).await;
        let mut n_pushed = 0_usize;
        while outbox.push(lamp(3_000)) {
            n_pushed += 1;
            assert!(n_pushed < 100_000, "it never fills");
            assert!(outbox.lock().n_bytes <= 100_000);
            tokio::task::yield_now().await;
        }
        let reading = tokio::spawn(read_all(theirs));
        outbox.ended().await;
        drop(outbox);
        let read = reading.await.expect("it is read");
        let closing = close_bytes(CLOSE_SLOW);
        let bye = Frame::of(&ServerFrame::Bye {
            why: Why::Slow,
            reconnect_after_ms: SLOW_RECONNECT_MS,
        });
        let end = [bye.bytes(), &closing[..]].concat();
        let frames = read
            .strip_suffix(&end[..])
            .expect("bye and close come last");
        assert_eq!(
            frames.len() % lamp(3_000).n_bytes(),
            0,
            "every frame is whole"
        );
    }

    #[tokio::test]
    async fn a_socket_that_is_gone_ends_it() {
        let (outbox, theirs) = with_socket(64, 1_000_000).await;
        drop(theirs);
        let ended = async {
            loop {
                if !outbox.push(lamp(30_000)) && outbox.lock().ended {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, ended)
            .await
            .expect("it is noticed");
    }
}
