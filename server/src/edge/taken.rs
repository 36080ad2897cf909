//! A connection's stream, with a bound on how slowly an answer may be taken.
//!
//! Heads and bodies of requests have deadlines; without one for answers, a reader that takes a few bytes now and then would
//! hold its connection, and what waits for it, for ever. Only an answer that waits is timed: as long as the system's buffer
//! takes what is written, nobody is slow. An upgraded stream is taken out again: sockets have an outbox.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How slowly an answer may be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// While it waits, in each of these spans …
    pub(super) span: Duration,
    /// … at least so many bytes.
    pub(super) bytes_min: usize,
}

/// A stream whose other end must take what is written.
#[derive(Debug)]
pub struct Taken {
    stream: TcpStream,
    pace: Pace,
    waits: Option<Waits>,
}

/// What is written waits for the other end.
#[derive(Debug)]
struct Waits {
    /// The end of the present span.
    end: Pin<Box<Sleep>>,
    n_taken: usize,
}

impl Taken {
    pub(super) fn new(stream: TcpStream, pace: Pace) -> Self {
        Self {
            stream,
            pace,
            waits: None,
        }
    }

    /// The stream alone.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// What came of a write, or that the other end takes too little.
    fn watched(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(wrote) = wrote {
            if let (Some(waits), Ok(n)) = (&mut self.waits, &wrote) {
                waits.n_taken += n;
            }
            return Poll::Ready(wrote);
        }
        let span = self.pace.span;
        let waits = self.waits.get_or_insert_with(|| Waits {
            end: Box::pin(sleep(span)),
            n_taken: 0,
        });
        while waits.end.as_mut().poll(cx).is_ready() {
            if waits.n_taken < self.pace.bytes_min {
                // What the system still holds for it goes as well; it would wait there for as long. A refusal means that
                // the other end is gone.
                let _ = self.stream.set_zero_linger();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            waits.n_taken = 0;
            waits.end.as_mut().reset(Instant::now() + span);
        }
        Poll::Pending
    }
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked for once all that there was has been written: nothing waits any more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.waits = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);
    const PACE: Pace = Pace {
        span: Duration::from_millis(300),
        bytes_min: 4_096,
    };
    /// More than the buffers of both ends take.
    const MUCH: usize = 16 * 1024 * 1024;

    /// A watched end, and the other, which takes little at once.
    async fn pair() -> (Taken, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, other) = tokio::join!(listener.accept(), socket.connect(address));
        (Taken::new(accepted.unwrap().0, PACE), other.unwrap())
    }

    #[tokio::test]
    async fn whoever_takes_nothing_or_too_little_is_let_go() {
        for takes_some in [false, true] {
            let (mut ours, mut other) = pair().await;
            let reading = tokio::spawn(async move {
                let mut few = [0; 8];
                let mut n_read = 0;
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    if takes_some {
                        match other.read(&mut few).await {
                            Ok(n) if n > 0 => n_read += n,
                            _ => return n_read,
                        }
                    }
                }
            });
            let wrote = timeout(SOON, ours.write_all(&vec![7; MUCH])).await.unwrap();
            assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(ours);
            if takes_some {
                let n_read = timeout(SOON, reading).await.unwrap().unwrap();
                assert!(n_read < MUCH, "the rest is thrown away");
            } else {
                reading.abort();
            }
        }
    }

    #[tokio::test]
    async fn whoever_is_slow_and_takes_enough_gets_all() {
        let (mut ours, mut other) = pair().await;
        let reading = tokio::spawn(async move {
            let mut some = vec![0; 128 * 1024];
            let mut n_read = 0;
            let began = Instant::now();
            while n_read < MUCH {
                n_read += other.read(&mut some).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            began.elapsed()
        });
        let wrote = timeout(SOON, ours.write_all(&vec![7; MUCH])).await.unwrap();
        wrote.unwrap();
        ours.flush().await.unwrap();
        let took = timeout(SOON, reading).await.unwrap().unwrap();
        assert!(took > 2 * PACE.span, "it was slow: {took:?}");
    }

    #[tokio::test]
    async fn what_waited_before_does_not_count_for_what_waits_later() {
        let (mut ours, mut other) = pair().await;
        for _ in 0..3 {
            let much = vec![7; MUCH];
            let write = async {
                ours.write_all(&much).await.unwrap();
                ours.flush().await.unwrap();
            };
            let read = async {
                let mut got = vec![0; MUCH];
                other.read_exact(&mut got).await.unwrap();
            };
            timeout(SOON, async { tokio::join!(write, read) })
                .await
                .unwrap();
            tokio::time::sleep(2 * PACE.span).await;
        }
    }
}
