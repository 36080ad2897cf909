//! Reading what somebody wants to say, for the socket and for forms alike: size, shape, assessment.

use super::state::Edge;
use crate::features::gatherings::Gathering;
use crate::features::rooms::{Assessed, Body, NoBody, Proposed, Refusal, Topic};
use crate::platform::limits::{Bucket, RateKey};
use crate::protocol::{Form, RefusalCode};

/// What was sent.
pub struct Asked<'a> {
    /// The words, or …
    pub body: Option<&'a str>,
    /// … the id of a ready line.
    pub ready: Option<&'a str>,
    /// What it is about.
    pub note: Option<&'a str>,
    /// 返事はいりません.
    pub no_reply: bool,
    /// `topic`, or nothing.
    pub form: Option<Form>,
}

/// Neither words nor a ready line, or both, or a form that people cannot choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads what somebody wants to say, and counts it for them. What is too long or too fast goes to the room all the same:
/// it looks the key up before it refuses.
///
/// # Errors
/// [`Malformed`]: no room needs to hear of it.
pub fn line(
    edge: &Edge,
    asked: &Asked<'_>,
    whose: RateKey,
) -> Result<Result<Proposed, Refusal>, Malformed> {
    let proposed = match read(edge, asked) {
        Ok(proposed) => proposed,
        Err(NoWords::Malformed) => return Err(Malformed),
        Err(NoWords::TooLong) => return Ok(Err(RefusalCode::TooLong.into())),
    };
    Ok(match edge.rates.check(Bucket::Say, whose) {
        Ok(()) => Ok(proposed),
        Err(wait) => Err(Refusal {
            code: RefusalCode::TooFast,
            retry_after_ms: Some(wait.ms()),
        }),
    })
}

/// The one call of the assessment of lines, on no lock of any room. Chosen lines are never read by a machine: they are
/// ours.
pub fn assess(edge: &Edge, proposed: &mut Proposed, gathering: &Gathering, whose: RateKey) {
    if proposed.form == Some(Form::Ready) {
        return;
    }
    proposed.found = edge.assessor.line(
        &proposed.body,
        proposed.note.as_ref(),
        gathering.audience,
        &gathering.id,
        whose,
        edge.clock.now(),
    );
}

/// Why words that staff write for a room cannot stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotByStaff {
    /// There are none.
    Malformed,
    /// They are too many, or must not be said.
    Refused(Refusal),
}

/// Words that somebody on duty writes for the whole room. They go through the same door as lines: nobody is there to read
/// the words of those who read, so what would be asked back or held is refused.
///
/// # Errors
/// [`NotByStaff`].
pub fn by_staff(
    edge: &Edge,
    text: &str,
    chars_max: usize,
    gathering: &Gathering,
    whose: RateKey,
) -> Result<Body, NotByStaff> {
    let body = Body::parse(text, chars_max).map_err(|no| match no {
        NoBody::Empty => NotByStaff::Malformed,
        NoBody::TooLong => NotByStaff::Refused(RefusalCode::TooLong.into()),
    })?;
    let now = edge.clock.now();
    let found = edge
        .assessor
        .line(&body, None, gathering.audience, &gathering.id, whose, now);
    if found.may_stand() {
        Ok(body)
    } else {
        Err(NotByStaff::Refused(RefusalCode::Rejected.into()))
    }
}

enum NoWords {
    Malformed,
    TooLong,
}

impl From<NoBody> for NoWords {
    fn from(no: NoBody) -> Self {
        match no {
            NoBody::Empty => NoWords::Malformed,
            NoBody::TooLong => NoWords::TooLong,
        }
    }
}

fn read(edge: &Edge, asked: &Asked<'_>) -> Result<Proposed, NoWords> {
    let texts = &edge.rooms.deps().texts;
    let answer = asked.ready.and_then(Topic::answer_of);
    let (body, form) = match (asked.body, asked.ready) {
        (Some(body), None) => {
            let form = match asked.form {
                None => None,
                Some(Form::Topic) => Some(Form::Topic),
                Some(Form::Time | Form::Word | Form::Ready) => return Err(NoWords::Malformed),
            };
            (
                Body::parse(body, edge.settings.limits.body_chars_max)?,
                form,
            )
        }
        // Its words are the room's to know.
        (None, Some(_)) if answer.is_some() => (Body::known(String::new()), Some(Form::Ready)),
        (None, Some(ready)) => {
            let text = texts.ready_line(ready).ok_or(NoWords::Malformed)?;
            (Body::known(text.to_owned()), Some(Form::Ready))
        }
        (Some(_), Some(_)) | (None, None) => return Err(NoWords::Malformed),
    };
    let note = asked.note.map(Body::parse_note).transpose()?.flatten();
    Ok(Proposed {
        found: Assessed::default(),
        body,
        note,
        no_reply: asked.no_reply,
        form,
        answer,
    })
}
