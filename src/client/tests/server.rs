//! A service that follows a test's script, on loopback and on the test's own clock.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// What the service does with one request.
pub enum Step {
    /// Sends these bytes, and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes, and closes the connection in good order.
    SendAndClose(Vec<u8>),
    /// Sends these bytes, and resets the connection.
    SendAndReset(Vec<u8>),
    /// Sends these bytes, and then nothing.
    SendAndStall(Vec<u8>),
    /// Sends these bytes, and then one byte every half minute, without an end.
    SendAndTrickle(Vec<u8>),
    /// Sends these bytes after this time, and keeps the connection.
    SendLate(Duration, Vec<u8>),
}

/// A request that the service received.
#[derive(Clone)]
pub struct Seen {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
    /// When it arrived.
    pub at: Instant,
}

/// The service; it ends with the test's runtime.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// A service that does `steps(n)` with its n-th request, counted from zero.
    pub async fn start(steps: impl Fn(usize) -> Step + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let steps = Arc::new(steps);
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (steps, requests) = (Arc::clone(&steps), Arc::clone(&requests));
                tokio::spawn(async move { serve(stream, &*steps, &requests).await });
            }
        });
        Self { url, seen }
    }

    /// All requests received so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request lines of all requests received so far.
    pub fn asked(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// A response with a body and its `content-length`.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status} Any\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Serves one connection.
async fn serve(mut stream: TcpStream, steps: &impl Fn(usize) -> Step, seen: &Mutex<Vec<Seen>>) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { head, body: String::from_utf8(body).unwrap(), at: Instant::now() });
            seen.len() - 1
        };
        match steps(number) {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::SendLate(time, bytes) => {
                sleep(time).await;
                stream.write_all(&bytes).await?;
            }
            Step::SendAndClose(bytes) => return stream.write_all(&bytes).await,
            Step::SendAndReset(bytes) => {
                stream.write_all(&bytes).await?;
                // The bytes must arrive before the reset, which could overtake them.
                sleep(Duration::from_millis(10)).await;
                return stream.set_zero_linger();
            }
            Step::SendAndStall(bytes) => {
                stream.write_all(&bytes).await?;
                std::future::pending::<()>().await;
            }
            Step::SendAndTrickle(bytes) => {
                stream.write_all(&bytes).await?;
                loop {
                    sleep(Duration::from_secs(30)).await;
                    stream.write_all(b" ").await?;
                }
            }
        }
    }
}
