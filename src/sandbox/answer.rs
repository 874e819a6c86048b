//! An answer before it is sent, and the answers that refuse a request.

use std::io::{self, Read};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::sign_in::Denial;

/// The content type of nearly every answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The content type of an HTML page.
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// The content type of a plain-text answer.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// The HTML page for an address that does not exist.
const PAGE_NOT_FOUND: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Page not found</title></head>\
<body><h1>Oops! The page you were looking for doesn't exist</h1></body></html>\n";

/// An answer.
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

impl Answer {
    /// A successful answer.
    pub fn json(body: Vec<u8>) -> Self {
        Self::of(StatusCode::OK, JSON, body)
    }

    /// An error in the form that the Chat API uses.
    pub fn error(status: StatusCode, error: &str, description: &str) -> Self {
        Self::of(status, JSON, format!(r#"{{"error":"{error}","description":"{description}"}}"#).into_bytes())
    }

    /// An error with the given body.
    pub fn error_body(status: StatusCode, body: &str) -> Self {
        Self::of(status, JSON, body.as_bytes().to_vec())
    }

    /// The request cannot be understood or is not allowed.
    pub fn bad_request(description: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "Bad Request", description)
    }

    /// There is nothing at this address.
    pub fn not_found() -> Self {
        Self::error_body(StatusCode::NOT_FOUND, r#"{"error":"Not Found"}"#)
    }

    /// The token is wrong.
    pub fn unauthorized() -> Self {
        let description = "The server could not verify that you are authorized to access the requested resource";
        Self::error(StatusCode::UNAUTHORIZED, "Unauthorized", description)
    }

    /// The token is valid, but its owner may not do this.
    pub fn forbidden() -> Self {
        Self::error(StatusCode::FORBIDDEN, "Forbidden", "You do not have access to this resource")
    }

    /// Too many requests: alternately in JSON and in plain text.
    pub fn too_many(times_before: u64) -> Self {
        if times_before % 2 == 1 {
            let body = b"Number of allowed API requests per minute exceeded".to_vec();
            return Self::of(StatusCode::TOO_MANY_REQUESTS, TEXT, body);
        }
        let description = "Number of allowed incremental export API requests per minute exceeded";
        Self::error(StatusCode::TOO_MANY_REQUESTS, "APIRateLimitExceeded", description)
    }

    /// An HTML error page instead of an answer of the API.
    pub fn page_for_people(status: StatusCode) -> Self {
        Self::page(status, PAGE_NOT_FOUND.to_owned())
    }

    /// An HTML page.
    pub fn page(status: StatusCode, page: String) -> Self {
        Self::of(status, HTML, page.into_bytes())
    }

    /// A redirect to another address.
    pub fn redirect(location: &str) -> Self {
        Self::of(StatusCode::FOUND, HTML, Vec::new()).with("location", location)
    }

    /// A token is denied.
    pub fn denied(denial: Denial) -> Self {
        let status = if denial.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let Denial { error, description } = denial;
        Self::error_body(status, &format!(r#"{{"error":"{error}","error_description":"{description}"}}"#))
    }

    /// An answer with any status, headers and body; an invalid status becomes 500.
    pub fn scripted(code: u16, headers: &[(String, String)], body: &str) -> Self {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Self::of(status, JSON, body.as_bytes().to_vec());
        for (name, value) in headers {
            answer = answer.with(name, value);
        }
        answer
    }

    /// The same answer with this header set; an invalid header is ignored.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            self.set(name, value);
        }
        self
    }

    /// The body as it will be sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same answer with its body changed.
    pub fn changed(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.body);
        self
    }

    /// The same answer, compressed.
    pub fn compressed(mut self) -> Self {
        if let Ok(body) = gzip(&self.body[..]) {
            self.body = body;
            self.set(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        self
    }

    /// Whether it is compressed.
    pub fn is_compressed(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == header::CONTENT_ENCODING)
    }

    /// A small compressed answer that decompresses to `[` and `size` bytes of white space.
    pub fn bomb(size: u64) -> Self {
        let body = gzip(b"[".chain(io::repeat(b' ').take(size))).unwrap_or_default();
        Self::json(body).with("content-encoding", "gzip")
    }

    /// The response to send at `now`.
    pub fn into_response(self, now: DateTime<Utc>) -> Response {
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = self.with("date", &date);
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() = answer.status;
        response.headers_mut().extend(answer.headers);
        response
    }

    /// Adds a header, or replaces the one of that name.
    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
    }

    /// An answer with a content type.
    fn of(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Self {
        Self { status, headers: vec![(header::CONTENT_TYPE, content_type)], body }
    }
}

/// The content of a reader, compressed.
fn gzip(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut reader, &mut encoder)?;
    encoder.finish()
}
