//! What may be seen of the schedule.

use engawa_tests::{Db, House, Standing, on_both, shape};
use serde_json::Value;

on_both!(
    p6_each_side_sees_its_own_gatherings_alone,
    a_span_of_time_can_be_asked_for,
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
