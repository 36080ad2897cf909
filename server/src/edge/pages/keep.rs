//! `/r/{id}/keep`: how the room goes on, for those who may decide it.

use askama::Template;

use super::texts::t;
use super::{Page, RoomState, Speak, Worded};

/// The pages hosts see of the guard: three, and a rest (`design.md`, 部屋の進め方).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// What is sent.
    pub guard: u8,
    /// Its name in the catalogue.
    pub name: &'static str,
}

/// The levels in order; each step back is the one above.
pub const LEVELS: [Level; 4] = [
    Level {
        guard: 0,
        name: "usual",
    },
    Level {
        guard: 2,
        name: "slowly",
    },
    Level {
        guard: 3,
        name: "reading",
    },
    Level {
        guard: 4,
        name: "rest",
    },
];

/// Paces that can be chosen: milliseconds between two lines of one person, and the name in the catalogue.
pub const PACES: [(u32, &str); 3] = [(0, "none"), (30_000, "half"), (60_000, "minute")];

/// How a room goes on. POST fields: `kind`, `value`, and for a topic `answers`.
#[derive(Clone, Template)]
#[template(path = "keep.html")]
pub struct Keep {
    /// What every page knows.
    pub page: Page,
    /// The room's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: RoomState,
    /// 部屋の進め方, 0–4.
    pub guard: u8,
    /// The pace.
    pub slow_ms: u32,
    /// Newcomers wait.
    pub locked: bool,
    /// What it talks about.
    pub topic: String,
    /// What came of the last act (`keep.done` or the words of a refusal).
    pub says: Option<String>,
    /// What was typed and not taken.
    pub typed: String,
}

impl Keep {
    fn levels(&self) -> Vec<(u8, &'static str, &'static str, bool)> {
        LEVELS
            .iter()
            .map(|level| {
                let is_now = match level.guard {
                    0 => self.guard <= 1,
                    guard => self.guard == guard,
                };
                let name = t(format!("keep.guard.{}", level.name).as_str());
                let what = t(format!("keep.guard_what.{}", level.name).as_str());
                (level.guard, name, what, is_now)
            })
            .collect()
    }

    fn paces(&self) -> Vec<(u32, &'static str, bool)> {
        PACES
            .iter()
            .map(|(ms, name)| {
                (
                    *ms,
                    t(format!("keep.pace.{name}").as_str()),
                    self.slow_ms == *ms,
                )
            })
            .collect()
    }

    fn is_paused(&self) -> bool {
        self.state == RoomState::Paused
    }

    fn state_words(&self) -> &'static str {
        t(self.state.key().as_str())
    }

    /// An open room.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                signed_in: true,
                staff: true,
                ..Page::default()
            },
            id: "r1".into(),
            title: "金曜の回".into(),
            state: RoomState::Open,
            guard: 2,
            slow_ms: 0,
            locked: true,
            topic: "冬にほしいもの".into(),
            says: Some(t("keep.done").into()),
            typed: String::new(),
        }
    }
}
