//! Which streams each choice reads, and how.

use super::*;

fn bounds() -> Bounds {
    Bounds { start: 0, end: None, lookback: 0, chats_lookback: 0 }
}

fn configured(name: &str, mode: SyncMode) -> Configured {
    Configured { name: name.to_owned(), mode, selected: None }
}

#[test]
fn without_a_catalog_everything_is_read_and_onwards_only_where_that_loses_no_change() {
    let plan = build(
        &Choice::All,
        &Saved::parse(r#"{"agents":{"id":5},"chats":{"update_timestamp":"9"}}"#).unwrap(),
        &bounds(),
    );
    let incremental: Vec<&str> =
        plan.streams.iter().filter(|planned| planned.incremental).map(|planned| planned.stream.name).collect();
    assert_eq!(incremental, ["agent_timeline", "chats", "agent_events", "conversions", "department_events"]);
    assert_eq!(plan.streams.len(), 15);
    let delivered: Vec<&str> =
        plan.streams.iter().filter(|planned| planned.delivered.is_some()).map(|planned| planned.stream.name).collect();
    assert_eq!(delivered, ["chats"]);
}

#[test]
fn agents_are_read_by_id_where_a_catalog_asks_for_it() {
    let plan = build(
        &Choice::Catalog(vec![configured("agents", SyncMode::Incremental)]),
        &Saved::parse(r#"{"agents":{"id":5}}"#).unwrap(),
        &bounds(),
    );
    assert_eq!(plan.streams[0].delivered, Some(Frontier::Id(5)));
}

#[test]
fn a_full_refresh_ignores_the_state_even_if_it_is_garbage() {
    let saved = Saved::parse(r#"{"chats":{"update_timestamp":"garbage"}}"#).unwrap();
    let plan = build(&Choice::Catalog(vec![configured("chats", SyncMode::FullRefresh)]), &saved, &bounds());
    assert_eq!((plan.streams[0].delivered.clone(), plan.refused.len()), (None, 0));
}

#[test]
fn incremental_on_a_stream_without_a_cursor_is_a_full_refresh() {
    let saved = Saved::parse(r#"{"skills":{"__ab_no_cursor_state_message":true}}"#).unwrap();
    let plan = build(&Choice::Catalog(vec![configured("skills", SyncMode::Incremental)]), &saved, &bounds());
    assert!(!plan.streams[0].incremental);
}

#[test]
fn what_cannot_be_read_does_not_stop_the_rest() {
    let saved = Saved::parse(r#"{"chats":{"update_timestamp":"garbage"}}"#).unwrap();
    let catalog = [
        configured("tickets", SyncMode::FullRefresh),
        configured("chats", SyncMode::Incremental),
        configured("skills", SyncMode::FullRefresh),
    ];
    let plan = build(&Choice::Catalog(catalog.to_vec()), &saved, &bounds());
    assert_eq!(plan.streams.len(), 1);
    let refused: Vec<(&str, Kind)> = plan.refused.iter().map(|(name, error)| (name.as_str(), error.kind())).collect();
    assert_eq!(refused, [("tickets", Kind::Catalog), ("chats", Kind::State)]);
}
