//! `/in` and `/back`: a handle in one step, or an earlier one by its words.

use askama::Template;

use super::{Audience, Device, Page, Speak};

/// The form of `/in`. POST fields: `standing`, `name`, `device`, `room?`, and `pick` where a suggestion was pressed
/// (its value is the name to put into the field; empty asks for other suggestions) instead of `go`.
#[derive(Debug, Clone, Template)]
#[template(path = "enter.html")]
pub struct Enter {
    /// What every page knows.
    pub page: Page,
    /// The room to go to afterwards.
    pub room: Option<String>,
    /// What was chosen before; nothing at first.
    pub standing: Option<Audience>,
    /// What stands in the name's field: a suggestion, or what was typed.
    pub name: String,
    /// Other names to choose.
    pub suggestions: Vec<String>,
    /// What was chosen before; nothing at first.
    pub device: Option<Device>,
    /// A kind sentence about the name.
    pub name_say: Option<String>,
    /// Whether the form came back because nothing was chosen.
    pub standing_missing: bool,
    /// Whether the form came back because nothing was chosen.
    pub device_missing: bool,
    /// A sentence about the whole (too fast, busy).
    pub refusal: Option<String>,
    /// The number of a slip, as typed.
    pub slip: String,
    /// A kind sentence about the number, and whether somebody may say that they did not use it.
    pub slip_say: Option<(String, bool)>,
}

impl Enter {
    fn stands(&self, audience: Audience) -> bool {
        self.standing == Some(audience)
    }

    fn on_device(&self, device: Device) -> bool {
        self.device == Some(device)
    }

    /// As somebody first meets it.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page::default(),
            room: Some("r1".into()),
            standing: None,
            name: "こもれび".into(),
            suggestions: ["雨やどり", "三毛", "夜ふかし"].map(String::from).to_vec(),
            device: None,
            name_say: None,
            standing_missing: false,
            device_missing: false,
            refusal: None,
            slip: String::new(),
            slip_say: None,
        }
    }

    /// As somebody sees it whose slip opened nothing.
    #[cfg(test)]
    pub(crate) fn sample_slip() -> Self {
        Self {
            slip: "1234 5678 9012".into(),
            slip_say: Some((super::texts::t("problem.bad_slip").into(), true)),
            ..Self::sample()
        }
    }
}

/// The form of `/back`. POST fields: `recovery_code`, `device`.
#[derive(Clone, Template)]
#[template(path = "back.html")]
pub struct Back {
    /// What every page knows.
    pub page: Page,
    /// What was typed, given back when it did not fit.
    pub typed: String,
    /// A kind sentence (the text `back.bad` for every reason).
    pub refusal: Option<String>,
}

impl Back {
    /// As somebody sees it whose words did not fit.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page::default(),
            typed: "あめ もり".into(),
            refusal: Some(super::texts::t("back.bad").into()),
        }
    }
}
