//! Reading what somebody wants to say, for the socket and for forms alike: size, shape, assessment.

use tokio::time::Instant;

use super::state::Edge;
use crate::features::rooms::{Body, NoBody, Proposed};
use crate::platform::settings::Decide;
use crate::protocol::Form;

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

/// Why it is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWords {
    /// Neither words nor a ready line, or both, or a form that people cannot choose.
    Malformed,
    /// Too many characters.
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

/// Reads and assesses.
///
/// # Errors
/// [`NoWords`].
pub fn read(edge: &Edge, asked: &Asked<'_>) -> Result<Proposed, NoWords> {
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
    // Chosen lines are never read by a machine: they are ours.
    if form != Some(Form::Ready) {
        assess(edge, body.as_str());
    }
    Ok(Proposed {
        body,
        note,
        no_reply: asked.no_reply,
        form,
    })
}

/// The one call of the assessment. Its verdicts follow with the lexicon; until then it is timed and lets pass.
fn assess(edge: &Edge, text: &str) {
    let began = Instant::now();
    let context = moderation::Context {
        recent: &[],
        side: moderation::Side::Tojisha,
    };
    let assessment = moderation::assess(text, &context);
    metrics::histogram!("engawa_assess_seconds").record(began.elapsed().as_secs_f64());
    match edge.settings.moderation.decide {
        Decide::Pass => {}
        Decide::Rules => debug_assert_eq!(
            assessment.action,
            moderation::Action::Pass,
            "no rule exists yet"
        ),
    }
}
