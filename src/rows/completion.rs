//! How a chat ended, in the words of the service's own reports.

use crate::rows::chat::Chat;
use crate::rows::column::integer;
use crate::rows::role::Role;
use crate::rows::text::spelled;

/// How a chat ended; nothing of a message that was left while nobody was online.
pub fn completion(chat: &Chat<'_>) -> Option<&'static str> {
    if chat.is_offline() {
        return None;
    }
    let head = chat.head();
    let started_by = head.text("started_by").map(spelled);
    let is_proactive = matches!(started_by.as_deref(), Some("agent" | "trigger"));
    Some(if is_proactive && lines(chat, "visitor", Role::Visitor) == 0 {
        "not_engaged"
    } else if head.value("missed") == Some("true") {
        "missed"
    } else if is_dropped(chat) {
        "dropped"
    } else {
        "completed"
    })
}

/// Whether the visitor was served and left without an answer to the last line; the service says so itself in newer chats.
fn is_dropped(chat: &Chat<'_>) -> bool {
    if let Some(dropped) = chat.head().value("dropped") {
        return dropped == "true";
    }
    let last = chat.lines().last().map(|line| chat.event(line.seq).1.role);
    lines(chat, "agent", Role::Agent) > 0 && last == Some(Role::Visitor)
}

/// How many lines someone wrote, by the service's count if there is one.
fn lines(chat: &Chat<'_>, counted: &str, role: Role) -> i64 {
    let count = || chat.lines().iter().filter(|line| chat.event(line.seq).1.role == role).count();
    let given = chat.head().within("count", counted).and_then(integer);
    given.unwrap_or_else(|| i64::try_from(count()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_holds_tells_how_a_chat_ended() {
        let lines = r#"[{"msg":"a","agent_id":"5"},{"msg":"b","msg_id":"1"}]"#;
        for (members, expected) in [
            (r#""type":"offline_msg","message":"a""#.to_owned(), None),
            (
                r#""type":"chat","started_by":"trigger","count":{"visitor":0},"missed":true"#.to_owned(),
                Some("not_engaged"),
            ),
            (r#""type":"chat","started_by":"agent""#.to_owned(), Some("not_engaged")),
            (r#""type":"chat","started_by":"visitor","count":{"visitor":1},"missed":true"#.to_owned(), Some("missed")),
            (r#""type":"chat","missed":false,"dropped":true"#.to_owned(), Some("dropped")),
            (format!(r#""type":"chat","dropped":null,"history":{lines}"#), Some("dropped")),
            (format!(r#""type":"chat","dropped":false,"history":{lines}"#), Some("completed")),
            (format!(r#""type":"chat","count":{{"agent":0}},"history":{lines}"#), Some("completed")),
            (r#""type":"chat""#.to_owned(), Some("completed")),
        ] {
            let record = format!("{{{members}}}");
            assert_eq!(completion(&Chat::parse(&record).unwrap()), expected, "{record}");
        }
    }
}
