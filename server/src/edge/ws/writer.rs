//! The writing half: takes what is in the outbox, writes it in as few writes as there can be, and closes.

use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{Sink, SinkExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::features::rooms::outbox::{Closing, Item, Mark, Next, Outbox};
use crate::protocol::{Frame, ServerFrame};

/// The sink of a socket.
pub(super) type Half = SplitSink<WebSocketStream<TokioIo<Upgraded>>, Message>;

/// How long a closing word may take to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Writes until the connection closes. Returns once the close frame has left, or could not.
pub(super) async fn run(mut sink: Half, outbox: Outbox) {
    loop {
        match outbox.next().await {
            Next::Items(items, n_bytes) => {
                let n_frames = items
                    .iter()
                    .filter(|item| matches!(item, Item::Frame(_)))
                    .count();
                let written = tokio::select! {
                    written = write(&mut sink, items) => written,
                    // What is stuck may stay stuck; the reader comes back and resumes.
                    () = outbox.too_slow() => continue,
                };
                if written.is_err() {
                    outbox.close(Closing {
                        code: u16::from(CloseCode::Away),
                        bye: None,
                    });
                    return;
                }
                metrics::counter!("engawa_frames_out_total").increment(n_frames as u64);
                outbox.written(n_frames, n_bytes);
            }
            Next::Close(closing) => {
                let _ = tokio::time::timeout(CLOSE_WITHIN, close(&mut sink, closing)).await;
                return;
            }
        }
    }
}

async fn write<S>(sink: &mut S, items: Vec<Item>) -> Result<(), Error>
where
    S: Sink<Message, Error = Error> + Unpin,
{
    let mut marks: Vec<Mark> = Vec::new();
    for item in items {
        match item {
            Item::Frame(frame) => sink.feed(Message::Text(frame.into_text())).await?,
            Item::Ping => sink.feed(Message::Ping(Bytes::new())).await?,
            Item::Mark(mark) => marks.push(mark),
        }
    }
    sink.flush().await?;
    marks.into_iter().for_each(Mark::reached);
    Ok(())
}

async fn close(sink: &mut Half, closing: Closing) -> Result<(), Error> {
    if let Some((why, reconnect_after_ms)) = closing.bye {
        let bye = Frame::of(&ServerFrame::Bye {
            why,
            reconnect_after_ms,
        });
        sink.feed(Message::Text(bye.into_text())).await?;
    }
    let frame = CloseFrame {
        code: CloseCode::from(closing.code),
        reason: "".into(),
    };
    sink.send(Message::Close(Some(frame))).await
}
