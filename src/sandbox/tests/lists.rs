//! Agents, bans, the small lists and the two objects.

use std::collections::HashSet;

use serde_json::Value;

use super::client::{get, now, options};
use crate::sandbox::options::BansLimit;
use crate::sandbox::{Options, Sandbox};

fn sorted(mut records: Vec<String>) -> Vec<Value> {
    records.sort_unstable();
    records.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn agents_come_from_an_id_on_that_one_included() {
    let sandbox = Sandbox::start(options()).await.unwrap();
    let mut since = 0;
    let mut agents: Vec<Value> = Vec::new();
    loop {
        let page = get(&sandbox, &format!("agents?since_id={since}&limit=100")).await.json();
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        let again = get(&sandbox, &format!("agents?since_id={}&limit=1", last["id"])).await.json();
        assert_eq!(again[0], *last);
        since = last["id"].as_i64().unwrap() + 1;
        agents.extend(page.iter().cloned());
    }
    let truth = sandbox.account().truth("agents", now()).unwrap();
    let truth: Vec<Value> = truth.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    assert_eq!(agents, truth);
    assert_eq!(get(&sandbox, "agents").await.json().as_array().unwrap().len(), 10);
    assert_eq!(get(&sandbox, "agents?since_id=0&limit=101").await.status, 400);
    assert_eq!(get(&sandbox, "agents?since_id=me").await.status, 400);
}

/// Reads bans page by page, never beyond the highest id of an array that may have been cut.
async fn read_bans(sandbox: &Sandbox, limit: usize) -> (Vec<Value>, usize) {
    let mut since = 0;
    let mut seen = HashSet::new();
    let (mut bans, mut most) = (Vec::new(), 0);
    loop {
        let page = get(sandbox, &format!("bans?since_id={since}&limit={limit}")).await.json();
        let arrays: Vec<Vec<Value>> =
            page.as_object().unwrap().values().map(|array| array.as_array().unwrap().clone()).collect();
        let total: usize = arrays.iter().map(Vec::len).sum();
        most = most.max(total);
        if total == 0 {
            return (bans, most);
        }
        let last = |array: &Vec<Value>| array.last().map_or(0, |ban| ban["id"].as_i64().unwrap());
        let full = arrays.iter().filter(|array| array.len() >= limit).map(last).min();
        since = full.unwrap_or_else(|| arrays.iter().map(last).max().unwrap()) + 1;
        bans.extend(arrays.into_iter().flatten().filter(|ban| seen.insert(ban["id"].as_i64().unwrap())));
    }
}

async fn bans_are_the_truth(options: Options) -> usize {
    let sandbox = Sandbox::start(options).await.unwrap();
    let (bans, most) = read_bans(&sandbox, 300).await;
    let bans: Vec<String> = bans.iter().map(Value::to_string).collect();
    let truth = sorted(sandbox.account().truth("bans", now()).unwrap());
    assert_eq!(sorted(bans).len(), truth.len());
    most
}

#[tokio::test(start_paused = true)]
async fn bans_share_a_limit_or_have_one_each() {
    assert_eq!(bans_are_the_truth(options()).await, 300);
    let mut per_array = options();
    per_array.behaviour.bans_limit = BansLimit::PerArray;
    assert!(bans_are_the_truth(per_array).await > 300);
}

#[tokio::test(start_paused = true)]
async fn an_empty_array_of_bans_is_there_or_missing() {
    let beyond = "bans?since_id=99999999999&limit=10";
    let sandbox = Sandbox::start(options()).await.unwrap();
    assert_eq!(get(&sandbox, beyond).await.text(), r#"{"ip_address":[],"visitor":[]}"#);
    let ten = get(&sandbox, "bans").await.json();
    let sizes = ["ip_address", "visitor"].map(|kind| ten[kind].as_array().unwrap().len());
    assert_eq!(sizes.iter().sum::<usize>(), 10);
    let mut omitting = options();
    omitting.behaviour.omit_empty_bans = true;
    let sandbox = Sandbox::start(omitting).await.unwrap();
    assert_eq!(get(&sandbox, beyond).await.text(), "{}");
}

#[tokio::test(start_paused = true)]
async fn small_lists_and_objects_are_whole() {
    let sandbox = Sandbox::start(options()).await.unwrap();
    for list in ["departments", "goals", "roles", "shortcuts", "skills", "triggers"] {
        let truth = sandbox.account().truth(list, now()).unwrap();
        assert_eq!(get(&sandbox, list).await.text(), format!("[{}]", truth.join(",")));
    }
    assert!(get(&sandbox, "account").await.json()["account_key"].is_string());
    assert_eq!(get(&sandbox, "routing_settings/account").await.json()["data"]["routing_mode"], "assigned");
    for nothing in ["", "accounts", "1697795052", "incremental/visitors", "agents/"] {
        assert_eq!(get(&sandbox, nothing).await.status, 404, "{nothing}");
    }
}
