//! How connections are taken: up to a number, and for as long as the other side takes its answers.
//!
//! `hyper` has a time for what is read and none for what is written, and the crates that have one
//! (`tokio-io-timeout`) also time what is read, which of a follower is nothing for days.

use std::future::{Future, Ready, ready};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Takes connections up to a number, and closes those beyond it at once.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) handle: Handle<SocketAddr>,
    pub(super) most: usize,
    pub(super) answer_time: Duration,
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Line<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        if self.handle.connection_count() > self.most {
            let reason = "there are as many connections as there may be";
            return ready(Err(io::Error::other(reason)));
        }
        let line = stream.set_nodelay(true).map(|()| Line::new(stream, self.answer_time));
        ready(line.map(|line| (line, service)))
    }
}

/// A connection that breaks once nothing of what is to be written was taken for a while. Where there
/// is nothing to write it lasts.
pub(super) struct Line<S> {
    inner: S,
    answer_time: Duration,
    /// Runs while something waits to be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Line<S> {
    fn new(inner: S, answer_time: Duration) -> Line<S> {
        Line { inner, answer_time, stuck: None }
    }

    /// Passes on what became of a write, or that it has taken too long.
    fn patiently<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(self.answer_time)));
        stuck.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.patiently(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.patiently(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn what_nobody_takes_breaks_the_line() {
        run(async {
            let (near, _far) = duplex(10);
            let mut line = Line::new(near, SHORT);
            let written = timeout(SHORT * 50, line.write_all(&[0; 11])).await;
            let error = written.expect("it does not wait for ever").expect_err("it is full");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn who_takes_a_little_now_and_then_is_waited_for_and_so_is_who_has_nothing_to_take() {
        run(async {
            let (near, mut far) = duplex(10);
            let mut line = Line::new(near, SHORT);
            let slowly = async {
                let mut taken = 0;
                while taken < 50 {
                    sleep(SHORT / 2).await;
                    taken += far.read(&mut [0; 10]).await?;
                }
                Ok(())
            };
            let both = futures_util::future::try_join(line.write_all(&[0; 50]), slowly);
            both.await.expect("all is taken");
            sleep(SHORT * 3).await;
            line.write_all(&[0; 10]).await.expect("nothing waited meanwhile");
        });
    }
}
