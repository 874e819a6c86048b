//! The small lists and objects of an account, as an administrator set them up once.

use super::people::{DEPARTMENTS, People};

/// The account itself, as an owner's token sees it.
pub const ACCOUNT: &str = r#"{"create_date":"2020-12-11T18:33:40Z","account_key":"svBRNv6HoJnSZRgpf6yMmBZaFMY6s2hP","status":"active","billing":{"first_name":"Inés","last_name":"O'Brien","company":"Sandbox \u00c9pices & Co.","email":"billing@example.com","phone":"","address1":"1 Loopback Lane","address2":null,"city":"Zürich","state":"","postal_code":"8001","country_code":"CH","additional_info":"","cycle":1},"plan":{"goals":5,"long_desc":"Best for Organizations to manage Large Support Teams","price":70.0,"short_desc":"Ideal for Large Support Teams","widget_customization":"full","max_agents":5,"sla":true,"monitoring":true,"rest_api":true,"email_reports":true,"daily_reports":true,"weekly_reports":true,"chat_reports":true,"agent_reports":true,"agent_leaderboard":true,"unbranding":true,"high_load":true,"ip_restriction":true,"support":true,"name":"enterprise","max_basic_triggers":"unlimited","max_advanced_triggers":50,"max_departments":"unlimited","max_concurrent_chats":"unlimited","max_history_search_days":"unlimited","operating_hours":true,"file_upload":true,"analytics":true,"integrations":true}}"#;

/// How chats are routed: the object that the endpoint wraps in `data`.
pub const ROUTING: &str = r#"{"routing_mode":"assigned","chat_limit":{"enabled":false,"limit":3,"limit_type":"account","allow_agent_override":false},"skill_routing":{"enabled":true,"max_wait_time":30},"reassignment":{"enabled":true,"timeout":30},"auto_idle":{"enabled":false,"reassignments_before_idle":3,"new_status":"away"},"auto_accept":{"enabled":false}}"#;

/// The goals that visitors can reach: id and name, in the order of the list.
pub const GOAL_NAMES: &[(i64, &str)] = &[(513_481, "Goal 3"), (513_521, "Sign-up"), (513_561, "Käufe")];

/// Goals as the service returns them.
const GOALS: &[&str] = &[
    r#"{"enabled":true,"attribution_model":"first_touch","description":"A new goal","name":"Goal 3","id":513481,"attribution_period":15,"settings":{"conditions":[{"operator":"equals","type":"url","value":"http://mysite.com/"}]}}"#,
    r#"{"enabled":true,"attribution_model":"last_touch","description":"","name":"Sign-up","id":513521,"attribution_period":30,"settings":{"conditions":[{"operator":"contains","type":"url","value":"/welcome"},{"operator":"equals","type":"tag","value":"trial"}]}}"#,
    r#"{"enabled":false,"attribution_model":"last_touch","description":"Warenkorb \u2192 Kasse","name":"Käufe","id":513561,"attribution_period":1,"settings":{"conditions":[]}}"#,
];

/// Triggers as the service returns them.
const TRIGGERS: &[&str] = &[
    r#"{"enabled":true,"definition":{"condition":["and",["not",["firedBefore"]],["and",["neq","@account_status","offline"],["stillOnSite",60],["eq","@visitor_served",false]]],"event":"chat_requested","actions":[["setTriggered",true],["sendMessageToVisitor","Customer Service","We apologize for keeping you waiting."]]},"description":"Auto respond to messages if agents don't respond in time.","name":"Chat Rescuer","id":66052481}"#,
    r#"{"enabled":true,"definition":{"event":"chat_requested","condition":["and",["eq","@visitor_requesting_chat",true],["eq","@visitor_served",false],["not",["firedBefore"]]],"actions":[["wait",5],["sendMessageToVisitor","Customer Service","Thanks for your message, please wait a moment while our agents attend to you."]],"version":1,"editor":"advanced"},"description":"Send an automated reply to customers that start a chat, so they know their request is being attended to.","name":"First Reply","id":66052601}"#,
    r#"{"enabled":false,"definition":{"event":"page_enter","condition":["and",["icontains","@visitor_page_url","/preise"]],"actions":[["addTag","preise"],["sendMessageToVisitor","","Fragen zu den Preisen? \ud83d\ude42"]],"version":1},"description":"","name":"Preise","id":66052641}"#,
];

/// Shortcuts that are available to everyone.
const SHORTCUTS: &[&str] = &[
    r#"{"options":"Yes/No","id":"goodbye","scope":"all","name":"goodbye","tags":["goodbye_survey"],"message":"Thanks for chatting with us. Have we resolved your question(s)?"}"#,
    r#"{"options":"","id":"hello","scope":"all","name":"hello","tags":[],"message":"Hello! \ud83d\udc4b How can I help?"}"#,
    r#"{"options":"","id":"grüezi","scope":"all","name":"grüezi","tags":["ch","de"],"message":"Grüezi, wie kann ich Ihnen helfen?"}"#,
    r#"{"options":"Card/Invoice","id":"pay","scope":"all","name":"pay","tags":[],"message":"How would you like to pay?\nBoth are fine."}"#,
];

/// Every goal.
pub fn goals() -> Vec<String> {
    owned(GOALS)
}

/// Every trigger.
pub fn triggers() -> Vec<String> {
    owned(TRIGGERS)
}

/// Every shortcut: some are for everyone, one is for departments, one for agents.
pub fn shortcuts(people: &People) -> Vec<String> {
    let mut shortcuts = owned(SHORTCUTS);
    let (first, second) = (DEPARTMENTS[0].0, DEPARTMENTS[2].0);
    shortcuts.push(format!(
        r#"{{"options":"","id":"refund","scope":"department","name":"refund","tags":["refund"],"message":"Your refund is on its way.","departments":[{first},{second}]}}"#
    ));
    let agents = people.members(0);
    shortcuts.push(format!(
        r#"{{"options":"","id":"brb","scope":"agent","name":"brb","tags":[],"message":"One moment, please…","agents":{agents}}}"#
    ));
    shortcuts
}

/// Owned copies of records.
fn owned(records: &[&str]) -> Vec<String> {
    records.iter().map(|record| (*record).to_owned()).collect()
}
