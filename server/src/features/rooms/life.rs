//! A gathering's life, as pure functions of what the store says and the time (`design.md`).
//!
//! [`standing_at`] is what people see: every node comes to the same answer from the same rows, so a node that is late with
//! storing a state lets nobody talk longer. [`next`] is what is stored: the transition that is due, if one is. Whoever stores
//! it says from which state, so on several nodes each happens once.

use crate::features::gatherings::StoredState;
use crate::platform::clock::Millis;
use crate::protocol::RoomState;

/// The times of rooms. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// A room slows when nobody was on duty for so long (invariant 1).
    pub slow_after_ms: i64,
    /// The pace it slows to.
    pub slow_ms: u32,
    /// It pauses when nobody was on duty for so long.
    pub pause_after_ms: i64,
    /// After a line about danger to life a room does not pause for so long, while somebody on call can be reached.
    pub risk_ms: i64,
    /// The waiting room opens so long before the hour.
    pub doors_ms: i64,
    /// A room that nobody opened is cancelled so long after its hour.
    pub cancel_after_ms: i64,
    /// The last call is so long.
    pub last_call_ms: i64,
    /// Reading and stamps go on for so long after the end.
    pub afterglow_ms: i64,
    /// Whether a room needs somebody on call to be open.
    pub needs_on_call: bool,
    /// Newcomers wait when nobody was on call for so long.
    pub on_call_wait_ms: i64,
    /// The last call begins when nobody was on call for so long.
    pub on_call_end_ms: i64,
}

/// Until when somebody on duty was, or will be, there by their lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttendedUntil(pub Millis);

/// Until when somebody on call could, or can, be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OnCallUntil(pub Millis);

/// What the store says of a room's course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// Its stored state.
    pub state: StoredState,
    /// Since when; 0 where that is not known.
    pub since: Millis,
    /// The hour.
    pub starts: Millis,
    /// Its end.
    pub ends: Millis,
    /// Duty.
    pub attended: AttendedUntil,
    /// On call.
    pub on_call: OnCallUntil,
    /// When somebody last wrote of danger to life.
    pub risk_at: Option<Millis>,
    /// The pace set for it, in milliseconds between two lines of one person.
    pub slow_ms: u32,
}

/// Where a room stands and at what pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: RoomState,
    /// Milliseconds between two lines of one person.
    pub slow_ms: u32,
    /// Whoever comes waits, because nobody on call can be reached.
    pub waits: bool,
}

/// A change of state that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// To what.
    pub to: StoredState,
    /// Why, for the record and for whoever is told.
    pub why: TurnWhy,
    /// Since when it counts.
    pub at: Millis,
}

/// Why a state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnWhy {
    /// Its time came.
    Time,
    /// It is the hour, and everybody who must be there is.
    Kept,
    /// Nobody came to keep it.
    Unkept,
    /// Nobody could be reached who is on call.
    NoOnCall,
}

impl Course {
    fn is_attended(&self, now: Millis) -> bool {
        now < self.attended.0
    }

    fn has_on_call(&self, grace: &Grace, now: Millis) -> bool {
        !grace.needs_on_call || now < self.on_call.0
    }

    /// How long nobody on call could be reached; 0 where somebody can. Before the hour nobody has to be.
    fn without_on_call_ms(&self, grace: &Grace, now: Millis) -> i64 {
        if self.has_on_call(grace, now) {
            return 0;
        }
        now.since_ms(self.on_call.0.max(self.starts)).max(0)
    }

    /// When the last call ends: with the hour, or sooner where it began sooner.
    fn last_call_ends(&self, grace: &Grace) -> Millis {
        if self.since.get() == 0 {
            return self.ends;
        }
        self.ends.min(self.since.plus_ms(grace.last_call_ms))
    }
}

/// The transition that is due at `now`, if one is. `None` for what only a human or the end of a key brings.
pub fn next(course: &Course, grace: &Grace, now: Millis) -> Option<Turn> {
    let turn = |to, why, at| Some(Turn { to, why, at });
    let last_call_at = course.ends.minus_ms(grace.last_call_ms);
    match course.state {
        StoredState::Planned => {
            let doors_at = course.starts.minus_ms(grace.doors_ms);
            if now < doors_at {
                return None;
            }
            turn(StoredState::DoorsOpen, TurnWhy::Time, doors_at)
        }
        StoredState::DoorsOpen => {
            let cancelled_at = course
                .starts
                .plus_ms(grace.cancel_after_ms)
                .min(course.ends);
            if now < course.starts {
                None
            } else if now >= cancelled_at {
                turn(StoredState::Cancelled, TurnWhy::Unkept, cancelled_at)
            } else if course.is_attended(now) && course.has_on_call(grace, now) {
                turn(StoredState::Open, TurnWhy::Kept, now)
            } else {
                None
            }
        }
        StoredState::Open if now >= last_call_at => {
            turn(StoredState::LastCall, TurnWhy::Time, last_call_at)
        }
        StoredState::Open if course.without_on_call_ms(grace, now) > grace.on_call_end_ms => {
            turn(StoredState::LastCall, TurnWhy::NoOnCall, now)
        }
        StoredState::LastCall if now >= course.last_call_ends(grace) => turn(
            StoredState::Afterglow,
            TurnWhy::Time,
            course.last_call_ends(grace),
        ),
        StoredState::Paused if now >= course.ends => {
            turn(StoredState::Afterglow, TurnWhy::Time, course.ends)
        }
        StoredState::Afterglow if course.since.get() > 0 => {
            let closes = course.since.plus_ms(grace.afterglow_ms);
            if now < closes {
                return None;
            }
            turn(StoredState::Closed, TurnWhy::Time, closes)
        }
        StoredState::Open
        | StoredState::Paused
        | StoredState::LastCall
        | StoredState::Afterglow
        | StoredState::Closed
        | StoredState::Cancelled
        | StoredState::Forgotten => None,
    }
}

/// The state and pace at `now`. `None` once the room is forgotten.
pub fn standing_at(course: &Course, grace: &Grace, now: Millis) -> Option<Standing> {
    let mut course = *course;
    // What time alone brings needs no word from the store; opening and cancelling do, or two nodes could differ.
    while let Some(turn) = next(&course, grace, now) {
        let by_time = turn.why == TurnWhy::Time && course.state != StoredState::Planned;
        if !by_time {
            break;
        }
        course.state = turn.to;
        course.since = turn.at;
    }
    let without_on_call = course.without_on_call_ms(grace, now);
    let at = |state| {
        Some(Standing {
            state,
            slow_ms: course.slow_ms,
            waits: false,
        })
    };
    match course.state {
        StoredState::Forgotten => None,
        StoredState::Planned => at(RoomState::Planned),
        StoredState::DoorsOpen => at(RoomState::DoorsOpen),
        StoredState::Afterglow => at(RoomState::Afterglow),
        StoredState::Closed => at(RoomState::Closed),
        StoredState::Cancelled => at(RoomState::Cancelled),
        StoredState::Paused => at(RoomState::Paused),
        StoredState::Open | StoredState::LastCall => {
            let alone_ms = now.since_ms(course.attended.0).max(0);
            let is_spared = without_on_call == 0
                && course
                    .risk_at
                    .is_some_and(|risk_at| now.since_ms(risk_at) < grace.risk_ms);
            if alone_ms > grace.pause_after_ms && !is_spared {
                return at(RoomState::Paused);
            }
            let state = if course.state == StoredState::Open {
                RoomState::Open
            } else {
                RoomState::LastCall
            };
            let slow_ms = if alone_ms > grace.slow_after_ms {
                course.slow_ms.max(grace.slow_ms)
            } else {
                course.slow_ms
            };
            Some(Standing {
                state,
                slow_ms,
                waits: without_on_call > grace.on_call_wait_ms,
            })
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::Grace;

    /// A room without waiting room, last call, afterglow and call: open until it is closed.
    pub const PLAIN: Grace = Grace {
        slow_after_ms: 120_000,
        slow_ms: 60_000,
        pause_after_ms: 300_000,
        risk_ms: 0,
        doors_ms: 0,
        cancel_after_ms: 900_000,
        last_call_ms: 0,
        afterglow_ms: 0,
        needs_on_call: false,
        on_call_wait_ms: 300_000,
        on_call_end_ms: 600_000,
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const GRACE: Grace = Grace {
        slow_after_ms: 2 * MINUTE_MS,
        slow_ms: 60_000,
        pause_after_ms: 5 * MINUTE_MS,
        risk_ms: 10 * MINUTE_MS,
        doors_ms: 30 * MINUTE_MS,
        cancel_after_ms: 15 * MINUTE_MS,
        last_call_ms: 10 * MINUTE_MS,
        afterglow_ms: 20 * MINUTE_MS,
        needs_on_call: true,
        on_call_wait_ms: 5 * MINUTE_MS,
        on_call_end_ms: 10 * MINUTE_MS,
    };
    /// 2026-12-31 23:00 in Japan, for two hours: across midnight and New Year.
    const STARTS: Millis = Millis(1_798_725_600_000);
    const ENDS: Millis = Millis(STARTS.get() + 120 * MINUTE_MS);
    const NEVER: Millis = Millis(0);
    const ALWAYS: Millis = Millis(i64::MAX / 4);

    fn course(state: StoredState) -> Course {
        Course {
            state,
            since: Millis(0),
            starts: STARTS,
            ends: ENDS,
            attended: AttendedUntil(ALWAYS),
            on_call: OnCallUntil(ALWAYS),
            risk_at: None,
            slow_ms: 0,
        }
    }

    fn minute(n: i64) -> Millis {
        STARTS.plus_ms(n * MINUTE_MS)
    }

    fn seen(course: &Course, now: Millis) -> (RoomState, u32) {
        let standing = standing_at(course, &GRACE, now).expect("the room is not forgotten");
        (standing.state, standing.slow_ms)
    }

    /// Stores what is due, minute by minute, and gives the minutes at which the state changed.
    fn walk(course: &mut Course, from: i64, to: i64) -> Vec<(i64, StoredState)> {
        let mut turns = Vec::new();
        for n in from..=to {
            while let Some(turn) = next(course, &GRACE, minute(n)) {
                course.state = turn.to;
                course.since = turn.at;
                turns.push((n, turn.to));
            }
        }
        turns
    }

    #[test]
    fn p1_a_gathering_that_is_kept_goes_from_planned_to_closed_across_new_year() {
        let mut course = course(StoredState::Planned);
        assert_eq!(
            walk(&mut course, -60, 200),
            [
                (-30, StoredState::DoorsOpen),
                (0, StoredState::Open),
                (110, StoredState::LastCall),
                (120, StoredState::Afterglow),
                (140, StoredState::Closed),
            ]
        );
    }

    #[test]
    fn p1_a_gathering_that_nobody_keeps_is_cancelled_after_a_quarter_of_an_hour() {
        for (attended, on_call) in [(NEVER, ALWAYS), (ALWAYS, NEVER), (NEVER, NEVER)] {
            let mut course = course(StoredState::Planned);
            course.attended = AttendedUntil(attended);
            course.on_call = OnCallUntil(on_call);
            assert_eq!(
                walk(&mut course, -60, 200),
                [(-30, StoredState::DoorsOpen), (15, StoredState::Cancelled)]
            );
        }
    }

    #[test]
    fn p1_a_node_that_slept_through_the_evening_cancels_it_and_opens_nothing() {
        let mut course = course(StoredState::Planned);
        assert_eq!(
            walk(&mut course, 500, 500),
            [(500, StoredState::DoorsOpen), (500, StoredState::Cancelled)]
        );
    }

    #[test]
    fn p1_a_room_without_anybody_on_call_lets_newcomers_wait_and_then_begins_the_last_call() {
        let mut course = course(StoredState::Open);
        course.on_call = OnCallUntil(minute(20));
        let waits = |course: &Course, n| {
            standing_at(course, &GRACE, minute(n))
                .expect("not forgotten")
                .waits
        };
        assert!(!waits(&course, 25));
        assert!(waits(&course, 26));
        assert_eq!(
            walk(&mut course, 1, 200),
            [
                (31, StoredState::LastCall),
                (41, StoredState::Afterglow),
                (61, StoredState::Closed)
            ]
        );
    }

    #[test]
    fn p1_an_unattended_room_slows_after_two_minutes_and_pauses_after_five() {
        let mut course = course(StoredState::Open);
        course.attended = AttendedUntil(minute(20));
        assert_eq!(seen(&course, minute(22)), (RoomState::Open, 0));
        assert_eq!(seen(&course, minute(23)), (RoomState::Open, 60_000));
        assert_eq!(seen(&course, minute(25)), (RoomState::Open, 60_000));
        assert_eq!(seen(&course, minute(26)), (RoomState::Paused, 0));
    }

    #[test]
    fn p1_no_room_pauses_soon_after_a_line_about_danger_while_somebody_on_call_can_be_reached() {
        let mut course = course(StoredState::Open);
        course.attended = AttendedUntil(minute(20));
        course.risk_at = Some(minute(22));
        assert_eq!(seen(&course, minute(31)), (RoomState::Open, 60_000));
        assert_eq!(seen(&course, minute(32)), (RoomState::Paused, 0));
        course.on_call = OnCallUntil(minute(20));
        assert_eq!(seen(&course, minute(26)), (RoomState::Paused, 0));
    }

    #[test]
    fn a_room_whose_hour_is_over_is_read_and_then_closed_whatever_is_stored() {
        for state in [
            StoredState::Open,
            StoredState::LastCall,
            StoredState::Paused,
        ] {
            let course = course(state);
            assert_eq!(seen(&course, minute(120)).0, RoomState::Afterglow);
            assert_eq!(seen(&course, minute(140)).0, RoomState::Closed);
        }
    }

    #[test]
    fn opening_and_cancelling_are_seen_only_once_they_are_stored() {
        let course = course(StoredState::DoorsOpen);
        assert_eq!(seen(&course, minute(1)).0, RoomState::DoorsOpen);
        assert_eq!(seen(&course, minute(600)).0, RoomState::DoorsOpen);
    }

    fn any_state() -> impl Strategy<Value = StoredState> {
        prop_oneof![
            Just(StoredState::Planned),
            Just(StoredState::DoorsOpen),
            Just(StoredState::Open),
            Just(StoredState::Paused),
            Just(StoredState::LastCall),
            Just(StoredState::Afterglow),
            Just(StoredState::Closed),
            Just(StoredState::Cancelled),
        ]
    }

    proptest! {
        #[test]
        fn p1_nobody_talks_in_an_unattended_room_beyond_the_grace(
            state in any_state(), attended in -600i64..600, on_call in -600i64..600, since in 0i64..600, now in -600i64..600
        ) {
            let mut course = course(state);
            course.attended = AttendedUntil(minute(attended));
            course.on_call = OnCallUntil(minute(on_call));
            course.since = if since == 0 { Millis(0) } else { minute(since) };
            let now = minute(now);
            let talks = matches!(seen(&course, now).0, RoomState::Open | RoomState::LastCall);
            if now.since_ms(course.attended.0) > GRACE.pause_after_ms || now >= ENDS {
                prop_assert!(!talks);
            }
        }

        #[test]
        fn every_course_comes_to_an_end_and_no_state_comes_twice(
            state in any_state(), attended in -600i64..600, on_call in -600i64..600
        ) {
            let mut course = course(state);
            course.attended = AttendedUntil(minute(attended));
            course.on_call = OnCallUntil(minute(on_call));
            let turns = walk(&mut course, -100, 700);
            let mut states: Vec<_> = turns.iter().map(|(_, state)| *state).collect();
            states.dedup();
            prop_assert_eq!(states.len(), turns.len());
            prop_assert!(turns.len() <= 5);
            // An afterglow of which it is not known since when is ended by a human alone.
            if state != StoredState::Afterglow {
                prop_assert!(matches!(course.state, StoredState::Closed | StoredState::Cancelled));
            }
        }
    }
}
