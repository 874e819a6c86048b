//! The flags of `sandbox`: the account's data, its behaviour, and how clients sign in to it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;

use super::sign_in::SignInArgs;
use crate::clock::Clock;
use crate::sandbox::Options;
use crate::sandbox::faults::{Fault, Rule};
use crate::sandbox::options::{
    BansLimit, Behaviour, Bound, BulkEdit, FiveMinuteRule, Holdings, Ids, Late, REQUESTS_PER_MINUTE, Refusal,
    TimelineOrder,
};

/// What the account holds and how it behaves.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct SandboxArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Everything the account holds is a function of this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chats in the account's first year, 2025, and in every year since
    #[arg(long, default_value_t = 3_000)]
    chats: u64,
    /// Spans of the agents' time line in a year [default: three a chat]
    #[arg(long)]
    spans: Option<u64>,
    /// Agents when the account opened; one more joins every thirty days
    #[arg(long, default_value_t = 250)]
    agents: u32,
    /// Bans when the account opened; one more comes every day
    #[arg(long, default_value_t = 2_000)]
    bans: u32,
    /// How it is signed in to
    #[command(flatten)]
    pub sign_in: SignInArgs,
    /// Requests allowed in any minute; 0 for no limit
    #[arg(long, default_value_t = REQUESTS_PER_MINUTE)]
    rate: u32,
    /// Leave `Retry-After` out when there were too many requests
    #[arg(long)]
    no_retry_after: bool,
    /// Milliseconds that each request waits before it is answered
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Compress answers for those who accept it
    #[arg(long)]
    gzip: bool,
    /// Most records a page of an export holds, whatever limit is asked for
    #[arg(long)]
    page_cap: Option<usize>,
    /// Let nine of ten chats come in a tenth of each year, instead of evenly
    #[arg(long)]
    crowded: bool,
    /// Chats that were all edited in one second
    #[arg(long, default_value_t = 0)]
    ties: u64,
    /// The second of that edit; the chats are the last ones before it
    #[arg(long, value_name = "RFC 3339", default_value = "2025-07-01T12:00:00Z")]
    ties_at: DateTime<Utc>,
    /// From this moment on each request for a page of an export finds one new record
    #[arg(long, value_name = "RFC 3339")]
    trickle: Option<DateTime<Utc>>,
    /// Of a hundred records so many are seen up to 299 seconds late
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    late_percent: u8,
    /// Show spans of the time line from their start, growing, instead of at their end
    #[arg(long)]
    growing_spans: bool,
    /// Send the record at the position asked for again, even if its id was given
    #[arg(long)]
    inclusive: bool,
    /// Leave out the record at the position asked for, even without an id and in the time line
    #[arg(long, conflicts_with = "inclusive")]
    exclusive: bool,
    /// Order `agent_timeline` by the ends of its spans instead of their starts
    #[arg(long)]
    timeline_by_end: bool,
    /// Which ids the envelopes of chats, conversions and department events have
    #[arg(long, value_enum, default_value = "told")]
    chat_ids: Ids,
    /// Name no `next_page` where nothing is known behind a page
    #[arg(long)]
    null_next_page: bool,
    /// Let a page of an export go over so many days at most; one without records leads on
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..))]
    page_days: Option<u64>,
    /// Give the end of a page in another unit than requests use
    #[arg(long)]
    foreign_times: bool,
    /// Give ids in the envelope of `agent_timeline`
    #[arg(long)]
    timeline_ids: bool,
    /// Give no ids in the envelope of `agent_events`
    #[arg(long)]
    no_event_ids: bool,
    /// Where a `start_time` of less than five minutes ago is refused
    #[arg(long, value_enum, default_value = "always")]
    five_minute_rule: FiveMinuteRule,
    /// Let each array of bans hold up to `limit`, instead of both together
    #[arg(long)]
    bans_per_array: bool,
    /// Leave an empty array of bans out
    #[arg(long)]
    omit_empty_bans: bool,
    /// What `next_page` begins with, such as `https://www.zopim.com` [default: the sandbox itself]
    #[arg(long, value_name = "URL")]
    next_page_base: Option<String>,
    /// Answer 403 on this path, such as `account` or `incremental/agent_events`; may be repeated
    #[arg(long, value_name = "PATH")]
    forbid: Vec<String>,
    /// One request in so many meets a fault that passes, such as a 503 or a connection that breaks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    fault_share: Option<u32>,
    /// Which requests meet which fault is a function of this number
    #[arg(long, value_name = "SEED", default_value_t = 1, requires = "fault_share")]
    fault_seed: u64,
}

impl SandboxArgs {
    /// The sandbox options for these arguments.
    pub fn options(self, clock: Clock) -> Options {
        let holdings = Holdings {
            seed: self.seed,
            chats: self.chats,
            spans: self.spans,
            agents: self.agents,
            bans: self.bans,
            crowded: self.crowded,
            bulk_edit: (self.ties > 0).then_some(BulkEdit { moment: self.ties_at, chats: self.ties }),
            late: Late { percent: self.late_percent, ..Late::default() },
            growing_spans: self.growing_spans,
        };
        let (port, token, sign_in) = (self.port, self.sign_in.token.clone(), self.sign_in.rules());
        let share = self.fault_share.map(|one_in| Rule::of_share(one_in, self.fault_seed, Fault::passing()));
        let faults = share.into_iter().collect();
        Options { port, token, clock, holdings, behaviour: self.behaviour(), sign_in, faults }
    }

    /// Parses these arguments.
    #[cfg(test)]
    pub(crate) fn of(arguments: &[&str]) -> Self {
        use clap::FromArgMatches as _;
        let command = Self::augment_args(clap::Command::new("sandbox"));
        let matches = command.try_get_matches_from(["sandbox"].iter().chain(arguments)).unwrap();
        Self::from_arg_matches(&matches).unwrap()
    }

    fn behaviour(self) -> Behaviour {
        let without_id = if self.exclusive { Bound::Exclusive } else { Bound::Inclusive };
        Behaviour {
            requests_per_minute: (self.rate > 0).then_some(self.rate),
            retry_after: !self.no_retry_after,
            latency: Duration::from_millis(self.latency_ms),
            gzip: self.gzip,
            next_page_base: self.next_page_base,
            page_cap: self.page_cap,
            trickle_since: self.trickle,
            bound_with_id: if self.inclusive { Bound::Inclusive } else { Bound::Exclusive },
            bound_without_id: without_id,
            timeline_bound: without_id,
            chat_ids: self.chat_ids,
            null_next_page: self.null_next_page,
            page_span: self.page_days.map(|days| Duration::from_hours(24 * days)),
            foreign_times: self.foreign_times,
            timeline_order: if self.timeline_by_end { TimelineOrder::End } else { TimelineOrder::Start },
            timeline_ids: if self.timeline_ids { Ids::Told } else { Ids::Untold },
            agent_events_ids: if self.no_event_ids { Ids::Untold } else { Ids::Told },
            five_minute_rule: self.five_minute_rule,
            bans_limit: if self.bans_per_array { BansLimit::PerArray } else { BansLimit::Shared },
            omit_empty_bans: self.omit_empty_bans,
            refusal: (!self.forbid.is_empty()).then_some(Refusal::Forbidden(self.forbid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_options() {
        let options = SandboxArgs::of(&[
            "--rate=0",
            "--ties=5000",
            "--forbid=account",
            "--inclusive",
            "--page-cap=7",
            "--fault-share=50",
        ])
        .options(Clock::system());
        assert_eq!(options.faults, [Rule::of_share(50, 1, Fault::passing())]);
        assert_eq!(options.behaviour.requests_per_minute, None);
        assert_eq!(options.behaviour.refusal, Some(Refusal::Forbidden(vec!["account".to_owned()])));
        assert_eq!(options.behaviour.bound_with_id, Bound::Inclusive);
        assert_eq!(options.behaviour.page_cap, Some(7));
        let edit = options.holdings.bulk_edit.unwrap();
        assert_eq!((edit.chats, edit.moment.to_rfc3339()), (5_000, "2025-07-01T12:00:00+00:00".to_owned()));
    }
}
