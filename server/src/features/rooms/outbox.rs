//! A connection's buffer: bounded in frames and in bytes, so that nobody waits for the slowest.
//!
//! Rooms push and never wait. One task per connection takes what is there and writes it. A full outbox ends its
//! connection with "reconnect and resume"; what was in it is dropped, because the store has it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Outcomes;
use super::room::{ConnId, Input};
use crate::protocol::{Frame, Why};

/// Why and how a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The WebSocket close code.
    pub code: u16,
    /// What `bye` says; no `bye` where absent.
    pub bye: Option<(Why, u64)>,
}

/// Something for the writer, in order.
#[derive(Debug)]
pub enum Item {
    /// To be written.
    Frame(Frame),
    /// To be told to a room once all before it is written.
    Mark(Mark),
    /// A ping of the server's own.
    Ping,
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

/// What the writer is to do next.
#[derive(Debug)]
pub enum Next {
    /// Write these; then call [`Outbox::written`] with their bytes.
    Items(Vec<Item>, usize),
    /// Write nothing more; close.
    Close(Closing),
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    n_frames: usize,
    n_bytes: usize,
    closing: Option<Closing>,
    /// Items before a close that is not for slowness are still written.
    drop_rest: bool,
}

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    wake: Notify,
    slow: Notify,
    frames_max: usize,
    bytes_max: usize,
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
/// An `entered` of 200 long lines has some 400 KB, however small the outbox is set.
const SOCKET_BYTES_LEAST: usize = 1024 * 1024;
/// Bytes taken at once at most, so that a batch is one write of a bearable size.
const BATCH_BYTES: usize = 64 * 1024;

impl Outbox {
    /// An empty one with those bounds.
    pub fn new(frames_max: usize, bytes_max: usize) -> Self {
        Self(Arc::new(Inner {
            queue: Mutex::default(),
            wake: Notify::new(),
            slow: Notify::new(),
            frames_max,
            bytes_max,
        }))
    }

    /// Puts a frame at the end. False when it did not fit, or the connection is closing: the frame is dropped then.
    pub fn push(&self, frame: Frame) -> bool {
        self.push_up_to(frame, self.0.bytes_max)
    }

    /// As [`Outbox::push`], for `entered`: it may be larger than all other frames together, and somebody who comes back
    /// enters several rooms at once.
    pub fn push_entered(&self, frame: Frame) -> bool {
        self.push_up_to(frame, self.0.bytes_max.saturating_mul(ENTERED_OUTBOXES))
    }

    fn push_up_to(&self, frame: Frame, bytes_max: usize) -> bool {
        let fits = {
            let mut queue = self.lock();
            if queue.closing.is_some() {
                return false;
            }
            let n_bytes = queue.n_bytes + frame.n_bytes();
            // One frame always fits an empty outbox, or a large `entered` could never be told.
            let fits =
                queue.n_frames == 0 || (queue.n_frames < self.0.frames_max && n_bytes <= bytes_max);
            if fits {
                queue.n_frames += 1;
                queue.n_bytes = n_bytes;
                queue.items.push_back(Item::Frame(frame));
            } else {
                queue.closing = Some(Closing {
                    code: CLOSE_SLOW,
                    bye: Some((Why::Slow, SLOW_RECONNECT_MS)),
                });
                queue.drop_rest = true;
                queue.items.clear();
            }
            fits
        };
        self.0.wake.notify_one();
        if !fits {
            self.0.slow.notify_one();
        }
        fits
    }

    /// The most bytes that can wait, with the answers to `enter`; the socket's own buffer has to hold as many, and what
    /// the headers add.
    pub fn n_bytes_most(&self) -> usize {
        self.0
            .bytes_max
            .saturating_mul(ENTERED_OUTBOXES + 1)
            .max(SOCKET_BYTES_LEAST)
    }

    /// Asks that the room be told when everything before this has been written.
    pub fn mark(&self, outcomes: Outcomes, conn: ConnId) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.items.push_back(Item::Mark(Mark { outcomes, conn }));
        }
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Asks the writer for a ping.
    pub fn ping(&self) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.items.push_back(Item::Ping);
        }
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Closes the connection once what is there has been written.
    pub fn close(&self, closing: Closing) {
        self.lock().closing.get_or_insert(closing);
        self.0.wake.notify_one();
    }

    /// Whether it is closing.
    pub fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }

    /// Returns once it was too slow: the writer need not finish what it is at.
    pub async fn too_slow(&self) {
        loop {
            let told = self.0.slow.notified();
            if self.lock().drop_rest {
                return;
            }
            told.await;
        }
    }

    /// Waits for something to do.
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
        if queue.items.is_empty() || queue.drop_rest {
            return queue.closing.map(Next::Close);
        }
        let mut items = Vec::with_capacity(queue.items.len().min(64));
        let mut n_bytes = 0;
        while n_bytes < BATCH_BYTES {
            let Some(item) = queue.items.pop_front() else {
                break;
            };
            if let Item::Frame(frame) = &item {
                n_bytes += frame.n_bytes();
            }
            items.push(item);
        }
        Some(Next::Items(items, n_bytes))
    }

    /// Gives back the room that written frames took. Until then they count, because the socket has not taken them.
    pub fn written(&self, n_frames: usize, n_bytes: usize) {
        let mut queue = self.lock();
        queue.n_frames = queue.n_frames.saturating_sub(n_frames);
        queue.n_bytes = queue.n_bytes.saturating_sub(n_bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerFrame;

    fn pong(n: i64) -> Frame {
        Frame::of(&ServerFrame::Pong { n })
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_the_connection_and_drops_the_rest() {
        let outbox = Outbox::new(2, 1_000);
        assert!(outbox.push(pong(1)) && outbox.push(pong(2)));
        assert!(!outbox.push(pong(3)));
        assert!(!outbox.push(pong(4)));
        match outbox.next().await {
            Next::Close(closing) => assert_eq!(closing.code, CLOSE_SLOW),
            Next::Items(..) => panic!("the rest was not dropped"),
        }
    }

    #[tokio::test]
    async fn bytes_count_until_they_are_written() {
        let size = pong(1).n_bytes();
        let outbox = Outbox::new(100, 2 * size);
        assert!(outbox.push(pong(1)) && outbox.push(pong(2)));
        let Next::Items(items, n_bytes) = outbox.next().await else {
            panic!("there is something to write")
        };
        assert_eq!((items.len(), n_bytes), (2, 2 * size));
        outbox.written(2, n_bytes);
        assert!(outbox.push(pong(3)));
    }

    #[tokio::test]
    async fn a_close_comes_after_what_was_there() {
        let outbox = Outbox::new(10, 1_000);
        outbox.push(pong(1));
        outbox.close(Closing {
            code: 1001,
            bye: None,
        });
        assert!(matches!(outbox.next().await, Next::Items(items, _) if items.len() == 1));
        assert!(matches!(
            outbox.next().await,
            Next::Close(Closing { code: 1001, .. })
        ));
    }
}
