//! The oddities of chats. Every oddity that real accounts show occurs here, but rarely.

use super::chance::Dice;

/// One way in which a chat differs from ordinary ones; a chat has at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The history is `null`.
    NullHistory,
    /// The history is empty.
    EmptyHistory,
    /// An entry of the history is not an object.
    EntryOfNoObject,
    /// An entry has an unknown member.
    UnknownMember,
    /// All timestamps of the history are whole seconds, without a fraction.
    WholeSeconds,
    /// Consecutive entries have the same timestamp.
    EqualStamps,
    /// No entry has an `index`, though all have the other members of the newer form.
    NoIndex,
    /// The numbering by `index` skips a number.
    IndexGap,
    /// The visitor's name equals the display name of an agent.
    NamedLikeAnAgent,
    /// The visitor's name changes in the middle of the chat.
    VisitorRenamed,
    /// The agent leaves and comes back.
    AgentReturns,
    /// The visitor leaves, comes back and leaves once more.
    VisitorReturns,
    /// A second agent is invited, and both serve the visitor at once.
    TwoAtOnce,
    /// A trigger or an agent opens the chat, and the visitor never writes.
    VisitorSilent,
    /// The rating is changed after it was given.
    RatedTwice,
    /// There is a comment without a rating.
    CommentAlone,
    /// The visitor writes once more after the agent has left.
    WritesAfterService,
    /// The chat was assigned to agents who did not accept it.
    MissedAssignments,
}

/// How many of a thousand chats have each oddity; the others have none.
const SHARES: &[(Oddity, i64)] = &[
    (Oddity::NullHistory, 2),
    (Oddity::EmptyHistory, 2),
    (Oddity::EntryOfNoObject, 4),
    (Oddity::UnknownMember, 10),
    (Oddity::WholeSeconds, 20),
    (Oddity::EqualStamps, 15),
    (Oddity::NoIndex, 15),
    (Oddity::IndexGap, 10),
    (Oddity::NamedLikeAnAgent, 10),
    (Oddity::VisitorRenamed, 10),
    (Oddity::AgentReturns, 15),
    (Oddity::VisitorReturns, 10),
    (Oddity::TwoAtOnce, 20),
    (Oddity::VisitorSilent, 10),
    (Oddity::RatedTwice, 10),
    (Oddity::CommentAlone, 10),
    (Oddity::WritesAfterService, 20),
    (Oddity::MissedAssignments, 25),
];

impl Oddity {
    /// Draws an oddity at random, or none.
    pub fn thrown(dice: &mut Dice) -> Option<Self> {
        let mut left = dice.below(1_000);
        for (oddity, share) in SHARES {
            left -= share;
            if left < 0 {
                return Some(*oddity);
            }
        }
        None
    }

    /// Whether this oddity leaves the history without entries.
    pub fn empties(self) -> bool {
        matches!(self, Self::NullHistory | Self::EmptyHistory)
    }

    /// Whether this oddity requires the newer form of history: the older form has no `index`, and it identifies
    /// visitors and agents mainly by name.
    pub fn needs_newer_form(self) -> bool {
        matches!(self, Self::NoIndex | Self::IndexGap | Self::NamedLikeAnAgent)
    }
}
