//! The golden chat: its counts and times are those that the service itself reported of a real chat.

use super::*;

const RECORD: &str = include_str!("golden.json");

/// All rows of the golden chat, each behind the name of its stream.
const ROWS: &str = include_str!("golden.rows");

#[test]
fn every_row_of_the_golden_chat_is_as_it_should_be() {
    let mut shown = String::new();
    for (child, name) in CHILDREN {
        for row in texts(child, RECORD) {
            shown.extend([name, " ", &row, "\n"]);
        }
    }
    assert_eq!(shown, ROWS, "\n{shown}");
}

#[test]
fn the_waits_are_the_response_times_of_the_service() {
    let record: Value = serde_json::from_str(RECORD).unwrap();
    let messages = rows(Child::Messages, RECORD);
    let waits: Vec<f64> = messages.iter().filter_map(|row| row.get("wait_seconds")?.as_f64()).collect();
    let average = waits.iter().sum::<f64>() / 2.0;
    assert_eq!(waits.len(), 2);
    assert_eq!(average.to_bits(), record["response_time"]["avg"].as_f64().unwrap().to_bits());
    assert_eq!(waits.iter().map(|wait| format!("{wait:.0}")).collect::<Vec<_>>(), ["11", "70"]);
    let replies: Vec<_> = messages.iter().filter(|row| row["is_reply"] == true).map(|row| row["seq"].clone()).collect();
    assert_eq!(replies, [3, 6]);
    let open: Vec<_> =
        messages.iter().filter(|row| row["is_unanswered"] == true).map(|row| row["seq"].clone()).collect();
    assert_eq!(open, [11]);
    let written = |role: &str| messages.iter().filter(|row| row["role"] == role).count();
    assert_eq!((written("visitor"), written("agent")), (4, 3));
}
