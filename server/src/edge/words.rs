//! Reading what somebody wants to say, for the socket and for forms alike: size, shape, assessment.

use super::state::Edge;
use crate::features::gatherings::Gathering;
use crate::features::rooms::{Assessed, Body, NoBody, Proposed, Refusal};
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
    })
}
