//! Coming back: nothing missed, or the gap named.

use engawa_tests::{Db, House, Person, on_both};
use serde_json::{Value, json};

/// Says `n` lines as fast as they are taken, each with so many characters of rain.
async fn say_many(
    person: &Person,
    room: &str,
    n: usize,
    word: &str,
    rain: usize,
) -> anyhow::Result<u64> {
    let mut socket = person.enter(room).await?;
    let mut last = 0;
    let mut n_acked = 0;
    for from in (0..n).step_by(25) {
        let to = (from + 25).min(n);
        for line in from..to {
            socket
                .say(
                    room,
                    &format!("{word}{line}"),
                    &format!("{word} {line}{}", "雨".repeat(rain)),
                )
                .await?;
        }
        while n_acked < to {
            let answer = socket
                .wait("an answer", |frame| {
                    frame["type"] == "acked" || frame["type"] == "refused"
                })
                .await?;
            anyhow::ensure!(answer["type"] == "acked", "{answer}");
            n_acked += 1;
            last = last.max(answer["seq"].as_u64().unwrap_or(0));
        }
    }
    Ok(last)
}

fn seqs(entered: &Value) -> Vec<u64> {
    entered["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word["seq"].as_u64())
        .collect()
}

on_both!(
    p4_without_after_the_newest_fifty_come,
    p4_with_after_all_that_was_missed_comes_and_nothing_else,
    p4_more_than_two_hundred_missed_lines_follow_in_order_before_anything_newer,
    p4_a_cut_line_costs_nothing,
    p4_a_restart_keeps_rooms_sessions_epoch_and_lines,
);

async fn p4_without_after_the_newest_fifty_come(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let last = say_many(&node.tojisha("たくさん").await?, node.room(), 70, "a", 0).await?;
    let person = node.tojisha("あとから").await?;
    let expected: Vec<u64> = (last - 49..=last).collect();
    let mut socket = person.connect().await?;
    let entered = socket.enter(node.room()).await?;
    assert_eq!(entered["last_seq"], last);
    assert_eq!(seqs(&entered), expected);
    assert!(entered.get("gap").is_none());
    // `after` above `last_seq`, or another epoch, counts as no `after`.
    let above = person
        .connect()
        .await?
        .enter_with(json!({"room": node.room(), "after": last + 5}))
        .await?;
    assert_eq!(seqs(&above), expected);
    let other = person
        .connect()
        .await?
        .enter_with(json!({"room": node.room(), "after": last - 2, "epoch": "another"}))
        .await?;
    assert_eq!(seqs(&other), expected);
    Ok(())
}

async fn p4_with_after_all_that_was_missed_comes_and_nothing_else(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let last = say_many(&node.tojisha("ことば").await?, node.room(), 120, "b", 0).await?;
    let person = node.tojisha("もどる").await?;
    let mut socket = person.connect().await?;
    let entered = socket.enter(node.room()).await?;
    let epoch = entered["epoch"].clone();
    for after in [last, last - 1, last - 100] {
        for fields in [
            json!({"after": after}),
            json!({"after": after, "epoch": epoch}),
        ] {
            let mut fields = fields;
            fields["room"] = node.room().into();
            let entered = person.connect().await?.enter_with(fields).await?;
            assert_eq!(
                seqs(&entered),
                (after + 1..=last).collect::<Vec<_>>(),
                "after {after}"
            );
            assert!(entered.get("gap").is_none());
        }
    }
    Ok(())
}

async fn p4_more_than_two_hundred_missed_lines_follow_in_order_before_anything_newer(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let writer = node.tojisha("ながいよる").await?;
    let last = say_many(&writer, node.room(), 450, "c", 480).await?;
    let mut socket = node.tojisha("ひさしぶり").await?.connect().await?;
    let after = last - 440;
    // The lines are long, 650 KB in all; and somebody goes on talking meanwhile.
    let mut talking = writer.enter(node.room()).await?;
    let room = node.room().to_owned();
    let talk = tokio::spawn(async move {
        for n in 0..20 {
            talking
                .say_kept(&room, &format!("meanwhile{n}"), &format!("そのあいだ {n}"))
                .await?;
        }
        anyhow::Ok(())
    });
    let entered = socket
        .enter_with(json!({"room": node.room(), "after": after}))
        .await?;
    assert!(entered.get("gap").is_none());
    let first = seqs(&entered);
    assert!(first.len() <= 200, "{} messages in entered", first.len());
    assert_eq!(first.first(), Some(&(after + 1)));
    talk.await??;
    while socket.view(node.room())?.last_seq() < last + 20 {
        socket.next().await?;
    }
    // The view has checked each step; what is left is that nothing is missing at the start.
    assert_eq!(
        socket.view(node.room())?.words.len() as u64,
        last + 20 - after
    );
    Ok(())
}

async fn p4_a_cut_line_costs_nothing(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("きれる").await?;
    let mut other = node.tojisha("つづける").await?.enter(node.room()).await?;
    let mut socket = person.connect().await?;
    let mut entered = socket.enter(node.room()).await?;
    let mut heard = entered["last_seq"].as_u64().unwrap_or(0);
    for round in 0..5 {
        // Said without waiting for the answer, then the line breaks.
        socket
            .say(
                node.room(),
                &format!("mine{round}"),
                &format!("わたしの {round}"),
            )
            .await?;
        socket.cut();
        other
            .say_kept(
                node.room(),
                &format!("theirs{round}"),
                &format!("あいての {round}"),
            )
            .await?;
        socket = person.connect().await?;
        entered = socket
            .enter_with(json!({"room": node.room(), "after": heard, "epoch": entered["epoch"]}))
            .await?;
        let answer = socket
            .say_answered(
                node.room(),
                &format!("mine{round}"),
                &format!("わたしの {round}"),
            )
            .await?;
        assert_eq!(answer["type"], "acked");
        let seq = answer["seq"].as_u64().unwrap_or(0);
        while socket.view(node.room())?.last_seq() < seq {
            socket.next().await?;
        }
        heard = socket.view(node.room())?.last_seq();
    }
    let after_all = person
        .connect()
        .await?
        .enter_with(json!({"room": node.room(), "after": heard - 10}))
        .await?;
    let bodies: Vec<&str> = after_all["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word["body"].as_str())
        .collect();
    for round in 0..5 {
        assert_eq!(
            bodies
                .iter()
                .filter(|body| **body == format!("わたしの {round}"))
                .count(),
            1,
            "{bodies:?}"
        );
    }
    Ok(())
}

async fn p4_a_restart_keeps_rooms_sessions_epoch_and_lines(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("のこる").await?;
    let mut socket = person.connect().await?;
    let entered = socket.enter(node.room()).await?;
    let seq = socket
        .say_kept(node.room(), "before", "まえに言ったこと")
        .await?;
    let (url, room) = (node.url.clone(), node.room().to_owned());
    let logins: Vec<String> = node
        .logins
        .iter()
        .map(|login| format!("{login:?}"))
        .collect();
    node.kill().await?;
    let node = house.start().await?;
    assert_eq!(node.url, url);
    assert_eq!(node.room(), room, "the same rooms");
    assert_eq!(
        logins,
        node.logins
            .iter()
            .map(|login| format!("{login:?}"))
            .collect::<Vec<_>>(),
        "the same logins"
    );
    let mut socket = person.connect().await?;
    let again = socket
        .enter_with(json!({"room": room, "after": seq - 1, "epoch": entered["epoch"]}))
        .await?;
    assert_eq!(again["epoch"], entered["epoch"]);
    assert_eq!(again["you"]["id"], entered["you"]["id"]);
    assert_eq!(again["messages"][0]["body"], "まえに言ったこと");
    assert_eq!(again["messages"][0]["from"]["id"], entered["you"]["id"]);
    assert_eq!(
        socket
            .say_answered(&room, "before", "まえに言ったこと")
            .await?["seq"],
        seq
    );
    let next = socket.say_kept(&room, "after", "あとで言ったこと").await?;
    assert_eq!(next, seq + 1);
    Ok(())
}
