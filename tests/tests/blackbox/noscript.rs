//! Reading and sending by plain forms: an old browser, or one without script.

use engawa_tests::{Db, House, Standing, on_both};
use hyper::Method;
use serde_json::json;

/// What HTML makes of a text.
fn escaped(text: &str) -> Vec<String> {
    let numeric = text
        .replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    let named = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    vec![numeric, named]
}

on_both!(
    p11_a_line_is_said_by_a_form_and_stands_on_the_page,
    p11_a_refusal_keeps_the_text,
    p7_without_script_a_line_is_asked_back_held_and_answered_with_a_card,
    p6_the_page_of_the_other_side_and_of_no_room_are_one_answer,
    without_a_handle_the_room_asks_for_one_and_shows_nothing,
    p2_every_rung_can_be_taken_by_a_form,
    p11_hiding_in_a_hurry_leaves_no_word_of_the_place,
    p11_this_device_forgets_at_one_request,
);

async fn p11_a_line_is_said_by_a_form_and_stands_on_the_page(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("スクリプトなし").await?;
    let mut reader = node.tojisha("ソケット").await?.enter(node.room()).await?;
    let page = format!("/r/{}", node.room());
    let html = person.http.get(&page).await?.is(200)?.text();
    assert!(
        html.contains("name=\"body\"") && html.contains("name=\"key\""),
        "a form with body and key"
    );
    assert!(
        html.contains(&format!("action=\"{page}/say\"")),
        "the form goes to {page}/say"
    );

    let text = "雨の音が、いい <b>夜</b> です";
    let answer = person
        .http
        .form(&format!("{page}/say"), &[("body", text), ("key", "form-1")])
        .await?
        .is(303)?;
    let back = answer.header("location");
    assert!(
        back == page
            || back.starts_with(&format!("{page}?"))
            || back.starts_with(&format!("{page}#")),
        "303 back to the page: {back:?}"
    );
    reader.hears(text).await?;
    let html = person.http.get(&page).await?.is(200)?.text();
    assert!(
        escaped(text)
            .iter()
            .any(|form| html.contains(form.as_str())),
        "the line stands on the page, as text"
    );
    assert!(!html.contains("<b>夜</b>"));

    // The same key again makes no second line.
    person
        .http
        .form(&format!("{page}/say"), &[("body", text), ("key", "form-1")])
        .await?
        .is(303)?;
    reader.barrier().await?;
    let n = reader
        .frames
        .iter()
        .filter(|frame| frame["type"] == "said" && frame["body"] == text)
        .count();
    assert_eq!(n, 1);
    // And what is said on a socket stands on the page.
    reader
        .say_kept(node.room(), "s1", "ソケットから言いました")
        .await?;
    assert!(
        person
            .http
            .get(&page)
            .await?
            .text()
            .contains("ソケットから言いました")
    );
    Ok(())
}

async fn p11_a_refusal_keeps_the_text(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.say_burst = 1\nlimits.say_interval_ms = 3600000")?;
    let node = house.start().await?;
    let mut person = node.tojisha("ことわられる").await?;
    let say = format!("/r/{}/say", node.room());
    let long = format!("ながい手紙の書き出し{}", "あ".repeat(500));
    let refused = person
        .http
        .form(&say, &[("body", &long), ("key", "k1")])
        .await?;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    assert!(refused.header("content-type").starts_with("text/html"));
    assert!(refused.text().contains(&long), "the text is kept");
    person
        .http
        .form(&say, &[("body", "ひとつめ"), ("key", "k2")])
        .await?
        .is(303)?;
    let refused = person
        .http
        .form(
            &say,
            &[("body", "ふたつめは、はやすぎました"), ("key", "k3")],
        )
        .await?;
    assert_eq!(refused.status, 429);
    assert!(
        refused.text().contains("ふたつめは、はやすぎました"),
        "the text is kept"
    );
    Ok(())
}

async fn p6_the_page_of_the_other_side_and_of_no_room_are_one_answer(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut mother = node.person(Standing::Family).await?;
    let theirs = format!("/r/{}", node.room());
    let there = mother.http.get(&theirs).await?;
    let nowhere = mother.http.get("/r/no-such-room").await?;
    assert!((400..500).contains(&there.status), "{}", there.status);
    assert_eq!(there.status, nowhere.status);
    let neutral = |text: String| text.replace(node.room(), "…").replace("no-such-room", "…");
    assert_eq!(neutral(there.text()), neutral(nowhere.text()));
    let said = mother
        .http
        .form(
            &format!("{theirs}/say"),
            &[("body", "入れてください"), ("key", "k")],
        )
        .await?;
    let said_nowhere = mother
        .http
        .form(
            "/r/no-such-room/say",
            &[("body", "入れてください"), ("key", "k")],
        )
        .await?;
    assert!((400..500).contains(&said.status));
    assert_eq!(said.status, said_nowhere.status);
    Ok(())
}

async fn without_a_handle_the_room_asks_for_one_and_shows_nothing(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    node.tojisha("なか")
        .await?
        .enter(node.room())
        .await?
        .say_kept(node.room(), "k", "なかの話")
        .await?;
    let page = node.get(&format!("/r/{}", node.room())).await?;
    assert_ne!(page.status, 200);
    assert!(!page.text().contains("なかの話"));
    let said = node
        .client()
        .form(
            &format!("/r/{}/say", node.room()),
            &[("body", "だれ"), ("key", "k")],
        )
        .await?;
    assert!(said.status == 303 || (400..500).contains(&said.status));
    Ok(())
}

async fn p2_every_rung_can_be_taken_by_a_form(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let mut person = node.tojisha("かたち").await?;
    let mut reader = node.tojisha("みる").await?.enter(&room).await?;
    let seq = reader
        .say_kept(&room, "k", "ここにいます")
        .await?
        .to_string();
    let page = format!("/r/{room}");
    person.http.get(&page).await?.is(200)?;
    person
        .http
        .form(&format!("{page}/stamp"), &[("seq", &seq), ("stamp", "nod")])
        .await?
        .is(303)?;
    reader
        .wait("a stamp from a form", |frame| {
            frame["type"] == "stamped" && frame["stamps"] == json!(["nod"])
        })
        .await?;
    person
        .http
        .form(&format!("{page}/lamp"), &[("on", "true")])
        .await?
        .is(303)?;
    let words = person
        .http
        .get(&format!("{page}/words"))
        .await?
        .is(200)?
        .text();
    assert!(
        words.contains("name=\"ready\"") || words.contains("value=\"ready"),
        "ready lines on a page of their own"
    );
    person
        .http
        .form(
            &format!("{page}/say"),
            &[("body", "消すつもりの行"), ("key", "u1")],
        )
        .await?
        .is(303)?;
    let said = reader.hears("消すつもりの行").await?;
    let seq = said["seq"].to_string();
    person
        .http
        .form(&format!("{page}/unsay"), &[("seq", &seq)])
        .await?
        .is(303)?;
    assert_eq!(reader.of_type("hidden").await?["seq"], said["seq"]);
    Ok(())
}

async fn p11_hiding_in_a_hurry_leaves_no_word_of_the_place(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("かくす").await?;
    let hidden = person.http.form("/m", &[]).await?;
    let page = if hidden.status == 303 {
        person.http.get("/m").await?.is(200)?
    } else {
        hidden.is(200)?
    };
    let html = page.text();
    for word in [
        "Engawa",
        "engawa",
        "縁側",
        "居場所",
        "ひきこもり",
        "相談",
        "かくす",
    ] {
        assert!(!html.contains(word), "{word} on the harmless page");
    }
    // Every page has one neutral title.
    let title = |html: &str| {
        html.split("<title>")
            .nth(1)
            .and_then(|rest| rest.split("</title>").next())
            .unwrap_or_default()
            .to_owned()
    };
    let room = person.http.get(&format!("/r/{}", node.room())).await?;
    let foyer = person.http.get("/").await?.text();
    assert_eq!(
        title(&foyer),
        title(&person.http.get("/kept").await?.text())
    );
    if room.status == 200 {
        assert_eq!(title(&room.text()), title(&foyer));
    }
    Ok(())
}

async fn p11_this_device_forgets_at_one_request(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("わすれて").await?;
    let cookie = person.http.cookie_line();
    let answer = person.http.form("/x", &[]).await?;
    assert!(
        answer.header("clear-site-data").contains("cookies"),
        "{:?}",
        answer.header("clear-site-data")
    );
    let call = person
        .http
        .call(
            Method::GET,
            "/api/v1/me",
            &[("cookie", &cookie)],
            Vec::new(),
        )
        .await?;
    call.is_problem(401, "no_session")?;
    Ok(())
}

async fn p7_without_script_a_line_is_asked_back_held_and_answered_with_a_card(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?.with("moderation.decide = 'rules'")?;
    let node = house.start().await?;
    let mut person = node.tojisha("スクリプトなし").await?;
    let page = format!("/r/{}", node.room());
    let say = format!("{page}/say");
    let contact = "よかったら 090-1234-5678 に電話ください";
    let answer = person
        .http
        .form(&say, &[("body", contact), ("key", "f1")])
        .await?;
    let html = answer.is(422)?.text();
    assert!(html.contains("090-1234-5678"), "the text is kept");
    let masked = html
        .split("name=\"body\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .to_owned();
    assert!(
        masked.starts_with("よかったら") && !masked.contains("1234"),
        "the masked version is a button: {masked}"
    );
    let answer = person
        .http
        .form(&say, &[("body", contact), ("key", "f2")])
        .await?;
    answer.is(303)?;
    let html = person.http.get(&page).await?.is(200)?.text();
    assert!(
        html.contains("090-1234-5678"),
        "it waits, and its author sees it"
    );
    let answer = person
        .http
        .form(&say, &[("body", "もう死にたい"), ("key", "f3")])
        .await?;
    let html = answer.is(200)?.text();
    assert!(html.contains("119"), "the card");

    let mut on_duty = node.staff(node.login("coordinator", 1)?).await?;
    let today = on_duty.http.get("/s/today").await?.is(200)?.text();
    assert!(
        today.contains("1234"),
        "what waits stands on the page of the day"
    );
    let hold = today
        .split("data-hold=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .to_owned();
    let fields = [
        ("hold", hold.as_str()),
        ("to", "today"),
        ("reason", "contact"),
    ];
    let answer = on_duty
        .http
        .form(&format!("{page}/reject"), &fields)
        .await?;
    assert_eq!(answer.is(303)?.header("location"), "/s/today");
    let today = on_duty.http.get("/s/today").await?.is(200)?.text();
    assert!(!today.contains("1234"));
    let again = person
        .http
        .form(&say, &[("body", contact), ("key", "f2")])
        .await?;
    again.is(422)?;
    Ok(())
}
