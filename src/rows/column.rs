//! Columns that members of an entry stand in, and what fits into them.

use crate::json;
use crate::position;
use crate::rows::entry::Member;
use crate::rows::instant::instant;
use crate::rows::row::Row;
use crate::rows::text;

/// A column for one member of an entry.
pub struct Column {
    /// The opened member within which its member stands, if any.
    pub within: Option<&'static str>,
    /// The name of its member.
    pub member: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A text, or an integer that becomes one.
    Name,
    /// An integer of 64 bits.
    Integer,
    /// An integer of 64 bits, or the text of one.
    Id,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// A date and time.
    Instant,
    /// A list of texts.
    Texts,
    /// A list of integers of 64 bits.
    Integers,
    /// A list of texts, which comes as one text with `/` between them.
    Options,
}

/// The column of a member that is named like it.
pub const fn same(name: &'static str, form: Form) -> Column {
    Column { within: None, member: name, name, form }
}

/// The column of a member under another name.
pub const fn named(member: &'static str, name: &'static str, form: Form) -> Column {
    Column { within: None, member, name, form }
}

/// The column of a member within an opened one.
pub const fn inside(within: &'static str, member: &'static str, name: &'static str, form: Form) -> Column {
    Column { within: Some(within), member, name, form }
}

impl Column {
    /// Whether it is the column of that member.
    pub fn takes(&self, member: &Member<'_>) -> bool {
        member.name == self.member && member.within == self.within
    }
}

impl Form {
    /// Writes a value that fits, or the nearest that does; false if the column cannot give it back. Null is left out.
    pub fn write(self, name: &str, value: &str, row: &mut Row<'_>) -> bool {
        match self {
            _ if value == "null" => return true,
            Self::Instant => return write_instant(name, value, row),
            Self::Options => return write_options(name, value, row),
            Self::Id => {
                let id = id(value);
                row.plain(name, id);
                return id.is_some();
            }
            Self::Name if integer(value).is_some() => {
                row.inner(name, value);
                return true;
            }
            _ => {}
        }
        let fits = self.fits(value);
        if fits {
            row.raw(name, Some(value));
        }
        fits
    }

    /// Whether a value stands in the column as it is.
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Text | Self::Name => value.starts_with('"'),
            Self::Integer => integer(value).is_some(),
            Self::Number => number(value),
            Self::Boolean => value == "true" || value == "false",
            Self::Texts => value.starts_with('[') && json::elements(value).iter().all(|value| value.starts_with('"')),
            Self::Integers => {
                value.starts_with('[') && json::elements(value).iter().all(|value| integer(value).is_some())
            }
            Self::Id | Self::Instant | Self::Options => false,
        }
    }
}

/// The integer of a value, if it is one of 64 bits.
pub fn integer(value: &str) -> Option<i64> {
    // Some readers take a negative nought for no integer.
    value.parse().ok().filter(|_| value != "-0")
}

/// The id that a value names: an integer of 64 bits, or its text.
pub fn id(value: &str) -> Option<i64> {
    let digits = text::inner(value).unwrap_or(value);
    let id = digits.parse().ok()?;
    // Of several texts that are read as one integer only one can be given back.
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let is_plain = !digits.starts_with('+') && (digits == "0" || !unsigned.starts_with('0'));
    is_plain.then_some(id)
}

/// Whether a value is a number that a double comes near to.
fn number(value: &str) -> bool {
    value.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Writes a date and time as it came, or as the same instant is written in ISO 8601; false if it came otherwise.
fn write_instant(name: &str, value: &str, row: &mut Row<'_>) -> bool {
    match instant(value) {
        Some((_, true)) => {
            row.raw(name, Some(value));
            true
        }
        Some((at, false)) => {
            if let Some(written) = position::written(at) {
                row.inner(name, &written);
            }
            false
        }
        None => false,
    }
}

/// Writes options as a list of texts; false if the list cannot give back what came.
fn write_options(name: &str, value: &str, row: &mut Row<'_>) -> bool {
    let Some(inner) = text::inner(value) else {
        return Form::Texts.write(name, value, row);
    };
    let read = text::read(inner);
    let mut options = read.split('/').filter(|option| !option.is_empty());
    let Some(first) = options.next() else {
        // As good as all messages offer no answers, and say so with an empty text.
        return inner.is_empty();
    };
    let out = row.name(name);
    out.push_str("[\"");
    text::escape(first, out);
    for option in options {
        out.push_str("\",\"");
        text::escape(option, out);
    }
    out.push_str("\"]");
    let has_gaps = read.starts_with('/') || read.ends_with('/') || read.contains("//");
    !has_gaps && !text::is_halved(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::RowTexts;

    fn written(form: Form, value: &str) -> String {
        let mut rows = RowTexts::new();
        let mut row = Row::new(&mut rows);
        row.value("c", form, value, &["m"]);
        row.end();
        rows.iter().collect()
    }

    #[test]
    fn a_value_stands_in_its_column_or_beside_it() {
        use Form::{Boolean, Id, Instant, Integer, Integers, Name, Number, Options, Text, Texts};
        for (form, value, row) in [
            (Text, r#""\ud800""#, r#"{"c":"\ud800"}"#),
            (Text, "5", r#"{"_extra":{"/m":5}}"#),
            (Text, "null", "{}"),
            (Name, "5", r#"{"c":"5"}"#),
            (Name, "5.0", r#"{"_extra":{"/m":5.0}}"#),
            (Integer, "-5", r#"{"c":-5}"#),
            (Integer, "-0", r#"{"_extra":{"/m":-0}}"#),
            (Integer, "9223372036854775808", r#"{"_extra":{"/m":9223372036854775808}}"#),
            (Integer, r#""5""#, r#"{"_extra":{"/m":"5"}}"#),
            (Id, r#""5""#, r#"{"c":5}"#),
            (Id, r#""05""#, r#"{"_extra":{"/m":"05"}}"#),
            (Id, r#""+5""#, r#"{"_extra":{"/m":"+5"}}"#),
            (Id, r#""""#, r#"{"_extra":{"/m":""}}"#),
            (Id, r#""agent""#, r#"{"_extra":{"/m":"agent"}}"#),
            (Id, "5e0", r#"{"_extra":{"/m":5e0}}"#),
            (Number, "1.5e3", r#"{"c":1.5e3}"#),
            (Number, "1e999", r#"{"_extra":{"/m":1e999}}"#),
            (Boolean, "false", r#"{"c":false}"#),
            (Boolean, "0", r#"{"_extra":{"/m":0}}"#),
            (Instant, r#""2026-09-14T08:11:02Z""#, r#"{"c":"2026-09-14T08:11:02Z"}"#),
            (Instant, r#""2026-09-14""#, r#"{"c":"2026-09-14T00:00:00Z","_extra":{"/m":"2026-09-14"}}"#),
            (Instant, "1789373462", r#"{"c":"2026-09-14T08:11:02Z","_extra":{"/m":1789373462}}"#),
            (Instant, r#""soon""#, r#"{"_extra":{"/m":"soon"}}"#),
            (Texts, "[\"a\",\n\"b\"]", r#"{"c":["a", "b"]}"#),
            (Texts, r#"["a",null]"#, r#"{"_extra":{"/m":["a",null]}}"#),
            (Integers, "[1]", r#"{"c":[1]}"#),
            (Integers, "[1.5]", r#"{"_extra":{"/m":[1.5]}}"#),
            (Options, r#""""#, "{}"),
            (Options, r#""Yes\/No""#, r#"{"c":["Yes","No"]}"#),
            (Options, r#""Yes//No""#, r#"{"c":["Yes","No"],"_extra":{"/m":"Yes//No"}}"#),
            (Options, r#""\ud800""#, "{\"c\":[\"\u{fffd}\"],\"_extra\":{\"/m\":\"\\ud800\"}}"),
            (Options, r#""//""#, r#"{"_extra":{"/m":"//"}}"#),
            (Options, r#"["Yes"]"#, r#"{"c":["Yes"]}"#),
        ] {
            assert_eq!(written(form, value), row, "{form:?} {value}");
        }
    }
}
