//! 予定: what comes, for one side, as a page and as a calendar feed.
//!
//! The feed is read by calendars without a cookie, so it has what is public and no id of a room. Its titles are neutral unless they
//! are asked for: a calendar stands open on a family's table.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use icalendar::{Calendar, Component, Event};
use serde::Deserialize;

use super::pages::days::{Day, Days, Gathering as Shown};
use super::pages::texts;
use super::problem::{Code, Problem};
use super::rooms_api::side_of;
use super::shown::instant;
use super::state::{Edge, EdgeState};
use super::visitor::{Visitor, html};
use crate::features::gatherings::{self, RoomRow};
use crate::features::rooms;
use crate::platform::clock::Millis;
use crate::protocol::{Audience, RoomState};

const DAY_MS: i64 = 86_400_000;
/// How far the page looks ahead, in milliseconds: 31 days, as the call does.
const AHEAD_MS: i64 = 31 * DAY_MS;
/// How far the feed looks back and ahead: calendars keep what they read.
const FEED_BACK_MS: i64 = 7 * DAY_MS;
const FEED_AHEAD_MS: i64 = 62 * DAY_MS;

/// The page and the feed.
pub fn routes() -> Router<EdgeState> {
    Router::new()
        .route("/days", get(days))
        .route("/calendar.ics", get(feed))
}

#[derive(Default, Deserialize)]
struct DaysQuery {
    #[serde(rename = "for")]
    side: Option<String>,
    titles: Option<String>,
}

type Asked = Result<Query<DaysQuery>, QueryRejection>;

async fn days(State(edge): State<EdgeState>, visitor: Visitor, asked: Asked) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    // Whoever is here as somebody sees their own side, whatever they ask for.
    let own = visitor.session.as_ref().and_then(side_of);
    let side = own.or_else(|| asked.side.as_deref().and_then(Audience::from_wire));
    match shown(&edge, &visitor, side, own.is_some()).await {
        Ok(view) => html(StatusCode::OK, &view),
        Err(problem) => visitor.problem(&problem, "/", None),
    }
}

async fn shown(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    side: Option<Audience>,
    is_own: bool,
) -> Result<Days, Problem> {
    let deps = edge.rooms.deps();
    let now = edge.clock.now();
    let mut days: Vec<Day> = Vec::new();
    for row in gatherings::between(&deps.db, side, now, now.plus_ms(AHEAD_MS)).await? {
        let state = rooms::state_now(deps, &row).await?;
        if state == RoomState::Closed {
            continue;
        }
        let date = row.gathering.starts.jst().date();
        let gathering = gathering(row, state);
        match days.last_mut() {
            Some(day) if day.date == date => day.gatherings.push(gathering),
            Some(_) | None => days.push(Day {
                date,
                gatherings: vec![gathering],
            }),
        }
    }
    Ok(Days {
        page: visitor.page(),
        side,
        is_own,
        days,
    })
}

fn gathering(row: RoomRow, state: RoomState) -> Shown {
    let RoomRow { gathering, .. } = row;
    Shown {
        // Only what one can come into, or wait for, has a door.
        door: match state {
            RoomState::DoorsOpen
            | RoomState::Open
            | RoomState::Paused
            | RoomState::LastCall
            | RoomState::Afterglow => Some(gathering.id.as_str().to_owned()),
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled => None,
        },
        title: gathering.title,
        kind: gathering.kind,
        audience: gathering.audience,
        entry: gathering.entry,
        state,
        starts_at: instant(gathering.starts),
        ends_at: instant(gathering.ends),
        theme: gathering.details.theme,
        note: gathering.details.note,
        cancel_words: gathering.details.cancel_words,
    }
}

async fn feed(State(edge): State<EdgeState>, asked: Asked) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|_| Problem::new(Code::BadRequest))?;
    let side = match asked.side.as_deref() {
        None => None,
        Some(text) => Some(Audience::from_wire(text).ok_or(Code::BadRequest)?),
    };
    let full = match asked.titles.as_deref() {
        None => false,
        Some("full") => true,
        Some(_) => return Err(Code::BadRequest.into()),
    };
    let now = edge.clock.now();
    let deps = edge.rooms.deps();
    let (from, to) = (now.minus_ms(FEED_BACK_MS), now.plus_ms(FEED_AHEAD_MS));
    let mut calendar = Calendar::new();
    calendar.name(texts::t("days.feed"));
    for row in gatherings::between(&deps.db, side, from, to).await? {
        let state = rooms::state_now(deps, &row).await?;
        calendar.push(event(&edge, &row, state, full, now));
    }
    let body = calendar.to_string();
    let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
    let fresh = HeaderValue::from_static("public, max-age=300");
    Ok((
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, fresh)],
        body,
    )
        .into_response())
}

/// One gathering as RFC 5545 has it. Its UID is a keyed hash: stable, and no way to a room.
fn event(edge: &Edge, row: &RoomRow, state: RoomState, full: bool, now: Millis) -> Event {
    let gathering = &row.gathering;
    let title = if full {
        gathering.title.as_str()
    } else {
        texts::t("days.neutral")
    };
    let status = match state {
        RoomState::Cancelled => "CANCELLED",
        RoomState::Planned
        | RoomState::DoorsOpen
        | RoomState::Open
        | RoomState::Paused
        | RoomState::LastCall
        | RoomState::Afterglow
        | RoomState::Closed => "CONFIRMED",
    };
    Event::new()
        .uid(&edge.identity.calendar_uid(gathering.id.as_str()))
        .summary(title)
        .add_property("DTSTAMP", utc(now))
        .add_property("DTSTART", utc(gathering.starts))
        .add_property("DTEND", utc(gathering.ends))
        .add_property("STATUS", status)
        .add_property("SEQUENCE", row.n_acts.max(0).to_string())
        .add_property("CLASS", "PRIVATE")
        .done()
}

/// A date-time in UTC as RFC 5545, 3.3.5, form 2 has it: `20261125T100000Z`.
fn utc(at: Millis) -> String {
    let text: String = at
        .rfc3339()
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .collect();
    format!("{text}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_is_written_in_utc_without_marks() {
        let at = Millis::parse_rfc3339("2026-12-31T23:05:09.123+09:00").expect("an instant");
        assert_eq!(utc(at), "20261231T140509Z");
    }
}
