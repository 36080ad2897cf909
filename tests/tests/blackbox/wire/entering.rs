//! Coming into a room, and what nobody is told of it.

use engawa_tests::{Db, House, Standing, on_both};
use serde_json::{Value, json};

/// The fields that every `entered` has.
const ENTERED: [&str; 17] = [
    "room",
    "epoch",
    "you",
    "readers",
    "forgets_at",
    "title",
    "kind",
    "audience",
    "state",
    "guard",
    "slow_ms",
    "about",
    "on_duty",
    "ready",
    "lamp",
    "messages",
    "last_seq",
];

on_both!(
    welcome_says_who_one_is_and_what_the_limits_are,
    entered_tells_all_that_one_needs_to_know_of_a_room,
    p1_an_open_room_has_somebody_on_duty_from_its_first_moment,
    p6_a_room_of_the_other_side_is_answered_like_one_that_does_not_exist,
    p3_nobody_is_told_that_somebody_came_or_went,
    a_listener_reads_and_does_not_say,
    what_needs_a_room_is_not_entered_before_and_after,
    p5_a_person_has_another_id_in_every_room_and_may_wear_another_name,
    a_person_with_two_tabs_reads_in_both,
    each_enter_is_answered_however_many_are_sent_at_once,
);

async fn welcome_says_who_one_is_and_what_the_limits_are(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.say_burst = 7\nlimits.say_interval_ms = 1234\nlimits.frames_per_10s = 99")?;
    let node = house.start().await?;
    let person = node.tojisha("みなと").await?;
    let welcome = person.connect().await?.welcome;
    assert_eq!(welcome["you"]["id"], person.me["id"]);
    assert_eq!(welcome["you"]["name"], "みなと");
    assert_eq!(welcome["you"]["standing"], "tojisha");
    assert_eq!(welcome["you"]["roles"], json!([]));
    assert!(welcome["now"].is_string());
    let limits = &welcome["limits"];
    assert_eq!(limits["body_chars_max"], 500);
    assert_eq!(limits["frame_bytes_max"], 8192);
    assert_eq!(limits["say_burst"], 7);
    assert_eq!(limits["say_interval_ms"], 1234);
    assert_eq!(limits["frames_per_10s"], 99);
    assert!(limits["sockets_max"].is_u64());

    let supporter = node.supporter().await?.connect().await?.welcome;
    assert!(
        supporter["you"].get("standing").is_none(),
        "no standing for staff accounts: {supporter}"
    );
    assert_eq!(supporter["you"]["roles"], json!(["peer_supporter"]));
    Ok(())
}

async fn entered_tells_all_that_one_needs_to_know_of_a_room(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("しずく").await?;
    let mut socket = person.connect().await?;
    let entered = socket.enter(node.room()).await?;
    for field in ENTERED {
        assert!(
            entered.get(field).is_some(),
            "entered has no {field}: {entered}"
        );
    }
    let room = &node.rooms[0];
    assert_eq!(entered["title"], room.title.as_str());
    assert_eq!(entered["kind"], room.kind.as_str());
    assert_eq!(entered["audience"], "tojisha");
    assert_eq!(entered["state"], "open");
    assert_eq!(entered["guard"], 0);
    assert_eq!(entered["slow_ms"], 0);
    assert_eq!(entered["you"]["name"], "しずく");
    assert!(["few", "some", "many"].contains(&entered["about"].as_str().unwrap_or_default()));
    let roles: Vec<&str> = entered["readers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reader| reader["role"].as_str())
        .collect();
    assert!(
        roles.contains(&"participant") && roles.contains(&"peer_supporter"),
        "readers {roles:?}"
    );
    assert!(
        entered["ready"]
            .as_array()
            .is_some_and(|ready| !ready.is_empty()),
        "ready lines"
    );
    assert!(
        entered["ready"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|line| line["id"].is_string() && line["text"].is_string())
    );
    Ok(())
}

async fn p1_an_open_room_has_somebody_on_duty_from_its_first_moment(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with_rooms(2);
    let node = house.start().await?;
    assert!(
        node.rooms.len() >= 4,
        "one for 当事者, one for families, two further ones: {:?}",
        node.rooms
    );
    assert_eq!(
        (node.rooms[0].audience.as_str(), node.rooms[0].kind.as_str()),
        ("tojisha", "ibasho")
    );
    assert_eq!(node.rooms[1].audience, "family");
    let visitor = node.tojisha("さんぽ").await?;
    let mother = node.person(Standing::Family).await?;
    for room in &node.rooms {
        let person = if room.audience == "tojisha" {
            &visitor
        } else {
            &mother
        };
        let entered = person.connect().await?.enter(&room.id).await?;
        assert_eq!(entered["state"], "open", "{room:?}");
        let on_duty = entered["on_duty"].as_array().map_or(0, Vec::len);
        assert!(on_duty > 0, "nobody is on duty in {room:?}");
    }
    Ok(())
}

async fn p6_a_room_of_the_other_side_is_answered_like_one_that_does_not_exist(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let child_side = node.room().to_owned();
    let family_side = node.family_room()?.to_owned();
    let family_supporter = node
        .staff(node.login_for("peer_supporter", "family")?)
        .await?;
    let cases = [
        (node.person(Standing::Family).await?, &child_side),
        (node.person(Standing::Tojisha).await?, &family_side),
        (family_supporter, &child_side),
    ];
    for (person, other_side) in cases {
        let mut socket = person.connect().await?;
        for mode in ["talk", "listen", "duty"] {
            let there = refusal(
                socket
                    .try_enter(json!({"room": other_side, "mode": mode}))
                    .await?,
                other_side,
            );
            let unknown = refusal(
                socket
                    .try_enter(json!({"room": "no-such-room", "mode": mode}))
                    .await?,
                "no-such-room",
            );
            assert_eq!(there["code"], "not_allowed", "mode {mode}");
            assert_eq!(
                there, unknown,
                "mode {mode}: one answer, whatever the reason"
            );
        }
        for act in [
            json!({"type": "say", "room": other_side, "key": "k", "body": "こんばんは"}),
            json!({"type": "stamp", "room": other_side, "seq": 1, "stamp": "nod"}),
            json!({"type": "lamp", "room": other_side, "on": true}),
            json!({"type": "unsay", "room": other_side, "seq": 1}),
        ] {
            socket.send(&act).await?;
            let there = refusal(socket.refused().await?, other_side);
            let mut same = act.clone();
            same["room"] = "no-such-room".into();
            socket.send(&same).await?;
            let unknown = refusal(socket.refused().await?, "no-such-room");
            assert_eq!(there, unknown, "{act}");
        }
    }
    Ok(())
}

async fn p3_nobody_is_told_that_somebody_came_or_went(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut sitting = node.tojisha("いる").await?.enter(node.room()).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(node.room()).await?;
    sitting.barrier().await?;
    on_duty.barrier().await?;
    for mode in ["talk", "listen"] {
        let passing = node.tojisha("とおりすがり").await?;
        let mut socket = passing.connect().await?;
        socket
            .enter_with(json!({"room": node.room(), "mode": mode}))
            .await?;
        socket
            .send(&json!({"type": "lamp", "room": node.room(), "on": false}))
            .await?;
        socket
            .send(&json!({"type": "leave", "room": node.room()}))
            .await?;
        assert_eq!(socket.of_type("left").await?["why"], "you");
        let again = passing.enter(node.room()).await?;
        again.cut();
    }
    for heard in [sitting.barrier().await?, on_duty.barrier().await?] {
        for frame in heard {
            // `about` may change, at most once a minute; nothing else may come, and no name with it.
            assert_eq!(frame["type"], "room", "nothing announces a person: {frame}");
            assert!(!frame.to_string().contains("とおりすがり"), "{frame}");
        }
    }
    Ok(())
}

async fn a_listener_reads_and_does_not_say(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut speaker = node.tojisha("はなす").await?.enter(node.room()).await?;
    let mut listener = node.tojisha("きく").await?.connect().await?;
    listener
        .enter_with(json!({"room": node.room(), "mode": "listen"}))
        .await?;
    let refused = listener
        .say_answered(node.room(), "l1", "言ってみる")
        .await?;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("refused"), &json!("not_allowed"))
    );
    speaker.say_kept(node.room(), "s1", "聞こえますか").await?;
    listener.hears("聞こえますか").await?;
    listener.enter(node.room()).await?;
    listener.say_kept(node.room(), "l1", "聞こえます").await?;
    speaker.hears("聞こえます").await?;
    Ok(())
}

async fn what_needs_a_room_is_not_entered_before_and_after(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("まだ").await?.connect().await?;
    let room = node.room();
    for frame in [
        json!({"type": "say", "room": room, "key": "a", "body": "まだ"}),
        json!({"type": "stamp", "room": room, "seq": 1, "stamp": "nod"}),
        json!({"type": "lamp", "room": room, "on": true}),
    ] {
        socket.send(&frame).await?;
        assert_eq!(socket.refused().await?["code"], "not_entered", "{frame}");
    }
    socket.enter(room).await?;
    socket.send(&json!({"type": "leave", "room": room})).await?;
    let left = socket.of_type("left").await?;
    assert_eq!((&left["room"], &left["why"]), (&json!(room), &json!("you")));
    assert_eq!(
        socket.say_answered(room, "b", "もういない").await?["code"],
        "not_entered"
    );
    Ok(())
}

async fn p5_a_person_has_another_id_in_every_room_and_may_wear_another_name(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?.with_rooms(1);
    let node = house.start().await?;
    let rooms = node.tojisha_rooms();
    let person = node.tojisha("ほんとの呼び名").await?;
    let mut socket = person.connect().await?;
    let one = socket.enter(&rooms[0]).await?;
    let two = socket
        .enter_with(json!({"room": rooms[1], "name": "べつの名"}))
        .await?;
    assert_ne!(one["you"]["id"], two["you"]["id"]);
    assert_ne!(one["you"]["id"], person.me["id"]);
    assert_ne!(two["you"]["id"], person.me["id"]);
    assert_eq!(two["you"]["name"], "べつの名");
    let mut reader = node.tojisha("よむ").await?.connect().await?;
    for room in &rooms {
        reader.enter(room).await?;
    }
    socket
        .say_kept(&rooms[1], "k1", "名前を変えてみました")
        .await?;
    let said = reader.hears("名前を変えてみました").await?;
    assert_eq!(said["from"]["name"], "べつの名");
    assert_eq!(said["from"]["id"], two["you"]["id"]);
    assert!(!said.to_string().contains("ほんとの呼び名"));
    socket
        .say_kept(&rooms[0], "k1", "こちらでは、いつもの名で")
        .await?;
    let said = reader.hears("こちらでは、いつもの名で").await?;
    assert_eq!(
        said["from"]["id"], one["you"]["id"],
        "the id stays within a room"
    );
    Ok(())
}

async fn a_person_with_two_tabs_reads_in_both(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("ふたつ").await?;
    let mut left = person.enter(node.room()).await?;
    let mut right = person.enter(node.room()).await?;
    let seq = left.say_kept(node.room(), "t1", "片方から").await?;
    let said = right.hears("片方から").await?;
    assert_eq!(said["seq"], seq);
    assert_eq!(left.hears("片方から").await?["from"], said["from"]);
    Ok(())
}

async fn each_enter_is_answered_however_many_are_sent_at_once(db: Db) -> anyhow::Result<()> {
    const ROUNDS: u64 = 20;
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut speaker = node.tojisha("はなす").await?.enter(room).await?;
    let mut socket = node.tojisha("せっかち").await?.connect().await?;
    // What each asks for is another thing, and somebody speaks meanwhile.
    for round in 1..=ROUNDS {
        let seq = speaker
            .say_kept(room, &format!("s{round}"), "そのあいだにも")
            .await?;
        for after in [Some(seq), None, Some(0)] {
            let mut enter = json!({"type": "enter", "room": room});
            if let Some(after) = after {
                enter["after"] = after.into();
            }
            socket.send(&enter).await?;
        }
        let heard = socket.barrier().await?;
        let entered: Vec<&Value> = of_room(&heard, "entered", room).collect();
        assert_eq!(entered.len(), 3, "{heard:#?}");
        let first = |entered: &Value| entered["messages"][0]["seq"].as_u64();
        assert_eq!(first(entered[0]), None, "all was seen: {}", entered[0]);
        assert_eq!(first(entered[2]), Some(1), "nothing was: {}", entered[2]);
        assert!(entered.iter().all(|entered| entered["last_seq"] == seq));
    }
    // Whoever goes before they are in hears that, too.
    for kind in ["enter", "enter", "leave", "enter"] {
        socket.send(&json!({"type": kind, "room": room})).await?;
    }
    let heard = socket.barrier().await?;
    let n_refused = of_room(&heard, "refused", room).count();
    let n_entered = of_room(&heard, "entered", room).count();
    assert_eq!(n_refused + n_entered, 3, "{heard:#?}");
    assert_eq!(of_room(&heard, "left", room).count(), 1, "{heard:#?}");
    socket.say_kept(room, "k1", "入りました").await?;
    speaker.hears("入りました").await?;
    Ok(())
}

/// The frames of that type and room, in order.
fn of_room<'f>(frames: &'f [Value], kind: &str, room: &str) -> impl Iterator<Item = &'f Value> {
    let is_one = move |frame: &&Value| frame["type"] == kind && frame["room"] == room;
    frames.iter().filter(is_one)
}

/// A refusal without what must differ: the room asked for.
fn refusal(mut frame: Value, room: &str) -> Value {
    assert_eq!(frame["type"], "refused", "{frame}");
    if frame.get("room").is_some() {
        assert_eq!(frame["room"], room);
        frame["room"] = "…".into();
    }
    frame
}
