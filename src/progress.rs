//! How far a run is, for people who watch it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::position::{self, Axis};

mod screen;

pub use screen::{Screen, counted, size};

/// How far each stream of a run is.
pub struct Progress {
    began: Instant,
    streams: Mutex<Vec<Reach>>,
}

/// How far one stream is.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// The stream.
    pub stream: &'static str,
    /// Records so far.
    pub records: u64,
    /// The size of their JSON in bytes.
    pub bytes: u64,
    /// Where it is on the time axis, if it has one.
    pub axis: Option<Axis>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { began: Instant::now(), streams: Mutex::default() }
    }
}

impl Progress {
    /// Counts a page of a stream.
    pub fn reached(&self, stream: &'static str, records: usize, bytes: usize, axis: Option<Axis>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let known = streams.iter().position(|reach| reach.stream == stream);
        let index = known.unwrap_or_else(|| {
            streams.push(Reach { stream, records: 0, bytes: 0, axis: None });
            streams.len() - 1
        });
        let reach = &mut streams[index];
        reach.records += records as u64;
        reach.bytes += bytes as u64;
        reach.axis = axis;
    }

    /// Removes a stream that has ended.
    pub fn ended(&self, stream: &str) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).retain(|reach| reach.stream != stream);
    }

    /// The streams that are being read.
    pub fn reading(&self) -> Vec<Reach> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long the run has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The estimated time left, judged by the stream with the smallest share done.
    pub fn left(&self) -> Option<Duration> {
        let share = self.reading().iter().filter_map(Reach::share).min_by(f64::total_cmp)?;
        // A hundredth or less is too little for an estimate.
        (share > 0.01).then(|| self.elapsed().mul_f64((1.0 - share) / share))
    }

    /// For a log: how far the streams with a time axis are, and the estimated time left.
    pub fn summary(&self) -> String {
        let places = self.reading().into_iter().filter_map(|reach| {
            let at = position::readable(reach.axis?.at);
            Some(format!("; {} is at {at}, {:.0} %", reach.stream, reach.share()? * 100.0))
        });
        let left = self.left().map(|left| format!("; about {} left", duration(left)));
        places.chain(left).collect()
    }
}

impl Reach {
    /// The share that is done of the stretch of the time axis to be read, from 0 to 1.
    pub fn share(&self) -> Option<f64> {
        let Axis { left, length, .. } = self.axis?;
        #[allow(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
        let share = 1.0 - left as f64 / length.max(1) as f64;
        Some(share.clamp(0.0, 1.0))
    }
}

/// A length of time in readable form, without seconds if it is a minute or more.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_stream_with_the_longest_way_says_how_long_it_takes() {
        let progress = Progress::default();
        assert_eq!((progress.left(), progress.summary()), (None, String::new()));
        tokio::time::advance(Duration::from_mins(1)).await;
        let length = 1_000_000_000_000_000_000;
        let axis = |at| Some(Axis { at, left: length - at, length });
        progress.reached("roles", 3, 100, None);
        progress.reached("chats", 1_000, 4_000_000, axis(250_000_000_000_000_000));
        progress.reached("conversions", 1_000, 400_000, axis(500_000_000_000_000_000));
        assert_eq!(progress.left(), Some(Duration::from_mins(3)));
        let summary =
            "; chats is at 1977-12-03T12:26:40Z, 25 %; conversions is at 1985-11-05T00:53:20Z, 50 %; about 3 min left";
        assert_eq!(progress.summary(), summary);
        progress.reached("chats", 500, 1_000, axis(2_000_000_000_000_000_000));
        assert_eq!((progress.reading()[1].records, progress.reading()[1].share()), (1_500, Some(1.0)));
        progress.ended("chats");
        assert_eq!(progress.left(), Some(Duration::from_mins(1)));
    }

    #[test]
    fn lengths_are_written_as_people_say_them() {
        let texts = [0, 59, 60, 61, 3_599, 3_600, 90_061].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0 s", "59 s", "1 min", "2 min", "60 min", "1 h 0 min", "25 h 1 min"]);
    }
}
