//! Where log events go: LOG messages on stdout under the four Airbyte commands, text on stderr elsewhere.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::progress::Screen;
use crate::protocol;
use crate::secrets::Secrets;
use crate::stdout::Stdout;

/// Where log events are written.
pub enum Destination {
    /// As LOG messages.
    Protocol(Stdout),
    /// As text on stderr.
    Stderr(Screen),
}

/// Writes each event of this program as one line, without secrets.
struct Lines {
    destination: Destination,
    secrets: Secrets,
    most: Level,
}

/// Sends this program's events, up to the level `most`, to `destination` from now on.
pub fn install(destination: Destination, secrets: Secrets, most: Level) {
    let lines = Lines { destination, secrets, most };
    // A second installation in the same process, which happens in tests, has no effect.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > self.most || !event.metadata().target().starts_with("source_zendesk_chat") {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let message = self.secrets.hide(&format!("{}{}", text.message, text.fields));
        match &self.destination {
            Destination::Protocol(output) => output.note(protocol::log(level.as_str(), &message)),
            Destination::Stderr(screen) => screen.line(&format!("{level:>5} {message}")),
        }
    }
}

/// An event's message, and its fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
