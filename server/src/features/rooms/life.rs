//! Where a room stands, as a pure function of what the store says and the time.
//!
//! Every node comes to the same answer from the same rows, so nothing has to fire once.

use crate::features::gatherings::StoredState;
use crate::platform::clock::Millis;
use crate::protocol::RoomState;

/// The times after which an unattended room slows and pauses (`design.md`, invariant 1). Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// It slows when nobody was on duty for so long.
    pub slow_after_ms: i64,
    /// The pace it slows to.
    pub slow_ms: u32,
    /// It pauses when nobody was on duty for so long.
    pub pause_after_ms: i64,
}

/// Until when somebody on duty was, or will be, there by their lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttendedUntil(pub Millis);

/// Where a room stands and at what pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: RoomState,
    /// Milliseconds between two lines of one person.
    pub slow_ms: u32,
}

/// The state and pace at `now`. `None` once the room is forgotten.
pub fn standing_at(
    stored: StoredState,
    stored_slow_ms: u32,
    attended: AttendedUntil,
    ends: Millis,
    grace: &Grace,
    now: Millis,
) -> Option<Standing> {
    let at = |state| {
        Some(Standing {
            state,
            slow_ms: stored_slow_ms,
        })
    };
    match stored {
        StoredState::Forgotten => None,
        StoredState::Planned => at(RoomState::Planned),
        StoredState::DoorsOpen => at(RoomState::DoorsOpen),
        StoredState::Afterglow => at(RoomState::Afterglow),
        StoredState::Closed => at(RoomState::Closed),
        StoredState::Cancelled => at(RoomState::Cancelled),
        StoredState::Paused if now < ends => at(RoomState::Paused),
        StoredState::Open | StoredState::LastCall if now < ends => {
            let alone_ms = now.since_ms(attended.0).max(0);
            if alone_ms > grace.pause_after_ms {
                return at(RoomState::Paused);
            }
            let state = if stored == StoredState::Open {
                RoomState::Open
            } else {
                RoomState::LastCall
            };
            let slow_ms = if alone_ms > grace.slow_after_ms {
                stored_slow_ms.max(grace.slow_ms)
            } else {
                stored_slow_ms
            };
            Some(Standing { state, slow_ms })
        }
        StoredState::Open | StoredState::LastCall | StoredState::Paused => at(RoomState::Closed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRACE: Grace = Grace {
        slow_after_ms: 120_000,
        slow_ms: 60_000,
        pause_after_ms: 300_000,
    };
    const ENDS: Millis = Millis(100_000_000);

    fn open_at(now: i64) -> Standing {
        standing_at(
            StoredState::Open,
            0,
            AttendedUntil(Millis(1_000_000)),
            ENDS,
            &GRACE,
            Millis(now),
        )
        .expect("the room is not forgotten")
    }

    #[test]
    fn p1_an_unattended_room_slows_after_two_minutes_and_pauses_after_five() {
        assert_eq!(
            open_at(999_999),
            Standing {
                state: RoomState::Open,
                slow_ms: 0
            }
        );
        assert_eq!(
            open_at(1_120_000),
            Standing {
                state: RoomState::Open,
                slow_ms: 0
            }
        );
        assert_eq!(
            open_at(1_120_001),
            Standing {
                state: RoomState::Open,
                slow_ms: 60_000
            }
        );
        assert_eq!(
            open_at(1_300_000),
            Standing {
                state: RoomState::Open,
                slow_ms: 60_000
            }
        );
        assert_eq!(
            open_at(1_300_001),
            Standing {
                state: RoomState::Paused,
                slow_ms: 0
            }
        );
    }

    #[test]
    fn a_room_whose_hour_is_over_is_closed_whoever_is_there() {
        assert_eq!(open_at(ENDS.get()).state, RoomState::Closed);
    }

    proptest! {
        #[test]
        fn p1_no_room_is_ever_open_beyond_the_grace(attended in 0i64..10_000_000, now in 0i64..200_000_000, last_call: bool) {
            let stored = if last_call { StoredState::LastCall } else { StoredState::Open };
            let standing = standing_at(stored, 0, AttendedUntil(Millis(attended)), ENDS, &GRACE, Millis(now))
                .expect("the room is not forgotten");
            if now - attended > GRACE.pause_after_ms {
                prop_assert!(matches!(standing.state, RoomState::Paused | RoomState::Closed));
            }
        }
    }
}
