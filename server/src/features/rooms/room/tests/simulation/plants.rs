//! Faults that are planted to see that the judge finds them. None of them can be caused from outside the room.

use super::checker::Broken;

/// A fault in what surrounds the room: each breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// A `said` does not reach one of the members.
    DeliveryDropped,
    /// A `said` reaches one of the members twice.
    DeliveryDoubled,
    /// Two frames of a connection change places.
    DeliveriesSwapped,
    /// `acked` is sent when a line goes to the committer.
    AckedBeforeCommit,
    /// The commit says that it was done, and was not.
    CommitLost,
    /// A key that was kept before is kept again.
    DedupForgotten,
    /// A repeat is answered with another number.
    RepeatAnsweredAnew,
    /// A number is given to two lines.
    NumberTakenTwice,
    /// `entered` does not name its gap.
    GapNotNamed,
    /// Lines read for somebody come with their words, whatever was hidden.
    ReadsIgnoreHides,
    /// Changes are never read.
    ChangesNotRead,
    /// Somebody who left still gets what goes to all.
    ToldAfterLeaving,
    /// The room believes that somebody is on duty and the hour goes on.
    StandingNotRead,
    /// Another node's hint has other words.
    HintFalsified,
    /// The store is never asked for what hints did not bring.
    NeverCompared,
    /// A hold that has ended ends again.
    HoldEndsTwice,
}

impl Plant {
    pub(super) const ALL: [Plant; 16] = [
        Plant::DeliveryDropped,
        Plant::DeliveryDoubled,
        Plant::DeliveriesSwapped,
        Plant::AckedBeforeCommit,
        Plant::CommitLost,
        Plant::DedupForgotten,
        Plant::RepeatAnsweredAnew,
        Plant::NumberTakenTwice,
        Plant::GapNotNamed,
        Plant::ReadsIgnoreHides,
        Plant::ChangesNotRead,
        Plant::ToldAfterLeaving,
        Plant::StandingNotRead,
        Plant::HintFalsified,
        Plant::NeverCompared,
        Plant::HoldEndsTwice,
    ];

    /// As what the judge may see it.
    pub(super) fn seen_as(self) -> &'static [Broken] {
        match self {
            Plant::DeliveryDropped => &[Broken::Hole, Broken::Apart],
            Plant::DeliveryDoubled => &[Broken::Order],
            Plant::DeliveriesSwapped => &[Broken::Hole, Broken::Order, Broken::AckLate],
            Plant::AckedBeforeCommit => &[Broken::Acked],
            Plant::CommitLost => &[Broken::Acked],
            Plant::DedupForgotten => &[Broken::Acked],
            Plant::RepeatAnsweredAnew => &[Broken::Acked, Broken::Repeat],
            Plant::NumberTakenTwice => &[Broken::Acked, Broken::Words],
            Plant::GapNotNamed => &[Broken::Hole],
            Plant::ReadsIgnoreHides => &[Broken::Leak, Broken::Apart, Broken::Words],
            Plant::ChangesNotRead => &[Broken::Leak, Broken::Apart],
            Plant::ToldAfterLeaving => &[Broken::Outside],
            Plant::StandingNotRead => &[Broken::Unattended, Broken::Outside, Broken::Apart],
            Plant::HintFalsified => &[Broken::Words],
            Plant::NeverCompared => &[Broken::Apart],
            Plant::HoldEndsTwice => &[Broken::Hold, Broken::Acked, Broken::Words],
        }
    }
}
