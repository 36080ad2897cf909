//! What those on duty do to a line, to a line that waits, to the room: read alike from a frame and from a form.

use serde_json::Value;

use super::state::Edge;
use super::words;
use crate::features::gatherings::Gathering;
use crate::features::rooms::{
    Ending, HoldAct, NOTICE_CHARS_MAX, RoomAct, SLOWEST_MS, Shows, TOPIC_ANSWERS, TOPIC_CHARS_MAX,
    Topic, WhichHold,
};
use crate::permit::Action;
use crate::platform::ids::{HoldId, ParticipantId, Seq};
use crate::platform::limits::RateKey;
use crate::protocol::{HoldEnd, MeasureKind, MeasureTarget};

/// What is done, to what. Words of a topic or notice are not read yet.
#[derive(Debug, PartialEq)]
pub enum Act {
    /// A line is closed or opened.
    Line(Seq, Shows),
    /// Something is done to a line that waits.
    Hold(WhichHold, HoldAct),
    /// Something is done to the room.
    Room(OfRoom),
}

/// What is done to the room, before its words are read.
#[derive(Debug, PartialEq)]
pub enum OfRoom {
    /// It has no words.
    Plain(RoomAct),
    /// A topic and its answers.
    Topic(String, Vec<String>),
    /// A line that the room says.
    Notice(String),
}

impl OfRoom {
    /// What it comes to once its words have gone through the door that lines of those on duty go through.
    ///
    /// # Errors
    /// As [`words::by_staff`]'s.
    pub fn read_words(
        self,
        edge: &Edge,
        gathering: &Gathering,
        whose: RateKey,
    ) -> Result<RoomAct, words::NotByStaff> {
        let by_staff =
            |text: &str, chars_max| words::by_staff(edge, text, chars_max, gathering, whose);
        match self {
            OfRoom::Plain(act) => Ok(act),
            OfRoom::Notice(text) => by_staff(&text, NOTICE_CHARS_MAX).map(RoomAct::Notice),
            OfRoom::Topic(text, answers) => {
                let read = |text: &String| {
                    by_staff(text, TOPIC_CHARS_MAX).map(|body| body.as_str().to_owned())
                };
                let text = read(&text)?;
                let answers = answers.iter().map(read).collect::<Result<_, _>>()?;
                Ok(RoomAct::Topic(Some(Topic { text, answers })))
            }
        }
    }
}

/// What of a measure cannot be: it is not built, or its fields do not fit its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// It is not built.
    NotYet,
    /// Its fields do not fit.
    Malformed,
}

/// Reads a measure: its kind says what target and value it needs.
pub fn read(
    kind: MeasureKind,
    target: Option<MeasureTarget>,
    value: Option<Value>,
) -> Result<(Action, &'static str, Act), No> {
    // Absent and null are one.
    let value = value.filter(|value| !value.is_null());
    let line = |shows| match &target {
        Some(MeasureTarget::Seq(seq)) => Ok(Act::Line(Seq(*seq), shows)),
        Some(MeasureTarget::Id(_)) | None => Err(No::Malformed),
    };
    let hold = |act| match &target {
        Some(MeasureTarget::Id(id)) => {
            let id = HoldId::parse(id).ok_or(No::Malformed)?;
            Ok(Act::Hold(WhichHold::Id(id), act))
        }
        Some(MeasureTarget::Seq(_)) | None => Err(No::Malformed),
    };
    let person = || match &target {
        Some(MeasureTarget::Id(id)) => ParticipantId::parse(id).map(Some).ok_or(No::Malformed),
        Some(MeasureTarget::Seq(_)) => Err(No::Malformed),
        None => Ok(None),
    };
    let number = |max: u32| match &value {
        None => Ok(0),
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= max)
            .ok_or(No::Malformed),
    };
    let room = |act| Ok(Act::Room(OfRoom::Plain(act)));
    Ok(match kind {
        MeasureKind::Hide => (Action::Hide, "rooms.hide", line(Shows::Hidden)?),
        MeasureKind::Unhide => (Action::Unhide, "rooms.unhide", line(Shows::Yes)?),
        MeasureKind::Look => (Action::LookAtHold, "rooms.look", hold(HoldAct::Look)?),
        MeasureKind::Approve => (
            Action::ApproveHold,
            "rooms.approve",
            hold(HoldAct::End(HoldEnd::Approved))?,
        ),
        MeasureKind::Reject => (
            Action::RejectHold,
            "rooms.reject",
            hold(HoldAct::End(HoldEnd::Rejected))?,
        ),
        MeasureKind::Slow => {
            let slow_ms = number(SLOWEST_MS)?;
            (Action::SetPace, "rooms.slow", room(RoomAct::Slow(slow_ms))?)
        }
        MeasureKind::Guard => {
            // No value is no level: nobody opens a room by leaving something out.
            let guard = value.as_ref().ok_or(No::Malformed).and(number(4))?;
            let guard = u8::try_from(guard).map_err(|_| No::Malformed)?;
            (
                Action::SetGuard,
                "rooms.guard",
                room(RoomAct::Guard(guard))?,
            )
        }
        MeasureKind::Lock => (Action::LockRoom, "rooms.lock", room(RoomAct::Lock(true))?),
        MeasureKind::Unlock => (
            Action::LockRoom,
            "rooms.unlock",
            room(RoomAct::Lock(false))?,
        ),
        MeasureKind::Admit => (
            Action::Admit,
            "rooms.admit",
            room(RoomAct::Admit(person()?))?,
        ),
        MeasureKind::Pause => (Action::PauseRoom, "rooms.pause", room(RoomAct::Pause)?),
        MeasureKind::Resume => (Action::PauseRoom, "rooms.resume", room(RoomAct::Resume)?),
        MeasureKind::Topic => (Action::SetTopic, "rooms.topic", topic(value)?),
        MeasureKind::Notice => match value {
            Some(Value::String(text)) => (
                Action::Notice,
                "rooms.notice",
                Act::Room(OfRoom::Notice(text)),
            ),
            Some(_) | None => return Err(No::Malformed),
        },
        MeasureKind::Close => {
            let ending = match value.as_ref().map(Value::as_str) {
                None => Ending::Closed,
                Some(Some("last_call")) => Ending::LastCall,
                Some(Some("afterglow")) => Ending::Afterglow,
                Some(_) => return Err(No::Malformed),
            };
            (
                Action::CloseRoom,
                "rooms.close",
                room(RoomAct::End(ending))?,
            )
        }
        MeasureKind::MoveSide => {
            let person = person()?.ok_or(No::Malformed)?;
            let act = room(RoomAct::MoveSide(person))?;
            (Action::MoveSide, "rooms.move_side", act)
        }
        MeasureKind::Word
        | MeasureKind::Fold
        | MeasureKind::Rest
        | MeasureKind::Unrest
        | MeasureKind::NotToday => return Err(No::NotYet),
    })
}

/// A topic: its text, or `{"text", "ready"}` with answers to choose. Nothing and "" take it away.
fn topic(value: Option<Value>) -> Result<Act, No> {
    let (text, answers) = match value {
        None => return Ok(Act::Room(OfRoom::Plain(RoomAct::Topic(None)))),
        Some(Value::String(text)) => (text, Vec::new()),
        Some(Value::Object(mut fields)) => {
            let Some(Value::String(text)) = fields.remove("text") else {
                return Err(No::Malformed);
            };
            let answers = match fields.remove("ready") {
                None | Some(Value::Null) => Vec::new(),
                Some(answers) => serde_json::from_value::<Vec<String>>(answers)
                    .ok()
                    .filter(|answers| TOPIC_ANSWERS.contains(&answers.len()))
                    .ok_or(No::Malformed)?,
            };
            (text, answers)
        }
        Some(_) => return Err(No::Malformed),
    };
    if text.trim().is_empty() {
        return match answers.is_empty() {
            true => Ok(Act::Room(OfRoom::Plain(RoomAct::Topic(None)))),
            false => Err(No::Malformed),
        };
    }
    Ok(Act::Room(OfRoom::Topic(text, answers)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn act(kind: MeasureKind, target: Option<MeasureTarget>, value: Value) -> Result<Act, No> {
        read(kind, target, Some(value)).map(|(_, _, act)| act)
    }

    #[test]
    fn a_value_that_does_not_fit_its_kind_is_no_measure() {
        use MeasureKind::{Close, Guard, Notice, Slow};
        for (kind, value) in [
            (Slow, json!(-1)),
            (Slow, json!(600_001)),
            (Slow, json!("1000")),
            (Guard, json!(5)),
            (Guard, json!(null)),
            (Guard, json!(1.5)),
            (Notice, json!(null)),
            (Notice, json!(["a"])),
            (Close, json!("now")),
            (Close, json!(true)),
        ] {
            assert_eq!(
                act(kind, None, value.clone()),
                Err(No::Malformed),
                "{kind:?} {value}"
            );
        }
    }

    #[test]
    fn values_are_read() {
        use MeasureKind::{Close, Guard, Slow};
        for (kind, value, expected) in [
            (Slow, json!(null), RoomAct::Slow(0)),
            (Slow, json!(30_000), RoomAct::Slow(30_000)),
            (Guard, json!(0), RoomAct::Guard(0)),
            (Guard, json!(4), RoomAct::Guard(4)),
            (Close, json!(null), RoomAct::End(Ending::Closed)),
            (Close, json!("last_call"), RoomAct::End(Ending::LastCall)),
        ] {
            assert_eq!(
                act(kind, None, value),
                Ok(Act::Room(OfRoom::Plain(expected)))
            );
        }
    }

    #[test]
    fn a_topic_has_no_answers_or_three_to_six() {
        let topic = |value| act(MeasureKind::Topic, None, value);
        for value in [json!(null), json!(""), json!({"text": " "})] {
            assert_eq!(
                topic(value),
                Ok(Act::Room(OfRoom::Plain(RoomAct::Topic(None))))
            );
        }
        assert_eq!(
            topic(json!("冬")),
            Ok(Act::Room(OfRoom::Topic("冬".into(), vec![])))
        );
        let answers = |n: usize| json!({"text": "冬", "ready": vec!["雪"; n]});
        for n in [1, 2, 7] {
            assert_eq!(topic(answers(n)), Err(No::Malformed), "{n}");
        }
        assert_eq!(
            topic(answers(3)),
            Ok(Act::Room(OfRoom::Topic("冬".into(), vec!["雪".into(); 3])))
        );
    }

    #[test]
    fn what_is_done_to_a_person_needs_one() {
        assert_eq!(
            act(MeasureKind::MoveSide, None, json!(null)),
            Err(No::Malformed)
        );
        let seq = Some(MeasureTarget::Seq(1));
        assert_eq!(
            act(MeasureKind::Admit, seq, json!(null)),
            Err(No::Malformed)
        );
        assert_eq!(
            act(MeasureKind::Admit, None, json!(null)),
            Ok(Act::Room(OfRoom::Plain(RoomAct::Admit(None))))
        );
    }
}
