//! An echo over our own accept loop, handshake, reader and outbox, so that others' WebSocket tests can be run against
//! exactly the code that carries the rooms: `echo [MESSAGE_BYTES_MAX]` prints `{"url":"ws://127.0.0.1:PORT/ws"}`.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engawa::edge::listen::{Drain, serve};
use engawa::edge::ws::handshake::Handshake;
use engawa::edge::ws::socket::{CLOSE_AWAY, CLOSE_NORMAL, Reader, close_code};
use engawa::features::rooms::outbox::{Closing, Outbox};
use engawa::platform::settings::Limits;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// The largest message of the usual tests.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is what the caller reads")]
async fn main() -> anyhow::Result<()> {
    let message_bytes_max = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => MESSAGE_BYTES_MAX,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!(r#"{{"url":"ws://{}/ws"}}"#, listener.local_addr()?);
    let drain = Drain::new();
    let router = Router::new().route(
        "/ws",
        get(move |request: Request| async move { upgrade(request, message_bytes_max) }),
    );
    serve(
        listener,
        router,
        &Limits::default(),
        drain,
        Duration::from_secs(1),
    )
    .await;
    Ok(())
}

fn upgrade(request: Request, message_bytes_max: usize) -> Response {
    let Some(handshake) = Handshake::read(request.headers()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let outbox = Outbox::new(usize::MAX, usize::MAX);
        let taken = upgraded
            .await
            .ok()
            .and_then(|stream| Reader::take_over(stream, &outbox, message_bytes_max).ok());
        if let Some(mut reader) = taken {
            let code = echo(&mut reader, &outbox).await;
            outbox.close(Closing { code, bye: None });
            let _ = tokio::time::timeout(Duration::from_secs(5), outbox.ended()).await;
            outbox.end();
            reader.drain().await;
        }
    });
    handshake.accepted(None)
}

/// Says back what it reads; gives the close code.
async fn echo(reader: &mut Reader, outbox: &Outbox) -> u16 {
    loop {
        match reader.try_next() {
            Some(Ok(Message::Text(text))) => say(outbox, Data::Text, text.into()),
            Some(Ok(Message::Binary(bytes))) => say(outbox, Data::Binary, bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(close))) => {
                return close.map_or(CLOSE_NORMAL, |close| u16::from(close.code));
            }
            Some(Err(error)) => return close_code(&error),
            None => tokio::select! {
                readable = reader.readable() => if readable.is_err() { return CLOSE_AWAY },
                () = outbox.ended() => return CLOSE_AWAY,
            },
        }
    }
}

fn say(outbox: &Outbox, kind: Data, payload: Bytes) {
    let mut wire = Vec::with_capacity(payload.len() + 10);
    let frame = Frame::message(payload, OpCode::Data(kind), true);
    if frame.format(&mut wire).is_ok() {
        outbox.push_bytes(wire.into());
    }
}
