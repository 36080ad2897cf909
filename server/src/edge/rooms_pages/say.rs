//! A line by a form. What is not taken stays on the page, with the words why and the same key where it may be sent again.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::lamps::FormLamps;
use super::view::{self, Besides};
use super::visit::{Arrival, NoAnswer, Visit};
use super::{no_entry, room_path, usual_mode};
use crate::edge::pages::card::ShownCard;
use crate::edge::pages::{self, texts};
use crate::edge::problem::{Code, Problem};
use crate::edge::reach::{person_key, settle};
use crate::edge::rooms_api::DraftPlace;
use crate::edge::state::{Edge, EdgeState};
use crate::edge::visitor::{Visitor, fields, html, see_other};
use crate::edge::words::{self, Asked};
use crate::features::identity::Session;
use crate::features::rooms::Input;
use crate::permit::Action;
use crate::platform::ids::ClientKey;
use crate::protocol::{CardKind, EnterMode, RefusalCode, ServerFrame, SpanOut};

#[derive(Default, Deserialize)]
pub(super) struct SayFields {
    #[serde(default)]
    key: String,
    body: Option<String>,
    ready: Option<String>,
    note: Option<String>,
    #[serde(default)]
    no_reply: String,
    #[serde(default)]
    mode: String,
}

impl SayFields {
    /// What was typed, to be kept on whatever page follows.
    fn written(&self) -> Option<String> {
        self.body.clone().filter(|body| !body.is_empty())
    }

    /// Whether it came from ことばを選ぶ; its answer is that page again.
    fn is_of_words(&self) -> bool {
        self.ready.is_some() || self.note.is_some()
    }
}

/// What came of a line.
enum Outcome {
    /// Kept, or kept for those on duty first.
    Taken,
    /// Asked back: with the words why, where in the body, and the body with these places replaced.
    Asked(String, Vec<SpanOut>, Option<String>),
    /// Not taken, with the room's own words where it has some.
    Refused(RefusalCode, Option<u64>, Option<String>),
}

pub(super) async fn say(
    State(edge): State<EdgeState>,
    Extension(lamps): Extension<FormLamps>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Result<Form<SayFields>, FormRejection>,
) -> Response {
    let said = fields(form);
    let problem = |problem: Problem, back: &str| visitor.problem(&problem, back, said.written());
    let Some(session) = &visitor.session else {
        let door = room_path(&id).replacen("/r/", "/in?room=", 1);
        return problem(Code::NoSession.into(), &door);
    };
    let (mut visit, _permit) = match Visit::to(&edge, session, &id, Action::Say).await {
        Ok(reached) => reached,
        Err(error) => return problem(error, "/"),
    };
    let (outcome, card) = match propose(&edge, session, &mut visit, &said).await {
        Ok(outcome) => outcome,
        Err(NoAnswer) => (Outcome::Refused(RefusalCode::Busy, None, None), None),
    };
    let mut refused = match outcome {
        Outcome::Taken => {
            if said.body.is_some() {
                sent(&edge, session, &visit).await;
            }
            if card.is_none() {
                return see_other(&format!("{}#now", room_path(&id)));
            }
            // A card is laid before its author at once; a reload sends the same key, and changes nothing.
            NotTaken {
                status: StatusCode::OK,
                retry_after_s: None,
                besides: Besides::default(),
            }
        }
        Outcome::Asked(text, spans, masked) => NotTaken {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            retry_after_s: None,
            besides: Besides {
                draft: said.written(),
                asked: Some(pages::Asked {
                    text,
                    body: said.written().unwrap_or_default(),
                    spans,
                    masked: masked.map(|masked| {
                        let key = ClientKey::new(&*edge.chance);
                        (masked, key.as_str().to_owned())
                    }),
                }),
                ..Besides::default()
            },
        },
        Outcome::Refused(code, retry_after_ms, words) => NotTaken {
            status: status(code),
            retry_after_s: retry_after_ms.map(|ms| ms.div_ceil(1_000).max(1)),
            besides: Besides {
                draft: said.written(),
                refusal: Some(words.unwrap_or_else(|| why(code))),
                // It may have been kept: the same key makes no second line of it.
                key: (code == RefusalCode::Busy)
                    .then(|| ClientKey::parse(&said.key))
                    .flatten()
                    .map(|key| key.as_str().to_owned()),
                ..Besides::default()
            },
        },
    };
    refused.besides.card =
        card.map(|kind| ShownCard::new(kind, edge.clock.now().jst(), &room_path(&id)));
    match again(&edge, &visitor, session, &mut visit, &lamps, &said, refused).await {
        Ok(response) => response,
        Err(error) => problem(error, &room_path(&id)),
    }
}

/// Says it in the room. The key is looked up before every other check, so a refusal goes to the room, too.
async fn propose(
    edge: &Arc<Edge>,
    session: &Session,
    visit: &mut Visit,
    said: &SayFields,
) -> Result<(Outcome, Option<CardKind>), NoAnswer> {
    let malformed = Ok((Outcome::Refused(RefusalCode::BadFrame, None, None), None));
    let Some(key) = ClientKey::parse(&said.key) else {
        return malformed;
    };
    let asked = Asked {
        // A chosen line stands alone, whatever else the form holds.
        body: said.body.as_deref().filter(|_| said.ready.is_none()),
        ready: said.ready.as_deref(),
        note: said.note.as_deref(),
        no_reply: said.no_reply == "true",
        form: None,
    };
    let whose = person_key(edge, session);
    let Ok(mut line) = words::line(edge, &asked, whose) else {
        return malformed;
    };
    if let Ok(proposed) = &mut line {
        words::assess(edge, proposed, visit.link.gathering(), whose);
    }
    let line = if EnterMode::from_wire(&said.mode) == Some(EnterMode::Listen)
        || (line.is_ok() && settle(edge, session).await == Some(false))
    {
        Err(RefusalCode::NotAllowed.into())
    } else {
        line
    };
    visit.post(Input::Say {
        asker: visit.asker(),
        who: visit.who.clone(),
        key: key.clone(),
        line,
        by_form: true,
    })?;
    // A card comes before the answer it goes with.
    let mut card = None;
    let outcome = visit
        .answer(|frame| match frame {
            ServerFrame::Card { kind, .. } => {
                card = Some(kind);
                None
            }
            ServerFrame::Acked { key: of, .. } | ServerFrame::Held { key: of, .. }
                if of == key.as_str() =>
            {
                Some(Outcome::Taken)
            }
            ServerFrame::Ask {
                key: of,
                text,
                spans,
                masked,
                ..
            } if of == key.as_str() => Some(Outcome::Asked(text, spans, masked)),
            ServerFrame::Refused {
                key: Some(of),
                code,
                retry_after_ms,
                text,
                ..
            } if of == key.as_str() => {
                let words = (code == RefusalCode::Rejected).then_some(text);
                Some(Outcome::Refused(code, retry_after_ms, words))
            }
            _ => None,
        })
        .await?;
    Ok((outcome, card))
}

/// What was written is in the room now, and no draft any more.
async fn sent(edge: &Arc<Edge>, session: &Session, visit: &Visit) {
    let removed = async {
        if let Some(place) = DraftPlace::of(&visit.link, session).await?
            && place.get(edge).await?.is_some()
        {
            place.remove(edge).await?;
        }
        Ok::<(), Problem>(())
    };
    if removed.await.is_err() {
        tracing::warn!("a draft that was sent could not be removed; it ends by itself");
    }
}

struct NotTaken {
    status: StatusCode,
    retry_after_s: Option<u64>,
    besides: Besides,
}

/// The page again, with what was not taken.
async fn again(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    session: &Session,
    visit: &mut Visit,
    lamps: &FormLamps,
    said: &SayFields,
    refused: NotTaken,
) -> Result<Response, Problem> {
    let mode = match EnterMode::from_wire(&said.mode) {
        Some(EnterMode::Listen) => EnterMode::Listen,
        Some(EnterMode::Talk | EnterMode::Duty) | None => usual_mode(session),
    };
    let entered = match visit.enter(mode).await? {
        Arrival::In(entered) => *entered,
        Arrival::Waits(_) => return Err(Code::NotAllowed.into()),
        Arrival::Refused(code) => return Err(no_entry(code)),
    };
    let NotTaken {
        status,
        retry_after_s,
        besides,
    } = refused;
    let of_words = said.is_of_words() && besides.card.is_none() && besides.asked.is_none();
    let mut response = if of_words {
        let besides = Besides {
            my_lamp: lamps.is_lit(visit),
            ..besides
        };
        let view = view::words(edge, visitor, session, visit, mode, entered, besides);
        html(status, &view.await?)
    } else {
        let view = view::room(edge, visitor, session, visit, mode, entered, besides);
        html(status, &view.await?)
    };
    if let Some(seconds) = retry_after_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Why, for a page: nothing is sent again by itself there.
pub(super) fn why(code: RefusalCode) -> String {
    match code {
        RefusalCode::Busy => format!(
            "{}{}",
            texts::t("problem.busy"),
            texts::t("problem.do.busy")
        ),
        _ => texts::refused(code.as_str()).to_owned(),
    }
}

/// The status of a page that tells of a refusal.
pub(super) fn status(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::BadFrame | RefusalCode::TooLong => StatusCode::BAD_REQUEST,
        RefusalCode::TooFast => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::NotEntered
        | RefusalCode::NotAllowed
        | RefusalCode::Resting
        | RefusalCode::Removed => StatusCode::FORBIDDEN,
        RefusalCode::RoomClosed
        | RefusalCode::RoomPaused
        | RefusalCode::RoomFull
        | RefusalCode::Listening => StatusCode::CONFLICT,
        RefusalCode::Rejected | RefusalCode::Spam => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::NotYet => StatusCode::NOT_IMPLEMENTED,
    }
}
