//! What may be seen of the schedule.

use engawa_tests::{Db, House, Standing, on_both, shape};
use serde_json::Value;

on_both!(
    p6_each_side_sees_its_own_gatherings_alone,
    a_span_of_time_can_be_asked_for,
    p3_the_feed_says_neither_which_room_nor_what_it_is_unless_asked,
    p6_the_page_of_days_shows_a_persons_own_side_whatever_is_asked_for,
);

async fn p6_each_side_sees_its_own_gatherings_alone(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with_rooms(1);
    let node = house.start().await?;
    for (standing, side) in [(Standing::Tojisha, "tojisha"), (Standing::Family, "family")] {
        let person = node.person(standing).await?;
        let list = person
            .http
            .get("/api/v1/gatherings")
            .await?
            .is(200)?
            .json()?;
        shape::value("", &list).map_err(anyhow::Error::msg)?;
        let list: Vec<Value> = list.as_array().cloned().unwrap_or_default();
        assert!(!list.is_empty() && list.len() <= 100);
        for gathering in &list {
            assert_eq!(gathering["audience"], side, "{gathering}");
            for field in [
                "id",
                "kind",
                "title",
                "starts_at",
                "ends_at",
                "state",
                "entry",
            ] {
                assert!(gathering[field].is_string(), "{field} in {gathering}");
            }
        }
        for room in node.rooms.iter().filter(|room| room.audience == side) {
            let there = list
                .iter()
                .find(|gathering| gathering["id"] == room.id.as_str());
            assert_eq!(
                there.map(|gathering| &gathering["state"]),
                Some(&Value::from("open")),
                "{room:?}"
            );
        }
    }
    let manager = node.staff(node.login("manager", 0)?).await?;
    let list = manager
        .http
        .get("/api/v1/gatherings")
        .await?
        .is(200)?
        .json()?;
    for side in ["tojisha", "family"] {
        assert!(
            list.as_array()
                .into_iter()
                .flatten()
                .any(|gathering| gathering["audience"] == side),
            "the manager sees {side}"
        );
    }
    Ok(())
}

async fn a_span_of_time_can_be_asked_for(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.person(Standing::Tojisha).await?;
    let far = person
        .http
        .get("/api/v1/gatherings?from=2050-01-01T00:00:00.000Z&to=2050-01-02T00:00:00.000Z")
        .await?
        .is(200)?;
    assert_eq!(far.json()?, Value::Array(Vec::new()));
    person
        .http
        .get("/api/v1/gatherings?from=yesterday")
        .await?
        .is_problem(400, "bad_request")?;
    Ok(())
}

/// The feed of a calendar, its long lines put together again (RFC 5545, 3.1).
fn unfolded(text: &str) -> String {
    text.replace("\r\n ", "")
}

async fn p3_the_feed_says_neither_which_room_nor_what_it_is_unless_asked(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let plain = node.get("/calendar.ics").await?.is(200)?;
    assert!(plain.header("content-type").starts_with("text/calendar"));
    let text = plain.text();
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"));
    assert!(
        text.lines().all(|line| line.len() <= 75),
        "lines are folded at 75 octets"
    );
    let all = unfolded(&text);
    let n_events = all.matches("BEGIN:VEVENT").count();
    assert!(n_events >= 4, "{all}");
    assert_eq!(all.matches("SUMMARY:予定\r\n").count(), n_events);
    for room in &node.rooms {
        assert!(
            !all.contains(&room.id) && !all.contains(&room.title),
            "{room:?}"
        );
    }
    let mut n_of_sides = 0;
    for (side, other) in [("tojisha", "family"), ("family", "tojisha")] {
        let path = format!("/calendar.ics?for={side}&titles=full");
        let of_side = unfolded(&node.get(&path).await?.is(200)?.text());
        n_of_sides += of_side.matches("BEGIN:VEVENT").count();
        for room in &node.rooms {
            assert_eq!(
                of_side.contains(&room.title),
                room.audience == side,
                "{other} {room:?}"
            );
        }
        // The same name each time, so that a calendar knows it again.
        let uid = of_side
            .split("UID:")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        assert!(uid.is_some_and(|uid| all.contains(uid)), "{uid:?}");
    }
    assert_eq!(n_of_sides, n_events);
    node.get("/calendar.ics?for=everybody")
        .await?
        .is_problem(400, "bad_request")?;
    node.get("/calendar.ics?titles=some")
        .await?
        .is_problem(400, "bad_request")?;
    Ok(())
}

async fn p6_the_page_of_days_shows_a_persons_own_side_whatever_is_asked_for(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let family = node.person(Standing::Family).await?;
    let page = family.http.get("/days?for=tojisha").await?.is(200)?.text();
    for room in &node.rooms {
        assert_eq!(
            page.contains(&room.title),
            room.audience == "family",
            "{room:?}"
        );
    }
    assert!(page.contains("土曜の家族会") && !page.contains("夜の本人の会"));
    // Nobody yet: both, or the side that is chosen.
    let page = node.get("/days?for=tojisha").await?.is(200)?.text();
    assert!(page.contains("夜の本人の会") && !page.contains("土曜の家族会"));
    Ok(())
}
