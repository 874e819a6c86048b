//! What is odd about a chat: everything odd that real accounts show is there, and rare.

use super::chance::Dice;

/// One thing that is unlike what other chats have; a chat has one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The history is `null`.
    NullHistory,
    /// The history is empty.
    EmptyHistory,
    /// An entry of the history is no object.
    EntryOfNoObject,
    /// An entry has a member that nobody has heard of.
    UnknownMember,
    /// All stamps of the history are whole seconds, without a fraction.
    WholeSeconds,
    /// Entries that follow each other have the same stamp.
    EqualStamps,
    /// No entry has an `index`, though all have the other members of the newer form.
    NoIndex,
    /// An `index` is left out.
    IndexGap,
    /// The visitor bears the name that an agent is shown by.
    NamedLikeAnAgent,
    /// The visitor takes another name in the middle of the chat.
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

/// Of a thousand chats so many have this oddity; the others have none.
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
    /// What a throw says is odd.
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

    /// Whether the history has no entries.
    pub fn empties(self) -> bool {
        matches!(self, Self::NullHistory | Self::EmptyHistory)
    }

    /// Whether it can be told only of a history of the newer form: in the older one names alone tell who is who.
    pub fn needs_newer_form(self) -> bool {
        matches!(self, Self::NoIndex | Self::IndexGap | Self::NamedLikeAnAgent)
    }
}
