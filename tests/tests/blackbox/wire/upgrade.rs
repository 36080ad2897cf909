//! Who gets a socket.

use engawa_tests::{Db, House, Socket, on_both};

on_both!(
    an_upgrade_needs_a_session_an_origin_and_the_subprotocol,
    a_person_has_a_bounded_number_of_sockets,
    upgrades_have_a_rate,
);

async fn an_upgrade_needs_a_session_an_origin_and_the_subprotocol(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("origins = [\"https://engawa.example\"]")?;
    let node = house.start().await?;
    let person = node.tojisha("とびら").await?;
    let cookie = person.http.cookie_line();
    let own = node.url.clone();
    let address = node.address();
    let port = address.rsplit(':').next().unwrap_or_default();
    let protocol = ("sec-websocket-protocol", "engawa.v1");
    let status = |headers: Vec<(&'static str, String)>| async move {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Socket::upgrade(address, &headers, None)
            .await
            .map(|answer| answer.err().unwrap_or(101))
    };
    let with = |cookie: Option<&str>, origin: Option<&str>, protocol: Option<&str>| {
        let mut headers = Vec::new();
        headers.extend(cookie.map(|value| ("cookie", value.to_owned())));
        headers.extend(origin.map(|value| ("origin", value.to_owned())));
        headers.extend(protocol.map(|value| ("sec-websocket-protocol", value.to_owned())));
        headers
    };
    let p = Some(protocol.1);
    assert_eq!(status(with(Some(&cookie), Some(&own), p)).await?, 101);
    assert_eq!(
        status(with(Some(&cookie), Some("https://engawa.example"), p)).await?,
        101,
        "one of `origins`"
    );
    assert_eq!(status(with(None, Some(&own), p)).await?, 401);
    assert_eq!(
        status(with(
            Some("engawa=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some(&own),
            p
        ))
        .await?,
        401
    );
    assert_eq!(status(with(Some(&cookie), None, p)).await?, 403);
    for wrong in [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        &format!("https://{address}"),
        &format!("http://127.0.0.1:{port}.evil.example"),
        &format!("http://localhost:{port}"),
    ] {
        assert_eq!(
            status(with(Some(&cookie), Some(wrong), p)).await?,
            403,
            "{wrong}"
        );
    }
    // A wrong origin learns nothing of the session.
    assert_eq!(
        status(with(None, Some("https://evil.example"), p)).await?,
        403
    );
    // Without the subprotocol: a raw upgrade, as the client library insists on its answer.
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", own.as_str()),
        ("cookie", cookie.as_str()),
    ];
    let answer = node
        .client()
        .call(hyper::Method::GET, "/ws", &headers, Vec::new())
        .await?;
    assert_eq!(answer.status, 400);
    let mut other = headers.to_vec();
    other.push(("sec-websocket-protocol", "chat, engawa.v2"));
    assert_eq!(
        node.client()
            .call(hyper::Method::GET, "/ws", &other, Vec::new())
            .await?
            .status,
        400
    );
    Ok(())
}

async fn a_person_has_a_bounded_number_of_sockets(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with("limits.sockets_max = 3")?;
    let node = house.start().await?;
    let person = node.tojisha("おおくのまど").await?;
    let headers = |person: &engawa_tests::Person| (person.http.cookie_line(), node.url.clone());
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(person.connect().await?);
    }
    let (cookie, origin) = headers(&person);
    let upgrade = [
        ("cookie", cookie.as_str()),
        ("origin", origin.as_str()),
        ("sec-websocket-protocol", "engawa.v1"),
    ];
    let fourth = Socket::upgrade(node.address(), &upgrade, None).await?;
    assert_eq!(fourth.err(), Some(429));
    // Another person is not concerned, and a closed socket makes room.
    node.tojisha("ほか").await?.connect().await?;
    let mut last = open.pop().expect("three are open");
    last.send_message(tokio_tungstenite::tungstenite::Message::Close(None))
        .await?;
    last.ends().await?;
    let again = engawa_tests::within("room for another socket", async {
        loop {
            if let Ok(socket) = Socket::upgrade(node.address(), &upgrade, None).await? {
                return anyhow::Ok(socket);
            }
        }
    })
    .await??;
    assert_eq!(again.welcome["limits"]["sockets_max"], 3);
    Ok(())
}

async fn upgrades_have_a_rate(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.upgrades_burst = 5\nlimits.upgrades_interval_ms = 600000")?;
    let node = house.start().await?;
    let person = node.tojisha("なんども").await?;
    let (cookie, origin) = (person.http.cookie_line(), node.url.clone());
    let upgrade = [
        ("cookie", cookie.as_str()),
        ("origin", origin.as_str()),
        ("sec-websocket-protocol", "engawa.v1"),
    ];
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(
            Socket::upgrade(node.address(), &upgrade, None)
                .await?
                .err()
                .unwrap_or(101),
        );
    }
    // The sample supporters came in from the same address before.
    let n_opened = statuses.iter().take_while(|status| **status == 101).count();
    assert!((1..=5).contains(&n_opened), "{statuses:?}");
    assert!(
        statuses[n_opened..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    Ok(())
}
