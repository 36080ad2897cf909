//! `/`: the foyer.

use askama::Template;
use jiff::Timestamp;

use super::texts::{fill, t};
use super::{Audience, Kind, Page, RoomState, Speak, hours, kind_key};

/// A room that this visitor may enter; with no handle yet, of both sides.
#[derive(Debug, Clone)]
pub struct Door {
    /// The room's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// Whose it is.
    pub audience: Audience,
    /// How it stands; only rooms that can be entered or waited for belong here.
    pub state: RoomState,
    /// When it opens.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// The foyer: the view, the near door, the other ways.
#[derive(Debug, Clone, Template)]
#[template(path = "foyer.html")]
pub struct Foyer {
    /// What every page knows.
    pub page: Page,
    /// The visitor's name, when they have one.
    pub name: Option<String>,
    /// Rooms that are open now, the nearest first.
    pub rooms: Vec<Door>,
    /// The present time.
    pub now: Timestamp,
}

impl Foyer {
    fn door(&self, room: &Door) -> String {
        if self.page.signed_in {
            format!("/r/{}#now", room.id)
        } else {
            format!("/in?room={}", room.id)
        }
    }

    fn about(&self, room: &Door) -> String {
        let kind = t(&kind_key(&room.kind, &room.audience));
        match room.state {
            RoomState::Planned | RoomState::DoorsOpen => {
                let from = hours::day_and_clock(room.starts_at, self.now);
                fill("foyer.about_soon", &[("kind", kind), ("from", &from)])
            }
            RoomState::Paused => fill("foyer.about_paused", &[("kind", kind)]),
            RoomState::Open
            | RoomState::LastCall
            | RoomState::Afterglow
            | RoomState::Closed
            | RoomState::Cancelled => {
                let until = hours::day_and_clock(room.ends_at, self.now);
                fill("foyer.about_until", &[("kind", kind), ("until", &until)])
            }
        }
    }

    /// A foyer with a room of each side.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let now: Timestamp = "2026-11-20T11:10:00Z".parse().expect("a time");
        let door = |id: &str, title: &str, audience| Door {
            id: id.into(),
            title: title.into(),
            kind: Kind::Ibasho,
            audience,
            state: RoomState::Open,
            starts_at: "2026-11-20T11:00:00Z".parse().expect("a time"),
            ends_at: "2026-11-20T12:30:00Z".parse().expect("a time"),
        };
        Self {
            page: Page::default(),
            name: None,
            rooms: vec![
                door("r1", "金曜の回", Audience::Tojisha),
                door("r2", "家族の夜", Audience::Family),
            ],
            now,
        }
    }
}
