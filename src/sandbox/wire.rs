//! Connections that can be made to break in the middle of an answer.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The end of an answer's head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// How much more a connection lets out before it breaks.
#[derive(Clone, Copy)]
enum Cut {
    /// Everything.
    Never,
    /// Nothing: the peer sees a reset.
    Reset,
    /// The head of the answer and so many bytes of its body.
    AfterHead(usize),
    /// So many bytes: the peer sees an end.
    After(usize),
}

/// A hold on one connection, to break it.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<Cut>>);

impl Wire {
    /// Breaks the connection instead of answering.
    pub fn cut_now(&self) {
        self.set(Cut::Reset);
    }

    /// Breaks the connection after `bytes` of the next answer's body.
    pub fn cut_in_body(&self, bytes: usize) {
        self.set(Cut::AfterHead(bytes));
    }

    /// Decides how the connection breaks.
    fn set(&self, cut: Cut) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    /// How much of `bytes` may go out; none where everything may.
    fn allowance(&self, bytes: &[u8]) -> Option<usize> {
        let mut cut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Cut::AfterHead(of_body) = *cut {
            let head = memchr::memmem::find(bytes, END_OF_HEAD).map_or(0, |at| at + END_OF_HEAD.len());
            *cut = Cut::After(head + of_body);
        }
        match *cut {
            Cut::Reset => Some(0),
            Cut::After(left) => Some(left),
            Cut::Never | Cut::AfterHead(_) => None,
        }
    }

    /// Whether everything may go out.
    fn is_whole(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Cut::Never)
    }

    /// Whether the peer is to see a reset.
    fn is_reset(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Cut::Reset)
    }

    /// Counts what has gone out.
    fn went_out(&self, bytes: usize) {
        let mut cut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Cut::After(left) = &mut *cut {
            *left = left.saturating_sub(bytes);
        }
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().wire.clone()
    }
}

/// Accepts breakable connections.
pub struct Door(pub TcpListener);

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it a small answer may wait for the client's acknowledgement; with a broken socket nothing is lost.
        _ = stream.set_nodelay(true);
        (Connection { stream, wire: Wire(Arc::new(Mutex::new(Cut::Never))) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that breaks when its wire is cut.
pub struct Connection {
    stream: TcpStream,
    wire: Wire,
}

impl Connection {
    /// Ends the connection the way it was decided.
    fn break_off(&self) -> io::Error {
        if self.wire.is_reset() {
            // Where this cannot be set, the peer sees an orderly end without an answer, which is as good.
            _ = self.stream.set_zero_linger();
        }
        io::ErrorKind::ConnectionReset.into()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(allowed) = self.wire.allowance(bytes) else {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        if allowed == 0 {
            return Poll::Ready(Err(self.break_off()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed.min(bytes.len())]);
        if let Poll::Ready(Ok(count)) = &written {
            self.wire.went_out(*count);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.wire.is_whole() {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    /// Else every page would be copied once more, next to its head.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
