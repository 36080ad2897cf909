//! What a connection still waits for, so that a `pong` comes after everything before its `ping`.
//!
//! Whatever answers a frame holds its ticket until the answer is in the outbox. The tickets between two pings are one
//! segment; a segment's end says its `pong` and only then lets go of the next segment, so pongs keep their order and no
//! one counts anything.

use std::sync::{Arc, Mutex, PoisonError};

use super::outbox::Outbox;
use crate::protocol::{Frame, ServerFrame};

/// Held until a frame is answered.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "it is held for its end, never read")]
pub struct Ticket(Arc<Segment>);

#[derive(Debug)]
struct Segment {
    outbox: Outbox,
    /// The ping that ended this segment, and the segment after it.
    ended_by: Mutex<Option<(i64, Arc<Segment>)>>,
}

impl Drop for Segment {
    fn drop(&mut self) {
        let ended_by = self
            .ended_by
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((n, next)) = ended_by {
            self.outbox.push(Frame::of(&ServerFrame::Pong { n }));
            drop(next);
        }
    }
}

/// A connection's tickets.
#[derive(Debug)]
pub struct Tickets {
    outbox: Outbox,
    segment: Arc<Segment>,
}

impl Tickets {
    /// For the connection of that outbox.
    pub fn new(outbox: Outbox) -> Self {
        let segment = Arc::new(Segment {
            outbox: outbox.clone(),
            ended_by: Mutex::new(None),
        });
        Self { outbox, segment }
    }

    /// A ticket for a frame that came now.
    pub fn take(&self) -> Ticket {
        Ticket(Arc::clone(&self.segment))
    }

    /// Answers a ping once everything before it is answered.
    pub fn ping(&mut self, n: i64) {
        let next = Arc::new(Segment {
            outbox: self.outbox.clone(),
            ended_by: Mutex::new(None),
        });
        *self
            .segment
            .ended_by
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((n, Arc::clone(&next)));
        self.segment = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::rooms::outbox::{Item, Next};

    async fn pongs(outbox: &Outbox) -> Vec<String> {
        match outbox.next().await {
            Next::Items(items) => items
                .into_iter()
                .map(|item| match item {
                    Item::Frame(frame) => frame.as_str().to_owned(),
                    Item::Mark(_) | Item::Bytes { .. } => String::new(),
                })
                .collect(),
            Next::Close(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_pong_waits_for_every_ticket_before_its_ping_and_for_the_pong_before() {
        let outbox = Outbox::new(10, 10_000);
        let mut tickets = Tickets::new(outbox.clone());
        let first = tickets.take();
        tickets.ping(1);
        let second = tickets.take();
        tickets.ping(2);
        drop(second);
        outbox.push(Frame::of(&ServerFrame::Pong { n: 0 }));
        assert_eq!(pongs(&outbox).await.len(), 1, "no pong before its time");
        drop(first);
        assert_eq!(
            pongs(&outbox).await,
            [r#"{"type":"pong","n":1}"#, r#"{"type":"pong","n":2}"#]
        );
    }
}
