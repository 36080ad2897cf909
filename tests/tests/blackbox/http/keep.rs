//! 部屋の進め方 and being on call, by pages and forms.

use engawa_tests::{Db, House, on_both};
use serde_json::json;

on_both!(
    p11_a_host_keeps_the_room_by_forms_and_a_supporter_does_not,
    p1_somebody_accepts_to_be_on_call_on_the_days_page,
);

async fn p11_a_host_keeps_the_room_by_forms_and_a_supporter_does_not(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let page = format!("/r/{room}/keep");
    let mut host = node.staff(node.login_for("moderator", "tojisha")?).await?;
    let mut reader = node.tojisha("よむひと").await?.enter(room).await?;
    let shown = host.http.get(&page).await?.is(200)?.text();
    assert!(shown.contains("読む時間"));
    let fields = [("kind", "guard"), ("value", "3")];
    host.http.form(&page, &fields).await?.is(200)?;
    reader
        .wait("the guard", |frame| {
            frame["type"] == "room" && frame["guard"] == 3
        })
        .await?;
    // The way back stands beside it.
    host.http
        .form(&page, &[("kind", "guard"), ("value", "0")])
        .await?
        .is(200)?;
    reader
        .wait("the guard", |frame| {
            frame["type"] == "room" && frame["guard"] == 0
        })
        .await?;
    let topic = [
        ("kind", "topic"),
        ("value", "冬のこと"),
        ("answers", "雪\n炬燵\n\nみかん"),
    ];
    host.http.form(&page, &topic).await?.is(200)?;
    let head = reader
        .wait("the topic", |frame| frame["topic"] == "冬のこと")
        .await?;
    assert_eq!(head["ready"][2]["text"], "みかん");
    let two = [
        ("kind", "topic"),
        ("value", "冬のこと"),
        ("answers", "雪\n炬燵"),
    ];
    host.http.form(&page, &two).await?.is(422)?;
    host.http
        .form(&page, &[("kind", "notice"), ("value", "お茶にします")])
        .await?
        .is(200)?;
    assert!(reader.hears("お茶にします").await?["from"].is_null());
    for (kind, state) in [("pause", "paused"), ("resume", "open")] {
        host.http.form(&page, &[("kind", kind)]).await?.is(200)?;
        reader
            .wait(state, |frame| {
                frame["type"] == "room" && frame["state"] == state
            })
            .await?;
    }
    let mut supporter = node.supporter().await?;
    supporter.http.get(&page).await?.is(403)?;
    supporter.http.form(&page, &fields).await?.is(403)?;
    let mut visitor = node.tojisha("ただのひと").await?;
    assert!(visitor.http.get(&page).await?.status >= 400);
    assert!(visitor.http.form(&page, &fields).await?.status >= 400);
    host.http
        .form(&page, &[("kind", "close"), ("value", "")])
        .await?
        .is(303)?;
    assert_eq!(reader.of_type("left").await?["why"], "closed");
    Ok(())
}

async fn p1_somebody_accepts_to_be_on_call_on_the_days_page(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let list = node
        .tojisha("ただのひと")
        .await?
        .http
        .get("/api/v1/gatherings")
        .await?
        .json()?;
    let evening = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["kind"] == "tojisha_kai")
        .map(|gathering| gathering["id"].clone());
    let evening = evening
        .as_ref()
        .and_then(|id| id.as_str())
        .unwrap_or_default()
        .to_owned();
    assert!(!evening.is_empty(), "{list}");
    let mut staff = node.staff(node.login("coordinator", 0)?).await?;
    let form = format!("/s/on-call/{evening}");
    let today = staff.http.get("/s/today").await?.is(200)?.text();
    assert!(
        today.contains(&form),
        "the sample coordinators are on call, and may stop"
    );
    staff.http.form(&form, &[("take", "no")]).await?.is(303)?;
    staff.http.form(&form, &[("take", "yes")]).await?.is(303)?;
    let today = staff.http.get("/s/today").await?.is(200)?.text();
    assert!(today.contains("あなたが待機です"));
    let mut supporter = node.supporter().await?;
    supporter
        .http
        .form(&form, &[("take", "yes")])
        .await?
        .is(403)?;
    let gone = json!("never-was");
    let form = format!("/s/on-call/{}", gone.as_str().unwrap_or_default());
    staff.http.form(&form, &[("take", "yes")]).await?.is(403)?;
    Ok(())
}
