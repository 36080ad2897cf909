//! Stores what the hour brings: doors, opening, last call, afterglow, the end, or that a gathering does not take place.
//!
//! It may run on every node at once: each transition says from which state, so one node makes it and the others find it made.
//! A node that was away makes up for what was missed, in order. Nothing here lets anybody in: what people see follows from the
//! same rows and the time (`life.rs`).

use std::sync::Arc;

use super::life::{self, Turn, TurnWhy};
use super::room::Input;
use super::{Rooms, acting, queries, reading};
use crate::features::alerts::{self, AlertKind};
use crate::features::audit::Entry;
use crate::features::gatherings::{self, RoomRow, StoredState};
use crate::platform::bus::{Hint, News};
use crate::platform::clock::wait_ms;
use crate::platform::ids::{ClientKey, RoomId};
use crate::platform::store::Stored;

/// Every so many looks, rooms are looked through for those that nobody keeps: it costs a read of all open rooms.
const KEPT_EVERY: u32 = 5;

/// Looks for ever.
pub(super) async fn run(rooms: Rooms) {
    let every = wait_ms(rooms.deps().settings.life_every_ms);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for n in 0u32.. {
        ticks.tick().await;
        if let Err(error) = turn_due(&rooms, n % KEPT_EVERY == 0).await {
            tracing::error!(%error, "gatherings could not be moved on");
        }
    }
}

/// Makes every transition that is due.
async fn turn_due(rooms: &Rooms, looks_at_keepers: bool) -> Stored<()> {
    let deps = rooms.deps();
    let (grace, now) = (deps.grace(), deps.clock.now());
    let doors_before = now.plus_ms(grace.doors_ms);
    let last_call_before = now.plus_ms(grace.last_call_ms);
    let mut due = gatherings::may_turn(&deps.db, now, doors_before, last_call_before).await?;
    if looks_at_keepers {
        let store_now = queries::now(&deps.db, now).await?;
        if grace.needs_on_call {
            for id in gatherings::open_without_on_call(&deps.db, store_now).await? {
                due.extend(gatherings::find(&deps.db, &id).await?);
            }
        }
        let alone_since = store_now.minus_ms(grace.slow_after_ms);
        for (id, until) in queries::unattended(&deps.db, alone_since).await? {
            let once = format!("{}:{}", id.as_str(), until.map_or(0, |until| until.get()));
            alerts::raise(&deps.alerts, AlertKind::Unattended, &once, Some(&id)).await?;
        }
    }
    for row in due {
        turn_one(rooms, row).await?;
    }
    Ok(())
}

/// Brings one gathering to where it should be now.
async fn turn_one(rooms: &Rooms, row: RoomRow) -> Stored<()> {
    let deps = rooms.deps();
    let id = row.gathering.id.clone();
    let (mut course, _) = reading::course(deps, &row).await?;
    let grace = deps.grace();
    if row.state == StoredState::Open && grace.needs_on_call {
        let lost_at = course.on_call.0;
        if deps.clock.now() >= lost_at {
            let once = format!("{}:{}", id.as_str(), lost_at.get());
            alerts::raise(&deps.alerts, AlertKind::NoOnCall, &once, Some(&id)).await?;
        }
    }
    let mut has_turned = false;
    while let Some(turn) = life::next(&course, &grace, deps.clock.now()) {
        if !store(rooms, &id, course.state, turn).await? {
            // Another node was first, or a human did something: the next look sees what.
            break;
        }
        has_turned = true;
        say_the_time(rooms, &id, turn.to).await?;
        if turn.to == StoredState::Cancelled {
            alerts::raise(&deps.alerts, AlertKind::Cancelled, id.as_str(), Some(&id)).await?;
        }
        course.state = turn.to;
        course.since = turn.at;
    }
    if has_turned {
        deps.bus.publish(Hint {
            room: id.clone(),
            news: News::Head,
        });
        if let Some(link) = rooms.held(&id) {
            link.look().await;
        }
    }
    Ok(())
}

/// Stores a transition with its entry in the record; false where it was not from that state any more.
async fn store(rooms: &Rooms, id: &RoomId, from: StoredState, turn: Turn) -> Stored<bool> {
    let deps = Arc::clone(rooms.deps());
    let entry = Arc::new(Entry {
        actor: "system".to_owned(),
        roles: String::new(),
        act: "rooms.turn",
        object: format!("{}/{}", id.as_str(), turn.to.as_str()),
        reason: why(turn.why).to_owned(),
    });
    let id = id.clone();
    let db = deps.db.clone();
    db.write(move |tx| {
        let (deps, id, entry) = (Arc::clone(&deps), id.clone(), Arc::clone(&entry));
        Box::pin(async move {
            let turned = acting::turn(tx, &id, from, turn.to, turn.at).await?;
            if turned {
                deps.audit.append(tx, &entry).await?;
            }
            Ok(turned)
        })
    })
    .await
}

const fn why(why: TurnWhy) -> &'static str {
    match why {
        TurnWhy::Time => "time",
        TurnWhy::Kept => "kept",
        TurnWhy::Unkept => "unkept",
        TurnWhy::NoOnCall => "no_on_call",
    }
}

/// The room says what time it is. A line that is lost with a node costs nobody anything: the room's head says it, too.
async fn say_the_time(rooms: &Rooms, id: &RoomId, to: StoredState) -> Stored<()> {
    let texts = &rooms.deps().texts;
    let body = match to {
        StoredState::LastCall => texts.last_call.clone(),
        StoredState::Afterglow => texts.afterglow.clone(),
        StoredState::Planned
        | StoredState::DoorsOpen
        | StoredState::Open
        | StoredState::Paused
        | StoredState::Closed
        | StoredState::Cancelled
        | StoredState::Forgotten => return Ok(()),
    };
    let key = ClientKey::parse(&format!("time-{}", to.as_str()));
    if let (Some(link), Some(key)) = (rooms.link(id).await?, key) {
        link.outcomes.tell(Input::Announce { key, body });
    }
    Ok(())
}
