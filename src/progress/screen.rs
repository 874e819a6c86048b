//! stderr for people: lines, with progress bars below them if it is a terminal.

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, interval};

use super::{Progress, Reach, duration};
use crate::position;

/// How often the bars are redrawn.
const FRAME: Duration = Duration::from_millis(200);

/// The period in which a quota counts requests.
const MINUTE: Duration = Duration::from_mins(1);

/// The number of steps of a bar.
const STEPS: f64 = 1_000.0;

/// The output for lines and bars. Clones share it.
#[derive(Clone, Default)]
pub struct Screen {
    bars: Option<MultiProgress>,
}

impl Screen {
    /// stderr, with bars if they are wanted and stderr is a terminal.
    pub fn of_stderr(with_bars: bool) -> Self {
        let with_bars = with_bars && std::io::stderr().is_terminal();
        Self { bars: with_bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())) }
    }

    /// Writes a line, above the bars.
    pub fn line(&self, text: &str) {
        let shown = self.bars.as_ref().is_some_and(|bars| bars.println(text).is_ok());
        if !shown {
            // If stderr cannot be written, there is nowhere left to report that.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Shows how far a run is, for as long as this future is awaited.
    pub async fn show(&self, progress: &Progress, requests: impl Fn() -> u64, requests_per_minute: f64) -> ! {
        let Some(bars) = &self.bars else { std::future::pending().await };
        let mut view = View {
            bars,
            total: bars.add(bar("{msg}")),
            streams: BTreeMap::new(),
            past: VecDeque::from([(Instant::now(), 0)]),
        };
        let mut frames = interval(FRAME);
        loop {
            frames.tick().await;
            view.draw(progress, requests(), requests_per_minute);
        }
    }

    /// Removes the bars.
    pub fn clear(&self) {
        if let Some(bars) = &self.bars {
            // Bars that cannot be cleared stay, which does no harm.
            let _ = bars.clear();
        }
    }
}

/// The bars of a run.
struct View<'screen> {
    bars: &'screen MultiProgress,
    total: ProgressBar,
    streams: BTreeMap<&'static str, ProgressBar>,
    /// The total of requests at each frame of the last minute.
    past: VecDeque<(Instant, u64)>,
}

impl View<'_> {
    fn draw(&mut self, progress: &Progress, requests: u64, requests_per_minute: f64) {
        let reading = progress.reading();
        self.streams.retain(|stream, bar| {
            let stays = reading.iter().any(|reach| reach.stream == *stream);
            if !stays {
                self.bars.remove(bar);
            }
            stays
        });
        for reach in &reading {
            let bars = self.bars;
            let before = &self.total;
            let bar = self.streams.entry(reach.stream).or_insert_with(|| {
                let bar = bars.insert_before(before, bar("{prefix:17} {bar:24} {msg}"));
                bar.set_prefix(reach.stream);
                bar
            });
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1,000 steps")]
            bar.set_position((reach.share().unwrap_or_default() * STEPS) as u64);
            bar.set_message(describe(reach));
        }
        let used = self.last_minute(requests) / requests_per_minute * 100.0;
        let left = progress.left().map(|left| format!(", about {} left", duration(left))).unwrap_or_default();
        self.total.set_message(format!(
            "{} requests, {used:.0} % of the quota, {}{left}",
            HumanCount(requests),
            duration(progress.elapsed())
        ));
    }

    /// The number of requests in the last minute.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
    fn last_minute(&mut self, requests: u64) -> f64 {
        let now = Instant::now();
        self.past.push_back((now, requests));
        while self.past.front().is_some_and(|(at, _)| now - *at > MINUTE) {
            self.past.pop_front();
        }
        (requests - self.past.front().map_or(requests, |(_, before)| *before)) as f64
    }
}

fn describe(reach: &Reach) -> String {
    let at = reach.axis.map(|axis| format!("{}  ", position::readable(axis.at).split_at(10).0)).unwrap_or_default();
    format!("{at}{} rows  {}", counted(reach.records), size(reach.bytes))
}

/// A number with separators between its thousands.
pub fn counted(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number of bytes in readable form.
pub fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

fn bar(template: &str) -> ProgressBar {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 1,000")]
    let bar = ProgressBar::new(STEPS as u64);
    // All templates are literals of this file. If one is wrong, the bar keeps its default style.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}
