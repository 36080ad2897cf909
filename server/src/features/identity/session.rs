//! Sessions: how long they last, as plain arithmetic, and what a request learns from one.

use crate::permit::Actor;
use crate::platform::clock::Millis;
use crate::platform::ids::{HandleId, SessionId, StaffId};
use crate::protocol::{Device, HandleOut, MeOut, RoleKind, StaffOut, Standing};

use super::Name;

const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A shared device's last use is written at most this often.
const TOUCH_MS: i64 = MINUTE_MS;

/// How long sessions last; all are settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// On a device of one's own: this long after the last day of use.
    pub mine_idle_ms: i64,
    /// On a shared one: this long after the last use.
    pub shared_idle_ms: i64,
    /// Of people with powers: this long after the login, used or not.
    pub staff_ms: i64,
    /// After かくす: this long, unless it is used again.
    pub hidden_ms: i64,
    /// A one-time address of somebody with powers: this long after it was made.
    pub invite_ms: i64,
}

impl From<&crate::platform::settings::Sessions> for SessionSettings {
    fn from(settings: &crate::platform::settings::Sessions) -> Self {
        Self {
            mine_idle_ms: settings.mine_days * DAY_MS,
            shared_idle_ms: settings.shared_minutes * MINUTE_MS,
            staff_ms: settings.staff_hours * 60 * MINUTE_MS,
            hidden_ms: settings.hidden_minutes * MINUTE_MS,
            invite_ms: settings.invite_days * DAY_MS,
        }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            mine_idle_ms: 30 * DAY_MS,
            shared_idle_ms: 30 * MINUTE_MS,
            staff_ms: 10 * 60 * MINUTE_MS,
            hidden_ms: 30 * MINUTE_MS,
            invite_ms: 7 * DAY_MS,
        }
    }
}

/// Which of the three ways a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    Mine,
    Shared,
    Staff,
}

/// The times a session's row holds. On a device of one's own they are whole days: nothing says at which hour a person
/// was here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) made: Millis,
    pub(super) used: Millis,
    pub(super) ends: Millis,
}

impl Times {
    pub(super) fn at_start(lasting: Lasting, now: Millis, settings: &SessionSettings) -> Self {
        let made = match lasting {
            Lasting::Mine => now.day().begins_at(),
            Lasting::Shared | Lasting::Staff => now,
        };
        Self::used_at(lasting, made, now, settings)
    }

    /// What to write after a use, if anything has to be.
    pub(super) fn after_use(
        self,
        lasting: Lasting,
        hidden: bool,
        now: Millis,
        settings: &SessionSettings,
    ) -> Option<Self> {
        let due = match lasting {
            Lasting::Mine => now.day() != self.used.day(),
            // The difference may be negative when the clock was set back; then writing puts it right.
            Lasting::Shared => !(0..TOUCH_MS).contains(&now.since_ms(self.used)),
            Lasting::Staff => false,
        };
        (due || hidden).then(|| Self::used_at(lasting, self.made, now, settings))
    }

    /// What to write when the page is hidden in a hurry.
    pub(super) fn after_hiding(self, now: Millis, settings: &SessionSettings) -> Self {
        Self {
            ends: self.ends.min(now.plus_ms(settings.hidden_ms)),
            ..self
        }
    }

    fn used_at(lasting: Lasting, made: Millis, now: Millis, settings: &SessionSettings) -> Self {
        let (used, ends) = match lasting {
            Lasting::Mine => (
                now.day().begins_at(),
                now.day().ends_at().plus_ms(settings.mine_idle_ms),
            ),
            Lasting::Shared => (now, now.plus_ms(settings.shared_idle_ms)),
            Lasting::Staff => (now, made.plus_ms(settings.staff_ms)),
        };
        Self { made, used, ends }
    }
}

/// What a request knows about whoever sent it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's row.
    pub id: SessionId,
    /// Who, with their standing or roles.
    pub actor: Actor,
    /// What they are called.
    pub name: Name,
    /// Whether the device is theirs alone.
    pub device: Device,
    /// What only a handle has; nothing for people with powers.
    pub handle: Option<HandleFacts>,
}

/// What is known of a handle besides name and standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleFacts {
    /// Whether a slip brought the standing.
    pub by_slip: bool,
    /// Whether there was an act in a room: then only staff change the standing.
    pub acted: bool,
    /// Whether there are words to come back by.
    pub has_words: bool,
}

impl Session {
    /// The handle, if it is one.
    pub fn handle_id(&self) -> Option<&HandleId> {
        match &self.actor {
            Actor::Handle { id, .. } => Some(id),
            Actor::Staff { .. } => None,
        }
    }

    /// The account, if it is one with powers.
    pub fn staff_id(&self) -> Option<&StaffId> {
        match &self.actor {
            Actor::Handle { .. } => None,
            Actor::Staff { id, .. } => Some(id),
        }
    }

    /// The side, of a handle.
    pub fn standing(&self) -> Option<Standing> {
        match &self.actor {
            Actor::Handle { standing, .. } => Some(*standing),
            Actor::Staff { .. } => None,
        }
    }

    /// The answer to "who am I".
    pub fn me(&self) -> MeOut {
        match &self.actor {
            Actor::Handle { id, standing } => MeOut::Handle(HandleOut {
                id: id.as_str().to_owned(),
                name: self.name.as_str().to_owned(),
                standing: *standing,
                by_slip: self.handle.is_some_and(|handle| handle.by_slip),
            }),
            Actor::Staff { id, roles } => {
                let mut roles: Vec<RoleKind> = roles.iter().map(|role| role.role).collect();
                roles.sort_unstable();
                roles.dedup();
                MeOut::Staff(StaffOut {
                    id: id.as_str().to_owned(),
                    name: self.name.as_str().to_owned(),
                    roles,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: SessionSettings = SessionSettings {
        mine_idle_ms: 30 * DAY_MS,
        shared_idle_ms: 30 * MINUTE_MS,
        staff_ms: 600 * MINUTE_MS,
        hidden_ms: 30 * MINUTE_MS,
        invite_ms: 7 * DAY_MS,
    };

    fn at(text: &str) -> Millis {
        Millis::parse_rfc3339(text).expect("an instant")
    }

    #[test]
    fn p5_on_a_device_of_ones_own_only_days_are_written() {
        let now = at("2026-11-22T21:34:56+09:00");
        let times = Times::at_start(Lasting::Mine, now, &SETTINGS);
        assert_eq!(times.used, at("2026-11-22T00:00:00+09:00"));
        assert_eq!(times.made, times.used);
        assert_eq!(times.ends, at("2026-12-23T00:00:00+09:00"));
        let later = now.plus_ms(2 * 60 * MINUTE_MS);
        assert_eq!(
            times.after_use(Lasting::Mine, false, later, &SETTINGS),
            None
        );
        let next_day = at("2026-11-23T00:00:01+09:00");
        let after = times
            .after_use(Lasting::Mine, false, next_day, &SETTINGS)
            .expect("a new day is written");
        assert_eq!(after.used, at("2026-11-23T00:00:00+09:00"));
        assert_eq!(after.ends, at("2026-12-24T00:00:00+09:00"));
    }

    #[test]
    fn a_shared_device_is_left_after_half_an_hour() {
        let now = Millis(1_000_000_000);
        let times = Times::at_start(Lasting::Shared, now, &SETTINGS);
        assert_eq!(times.ends.since_ms(now), 30 * MINUTE_MS);
        let use_at = |ms| times.after_use(Lasting::Shared, false, now.plus_ms(ms), &SETTINGS);
        assert_eq!(use_at(TOUCH_MS - 1), None);
        let after = use_at(TOUCH_MS).expect("it is written once a minute");
        assert_eq!(after.ends.since_ms(now), 31 * MINUTE_MS);
        assert!(use_at(-5).is_some());
    }

    #[test]
    fn powers_end_after_ten_hours_however_busy() {
        let now = Millis(1_000_000_000);
        let times = Times::at_start(Lasting::Staff, now, &SETTINGS);
        assert_eq!(times.ends.since_ms(now), 600 * MINUTE_MS);
        let later = now.plus_ms(500 * MINUTE_MS);
        assert_eq!(
            times.after_use(Lasting::Staff, false, later, &SETTINGS),
            None
        );
    }

    #[test]
    fn p11_hiding_ends_in_half_an_hour_unless_it_is_used_again() {
        let now = at("2026-11-22T21:00:00+09:00");
        for lasting in [Lasting::Mine, Lasting::Shared, Lasting::Staff] {
            let times = Times::at_start(lasting, now, &SETTINGS);
            let hidden = times.after_hiding(now, &SETTINGS);
            assert_eq!(hidden.ends.since_ms(now), 30 * MINUTE_MS);
            let back = hidden
                .after_use(lasting, true, now, &SETTINGS)
                .expect("coming back is written");
            assert_eq!(back, times);
        }
    }
}
