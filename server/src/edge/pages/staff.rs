//! Pages of people with powers: login, their day, the first manager.

use askama::Template;

#[cfg(test)]
use super::Desk;
use super::{
    Audience, HoldRow, Kind, OnDuty, Page, Role, RoomState, Speak, Worded, duty_words, kind_key,
};

/// `/s`. POST fields: `id`, `password`, `totp`.
#[derive(Clone, Template)]
#[template(path = "login.html")]
pub struct Login {
    /// What every page knows, with `staff` set.
    pub page: Page,
    /// What was typed as id.
    pub id: String,
    /// A kind sentence (the text `problem.bad_login` for every reason).
    pub refusal: Option<String>,
}

impl Login {
    /// As somebody sees it whose login did not fit.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                staff: true,
                ..Page::default()
            },
            id: "minato".into(),
            refusal: Some(super::texts::t("problem.bad_login").into()),
        }
    }
}

/// A room on somebody's roster.
#[derive(Debug, Clone)]
pub struct DutyRoom {
    /// The room's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// Whose it is.
    pub audience: Audience,
    /// How it stands.
    pub state: RoomState,
    /// Who is on duty now.
    pub on_duty: Vec<OnDuty>,
    /// Whether it is open or due and nobody is on duty; such rooms stand first.
    pub needs_duty: bool,
    /// Whether lines wait in it whose words this person does not see here, as they are not on duty in it.
    pub waits: bool,
    /// Who is on call for it, as far as this person can do something about it.
    pub on_call: OnCallHere,
}

/// Being on call, on the day's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCallHere {
    /// This person cannot be, or somebody else is.
    Settled,
    /// Nobody is.
    Nobody,
    /// This person is.
    Mine,
}

/// `/s/today`.
#[derive(Debug, Clone, Template)]
#[template(path = "today.html")]
pub struct Today {
    /// What every page knows, with `staff` and `signed_in` set.
    pub page: Page,
    /// The person's shown name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<Role>,
    /// What waits in the rooms whose holds they may read, in the order of [`HoldRow::sort`].
    pub holds: Vec<HoldRow>,
    /// Their rooms, what needs a human first.
    pub rooms: Vec<DutyRoom>,
    /// How many help lines nobody has looked at for long.
    pub n_stale_lines: usize,
}

impl Today {
    fn duty_words(&self, room: &DutyRoom) -> String {
        duty_words(&room.on_duty)
    }

    /// The forms lead back here.
    fn to_today(&self) -> bool {
        true
    }

    /// The same evening with nothing that waits.
    #[cfg(test)]
    pub(crate) fn sample_quiet() -> Self {
        let mut today = Self::sample();
        today.page.desk = Some(Desk::default());
        today.holds.clear();
        today
    }

    /// A supporter with two rooms.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let room = |id: &str, title: &str, needs_duty, on_duty| DutyRoom {
            id: id.into(),
            title: title.into(),
            kind: Kind::Ibasho,
            audience: Audience::Tojisha,
            state: RoomState::Open,
            on_duty,
            needs_duty,
            waits: needs_duty,
            on_call: if needs_duty {
                OnCallHere::Nobody
            } else {
                OnCallHere::Mine
            },
        };
        Self {
            page: Page {
                staff: true,
                signed_in: true,
                desk: Some(Desk {
                    waits: true,
                    risk: true,
                    elsewhere: false,
                    rooms: vec!["r1".into()],
                }),
                alerts: vec![super::AlertRow {
                    id: "a1".into(),
                    words: super::texts::fill("alert.unattended", &[("room", "土曜の回")]),
                }],
                ..Page::default()
            },
            holds: super::holds::samples::waiting(Some("金曜の回")),
            name: "みなと".into(),
            roles: vec![Role::PeerSupporter],
            n_stale_lines: 3,
            rooms: vec![
                room("r2", "土曜の回", true, Vec::new()),
                room(
                    "r1",
                    "金曜の回",
                    false,
                    vec![OnDuty {
                        name: "みなと".into(),
                        duty: super::Duty::Host,
                    }],
                ),
            ],
        }
    }
}

/// `/s/first/{token}` and `/s/join/{token}`. POST fields: `password`, `totp`, and `id`, `name` where `asks_who`.
#[derive(Clone, Template)]
#[template(path = "first.html")]
pub struct First {
    /// What every page knows, with `staff` set.
    pub page: Page,
    /// The one-time address.
    pub path: String,
    /// Whether it makes the first manager.
    pub is_first: bool,
    /// Whether an account is made; otherwise a second factor is set anew.
    pub asks_who: bool,
    /// Whether the password is a new one; otherwise it is the one they have.
    pub new_password: bool,
    /// What was typed as id.
    pub id: String,
    /// What was typed as name.
    pub name: String,
    /// The secret as QR: an inline SVG that our own code drew (it is not escaped), without style attributes.
    pub qr_svg: String,
    /// The secret in base32.
    pub totp_secret: String,
    /// A kind sentence (`first.bad`).
    pub refusal: Option<String>,
}

impl First {
    /// The first visit.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                staff: true,
                ..Page::default()
            },
            path: "/s/first/t1".into(),
            is_first: true,
            asks_who: true,
            new_password: true,
            id: String::new(),
            name: String::new(),
            qr_svg: "<svg viewBox=\"0 0 8 8\"><path d=\"M0 0h8v8H0z\"/></svg>".into(),
            totp_secret: "JBSWY3DPEHPK3PXP".into(),
            refusal: None,
        }
    }
}
