//! Bodies in memory, and the gate that bounds how many requests and bytes are in flight.

use std::ops::Deref;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Mutex, watch};

/// A body as it arrived; while it, or a slice of its bytes, lives, these count as in flight.
#[derive(Debug, Clone)]
pub struct Body(Bytes);

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Body> for Bytes {
    fn from(body: Body) -> Self {
        body.0
    }
}

/// Bounds what is in flight: `requests` at once, and no new one while bodies of `bytes` or more are held.
///
/// A body counts from its first byte until whoever got it lets go of its last slice, so memory holds at most `bytes`
/// and one page more for each request that was admitted below that. When nothing is under way, the next request is admitted
/// whatever is held: streams that each hold a page while they ask for the next would otherwise wait for each other for ever.
/// They get on one at a time then, and what they hold is bounded by their own number.
pub struct Gate {
    requests: usize,
    bytes: usize,
    line: Mutex<()>,
    load: watch::Sender<Load>,
}

/// What is in flight.
#[derive(Default)]
struct Load {
    requests: usize,
    bytes: usize,
}

impl Gate {
    /// A gate with nothing in flight.
    pub fn new(requests: usize, bytes: usize) -> Arc<Self> {
        // None at all would wait for ever.
        let requests = requests.max(1);
        Arc::new(Self { requests, bytes, line: Mutex::new(()), load: watch::Sender::default() })
    }

    /// Returns, first come first served, when one more request may begin; it is under way as long as the passage lives.
    pub async fn enter(self: &Arc<Self>) -> Passage {
        let _head = self.line.lock().await;
        let mut changes = self.load.subscribe();
        while !self.load.send_if_modified(|load| self.admit(load)) {
            // The sender is this gate's own, so there is always a next change to wait for.
            if changes.changed().await.is_err() {
                break;
            }
        }
        Passage { gate: Arc::clone(self) }
    }

    /// Counts one more request, if there is room for it.
    fn admit(&self, load: &mut Load) -> bool {
        let room = load.requests == 0 || (load.requests < self.requests && load.bytes < self.bytes);
        load.requests += usize::from(room);
        room
    }
}

/// A request under way.
pub struct Passage {
    gate: Arc<Gate>,
}

impl Passage {
    /// A body that has yet to arrive.
    pub fn arrival(&self) -> Arrival {
        Arrival { buffer: BytesMut::new(), gate: Arc::clone(&self.gate) }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.gate.load.send_modify(|load| load.requests -= 1);
    }
}

/// The bytes of a body so far, and in the end all of them.
pub struct Arrival {
    buffer: BytesMut,
    gate: Arc<Gate>,
}

impl Arrival {
    /// How many bytes have come.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Makes room for as many bytes as are announced.
    pub fn reserve(&mut self, announced: usize) {
        self.buffer.reserve(announced);
    }

    /// Adds what came.
    pub fn push(&mut self, chunk: &[u8]) {
        // More bytes never open the gate: nobody needs to look again.
        self.gate.load.send_if_modified(|load| {
            load.bytes += chunk.len();
            false
        });
        self.buffer.extend_from_slice(chunk);
    }

    /// The whole body.
    pub fn finish(self) -> Body {
        Body(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Arrival {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let held = self.buffer.len();
        self.gate.load.send_modify(|load| load.bytes -= held);
    }
}
