//! Applies a fault to an answer and to the connection that carries it.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Fault, Turn, rewrite};
use crate::sandbox::answer::Answer;
use crate::sandbox::query::Query;
use crate::sandbox::wire::{Event, Place};

/// How many bytes of a head are sent before the connection breaks within the head.
const PART_OF_HEAD: usize = 20;

impl Turn {
    /// The answer to a request with `query`, changed by the fault; `right` gives the correct answer to a query.
    pub(in crate::sandbox) fn answer(&self, query: &str, right: impl Fn(&str) -> Answer) -> Answer {
        match &self.fault {
            Fault::Status { code, headers, body } => return Answer::scripted(*code, headers, body),
            Fault::Html(code) => {
                let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Answer::page_for_people(status);
            }
            Fault::EmptyBody => return Answer::json(Vec::new()),
            Fault::GzipBomb(size) => return Answer::bomb(*size),
            Fault::Repeat => return right(&self.query_before),
            _ => {}
        }
        let answer = right(query);
        match &self.fault {
            Fault::Ahead => match rewrite::next_query(answer.body()) {
                Some(next) => right(&next),
                None => answer,
            },
            Fault::CorruptGzip => answer.compressed().changed(|body| {
                let middle = body.len() / 2;
                body[middle..].iter_mut().for_each(|byte| *byte = !*byte);
            }),
            Fault::HalfBody => answer.changed(|body| body.truncate(body.len() / 2)),
            Fault::Backwards => {
                let asked = Query::of(query).get("start_time").and_then(|time| time.parse::<i64>().ok());
                answer.changed(|body| rewrite::end_at(body, asked.unwrap_or_default() - 1))
            }
            Fault::NextPageOn(base) => answer.changed(|body| rewrite::next_page_on(body, base)),
            Fault::Pretty => answer.changed(|body| *body = rewrite::pretty(body)),
            Fault::Extra(members) => answer.changed(|body| rewrite::extend_first_record(body, members)),
            _ => answer,
        }
    }
}

impl Fault {
    /// How long a request waits before it is answered.
    pub(in crate::sandbox) fn delay(&self) -> Duration {
        if let Self::Stall(duration) = self { *duration } else { Duration::ZERO }
    }

    /// What happens on the connection while an answer with a body of `length` bytes is sent.
    pub(in crate::sandbox) fn disturbance(&self, length: usize) -> Option<(Place, Event)> {
        let middle = Place::Body(length / 2);
        match self {
            Self::Reset => Some((Place::Answer(0), Event::Reset)),
            Self::ResetInHead => Some((Place::Answer(PART_OF_HEAD), Event::Reset)),
            Self::ResetAfterHead => Some((Place::Body(0), Event::Reset)),
            Self::TruncatedBody => Some((middle, Event::End)),
            Self::StallInBody(duration) => Some((middle, Event::Silence(*duration))),
            _ => None,
        }
    }
}
