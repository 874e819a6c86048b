//! Pages of the five incremental exports: the valid requests, the records of a page and its envelope.

use std::fmt::Write;

use super::answer::Answer;
use super::data::{Account, ByEnd, Entries, Entry, Export, Pen, SECOND, Series};
use super::options::{Behaviour, Bound, FiveMinuteRule, Ids, TimelineOrder};
use super::query::Query;

/// The most records a page of an export holds.
const MOST: usize = 1_000;

/// How far in the past a `start_time` must lie.
const FIVE_MINUTES: i64 = 300 * SECOND;

/// About the most bytes that a record takes, so that a page's buffer is allocated only once.
const ROOM_FOR_RECORD: usize = 4_500;

/// A place in an export; times in microseconds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    time: i64,
    id: Option<String>,
}

/// A request for a page.
pub struct Request<'a> {
    export: Export,
    query: &'a Query,
    position: Position,
    limit: usize,
}

/// A page and the position after it, in microseconds.
pub struct Page {
    /// The body of the answer.
    pub body: Vec<u8>,
    /// Where the next page begins.
    pub end: i64,
}

impl<'a> Request<'a> {
    /// The request in a query, or the refusal of an invalid one.
    pub fn parse(export: Export, query: &'a Query, behaviour: &Behaviour) -> Result<Self, Answer> {
        let time = query.get("start_time").map_or(Ok(0), |text| parse_time(export, text));
        let limit = query.get("limit").map_or(Ok(MOST), str::parse);
        let (Some(time), Ok(limit @ 1..)) = (time.ok(), limit) else {
            return Err(Answer::bad_request("start_time or limit is not a number that is allowed"));
        };
        let id = query.get("start_id").filter(|id| !id.is_empty() && pages_by_id(export, behaviour));
        let position = Position { time, id: id.map(str::to_owned) };
        Ok(Self { export, query, position, limit: limit.min(MOST).min(behaviour.page_cap.unwrap_or(MOST)).max(1) })
    }

    /// Whether the position lies too close to `now`; `last_end` is where the last page of this export ended.
    pub fn is_too_recent(&self, rule: FiveMinuteRule, last_end: Option<i64>, now: i64) -> bool {
        let goes_on = self.position.id.is_some() || last_end == Some(self.position.time);
        match rule {
            FiveMinuteRule::Off => false,
            FiveMinuteRule::First if goes_on => false,
            _ => self.position.time > now - FIVE_MINUTES,
        }
    }

    /// The page as it is at `now`. `base` is the beginning of its `next_page`, and `last_end` is where the last page
    /// ended.
    pub fn page(&self, account: &Account, behaviour: &Behaviour, base: &str, last_end: Option<i64>, now: i64) -> Page {
        let stretch = behaviour.page_span.and_then(|span| i64::try_from(span.as_micros()).ok());
        let stretch = stretch.map(|length| self.position.time.saturating_add(length)).filter(|end| *end < now);
        let mut is_cut = false;
        // With a trickle, one record appears between two requests: a page has the records that were sent before and one
        // new one.
        let known = last_end.map_or(self.position.time, |end| end.max(self.position.time));
        let series = account.series(self.export);
        let mut pen = Pen::with_room(self.room());
        let mut count = 0;
        let mut end = self.position.clone();
        pen.text("{\"").text(self.export.name()).text("\":[");
        for entry in self.entries(series, behaviour, now) {
            if stretch.is_some_and(|stretch| entry.stamp >= stretch) {
                break;
            }
            if self.is_passed(entry.stamp, &entry.id, behaviour) {
                continue;
            }
            pen.comma();
            self.write(series, entry.record, &entry.id, now, &mut pen);
            count += 1;
            let is_new = entry.stamp > known || self.position.id.as_ref().is_some_and(|id| entry.id > *id);
            end = Position { time: entry.stamp, id: Some(entry.id) };
            let trickles = behaviour.trickle_since.is_some_and(|since| end.time >= since.timestamp_micros());
            if count == self.limit || (trickles && is_new) {
                is_cut = true;
                break;
            }
        }
        if let Some(stretch) = stretch.filter(|_| !is_cut) {
            end = Position { time: stretch, id: None };
        }
        let is_last = stretch.is_none() && !is_cut;
        pen.text(r#"],"count":"#).integer(i64::try_from(count).unwrap_or(0)).text(r#","end_time":"#);
        self.write_end(&mut pen, end.time, behaviour);
        let id = sends_id(self.export, behaviour, count == self.limit).then(|| end.id.as_deref().unwrap_or(""));
        if let Some(id) = id {
            pen.text(r#","end_id":""#).text(&json_text(id)).text("\"");
        }
        if is_last && behaviour.null_next_page {
            pen.text(r#","next_page":null}"#);
            return Page { body: pen.into_bytes(), end: end.time };
        }
        pen.text(r#","next_page":""#).text(base).text("/api/v2/chat/incremental/").text(self.export.name()).text("?");
        self.write_query(&mut pen, end.time, id.filter(|id| !id.is_empty()), behaviour);
        pen.text("\"}");
        Page { body: pen.into_bytes(), end: end.time }
    }

    /// The records from the position on, in the order of the export.
    fn entries<'b>(
        &self,
        series: &'b dyn Series,
        behaviour: &Behaviour,
        now: i64,
    ) -> Box<dyn Iterator<Item = Entry> + 'b> {
        if self.export == Export::AgentTimeline && behaviour.timeline_order == TimelineOrder::End {
            return Box::new(ByEnd::new(series, self.position.time, now));
        }
        Box::new(Entries::new(series, self.position.time, now))
    }

    /// Whether a record lies before the requested position.
    fn is_passed(&self, stamp: i64, id: &str, behaviour: &Behaviour) -> bool {
        let bound = match &self.position.id {
            Some(from) if stamp == self.position.time && id < from.as_str() => return true,
            Some(from) if stamp == self.position.time && id > from.as_str() => return false,
            Some(_) => behaviour.bound_with_id,
            None if self.export == Export::AgentTimeline => behaviour.timeline_bound,
            None => behaviour.bound_without_id,
        };
        stamp < self.position.time || (stamp == self.position.time && bound == Bound::Exclusive)
    }

    /// About how many bytes the page takes.
    fn room(&self) -> usize {
        if self.export == Export::Chats { self.limit * ROOM_FOR_RECORD } else { self.limit * 300 }
    }

    /// Writes a record with the members that `fields` selects; only chats support that parameter.
    fn write(&self, series: &dyn Series, record: i64, id: &str, now: i64, pen: &mut Pen) {
        if self.export != Export::Chats {
            return series.write(record, now, pen);
        }
        let fields = self.query.get("fields").and_then(|fields| fields.strip_prefix("chats(")?.strip_suffix(')'));
        match fields {
            Some("*") => series.write(record, now, pen),
            Some(wanted) => {
                let mut whole = Pen::default();
                series.write(record, now, &mut whole);
                pen.text(&selection(&whole.into_text(), wanted));
            }
            None => _ = pen.text(r#"{"id":""#).text(id).text("\"}"),
        }
    }

    /// Writes the position after a page, in the unit of the export or, with `foreign_times`, in another one.
    fn write_end(&self, pen: &mut Pen, time: i64, behaviour: &Behaviour) {
        match self.export {
            Export::AgentTimeline if behaviour.foreign_times => pen.integer(time.div_euclid(SECOND)),
            _ if behaviour.foreign_times => pen.integer(time),
            Export::AgentTimeline => pen.integer(time),
            Export::AgentEvents => pen.fraction(time),
            _ => pen.integer(time.div_euclid(SECOND)),
        };
    }

    /// Writes the query of the next page: the request's parameters with the new position.
    fn write_query(&self, pen: &mut Pen, time: i64, id: Option<&str>, behaviour: &Behaviour) {
        for name in ["fields", "limit"] {
            if let Some(value) = self.query.get(name) {
                pen.text(name).text("=").text(&encoded(value)).text("&");
            }
        }
        pen.text("start_time=");
        self.write_end(pen, time, behaviour);
        if let Some(id) = id {
            pen.text("&start_id=").text(&encoded(id));
        }
    }
}

/// Whether the envelope of a page has an `end_id`.
fn sends_id(export: Export, behaviour: &Behaviour, is_full: bool) -> bool {
    match ids(export, behaviour) {
        Ids::Told => true,
        Ids::Untold => false,
        Ids::FullPages => is_full,
    }
}

/// Which ids the envelopes of an export have.
fn ids(export: Export, behaviour: &Behaviour) -> Ids {
    match export {
        Export::AgentTimeline => behaviour.timeline_ids,
        Export::AgentEvents => behaviour.agent_events_ids,
        _ => behaviour.chat_ids,
    }
}

/// Whether an export uses a `start_id`; agent events do even if their envelopes have no ids.
fn pages_by_id(export: Export, behaviour: &Behaviour) -> bool {
    export != Export::AgentTimeline || behaviour.timeline_ids != Ids::Untold
}

/// Parses a `start_time` to microseconds. It is given in seconds, for the timeline in microseconds; only agent events
/// allow a fraction.
fn parse_time(export: Export, text: &str) -> Result<i64, ()> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if export == Export::AgentEvents => (whole, fraction),
        _ => (text, ""),
    };
    let whole: i64 = whole.parse().map_err(|_| ())?;
    if export == Export::AgentTimeline {
        return Ok(whole);
    }
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(());
    }
    let micros: i64 = format!("{fraction:0<6.6}").parse().map_err(|_| ())?;
    whole.checked_mul(SECOND).and_then(|time| time.checked_add(micros)).ok_or(())
}

/// The members of a record that a list of names selects, always including the id.
fn selection(record: &str, wanted: &str) -> String {
    let members: std::collections::BTreeMap<&str, &serde_json::value::RawValue> =
        serde_json::from_str(record).unwrap_or_default();
    let mut selected = Vec::new();
    for (name, value) in members {
        if name == "id" || wanted.split(',').any(|one| one.trim() == name) {
            selected.push(format!(r#""{name}":{value}"#));
        }
    }
    format!("{{{}}}", selected.join(","))
}

/// Text escaped for use within JSON quotes.
fn json_text(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Text percent-encoded for a query.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
