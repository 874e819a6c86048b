//! Tests of the thread that writes to stdout.

use std::sync::mpsc;

use super::*;

/// A writer that passes its input on to a test, or fails.
struct Tap {
    lines: mpsc::Sender<Vec<u8>>,
    fail: Option<ErrorKind>,
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.fail {
            return Err(kind.into());
        }
        self.lines.send(bytes.to_vec()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tapped(fail: Option<ErrorKind>) -> (Stdout, mpsc::Receiver<Vec<u8>>) {
    let (lines, tap) = mpsc::channel();
    (Stdout::onto(Tap { lines, fail }), tap)
}

#[tokio::test]
async fn lines_come_out_in_the_order_in_which_they_went_in() {
    let (output, tap) = tapped(None);
    output.write(b"one\n".to_vec()).await.unwrap();
    output.note("two\n".to_owned());
    let (seen, done) = mpsc::channel();
    output.after(move || seen.send(()).map_err(io::Error::other)).unwrap();
    output.write(b"three\n".to_vec()).await.unwrap();
    output.drained().await.unwrap();
    assert_eq!(tap.try_iter().collect::<Vec<_>>().concat(), b"one\ntwo\nthree\n");
    done.try_recv().unwrap();
}

#[tokio::test]
async fn a_closed_reader_is_reported_to_the_next_write() {
    let (output, _tap) = tapped(Some(ErrorKind::BrokenPipe));
    output.write(b"one\n".to_vec()).await.unwrap();
    assert_eq!(output.broke().await.kind(), Kind::OutputClosed);
    assert_eq!(output.write(b"two\n".to_vec()).await.unwrap_err().kind(), Kind::OutputClosed);
    assert_eq!(output.drained().await.unwrap_err().kind(), Kind::OutputClosed);
}

#[tokio::test]
async fn a_full_disk_and_a_failed_afterthought_are_reported() {
    let (output, _tap) = tapped(Some(ErrorKind::StorageFull));
    output.write(b"one\n".to_vec()).await.unwrap();
    let error = output.broke().await;
    assert_eq!(error.kind(), Kind::Output);
    assert!(error.to_string().starts_with("stdout cannot be written"), "{error}");
    let (output, _tap) = tapped(None);
    output.after(|| Err(io::Error::other("the state file cannot be written"))).unwrap();
    assert_eq!(output.broke().await.to_string(), "the state file cannot be written");
}

#[tokio::test]
async fn nothing_follows_the_end() {
    let (output, tap) = tapped(None);
    output.write(b"one\n".to_vec()).await.unwrap();
    output.close_within(Duration::MAX).await;
    output.note("two\n".to_owned());
    assert_eq!(output.drained().await.unwrap_err().kind(), Kind::Output);
    assert_eq!(tap.try_iter().collect::<Vec<_>>().concat(), b"one\n");
}

#[tokio::test]
async fn a_slow_reader_makes_writers_wait() {
    let (go, wait) = mpsc::channel::<()>();
    let (output, _tap) = tapped(None);
    output.after(move || wait.recv().map_err(io::Error::other)).unwrap();
    output.write(vec![b'\n'; WAITING]).await.unwrap();
    let mut waiting = Box::pin(output.write(b"next\n".to_vec()));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("written although the reader has taken nothing"),
        () = std::future::ready(()) => {}
    }
    go.send(()).unwrap();
    waiting.await.unwrap();
}
