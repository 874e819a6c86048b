//! Connections that can be made to break or fall silent in the middle of an answer.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// The end of an answer's head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A place in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After this many bytes, the head included.
    Answer(usize),
    /// After the head and this many bytes of the body.
    Body(usize),
}

/// What happens at a place in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The peer sees a reset.
    Reset,
    /// The peer sees the connection end.
    End,
    /// Nothing is sent for this long, then the rest.
    Silence(Duration),
}

/// A handle on one connection, which can disturb the next answer sent on it.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<Option<(Place, Event)>>>);

impl Wire {
    /// Makes `event` happen at `place` in the next answer.
    pub fn disturb(&self, place: Place, event: Event) {
        *self.disturbance() = Some((place, event));
    }

    /// How many bytes may be sent before the event happens; `None` if no event is due.
    fn allowance(&self, bytes: &[u8]) -> Option<usize> {
        let mut disturbance = self.disturbance();
        let (place, _) = disturbance.as_mut()?;
        if let Place::Body(of_body) = *place {
            let head = memchr::memmem::find(bytes, END_OF_HEAD).map_or(0, |at| at + END_OF_HEAD.len());
            *place = Place::Answer(head + of_body);
        }
        match *place {
            Place::Answer(left) | Place::Body(left) => Some(left),
        }
    }

    /// Counts bytes that were sent.
    fn went_out(&self, bytes: usize) {
        if let Some((Place::Answer(left), _)) = &mut *self.disturbance() {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes the event, so that it happens only once.
    fn happen(&self) -> Option<Event> {
        self.disturbance().take().map(|(_, event)| event)
    }

    /// Whether no event is due.
    fn is_undisturbed(&self) -> bool {
        self.disturbance().is_none()
    }

    fn disturbance(&self) -> MutexGuard<'_, Option<(Place, Event)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().wire.clone()
    }
}

/// Accepts connections that can be disturbed.
pub struct Door(pub TcpListener);

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without this, a small answer may wait for the client's acknowledgement. An error can be ignored: it only
        // means that the socket is already broken.
        _ = stream.set_nodelay(true);
        (Connection { stream, wire: Wire(Arc::new(Mutex::new(None))), silence: None }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be disturbed.
pub struct Connection {
    stream: TcpStream,
    wire: Wire,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Carries out an event: after a silence the connection continues, any other event ends it with an error.
    fn meet(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Silence(duration) => {
                self.silence = Some(Box::pin(sleep(duration)));
                return Ok(());
            }
            // If this fails, the peer sees a regular end in the middle of the answer instead, which serves the same
            // purpose.
            Event::Reset => _ = self.stream.set_zero_linger(),
            Event::End => {}
        }
        Err(io::ErrorKind::ConnectionReset.into())
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
        loop {
            if let Some(silence) = &mut self.silence {
                ready!(silence.as_mut().poll(context));
                self.silence = None;
            }
            let Some(allowed) = self.wire.allowance(bytes) else {
                return Pin::new(&mut self.stream).poll_write(context, bytes);
            };
            if allowed > 0 {
                let written =
                    ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed.min(bytes.len())]))?;
                self.wire.went_out(written);
                return Poll::Ready(Ok(written));
            }
            if let Some(event) = self.wire.happen() {
                self.meet(event)?;
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.wire.is_undisturbed() && self.silence.is_none() {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    /// Without vectored writes, every page would be copied once more, to join it to its head.
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
