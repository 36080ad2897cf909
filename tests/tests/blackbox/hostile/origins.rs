//! Origins that somebody else would send: against the upgrade, a call and a form.

use anyhow::{Context, Result, ensure};
use engawa_tests::{Db, House, tell};

use super::stage::{log_is_calm, raw_call};

/// What an origin gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// It is ours.
    In,
    /// 403 `wrong_origin`, everywhere.
    Nothing,
    /// No browser sent it: calls and forms pass, a socket does not.
    CallsOnly,
    /// It is no HTTP.
    NoAnswer,
}

/// The kinds; in a line `{own}` is the origin that is called, `{host}` its host with the port, `{port}` the port.
const KINDS: &[(&str, &[&[u8]], Gets)] = &[
    ("our own", &[b"Origin: {own}"], Gets::In),
    (
        "our own, with the fetch metadata of a browser",
        &[b"Origin: {own}", b"Sec-Fetch-Site: same-origin"],
        Gets::In,
    ),
    // Scheme and host have no case (RFC 3986, 6.2.2.1), and no other site can have this one's.
    (
        "our own in upper case",
        &[b"Origin: HTTP://{host}"],
        Gets::In,
    ),
    // Spaces around a value are no part of it (RFC 9110, 5.5).
    ("our own in spaces", &[b"Origin:  \t {own} \t"], Gets::In),
    ("none", &[], Gets::CallsOnly),
    ("null", &[b"Origin: null"], Gets::Nothing),
    ("empty", &[b"Origin:"], Gets::Nothing),
    (
        "another host",
        &[b"Origin: https://evil.example"],
        Gets::Nothing,
    ),
    (
        "another host with our port",
        &[b"Origin: http://evil.example:{port}"],
        Gets::Nothing,
    ),
    (
        "another scheme",
        &[b"Origin: https://{host}"],
        Gets::Nothing,
    ),
    (
        "the scheme of the socket",
        &[b"Origin: ws://{host}"],
        Gets::Nothing,
    ),
    (
        "another port",
        &[b"Origin: http://127.0.0.1:9"],
        Gets::Nothing,
    ),
    ("no port", &[b"Origin: http://127.0.0.1"], Gets::Nothing),
    (
        "the port with a zero before it",
        &[b"Origin: http://127.0.0.1:0{port}"],
        Gets::Nothing,
    ),
    (
        "another name of this machine",
        &[b"Origin: http://localhost:{port}"],
        Gets::Nothing,
    ),
    (
        "this machine by IPv6",
        &[b"Origin: http://[::1]:{port}"],
        Gets::Nothing,
    ),
    (
        "this address written as IPv6",
        &[b"Origin: http://[::ffff:127.0.0.1]:{port}"],
        Gets::Nothing,
    ),
    (
        "this address as one number",
        &[b"Origin: http://2130706433:{port}"],
        Gets::Nothing,
    ),
    (
        "this address cut short",
        &[b"Origin: http://127.1:{port}"],
        Gets::Nothing,
    ),
    (
        "a trailing dot",
        &[b"Origin: http://127.0.0.1.:{port}"],
        Gets::Nothing,
    ),
    ("a suffix", &[b"Origin: {own}.evil.example"], Gets::Nothing),
    ("a prefix", &[b"Origin: http://evil{host}"], Gets::Nothing),
    ("a subdomain", &[b"Origin: http://a.{host}"], Gets::Nothing),
    (
        "us as user info",
        &[b"Origin: {own}@evil.example"],
        Gets::Nothing,
    ),
    (
        "user info before us",
        &[b"Origin: http://user:word@{host}"],
        Gets::Nothing,
    ),
    ("a slash after us", &[b"Origin: {own}/"], Gets::Nothing),
    (
        "us as a path",
        &[b"Origin: http://evil.example/{host}"],
        Gets::Nothing,
    ),
    (
        "a query after us",
        &[b"Origin: {own}?evil.example"],
        Gets::Nothing,
    ),
    (
        "a fragment after us",
        &[b"Origin: {own}#evil.example"],
        Gets::Nothing,
    ),
    ("backslashes", &[b"Origin: http:\\\\{host}"], Gets::Nothing),
    ("no slashes", &[b"Origin: http:{host}"], Gets::Nothing),
    (
        "full-width digits",
        &["Origin: http://１２７.0.0.1:{port}".as_bytes()],
        Gets::Nothing,
    ),
    (
        "an international name",
        &["Origin: http://縁側.example:{port}".as_bytes()],
        Gets::Nothing,
    ),
    (
        "the same in ASCII",
        &[b"Origin: http://xn--dckwcn.example:{port}"],
        Gets::Nothing,
    ),
    ("bytes", &[b"Origin: http://\xff\xfe"], Gets::Nothing),
    (
        "a space within",
        &[b"Origin: http://127.0.0.1 :{port}"],
        Gets::Nothing,
    ),
    (
        "two in one line",
        &[b"Origin: {own}, https://evil.example"],
        Gets::Nothing,
    ),
    (
        "two in one line, by a space",
        &[b"Origin: https://evil.example {own}"],
        Gets::Nothing,
    ),
    (
        "ours and another",
        &[b"Origin: {own}", b"Origin: https://evil.example"],
        Gets::Nothing,
    ),
    (
        "another and ours",
        &[b"Origin: https://evil.example", b"Origin: {own}"],
        Gets::Nothing,
    ),
    (
        "ours twice",
        &[b"Origin: {own}", b"Origin: {own}"],
        Gets::Nothing,
    ),
    ("a file", &[b"Origin: file://"], Gets::Nothing),
    (
        "an extension",
        &[b"Origin: chrome-extension://abcdefghijklmnop"],
        Gets::Nothing,
    ),
    (
        "ours, but the browser says cross-site",
        &[b"Origin: {own}", b"Sec-Fetch-Site: cross-site"],
        Gets::Nothing,
    ),
    (
        "ours, but the browser says same-site",
        &[b"Origin: {own}", b"Sec-Fetch-Site: same-site"],
        Gets::Nothing,
    ),
    (
        "only the browser's word that it is another site",
        &[b"Sec-Fetch-Site: cross-site"],
        Gets::Nothing,
    ),
    (
        "a header folded over two lines",
        &[b"Origin: {own}", b" .evil.example"],
        Gets::NoAnswer,
    ),
    ("a NUL", &[b"Origin: {own}\x00"], Gets::NoAnswer),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_origin_opens_no_socket_and_changes_nothing() -> Result<()> {
    let house = House::new(Db::Sqlite).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut witness = node.tojisha("みている").await?.enter(room).await?;
    let person = node.tojisha("だれかのいたずら").await?;
    let address = node.address();
    let own = format!("http://{address}");
    let port = address.rsplit(':').next().unwrap_or_default();
    let cookie = person.http.cookie_line();
    let draft = format!("/api/v1/drafts/room/{room}");
    let mut n_refused = 0;
    for (idx, (kind, lines, gets)) in KINDS.iter().enumerate() {
        let mut origin = Vec::new();
        for line in *lines {
            origin.extend(filled(line, &own, address, port));
            origin.extend_from_slice(b"\r\n");
        }
        let head = |first: &str, more: &str| {
            let mut head =
                format!("{first} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n{more}")
                    .into_bytes();
            head.extend_from_slice(&origin);
            head
        };
        let mut socket = head(
            "GET /ws",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: engawa.v1\r\n",
        );
        socket.extend_from_slice(b"\r\n");
        let body = format!("{{\"body\": \"kept {idx}\"}}");
        let mut call = head(
            &format!("PUT {draft}"),
            &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ),
        );
        call.extend_from_slice(format!("\r\n{body}").as_bytes());
        let fields = format!("key=o-{idx}&body=said%20{idx}");
        let mut form = head(
            &format!("POST /r/{room}/say"),
            &format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                fields.len()
            ),
        );
        form.extend_from_slice(format!("\r\n{fields}").as_bytes());

        let (socket, call, kept, form) = async {
            let socket = raw_call(&node, &socket).await?;
            let call = raw_call(&node, &call).await?;
            let kept = person.http.get(&draft).await?;
            // A line that is said is no draft any more, so this comes after it.
            let form = raw_call(&node, &form).await?;
            anyhow::Ok((socket, call, kept, form))
        }
        .await
        .context(*kind)?;
        let statuses = (socket.0, call.0, form.0);
        let due = match gets {
            Gets::In => (101, 204, 303),
            Gets::Nothing => (403, 403, 403),
            Gets::CallsOnly => (403, 204, 303),
            Gets::NoAnswer => (400, 400, 400),
        };
        ensure!(statuses == due, "{kind}: {statuses:?}, not {due:?}");
        if *gets == Gets::Nothing {
            n_refused += 1;
            for (what, body) in [("the upgrade", socket.1), ("the call", call.1)] {
                ensure!(
                    body.contains("\"wrong_origin\""),
                    "{kind}: {what} answered {body}"
                );
            }
        }
        // What passed is there, and what did not is not.
        let passed = matches!(gets, Gets::In | Gets::CallsOnly);
        ensure!(
            kept.text().contains(&format!("kept {idx}\"")) == passed,
            "{kind}: the draft is {}",
            kept.text()
        );
        let said = witness.barrier().await?;
        let heard = said
            .iter()
            .any(|frame| frame["type"] == "said" && frame["body"] == format!("said {idx}"));
        ensure!(heard == passed, "{kind}: {said:?}");
    }
    log_is_calm(&house)?;
    tell(&format!(
        "show: forged origins: {n_refused} kinds refused by upgrade, call and form, {} others as they must be",
        KINDS.len() - n_refused
    ));
    Ok(())
}

fn filled(line: &[u8], own: &str, host: &str, port: &str) -> Vec<u8> {
    let mut filled = line.to_vec();
    for (name, value) in [("{own}", own), ("{host}", host), ("{port}", port)] {
        while let Some(at) = filled
            .windows(name.len())
            .position(|part| part == name.as_bytes())
        {
            filled.splice(at..at + name.len(), value.bytes());
        }
    }
    filled
}
