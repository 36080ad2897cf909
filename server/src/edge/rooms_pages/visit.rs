//! A visit to a room by a page: a connection that lives for one question and its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::edge::problem::{Code, Problem};
use crate::edge::reach::{action_of, is_declared, person, reach};
use crate::edge::state::Edge;
use crate::features::identity::Session;
use crate::features::rooms::outbox::{Closing, Item, Next, Outbox};
use crate::features::rooms::ticket::Tickets;
use crate::features::rooms::{Asker, ConnId, Input, RoomLink, Who};
use crate::permit::{Action, Permit};
use crate::platform::ids::RoomId;
use crate::platform::store::StoreError;
use crate::protocol::{EnterMode, Entered, RefusalCode, ServerFrame};

/// How long a room may take to answer a form before the page says `busy`.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// RFC 6455, 7.4.1: it goes away.
const CLOSE_AWAY: u16 = 1001;
/// The ping by which a visit learns that everything before it was answered.
const BARRIER: i64 = 1;

/// A room that did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

impl From<NoAnswer> for Problem {
    fn from(NoAnswer: NoAnswer) -> Self {
        Self::new(Code::Busy)
    }
}

/// What came of asking to come in.
pub(super) enum Arrival {
    /// In.
    In(Box<Entered>),
    /// Before the doors, with what the room says.
    Waits(String),
    /// Not in.
    Refused(RefusalCode),
}

/// A connection of a page's own. Its end is told to the room, however the page ends.
pub(super) struct Visit {
    pub(super) link: RoomLink,
    /// Who they are in this room.
    pub(super) who: Who,
    conn: ConnId,
    outbox: Outbox,
    tickets: Tickets,
    unread: VecDeque<ServerFrame>,
}

impl Visit {
    /// To the room of that id, for somebody who may do that there without being on duty.
    ///
    /// # Errors
    /// `not_allowed` whatever the reason is, or `busy`.
    pub(super) async fn to(
        edge: &Arc<Edge>,
        session: &Session,
        room: &str,
        action: Action,
    ) -> Result<(Self, Permit), Problem> {
        let not_allowed = || Problem::new(Code::NotAllowed);
        let id = RoomId::parse(room).ok_or_else(not_allowed)?;
        let (link, permit) = reach(edge, session, &id, None, action)
            .await?
            .ok_or_else(not_allowed)?;
        let participant = link
            .participant(&person(session))
            .await
            .map_err(|error| StoreError::Unavailable {
                what: format!("the key store: {error}"),
            })?
            .ok_or_else(not_allowed)?;
        let limits = &edge.settings.limits;
        let outbox = Outbox::new(limits.outbox_frames_max, limits.outbox_bytes_max);
        let who = Who {
            participant,
            name: session.name.as_str().to_owned(),
            duty: if action == Action::EnterDuty {
                permit.duty()
            } else {
                None
            },
            declared: is_declared(session),
        };
        let visit = Self {
            link,
            who,
            conn: edge.next_conn(),
            tickets: Tickets::new(outbox.clone()),
            outbox,
            unread: VecDeque::new(),
        };
        Ok((visit, permit))
    }

    /// To come in, in that mode. On duty they see what those on duty see, but a page never takes a lease.
    ///
    /// # Errors
    /// As [`Visit::to`].
    pub(super) async fn in_mode(
        edge: &Arc<Edge>,
        session: &Session,
        room: &str,
        mode: EnterMode,
    ) -> Result<(Self, Permit), Problem> {
        Self::to(edge, session, room, action_of(mode)).await
    }

    /// The connection, as the room knows it.
    pub(super) fn conn(&self) -> ConnId {
        self.conn
    }

    /// The connection, with what is held until it is answered.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            conn: self.conn,
            ticket: self.tickets.take(),
        }
    }

    /// Tells the room.
    ///
    /// # Errors
    /// [`NoAnswer`] where too much waits there.
    pub(super) fn post(&self, input: Input) -> Result<(), NoAnswer> {
        self.link
            .post_with(input, self.asker(), &self.outbox)
            .map_err(|_| NoAnswer)
    }

    /// Comes in.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn enter(&mut self, mode: EnterMode) -> Result<Arrival, NoAnswer> {
        self.post(Input::Enter {
            asker: self.asker(),
            who: self.who.clone(),
            mode,
            after: None,
        })?;
        self.answer(|frame| match frame {
            ServerFrame::Entered(entered) => Some(Arrival::In(entered)),
            ServerFrame::Waiting(waiting) => Some(Arrival::Waits(waiting.text)),
            ServerFrame::Refused {
                key: None, code, ..
            } => Some(Arrival::Refused(code)),
            _ => None,
        })
        .await
    }

    /// What waits here, as those on duty are told after they are in.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn holds(&mut self) -> Result<Vec<ServerFrame>, NoAnswer> {
        let mut holds = Vec::new();
        self.tickets.ping(BARRIER);
        self.answer(|frame| match frame {
            hold @ ServerFrame::Hold { .. } => {
                holds.push(hold);
                None
            }
            ServerFrame::Pong { n: BARRIER } => Some(()),
            _ => None,
        })
        .await?;
        Ok(holds)
    }

    /// Waits until everything that was asked before is answered, and says what was refused of it.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn all_answered(&mut self) -> Result<Option<RefusalCode>, NoAnswer> {
        self.tickets.ping(BARRIER);
        self.answer(|frame| match frame {
            ServerFrame::Refused { code, .. } => Some(Some(code)),
            ServerFrame::Pong { n: BARRIER } => Some(None),
            _ => None,
        })
        .await
    }

    /// Reads until the answer that is waited for.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn answer<T>(
        &mut self,
        mut is_it: impl FnMut(ServerFrame) -> Option<T>,
    ) -> Result<T, NoAnswer> {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        loop {
            while let Some(frame) = self.unread.pop_front() {
                if let Some(answer) = is_it(frame) {
                    return Ok(answer);
                }
            }
            match timeout_at(deadline, self.outbox.next()).await {
                Ok(Next::Items(items)) => self.read(items),
                Ok(Next::Close(_)) | Err(_) => return Err(NoAnswer),
            }
        }
    }

    fn read(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                // What cannot be read is no answer to anything.
                Item::Frame(frame) => self
                    .unread
                    .extend(serde_json::from_str::<ServerFrame>(frame.as_str())),
                Item::Mark(mark) => mark.reached(),
                // What goes to all is no answer either.
                Item::Bytes { .. } => {}
            }
        }
    }

    /// Stays, and reads nothing, until the room lets go or the future is dropped.
    pub(super) async fn stay(mut self) {
        loop {
            match self.outbox.next().await {
                Next::Items(items) => self.read(items),
                Next::Close(_) => return,
            }
            if self
                .unread
                .drain(..)
                .any(|frame| matches!(frame, ServerFrame::Left { .. }))
            {
                return;
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // Closed before the room is told: what it reads of this connection after that is nobody's any more.
        self.outbox.close(Closing {
            code: CLOSE_AWAY,
            bye: None,
        });
        self.link.gone(self.conn);
    }
}
