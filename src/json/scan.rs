//! A scanner of JSON that reads the bytes once: it checks them, and reports where values lie.

use crate::json::Malformed;

/// How many levels deep a value may be nested.
const DEEPEST: usize = 10_000;

/// An integer with this many digits or more may not fit into 64 bits.
const LONG: usize = 19;

/// The length of an escape like `\u00e9`.
const ESCAPE: usize = 6;

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it begins.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

impl Span {
    /// How many bytes long it is.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Scans a text from its beginning to its end.
pub(crate) struct Scanner<'text> {
    text: &'text str,
    bytes: &'text [u8],
    at: usize,
    unsound: bool,
    open: Vec<Container>,
}

#[derive(Clone, Copy, PartialEq)]
enum Container {
    Object,
    Array,
}

impl<'text> Scanner<'text> {
    /// A scanner at the beginning of `text`.
    pub fn new(text: &'text str) -> Result<Self, Malformed> {
        if u32::try_from(text.len()).is_err() {
            return Err(Malformed("it is larger than four gigabytes".to_owned()));
        }
        Ok(Self { text, bytes: text.as_bytes(), at: 0, unsound: false, open: Vec::new() })
    }

    /// Whether half a surrogate pair or an integer beyond 64 bits was scanned since the last call.
    pub fn take_unsound(&mut self) -> bool {
        std::mem::take(&mut self.unsound)
    }

    /// The byte that the next value begins with.
    pub fn peek(&mut self) -> Result<u8, Malformed> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(self.ended())
    }

    /// Scans a value of any kind, and returns where it lies.
    pub fn value(&mut self) -> Result<Span, Malformed> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(self.span(start))
    }

    /// Scans a value of any kind, and returns its text; a string's text includes the quotes.
    pub fn value_text(&mut self) -> Result<&'text str, Malformed> {
        if self.peek()? != b'"' {
            return self.value().map(|span| self.slice(span));
        }
        let start = self.at;
        self.string()?;
        Ok(&self.text[start..self.at])
    }

    /// Scans a key and its colon if they come next exactly as in `quoted`, without spaces. Returns whether they do.
    pub fn key_is(&mut self, quoted: &str) -> bool {
        let is = self.bytes[self.at..].strip_prefix(quoted.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'));
        if is {
            self.at += quoted.len() + 1;
        }
        is
    }

    /// A stretch of the text.
    pub fn slice(&self, span: Span) -> &'text str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// Scans an object. `member` is given each key, without its quotes, and must scan the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), Malformed>,
    ) -> Result<Span, Malformed> {
        self.members(|scanner| {
            let key = scanner.key()?;
            member(scanner, key)
        })
    }

    /// Scans an object. `member` must scan each key and its value.
    pub fn members(&mut self, mut member: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<Span, Malformed> {
        self.expect(b'{')?;
        let start = self.at - 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(self.span(start));
        }
        loop {
            self.peek()?;
            member(self)?;
            if !self.goes_on(b'}')? {
                return Ok(self.span(start));
            }
        }
    }

    /// Scans an array. `element` must scan each of its values.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    /// Makes sure that nothing but whitespace follows.
    pub fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_ok() { Err(self.unexpected()) } else { Ok(()) }
    }

    /// Scans a value without recursion, so that no depth exhausts the stack.
    fn skip(&mut self) -> Result<(), Malformed> {
        self.open.clear();
        loop {
            match self.peek()? {
                b'"' => _ = self.string()?,
                b'{' => {
                    self.at += 1;
                    if self.peek()? != b'}' {
                        self.descend(Container::Object)?;
                        self.key()?;
                        continue;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? != b']' {
                        self.descend(Container::Array)?;
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            if self.ascend()? {
                return Ok(());
            }
        }
    }

    fn descend(&mut self, into: Container) -> Result<(), Malformed> {
        if self.open.len() >= DEEPEST {
            return Err(Malformed(format!("it is nested more than {DEEPEST} levels deep")));
        }
        self.open.push(into);
        Ok(())
    }

    /// Closes the containers that end after a value, and returns whether all are closed.
    fn ascend(&mut self) -> Result<bool, Malformed> {
        while let Some(&container) = self.open.last() {
            let close = if container == Container::Object { b'}' } else { b']' };
            if self.goes_on(close)? {
                if container == Container::Object {
                    self.key()?;
                }
                return Ok(false);
            }
            self.open.pop();
        }
        Ok(true)
    }

    /// Scans the separator after a value in a container: true for a comma, false for the container's end.
    fn goes_on(&mut self, close: u8) -> Result<bool, Malformed> {
        let byte = self.peek()?;
        if byte != b',' && byte != close {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// Scans a key and its colon, and returns what lies between the key's quotes.
    pub fn key(&mut self) -> Result<Span, Malformed> {
        self.peek()?;
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek()? != byte {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(literal) {
            return Err(self.unexpected());
        }
        self.at += literal.len();
        Ok(())
    }

    /// Scans a string, and returns what lies between its quotes.
    fn string(&mut self) -> Result<Span, Malformed> {
        if self.bytes[self.at] != b'"' {
            return Err(self.unexpected());
        }
        self.at += 1;
        let start = self.at;
        loop {
            self.at = plain(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.unexpected()),
                None => return Err(self.ended()),
            }
        }
        let span = self.span(start);
        self.at += 1;
        Ok(span)
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let length = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + ESCAPE).ok_or_else(|| self.ended())?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.unexpected());
                }
                match surrogate(self.bytes, self.at) {
                    None => ESCAPE,
                    Some(Half::High) if surrogate(self.bytes, self.at + ESCAPE) == Some(Half::Low) => 2 * ESCAPE,
                    Some(_) => {
                        self.unsound = true;
                        ESCAPE
                    }
                }
            }
            Some(_) => return Err(self.unexpected()),
            None => return Err(self.ended()),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = self.digits()?;
        if leading_zero && whole > 1 {
            return Err(self.unexpected());
        }
        let integer = self.at;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.unsound |= whole >= LONG && self.at == integer && !fits(&self.bytes[start..self.at]);
        Ok(())
    }

    /// Scans one digit or more, and returns how many.
    fn digits(&mut self) -> Result<usize, Malformed> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        match (count, self.at == self.bytes.len()) {
            (0, true) => Err(self.ended()),
            (0, false) => Err(self.unexpected()),
            _ => Ok(count),
        }
    }

    fn span(&self, start: usize) -> Span {
        // `new` has checked that the whole text is short enough.
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: short(start), end: short(self.at) }
    }

    fn ended(&self) -> Malformed {
        Malformed(format!("the JSON ends too early, after {} bytes", self.bytes.len()))
    }

    fn unexpected(&self) -> Malformed {
        Malformed(format!("it is not the documented JSON, at byte {}", self.at))
    }
}

/// Half of a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The first half.
    High,
    /// The second half.
    Low,
}

/// Which half of a surrogate pair the escape at `at` is, if it is one.
pub(crate) fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', third, rest @ ..] = bytes.get(at..at + ESCAPE)? else { return None };
    match third {
        _ if !rest.iter().all(u8::is_ascii_hexdigit) => None,
        b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
        _ => None,
    }
}

/// Whether an integer's text fits into 64 bits.
pub(crate) fn fits(integer: &[u8]) -> bool {
    std::str::from_utf8(integer).is_ok_and(|text| text.parse::<i64>().is_ok())
}

/// Where the plain part of a string ends that begins at `at`: before a quote, a backslash or a control character. It
/// reads eight bytes at a time.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let eight = u64::from_le_bytes(*eight);
        // Each term marks the lowest byte that it looks for. Marks above that byte may be wrong, but only the lowest
        // one counts.
        let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
        let special = below(eight, 0x20)
            | below(eight ^ (ONES * u64::from(b'"')), 1)
            | below(eight ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes[at..].iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    at + rest.count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text).unwrap();
        scanner.value().and_then(|_| scanner.end()).is_ok()
    }

    #[test]
    fn depth_is_bounded_without_exhausting_the_stack() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(accepts(&nested(DEEPEST)));
        assert!(!accepts(&nested(DEEPEST + 2)));
        assert!(!accepts(&"[{\"a\":".repeat(DEEPEST)));
    }

    #[test]
    fn only_half_pairs_and_integers_beyond_64_bits_are_unsound() {
        for (text, unsound) in [
            ("9223372036854775808", true),
            ("-9223372036854775809", true),
            ("9223372036854775807", false),
            ("-9223372036854775808", false),
            ("92233720368547758080.5", false),
            ("9223372036854775808e1", false),
            ("\"92233720368547758080\"", false),
            (r#""\ud83d\ude00""#, false),
            (r#""\ud83d\ud83d\ude00""#, true),
            (r#""\uDFFF""#, true),
            (r#""\ud83d""#, true),
            (r#""\ud83d\n""#, true),
            (r#""\ud7ff \u0041 \\ud83d""#, false),
        ] {
            let mut scanner = Scanner::new(text).unwrap();
            scanner.value().unwrap();
            assert_eq!(scanner.take_unsound(), unsound, "{text}");
        }
    }

    proptest! {
        /// It accepts as JSON exactly the texts that `serde_json` accepts.
        #[test]
        fn it_agrees_with_serde_json(text in r#"(\{|\}|\[|\]|:|,|"|\\|\\"|\\u[0-9a-f]{3,4}|"[a-z\\n]{0,12}"|[-+.eE]|[0-9]{1,3}|true|false|null|nul| |\n|é|\t){0,14}"#) {
            prop_assert_eq!(accepts(&text), serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn it_agrees_with_serde_json_on_nearly_good_text(levels in prop::collection::vec(0_u8..6, 0..20), leaf in r#"-?(0|[0-9]{1,4})(\.[0-9]{0,3})?([eE][-+]?[0-9]{0,2})?|"[ -~é]{0,30}""#, cut in any::<prop::sample::Index>()) {
            let mut text = leaf;
            for level in levels {
                text = match level {
                    0 => format!("[{text}]"),
                    1 => format!("[{text},1 ]"),
                    2 => format!("{{\"a\" : {text}}}"),
                    3 => format!("{{\"a\":[],\"b\":{text} , \"c\":{{}}}}"),
                    4 => format!(" {text}\r\n"),
                    _ => format!("[\"x\\n\",{text}]"),
                };
            }
            let mut at = cut.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            for text in [&text, &text[..at]] {
                prop_assert_eq!(accepts(text), serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok(), "{}", text);
            }
        }

        #[test]
        fn plain_bytes_are_counted_exactly(bytes in prop::collection::vec(prop_oneof![9 => 0x20_u8.., 1 => any::<u8>()], 0..40)) {
            let expected = bytes.iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count();
            prop_assert_eq!(plain(&bytes, 0), expected);
        }
    }
}
