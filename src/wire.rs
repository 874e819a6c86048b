//! Requests and response bodies, and the gate that limits how many of both are in flight.

use std::fmt;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, watch};

/// One GET request: a path below the base, a query, and the largest number of records to return.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The path below the base, by which errors and logs name the request.
    pub path: String,
    /// The query, without the limit.
    pub query: Vec<(&'static str, String)>,
    /// The largest number of records to return, sent as `limit`.
    pub limit: Option<u32>,
}

/// A response body. Its bytes count as in flight until its `MemoryGuard` is dropped.
pub struct Body {
    bytes: Vec<u8>,
    held: MemoryGuard,
}

/// Counts bytes as in flight until it is dropped.
#[derive(Default)]
pub struct MemoryGuard {
    bytes: usize,
    /// None for bytes that no gate counts.
    gate: Option<Arc<Gate>>,
}

impl From<Vec<u8>> for Body {
    /// A body that no gate counts.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, held: MemoryGuard::default() }
    }
}

impl Body {
    /// The bytes, and the guard that counts them. A reader keeps the guard as long as it keeps the bytes.
    pub fn into_parts(self) -> (Vec<u8>, MemoryGuard) {
        (self.bytes, self.held)
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for Body {
    /// The size alone: the content belongs in no log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Body({} bytes)", self.bytes.len())
    }
}

impl MemoryGuard {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        // More bytes never open the gate, so no waiting request needs to check it again.
        self.gate.iter().for_each(|gate| {
            gate.load.send_if_modified(|load| {
                load.bytes += bytes;
                false
            });
        });
    }

    /// Gives back the buffer of a body that was read, to be reused for the next one.
    pub fn give_back(&mut self, mut memory: Vec<u8>) {
        let Some(gate) = &self.gate else { return };
        let mut spare = gate.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if kept + memory.capacity() <= gate.bytes {
            memory.clear();
            spare.push(memory);
        }
    }
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.load.send_modify(|load| load.bytes -= self.bytes);
        }
    }
}

/// Limits what is in flight: at most `requests` at once, and no new one while the bodies in memory have `bytes` or
/// more.
///
/// A body counts from its first byte until its `MemoryGuard` is dropped, so memory holds at most `bytes`, plus one page
/// for each request that was admitted below that limit. When no request is under way, the next one is admitted however
/// many bytes are held. Otherwise, streams that each hold a page while they request the next one would wait for each
/// other for ever. In that case they proceed one at a time, and the bytes they hold are limited by the number of
/// streams.
pub(crate) struct Gate {
    requests: usize,
    bytes: usize,
    line: Mutex<()>,
    load: watch::Sender<Load>,
    /// Buffers of bodies that were read, for reuse. A page has megabytes, and blocks of that size that several threads
    /// allocate and free in turn fragment the heap.
    spare: std::sync::Mutex<Vec<Vec<u8>>>,
}

/// The requests and the bytes in flight.
#[derive(Default)]
struct Load {
    requests: usize,
    bytes: usize,
}

impl Gate {
    /// A gate with nothing in flight.
    pub fn new(requests: usize, bytes: usize) -> Arc<Self> {
        // If no request were allowed, every caller would wait for ever.
        let requests = requests.max(1);
        Arc::new(Self {
            requests,
            bytes,
            line: Mutex::new(()),
            load: watch::Sender::default(),
            spare: std::sync::Mutex::default(),
        })
    }

    /// How many requests may be under way at once.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Waits, first come first served, until one more request may begin. The request counts as under way until the
    /// passage is dropped.
    pub async fn enter(self: &Arc<Self>) -> Passage {
        let _head = self.line.lock().await;
        self.enter_below(|| usize::MAX).await
    }

    /// Waits until one more request may begin and fewer than `useful` are under way.
    pub async fn enter_below(self: &Arc<Self>, useful: impl Fn() -> usize) -> Passage {
        let mut changes = self.load.subscribe();
        while !self.load.send_if_modified(|load| load.requests < useful() && self.admit(load)) {
            // The gate owns the sender, so waiting for the next change cannot fail.
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
pub(crate) struct Passage {
    gate: Arc<Gate>,
}

impl Passage {
    /// An empty body, to be filled with the bytes that arrive.
    pub fn arrival(&self) -> Arrival {
        let spare = self.gate.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let held = MemoryGuard { bytes: 0, gate: Some(Arc::clone(&self.gate)) };
        Arrival(Body { bytes: spare.unwrap_or_default(), held })
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.gate.load.send_modify(|load| load.requests -= 1);
    }
}

/// A body that is still arriving.
pub(crate) struct Arrival(Body);

impl Arrival {
    /// How many bytes have arrived.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reserves memory for the announced number of bytes.
    pub fn reserve(&mut self, announced: usize) {
        self.0.bytes.reserve(announced);
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, chunk: &[u8]) {
        self.0.held.add(chunk.len());
        self.0.bytes.extend_from_slice(chunk);
    }

    /// The whole body.
    pub fn finish(self) -> Body {
        self.0
    }
}

impl AsRef<[u8]> for Arrival {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Whether the gate is open now; the passage is dropped at once.
    async fn is_open(gate: &Arc<Gate>) -> bool {
        timeout(Duration::from_millis(1), gate.enter()).await.is_ok()
    }

    fn body(passage: &Passage, bytes: usize) -> Body {
        let mut arrival = passage.arrival();
        arrival.push(&vec![0; bytes]);
        arrival.finish()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_than_allowed_are_under_way() {
        let gate = Gate::new(2, 100);
        let first = gate.enter().await;
        let second = gate.enter().await;
        assert!(!is_open(&gate).await);
        drop(first);
        assert!(is_open(&gate).await);
        drop(second);
        assert!(is_open(&Gate::new(0, 0)).await, "none at all would wait for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn held_bytes_keep_further_requests_out() {
        let gate = Gate::new(10, 100);
        let under_way = gate.enter().await;
        let mut arrival = under_way.arrival();
        arrival.push(&[0; 99]);
        assert!(is_open(&gate).await);
        arrival.push(&[0; 1]);
        assert!(!is_open(&gate).await, "an arriving body counts");
        let body = arrival.finish();
        assert!(!is_open(&gate).await, "a body that lives counts");
        assert_eq!(format!("{body:?}"), "Body(100 bytes)");
        let (_, slice) = body.into_parts();
        assert!(!is_open(&gate).await, "who reads a body keeps it counted");
        drop(slice);
        assert!(is_open(&gate).await);
        assert_eq!(gate.load.borrow().bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_came_to_its_end_counts_no_more() {
        let gate = Gate::new(10, 100);
        let under_way = gate.enter().await;
        let mut arrival = under_way.arrival();
        arrival.push(&[0; 200]);
        drop(arrival);
        assert!(is_open(&gate).await);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_hold_a_page_while_they_ask_for_the_next_get_on() {
        let gate = Gate::new(4, 100);
        let mut streams = tokio::task::JoinSet::new();
        for _ in 0..15 {
            let gate = Arc::clone(&gate);
            streams.spawn(async move {
                let mut held = body(&gate.enter().await, 90);
                for _ in 0..20 {
                    let passage = gate.enter().await;
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    let next = body(&passage, 90);
                    drop(passage);
                    held = next;
                }
                held.len()
            });
        }
        let read = timeout(Duration::from_mins(1), streams.join_all()).await.expect("nobody waits for ever");
        assert_eq!(read, vec![90; 15]);
        assert_eq!(gate.load.borrow().bytes, 0);
        assert_eq!(gate.load.borrow().requests, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_is_not_counted() {
        let gate = Gate::new(1, 100);
        let under_way = gate.enter().await;
        assert!(!is_open(&gate).await);
        drop(under_way);
        assert!(is_open(&gate).await);
        assert_eq!(gate.load.borrow().requests, 0);
    }
}
