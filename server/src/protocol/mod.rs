//! The wire, version 1: its enums and nothing else.
//!
//! Outside clients are written against these shapes to the letter, so adding is free and changing a meaning is a
//! new version. The browser's types (`web/types/wire.ts`) and the API descriptions (`docs/api/`) are made from here;
//! a test fails when they differ.

mod client;
mod frame;
mod http;
mod server;
mod values;

pub use client::{ClientFrame, MeasureTarget};
pub use frame::{Batch, Frame, close_bytes, ping_bytes};
pub use http::{
    GatheringOut, HandleOut, MakeHandle, MeOut, Recover, RecoveryOut, StaffLogin, StaffOut,
};
pub use server::{
    Admitted, CardLink, Entered, Gap, Head, Limits, LineOut, OnDuty, Reader, ReadyOut, RoomOut,
    ServerFrame, SpanOut, Speaker, WaitingLine, YouInRoom, YouOut,
};
pub use values::{
    About, Audience, CardKind, Device, Duty, EnterMode, EntryKind, Form, GatheringKind, HoldEnd,
    HoldReason, MeasureKind, ReaderRole, RefusalCode, ReportReason, Role, RoleKind, RoomState,
    StampKind, Standing, Time, Urgency, WayMode, Why,
};

/// The subprotocol a client asks for in the upgrade.
pub const SUBPROTOCOL: &str = "engawa.v1";
