//! The people of an account: agents, departments, skills and roles.

use std::fmt::Write;

use super::chance::{Dice, branch};
use super::pace::{OPENING, SECOND};
use super::pen::Pen;

/// The first agent's id; ids of the vendor's newer accounts exceed 32 bits.
const FIRST_AGENT: i64 = 360_786_799_676;

/// The interval at which agents join the account.
const JOINING: i64 = 30 * 86_400 * SECOND;

/// One agent in this many has a new name from `RENAMING` on; no timestamp shows the change.
const RENAMED_EVERY: i64 = 25;

/// When agents were renamed: 2025-07-01T00:00:00Z.
const RENAMING: i64 = 1_751_328_000 * SECOND;

/// First names as JSON text, in raw UTF-8 and escaped.
const FIRST_NAMES: &[&str] = &[
    "Anna",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "François",
    "Grace",
    "Hiroshi",
    "Inés",
    "João",
    "Katarzyna",
    "Liam",
    "María",
    "Noor",
    "Olúwaṣeun",
    "Priya",
    "Quentin",
    "Ren\\u00e9e",
    "Søren",
    "Thu",
    "Ünal",
    "Vera",
    "Wei",
    "美咲",
    "\\u674e\\u5a1c",
];

/// Last names as JSON text.
const LAST_NAMES: &[&str] = &[
    "Andersson",
    "Bianchi",
    "Costa",
    "Dvořák",
    "Evans",
    "Fernández",
    "García",
    "Huang",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Łukasik",
    "Müller",
    "Nguyễn",
    "O'Brien",
    "Petrov",
    "Quispe",
    "Rossi",
    "Sato",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Walker",
    "Xu",
    "Yılmaz",
    "",
];

/// Departments: id, name and description.
pub const DEPARTMENTS: &[(i64, &str, &str)] = &[
    (7_282_618_889_231, "Sales", "A sample department"),
    (7_282_630_247_567, "Support", "Everything that does not work"),
    (7_282_657_193_103, "Billing", "Invoices, refunds & cards"),
    (5_059_439_464_079, "Kundendienst für Österreich", ""),
    (5_059_404_003_599, "サポート", "Japanese language"),
    (5060, "Legacy \\u2013 returns", "From before the migration"),
];

/// Skills: id, name and description.
const SKILLS: &[(i64, &str, &str)] = &[
    (1_300_601, "english", "English language"),
    (1_300_641, "deutsch", "German language"),
    (1_296_081, "français", "French language"),
    (1_296_121, "日本語", "Japanese language"),
    (1_310_001, "vip", ""),
];

/// Roles: id, name, description and permissions.
const ROLES: &[(i64, &str, &str, &str)] = &[
    (
        360_002_848_976,
        "Owner",
        "Account owner",
        r#"{"visitors_seen":"account","proactive_chatting":"listen-join","edit_visitor_information":true,"edit_visitor_notes":true,"view_past_chats":"account","edit_chat_tags":true,"manage_bans":"account","access_analytics":"account","view_monitor":"account","edit_department_agents":"account","set_agent_chat_limit":"account","manage_shortcuts":"account"}"#,
    ),
    (
        360_002_848_996,
        "Administrator",
        "In addition to agent's permissions, administrators can edit widget and account settings",
        r#"{"visitors_seen":"account","proactive_chatting":"listen-join","edit_visitor_information":true,"edit_visitor_notes":true,"view_past_chats":"account","edit_chat_tags":true,"manage_bans":"account","access_analytics":"account","view_monitor":"account","edit_department_agents":"account","set_agent_chat_limit":"account","manage_shortcuts":"account"}"#,
    ),
    (
        360_002_849_016,
        "Agent",
        "Can serve chats",
        r#"{"visitors_seen":"account","proactive_chatting":"listen-join","edit_visitor_information":true,"edit_visitor_notes":true,"view_past_chats":"department","edit_chat_tags":true,"manage_bans":"account","access_analytics":"none","view_monitor":"none","edit_department_agents":"none","set_agent_chat_limit":"none","manage_shortcuts":"personal"}"#,
    ),
    (
        7_282_769_201_935,
        "Agent (limited)",
        "Can serve social messaging conversations only",
        r#"{"visitors_seen":"account","proactive_chatting":"listen-join","edit_visitor_information":true,"edit_visitor_notes":true,"view_past_chats":"account","edit_chat_tags":false,"manage_bans":"account","access_analytics":"none","view_monitor":"account","edit_department_agents":"none","set_agent_chat_limit":"none","manage_shortcuts":"account"}"#,
    ),
];

/// The agents who were there when the account opened, and those who joined since.
pub struct People {
    seed: u64,
    opening: Vec<Agent>,
}

/// What chats and events contain about an agent.
pub struct Agent {
    /// The agent's id.
    pub id: i64,
    /// The displayed name as JSON text.
    pub name: String,
    /// The full name as JSON text.
    pub full_name: String,
    /// The members that identify the agent in an entry of a chat's history.
    pub speaking: String,
}

impl People {
    /// An account with `agents` agents at the opening, or one if there would be none.
    pub fn new(seed: u64, agents: i64) -> Self {
        let mut people = Self { seed, opening: Vec::new() };
        people.opening = (0..agents.max(1)).map(|place| people.introduce(place)).collect();
        people
    }

    /// A random one of the agents present at the opening.
    pub fn any_agent(&self, dice: &mut Dice) -> &Agent {
        &self.opening[dice.pick_index(self.opening.len())]
    }

    /// Every agent who has joined by `now`, in the order of ids.
    pub fn agents(&self, now: i64) -> Vec<(i64, String)> {
        let opening = i64::try_from(self.opening.len()).unwrap_or(i64::MAX);
        let joined = (now - OPENING).max(0) / JOINING;
        (0..opening + joined).map(|place| (self.agent_id(place), self.agent(place, opening, now))).collect()
    }

    /// Every department.
    pub fn departments(&self) -> Vec<String> {
        let department = |(id, name, description): &(i64, &str, &str)| {
            // Departments that were created before the migration have no settings.
            let settings = if *id < 10_000 {
                "{}".to_owned()
            } else {
                format!(r#"{{"chat_enabled":true,"solved_ticket_reassignment_strategy":"","support_group_id":{id}}}"#)
            };
            let (members, enabled) = (self.members(*id), *id > 10_000);
            format!(
                r#"{{"name":"{name}","members":{members},"settings":{settings},"description":"{description}","id":{id},"enabled":{enabled}}}"#
            )
        };
        DEPARTMENTS.iter().map(department).collect()
    }

    /// Every skill.
    pub fn skills(&self) -> Vec<String> {
        let skill = |(id, name, description): &(i64, &str, &str)| {
            let members = self.members(*id);
            format!(r#"{{"id":{id},"name":"{name}","members":{members},"description":"{description}","enabled":true}}"#)
        };
        SKILLS.iter().map(skill).collect()
    }

    /// Every role.
    pub fn roles(&self) -> Vec<String> {
        let role = |(place, (id, name, description, permissions)): (usize, &(i64, &str, &str, &str))| {
            let members = match place {
                0 => 1,
                2 => self.opening.len(),
                _ => 0,
            };
            format!(
                r#"{{"enabled":true,"permissions":{permissions},"description":"{description}","name":"{name}","id":{id},"members_count":{members}}}"#
            )
        };
        ROLES.iter().enumerate().map(role).collect()
    }

    /// The ids of the agents in a group, as a JSON array.
    pub fn members(&self, group: i64) -> String {
        let mut dice = Dice::new(branch(self.seed, 11), group);
        let mut members: Vec<_> = (0..dice.between(1, 6)).map(|_| self.any_agent(&mut dice).id).collect();
        members.sort_unstable();
        members.dedup();
        array(&members)
    }

    /// What chats contain about agent number `place`.
    fn introduce(&self, place: i64) -> Agent {
        let id = self.agent_id(place);
        let (first, last) = self.names(place);
        let full_name = format!("{first} {last}").trim_end().to_owned();
        let speaking = format!(r#""name":"{first}","nick":"agent:{id}","agent_id":"{id}","sender_type":"Agent""#);
        Agent { id, name: first.to_owned(), full_name, speaking }
    }

    /// First and last name of agent number `place`.
    fn names(&self, place: i64) -> (&'static str, &'static str) {
        let mut dice = Dice::new(branch(self.seed, 12), place);
        (dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES))
    }

    /// The id of agent number `place`; ids increase from agent to agent by more than one.
    fn agent_id(&self, place: i64) -> i64 {
        FIRST_AGENT + place * 1_000_003 + Dice::new(branch(self.seed, 13), place).below(900_000)
    }

    /// The record of agent number `place`.
    fn agent(&self, place: i64, opening: i64, now: i64) -> String {
        let mut dice = Dice::new(branch(self.seed, 14), place);
        let (first, last) = self.names(place);
        let renamed = place % RENAMED_EVERY == RENAMED_EVERY - 1 && now >= RENAMING;
        let last = if renamed { "Newname" } else { last };
        let created = if place < opening {
            OPENING - dice.below(1_500) * 86_400 * SECOND
        } else {
            OPENING + (place - opening + 1) * JOINING
        };
        let departments: Vec<_> =
            (0..dice.below(4)).map(|_| DEPARTMENTS[dice.pick_index(DEPARTMENTS.len())].0).collect();
        let skills: Vec<_> = (0..dice.below(3)).map(|_| SKILLS[dice.pick_index(SKILLS.len())].0).collect();
        let mut pen = Pen::default();
        pen.text(r#"{"enabled":"#).boolean(dice.percent(93)).text(r#","create_date":""#).seconds(created);
        pen.text(r#"","role_id":"#).integer(if place == 0 { ROLES[0].0 } else { ROLES[2].0 });
        pen.text(r#","first_name":""#).text(first).text(r#"","email":"#);
        if dice.percent(98) {
            pen.text("\"agent-").integer(place + 1).text(r#"@example.com""#);
        } else {
            pen.text("null");
        }
        pen.text(r#","last_name":""#).text(last).text(r#"","id":"#).integer(self.agent_id(place));
        pen.text(r#","enabled_departments":"#).text(&array(&departments[..departments.len().min(1)]));
        pen.text(r#","departments":"#).text(&array(&departments)).text(r#","skills":"#).text(&array(&skills));
        pen.text(r#","display_name":""#).text(first).text(r#"","last_login":"#);
        let logins = if dice.percent(85) { dice.between(1, 900) } else { 0 };
        if logins > 0 {
            pen.text("\"").seconds(created + dice.below(30 * 86_400) * SECOND).text("\"");
        } else {
            pen.text("null");
        }
        pen.text(r#","login_count":"#).integer(logins);
        if dice.percent(10) {
            pen.text(r#","scope":"all""#);
        }
        pen.text(r#","roles":{"administrator":"#)
            .boolean(place < 3)
            .text(r#","owner":"#)
            .boolean(place == 0)
            .text("}}");
        pen.into_text()
    }
}

/// Numbers as a JSON array.
fn array(numbers: &[i64]) -> String {
    let mut array = String::from("[");
    for (place, number) in numbers.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        _ = write!(array, "{comma}{number}");
    }
    array.push(']');
    array
}
