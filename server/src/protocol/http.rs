//! The bodies of the HTTP calls.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::About;
use super::values::{Audience, EntryKind, GatheringKind, RoleKind, RoomState, Standing, Time};

/// `POST /api/v1/handles`.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct MakeHandle {
    /// 呼び名; null or absent gets a suggested one.
    #[serde(default)]
    pub name: Option<String>,
    /// The side.
    pub standing: Standing,
    /// 案内番号.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub slip: Option<String>,
    /// Whether the device is only theirs; shared where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub device: Option<super::values::Device>,
}

/// A handle, as its person sees it.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct HandleOut {
    /// Its id.
    pub id: String,
    /// 呼び名.
    pub name: String,
    /// The side.
    pub standing: Standing,
    /// Whether a slip brought it.
    pub by_slip: bool,
}

/// An account with powers, as its person sees it.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct StaffOut {
    /// Its id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Roles, each once.
    pub roles: Vec<RoleKind>,
}

/// `GET /api/v1/me`: as making a handle or staff login answered.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
#[serde(untagged)]
pub enum MeOut {
    /// A handle.
    Handle(HandleOut),
    /// An account with powers.
    Staff(StaffOut),
}

/// `POST /api/v1/me/recovery` answers.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct RecoveryOut {
    /// もどるための言葉: eight words with spaces between.
    pub recovery_code: String,
}

/// `POST /api/v1/handles/recover`.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct Recover {
    /// もどるための言葉, forgiving of katakana, width, spaces and decomposed kana.
    pub recovery_code: String,
    /// Whether the device is only theirs; shared where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub device: Option<super::values::Device>,
}

/// `POST /api/v1/staff/login`.
#[derive(Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct StaffLogin {
    /// The account's id.
    pub id: String,
    /// The password.
    pub password: String,
    /// The six digits (RFC 6238, SHA-1, 30 s); each is good once.
    pub totp: String,
}

/// One of `GET /api/v1/gatherings`.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct GatheringOut {
    /// Its id, also the room's.
    pub id: String,
    /// What sort.
    pub kind: GatheringKind,
    /// Whose.
    pub audience: Audience,
    /// Its title.
    pub title: String,
    /// When it begins.
    pub starts_at: Time,
    /// When it ends.
    pub ends_at: Time,
    /// Where it stands.
    pub state: RoomState,
    /// How one gets in.
    pub entry: EntryKind,
    /// How many are about, while it is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub about: Option<About>,
}
