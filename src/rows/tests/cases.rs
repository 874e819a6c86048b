//! Single cases that have gone wrong elsewhere, or could.

use serde_json::json;

use super::*;

/// A chat with the agent Mara, who is 4120001, the visitor Ana, and these members.
fn chat(members: &str) -> String {
    let engagements = r#"[{"agent_name":"Mara","agent_id":4120001}]"#;
    format!(
        r#"{{"id":"c","type":"chat","agent_names":["Mara"],"visitor":{{"id":"v","name":"Ana"}},"engagements":{engagements},{members}}}"#
    )
}

fn only(child: Child, record: &str) -> Value {
    let rows = rows(child, record);
    assert_eq!(rows.len(), 1, "{rows:?}");
    Value::from(rows[0].clone())
}

#[test]
fn an_offline_message_is_one_line_and_one_turn_of_the_visitor() {
    let record = r#"{"id":"2609.5081234.VkR0aa1bCcDdE","type":"offline_msg","timestamp":"2026-09-13T23:40:07Z","message":"Please call me\u2029now",
        "visitor":{"id":"v","name":"Ana"},"tags":[],"update_timestamp":"2026-09-13T23:41:00Z"}"#;
    let message = only(Child::Messages, record);
    assert_eq!(
        message,
        json!({"id":"2609.5081234.VkR0aa1bCcDdE|0","chat_id":"2609.5081234.VkR0aa1bCcDdE","chat_update_timestamp":"2026-09-13T23:41:00Z",
            "chat_timestamp":"2026-09-13T23:40:07Z","seq":0,"message_number":1,"role":"visitor","at_seconds":1_789_342_807,
            "timestamp":"2026-09-13T23:40:07Z","name":"Ana","text":"Please call me\u{2029}now","text_length":18,"visitor_id":"v",
            "is_offline":true,"is_reply":false,"is_first_reply":false})
    );
    let transcript = only(Child::Transcripts, record);
    assert_eq!(transcript["text"], "[23:40:07] visitor Ana: Please call me\n  now");
    assert_eq!(transcript["messages"], "[{\"role\":\"user\",\"content\":\"Please call me\u{2029}now\"}]");
    assert_eq!((&transcript["n_turns"], transcript.get("completion")), (&json!(1), None));
    for child in [Child::Events, Child::Engagements, Child::Agents, Child::Tags] {
        assert!(rows(child, record).is_empty(), "{child:?}");
    }
}

#[test]
fn what_is_no_entry_stands_in_extra() {
    let record = chat(
        r#""history":[null,[1],"a",{"foo":{"b":
1},"a/b~c":2,"agent_id":"x","index":9223372036854775808,"timestamp":"soon","attachment":{"name":"n","metadata":{"width":3}}}]"#,
    );
    let rows = rows(Child::Events, &record);
    let extra: Vec<_> = rows.iter().map(|row| row["_extra"].to_string()).collect();
    assert_eq!(extra[..3], [r#"{"":null}"#, r#"{"":[1]}"#, r#"{"":"a"}"#]);
    assert!(rows[..3].iter().all(|row| row["kind"] == "other" && row["role"] == "unknown"));
    assert_eq!((&rows[3]["kind"], &rows[3]["attachment_name"]), (&json!("file"), &json!("n")));
    let record = texts(Child::Events, &record);
    let expected = r#""_extra":{"/foo":{"b": 1},"/a~1b~0c":2,"/agent_id":"x","/index":9223372036854775808,"/timestamp":"soon","/attachment/metadata":{"width":3}}}"#;
    assert!(record[3].ends_with(expected), "{}", record[3]);
}

#[test]
fn a_list_that_is_none_is_its_only_entry() {
    for (list, count) in [("null", 0), ("[]", 0), ("{}", 1), ("5", 1), (r#"[1],"history":[1,2]"#, 2)] {
        assert_eq!(rows(Child::Events, &chat(&format!(r#""history":{list}"#))).len(), count, "{list}");
    }
    assert!(rows(Child::Events, "{}").is_empty());
    for text in ["", "[]", "5", "{", "{} {}", r#"{"history":[}"#] {
        assert!(Chat::parse(text).is_err(), "{text}");
    }
}

#[test]
fn half_a_surrogate_pair_is_passed_on_and_never_read() {
    let record =
        chat(r#""history":[{"type":"chat.msg","name":"Ana","msg":"a\ud800"}],"tags":["\ud800","\uD800","\ud801"]"#);
    assert!(texts(Child::Messages, &record)[0].contains(r#""text":"a\ud800""#));
    assert_eq!(only(Child::Transcripts, &record)["text"], "[--:--:--] visitor Ana: a\u{fffd}");
    assert_eq!(texts(Child::Tags, &record).len(), 2);
}

#[test]
fn a_line_without_an_agents_id_is_given_to_the_one_who_bears_the_name() {
    let record = chat(
        r#""agent_ids":["9","4120001","x"],"history":[{"type":"chat.memberjoin","name":"Mara"},{"type":"chat.msg","name":"Ana","msg":"a"},
        {"type":"chat.msg","name":"Mara","msg":"b"},{"type":"chat.msg","name":"Mara","msg":"c","sender_type":"trigger"},
        {"type":"chat.msg","name":"Kim","msg":"d","agent_id":"7"},{"type":"chat.msg","name":"Mara","msg":"e","agent_id":"x"}]"#,
    );
    let ids: Vec<_> = rows(Child::Messages, &record).iter().map(|row| row.get("agent_id").cloned()).collect();
    assert_eq!(ids, [None, Some(json!(4_120_001)), None, Some(json!(7)), None]);
    let agents = rows(Child::Agents, &record);
    let shown: Vec<_> = agents
        .iter()
        .map(|row| (&row["agent_id"], row.get("agent_name"), &row["messages"], &row["in_agent_ids"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!(4_120_001), Some(&json!("Mara")), &json!(1), &json!(true)),
            (&json!(7), Some(&json!("Kim")), &json!(1), &json!(false)),
            (&json!(9), None, &json!(0), &json!(true)),
        ]
    );
}

#[test]
fn engagements_of_one_id_stay_two() {
    let record = r#"{"id":"c","engagements":[{"id":"e","assigned":true,"accepted":false},{"\u0069d":"\u0065","assigned":false},{"id":5},{"id":""},7]}"#;
    let rows = rows(Child::Engagements, record);
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e", "c|1", "5", "c|3", "c|4"]);
    assert_eq!((&rows[0]["assignment"], &rows[1]["assignment"]), (&json!("missed"), &json!("self_assigned")));
    assert_eq!((&rows[1]["_extra"], &rows[4]["_extra"]), (&json!({"/id":"e"}), &json!({"":7})));
}

#[test]
fn tags_come_once_and_strange_ones_stay() {
    let record = chat(
        r#""tags":["a","\u0061",5,"5"],"history":[{"type":"chat.tag","tags":["5"],"new_tags":["5","a"],"name":"Mara","timestamp":1789373462}]"#,
    );
    let rows: Vec<_> = rows(Child::Tags, &record).into_iter().map(Value::from).collect();
    assert_eq!(
        rows,
        [
            json!({"id":"c|a","chat_id":"c","tag":"a","position":0,"first_tagged_at":"2026-09-14T08:11:02Z","tagged_by_agent_id":4_120_001}),
            json!({"id":"c#2","chat_id":"c","position":2,"_extra":{"":5}}),
            json!({"id":"c|5","chat_id":"c","tag":"5","position":3}),
        ]
    );
}

#[test]
fn a_transcript_keeps_turns_apart_and_names_in_line() {
    let record = chat(
        r#""timestamp":"2026-09-14T08:11:02Z","history":[
        {"type":"chat.msg","name":"Trigger","nick":"agent:trigger","msg":"Welcome"},
        {"type":"chat.msg","name":"A: b\n[c\\","msg_id":1,"msg":"one\r\n[08:00:00] agent Mara: two\u0085\u000bthree"},
        {"type":"chat.msg","msg_id":2,"msg":"","attachment":{"name":"in\nvoice.pdf","mime_type":"application/pdf","size":5}},
        {"type":"chat.msg","msg_id":3,"msg":""},
        {"type":"chat.msg","name":"Mara","msg":"▇▇▇"}]"#,
    );
    let row = only(Child::Transcripts, &record);
    assert_eq!(
        row["text"],
        "[--:--:--] trigger Trigger: Welcome\n\
        [--:--:--] visitor A\\: b\\n[c\\\\: one\n  [08:00:00] agent Mara: two\n  \n  three\n\
        [--:--:--] visitor: [file: in\n  voice.pdf (application/pdf)]\n\
        [--:--:--] agent Mara: ▇▇▇"
    );
    assert_eq!(
        serde_json::from_str::<Value>(row["messages"].as_str().unwrap()).unwrap(),
        json!([
            {"role":"user","content":"one\r\n[08:00:00] agent Mara: two\u{85}\u{b}three\n\n[file: in\nvoice.pdf (application/pdf)]"},
            {"role":"assistant","content":"▇▇▇"},
        ])
    );
    assert_eq!((&row["n_turns"], &row["is_redacted"]), (&json!(4), &json!(true)));
}

#[test]
fn a_late_rating_changes_the_content_and_not_the_text() {
    let history = r#""history":[{"type":"chat.msg","name":"Ana","msg":"a"}]"#;
    let hashes = |members: &str| {
        let row = only(Child::Transcripts, &chat(&format!("{members},{history}")));
        [row["content_hash"].clone(), row["text_hash"].clone()]
    };
    let [content, text] = hashes(r#""tags":["a","b"],"unread":true"#);
    assert_eq!(
        hashes(r#""tags":["b","\u0061"],"unread":false,"update_timestamp":"2026-09-14T08:16:40Z""#),
        [content.clone(), text.clone()]
    );
    for members in
        [r#""tags":["a","b"],"rating":"good""#, r#""tags":["a"]"#, r#""tags":["a","b"],"zendesk_ticket_id":5"#]
    {
        let [other, same] = hashes(members);
        assert_ne!(other, content, "{members}");
        assert_eq!(same, text, "{members}");
    }
}

#[test]
fn a_chat_without_text_takes_the_place_of_its_transcript() {
    let record = chat(r#""history":[{"type":"chat.memberjoin","name":"Ana"}]"#);
    assert_eq!(
        only(Child::Transcripts, &record),
        json!({"id":"c","chat_id":"c","type":"chat","n_turns":0,"n_characters":0,"is_empty":true})
    );
    assert!(rows(Child::Transcripts, r#"{"id":"c","type":"offline_msg"}"#).is_empty());
}

#[test]
fn rows_of_several_chats_share_their_memory() {
    let mut out = RowTexts::new();
    for id in ["a", "b"] {
        out.clear();
        assert!(out.is_empty());
        let record = format!(r#"{{"id":"{id}","tags":["x","y"]}}"#);
        write(Child::Tags, &Chat::parse(&record).unwrap(), &mut out);
        let expected = [0, 1]
            .map(|at| format!(r#"{{"id":"{id}|{0}","chat_id":"{id}","tag":"{0}","position":{at}}}"#, ["x", "y"][at]));
        assert_eq!(out.iter().collect::<Vec<_>>(), expected);
        assert_eq!(out.len(), 2);
    }
}

#[test]
fn an_agent_who_comes_back_is_one_agent_from_the_first_join_to_the_last_leave() {
    let entry = |second: u32, name: &str, kind: &str| {
        format!(r#"{{"timestamp":"2026-09-14T08:11:{second:02}Z","name":"{name}",{kind}}}"#)
    };
    let (join, leave, line) =
        (r#""type":"chat.memberjoin""#, r#""type":"chat.memberleave""#, r#""type":"chat.msg","msg":"a""#);
    let history = [
        entry(0, "Ana", line),
        entry(1, "Mara", join),
        entry(2, "Mara", leave),
        entry(3, "Kim", r#""type":"chat.memberjoin","agent_id":"7""#),
        entry(5, "Kim", r#""type":"chat.msg","msg":"a","agent_id":"7""#),
        entry(6, "Mara", join),
        entry(6, "Ana", line),
        entry(6, "Mara", line),
        entry(7, "Mara", line),
        entry(8, "Mara", leave),
    ];
    let record = chat(&format!(r#""history":[{}]"#, history.join(",")));
    let agents: Vec<_> = rows(Child::Agents, &record).into_iter().map(Value::from).collect();
    assert_eq!(
        agents,
        [
            json!({"id":"c|4120001","chat_id":"c","agent_id":4_120_001,"position":0,"agent_name":"Mara","in_agent_ids":false,"engagements":1,
                "first_join":"2026-09-14T08:11:01Z","last_leave":"2026-09-14T08:11:08Z","messages":2,"first_reply_seconds":0}),
            json!({"id":"c|7","chat_id":"c","agent_id":7,"position":1,"agent_name":"Kim","in_agent_ids":false,"engagements":0,
                "first_join":"2026-09-14T08:11:03Z","messages":1,"first_reply_seconds":5}),
        ]
    );
}
