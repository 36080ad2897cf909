//! The words a room says by itself; they come from the one catalogue and are handed in.

use std::collections::HashMap;

use crate::protocol::{ReadyOut, RefusalCode};

/// Words for people.
#[derive(Clone, Debug, Default)]
pub struct RoomTexts {
    /// What each refusal says.
    pub refusals: HashMap<RefusalCode, String>,
    /// Ready lines.
    pub ready: Vec<ReadyOut>,
    /// What somebody hears who waits for the doors.
    pub waiting: String,
}

impl RoomTexts {
    /// What a refusal says.
    pub fn refusal(&self, code: RefusalCode) -> String {
        self.refusals.get(&code).cloned().unwrap_or_default()
    }

    /// The words of a ready line.
    pub fn ready_line(&self, id: &str) -> Option<&str> {
        self.ready
            .iter()
            .find(|line| line.id == id)
            .map(|line| line.text.as_str())
    }
}
