//! What a page shows of a room, made of what the room told.

use std::sync::Arc;

use super::visit::Visit;
use crate::edge::pages::card::ShownCard;
use crate::edge::pages::lines::{self, Entry, Line};
use crate::edge::pages::room::{Held, ReadyLine, Room, Words, draft_text};
use crate::edge::pages::{Asked, HoldRow};
use crate::edge::pages::{Seat, texts};
use crate::edge::problem::Problem;
use crate::edge::rooms_api::DraftPlace;
use crate::edge::shown::{instant, on_duty};
use crate::edge::state::Edge;
use crate::edge::visitor::Visitor;
use crate::features::identity::Session;
use crate::permit::{Action, permit};
use crate::platform::ids::{Chance, ClientKey};
use crate::protocol::{EnterMode, Entered, LineOut, RoomState, ServerFrame, WaitingLine};

/// What a page shows besides the room itself.
#[derive(Default)]
pub(super) struct Besides {
    /// The line whose strip is open.
    pub(super) open_line: Option<u64>,
    /// What was written and not taken; the kept draft where absent.
    pub(super) draft: Option<String>,
    /// What was asked back of it.
    pub(super) asked: Option<Asked>,
    /// Why it was not taken.
    pub(super) refusal: Option<String>,
    /// A sentence above the log.
    pub(super) notice: Option<String>,
    /// A card for this person alone.
    pub(super) card: Option<ShownCard>,
    /// Whether a form has lit this person's lamp.
    pub(super) my_lamp: bool,
    /// The key of what was not taken, where it may be sent again.
    pub(super) key: Option<String>,
}

/// What the composer lets one do.
pub(super) fn seat(state: RoomState, guard: u8, mode: EnterMode) -> Seat {
    match (state, mode) {
        (RoomState::Paused, _) => Seat::Paused,
        (RoomState::Afterglow, _) => Seat::Afterglow,
        (RoomState::Planned | RoomState::Closed | RoomState::Cancelled, _) => Seat::Closed,
        (RoomState::DoorsOpen | RoomState::Open | RoomState::LastCall, EnterMode::Listen) => {
            Seat::Listen
        }
        (RoomState::DoorsOpen | RoomState::Open | RoomState::LastCall, EnterMode::Duty) => {
            Seat::Write
        }
        (RoomState::DoorsOpen | RoomState::Open | RoomState::LastCall, EnterMode::Talk) => {
            match guard {
                0..=2 => Seat::Write,
                3 => Seat::Reading,
                4.. => Seat::Rest,
            }
        }
    }
}

/// The room, for somebody who is in it.
pub(super) async fn room(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    session: &Session,
    visit: &mut Visit,
    mode: EnterMode,
    entered: Entered,
    besides: Besides,
) -> Result<Room, Problem> {
    let draft = match besides.draft {
        Some(draft) => draft,
        None => kept_draft(edge, session, visit).await?,
    };
    let may = |action| {
        visit.who.duty.is_some_and(|duty| {
            permit(&session.actor, Some(duty.into()), entered.audience, action).is_ok()
        })
    };
    let (on_duty_here, keeps) = (may(Action::Hide), may(Action::SetGuard));
    let mut holds = Vec::new();
    if on_duty_here {
        let now = instant(edge.clock.now());
        let frames = visit.holds().await?;
        holds.extend(
            frames
                .into_iter()
                .filter_map(|frame| HoldRow::of(frame, None, now)),
        );
        HoldRow::sort(&mut holds);
    }
    let mut page = visitor.page();
    // The room looks the same to all who are in it.
    page.staff = false;
    let head = entered.head;
    let mut log: Vec<Entry> = entered.gap.map(|_| Entry::Gap).into_iter().collect();
    log.extend(
        entered
            .messages
            .into_iter()
            .filter_map(|frame| entry(frame, &entered.you.id)),
    );
    Ok(Room {
        page,
        id: entered.room,
        title: entered.title,
        kind: entered.kind,
        audience: entered.audience,
        entry: visit.link.gathering().entry,
        topic: head.topic,
        epoch: entered.epoch,
        last_seq: number(entered.last_seq),
        me: entered.you.id,
        my_name: entered.you.name,
        device: session.device,
        mode,
        on_duty_here,
        keeps,
        about: head.about,
        on_duty: on_duty(head.on_duty),
        readers: entered
            .readers
            .into_iter()
            .map(|reader| reader.role)
            .collect(),
        forgets_at: instant(entered.forgets_at.0),
        now: instant(edge.clock.now()),
        lines: log,
        held: entered.waiting_lines.into_iter().map(held).collect(),
        asked: besides.asked,
        holds,
        open_line: besides.open_line,
        seat: seat(head.state, head.guard, mode),
        lamp: head.lamp,
        draft,
        refusal: besides.refusal,
        notice: besides.notice,
        card: besides.card,
        key: besides.key.unwrap_or_else(|| fresh_key(&*edge.chance)),
        body_chars_max: u32::try_from(edge.settings.limits.body_chars_max).unwrap_or(u32::MAX),
    })
}

/// ことばを選ぶ, for somebody who is in the room.
pub(super) async fn words(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    session: &Session,
    visit: &Visit,
    mode: EnterMode,
    entered: Entered,
    besides: Besides,
) -> Result<Words, Problem> {
    let draft = match besides.draft {
        Some(draft) => draft,
        None => kept_draft(edge, session, visit).await?,
    };
    let seat = seat(entered.head.state, entered.head.guard, mode);
    let mut page = visitor.page();
    page.staff = false;
    let ready = entered.head.ready.into_iter().map(|line| ReadyLine {
        id: line.id,
        text: line.text,
        key: fresh_key(&*edge.chance),
    });
    Ok(Words {
        page,
        id: entered.room,
        ready: ready.collect(),
        chooses: seat.chooses(),
        writes: seat.writes(),
        my_lamp: besides.my_lamp,
        draft,
        refusal: besides.refusal,
        key: besides.key.unwrap_or_else(|| fresh_key(&*edge.chance)),
    })
}

/// What was written here and not sent. A page without it is better than none.
async fn kept_draft(edge: &Arc<Edge>, session: &Session, visit: &Visit) -> Result<String, Problem> {
    let place = DraftPlace::of(&visit.link, session).await?;
    let kept = match place {
        Some(place) => place.get(edge).await?,
        None => None,
    };
    Ok(kept.as_deref().map(draft_text).unwrap_or_default())
}

fn fresh_key(chance: &dyn Chance) -> String {
    ClientKey::new(chance).as_str().to_owned()
}

fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

fn entry(frame: ServerFrame, me: &str) -> Option<Entry> {
    match frame {
        ServerFrame::Said(line) => Some(Entry::Line(line_of(line, me))),
        ServerFrame::Hidden { seq, .. } => Some(Entry::Hidden { seq: number(seq) }),
        _ => None,
    }
}

fn line_of(line: LineOut, me: &str) -> Line {
    Line {
        seq: number(line.seq),
        at: instant(line.at.0),
        who: line.from.map(|from| lines::Who {
            own: from.id == me,
            name: from.name,
            duty: from.duty,
        }),
        body: line.body,
        note: line.note,
        no_reply: line.no_reply == Some(true),
        form: line.form,
        stamps: line.stamps.unwrap_or_default(),
        // Whose stamps they are, a room tells nobody.
        own_stamps: Vec::new(),
    }
}

fn held(line: WaitingLine) -> Held {
    Held {
        text: texts::hold(line.reason.as_str(), "waits").to_owned(),
        key: line.key,
        body: line.body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stands_before_the_mode_and_the_guard_binds_nobody_on_duty() {
        use EnterMode::{Duty, Listen, Talk};
        let table = [
            (RoomState::Open, 0, Talk, Seat::Write),
            (RoomState::Open, 2, Talk, Seat::Write),
            (RoomState::LastCall, 3, Talk, Seat::Reading),
            (RoomState::Open, 4, Talk, Seat::Rest),
            (RoomState::Open, 4, Duty, Seat::Write),
            (RoomState::Open, 0, Listen, Seat::Listen),
            (RoomState::Paused, 0, Listen, Seat::Paused),
            (RoomState::Paused, 0, Duty, Seat::Paused),
            (RoomState::Afterglow, 0, Talk, Seat::Afterglow),
            (RoomState::Closed, 0, Talk, Seat::Closed),
        ];
        for (state, guard, mode, wanted) in table {
            assert_eq!(
                seat(state, guard, mode),
                wanted,
                "{state:?} {guard} {mode:?}"
            );
        }
    }
}
