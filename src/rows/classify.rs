//! CLASSIFY: what kind of event an entry of the history is, decided by its members first and by its type second.

use crate::rows::entry::Entry;
use crate::rows::text::spelled;

/// What kind of event an entry of the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file was sent.
    File,
    /// Something was written.
    Message,
    /// The tags changed.
    Tags,
    /// The visitor rated the chat.
    Rating,
    /// The visitor commented on the chat.
    Comment,
    /// The chat went to another department.
    Transfer,
    /// Skills were asked for.
    Skills,
    /// The visitor reached a goal.
    Conversion,
    /// Someone joined.
    Join,
    /// Someone left.
    Leave,
    /// The visitor was asked for a rating.
    RatingRequest,
    /// Anything else.
    Other,
}

impl Kind {
    /// How rows call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Message => "message",
            Self::Tags => "tags",
            Self::Rating => "rating",
            Self::Comment => "comment",
            Self::Transfer => "transfer",
            Self::Skills => "skills",
            Self::Conversion => "conversion",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::RatingRequest => "rating_request",
            Self::Other => "other",
        }
    }

    /// Whether it is a line of the conversation.
    pub fn is_line(self) -> bool {
        matches!(self, Self::File | Self::Message)
    }
}

/// The kind of an entry: the first that holds. A member that is null is none.
pub fn kind(entry: Entry<'_, '_>) -> Kind {
    let has = |name| entry.value(name).is_some();
    let name = spelled(entry.text("type").unwrap_or_default());
    match &*name {
        _ if entry.value("attachment").is_some_and(|value| value.starts_with('{')) => Kind::File,
        name if name.starts_with("chat.file") => Kind::File,
        _ if has("msg") || has("structured_msg") => Kind::Message,
        _ if has("new_tags") => Kind::Tags,
        name if has("new_rating") || name == "chat.rating" => Kind::Rating,
        name if has("new_comment") || name == "chat.comment" => Kind::Comment,
        _ if has("prev_department_id") => Kind::Transfer,
        _ if has("skills_name") => Kind::Skills,
        _ if has("conversion") => Kind::Conversion,
        name if name.ends_with("memberjoin") => Kind::Join,
        name if name.ends_with("memberleave") => Kind::Leave,
        name if name.contains("request.rating") => Kind::RatingRequest,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::Scanner;
    use crate::rows::entry::scan;

    #[test]
    fn members_decide_first_and_the_type_second() {
        for (text, expected) in [
            (r#"{"type":"chat.msg","msg":"a","attachment":{"name":"b"}}"#, "file"),
            (r#"{"type":"chat.file.update"}"#, "file"),
            (r#"{"type":"chat.msg","msg":"a","attachment":null}"#, "message"),
            (r#"{"type":"chat.memberjoin","m\u0073g":"a"}"#, "message"),
            (r#"{"type":"chat.msg","msg":""}"#, "message"),
            (r#"{"type":"chat.msg","structured_msg":{"type":"CAROUSEL"}}"#, "message"),
            (r#"{"type":"chat.tag","tags":[],"new_tags":["a"]}"#, "tags"),
            (r#"{"type":"chat.x","new_rating":"good"}"#, "rating"),
            (r#"{"type":"chat.rating","rating":"good","new_rating":null}"#, "rating"),
            (r#"{"type":"x","new_comment":"a"}"#, "comment"),
            (r#"{"type":"chat.comment","comment":"a","new_comment":null}"#, "comment"),
            (r#"{"type":"chat.x","prev_department_id":5,"skills_name":["a"]}"#, "transfer"),
            (r#"{"type":"chat.x","skills_name":["a"],"conversion":{}}"#, "skills"),
            (r#"{"type":"chat.x","conversion":{}}"#, "conversion"),
            (r#"{"type":"chat.memberjoin"}"#, "join"),
            (r#"{"type":"chat.member\u006coin"}"#, "other"),
            (r#"{"type":"chat.memberleave"}"#, "leave"),
            (r#"{"type":"chat.request.rating"}"#, "rating_request"),
            (r#"{"type":"chat.msg","msg":null}"#, "other"),
            (r#"{"type":5}"#, "other"),
            ("[]", "other"),
            ("null", "other"),
        ] {
            let mut members = Vec::new();
            let slot = scan(&mut Scanner::new(text).unwrap(), &[], &mut members).unwrap();
            assert_eq!(kind(slot.entry(&members)).name(), expected, "{text}");
        }
    }
}
