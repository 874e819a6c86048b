//! The part of a JSON schema that decides what a column can hold.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use serde_json::Value;

use super::instant;
use super::strict::names;
use crate::json;

/// In a file, the metadata key of a column of several types. Its value says how to read the column's text if `_extra`
/// has no entry.
const UNION: &str = "union";
/// The text is the content of a JSON string.
const TEXT: &str = "text";
/// The text is JSON if it is valid JSON of a type other than string, and otherwise the content of a string.
const JSON: &str = "json";

/// What a column can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Whole numbers of 64 bits.
    Integer,
    /// Floating-point numbers of 64 bits.
    Number,
    /// Truth values.
    Boolean,
    /// Times.
    Instant,
    /// Text.
    Text,
    /// Values of several types, as text.
    Union {
        /// Whether the text is the content of a JSON string if `_extra` has no entry.
        of_text: bool,
    },
    /// Objects.
    Struct {
        /// Their members by name.
        members: Vec<(String, Form)>,
        /// Whether an array may stand for the members in their order.
        positional: bool,
    },
    /// Arrays.
    List(Box<Form>),
}

impl Form {
    /// The form that a schema declares.
    pub fn of(schema: &Value) -> Self {
        let declared = match &schema["type"] {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
            _ => Vec::new(),
        };
        match (declared.as_slice(), &schema["properties"], &schema["items"]) {
            (["string"], ..) if schema["format"] == "date-time" => Self::Instant,
            (["string"], ..) => Self::Text,
            (["integer"], ..) => Self::Integer,
            (["number"] | ["integer", "number"] | ["number", "integer"], ..) => Self::Number,
            (["boolean"], ..) => Self::Boolean,
            (["object"] | ["object", "array"], Value::Object(members), _) => Self::Struct {
                members: members.iter().map(|(name, schema)| (name.clone(), Self::of(schema))).collect(),
                positional: declared.len() > 1,
            },
            (["array"], _, items @ Value::Object(_)) => Self::List(Box::new(Self::of(items))),
            _ => Self::Union { of_text: declared.first() == Some(&"string") },
        }
    }

    /// The form of a column in a file.
    pub fn of_field(field: &Field) -> Self {
        match field.data_type() {
            DataType::Int64 => Self::Integer,
            DataType::Float64 => Self::Number,
            DataType::Boolean => Self::Boolean,
            DataType::Timestamp(..) => Self::Instant,
            DataType::Struct(fields) => Self::Struct {
                members: fields.iter().map(|field| (field.name().clone(), Self::of_field(field))).collect(),
                positional: false,
            },
            DataType::List(item) => Self::List(Box::new(Self::of_field(item))),
            _ => match field.metadata().get(UNION) {
                Some(of) => Self::Union { of_text: of == TEXT },
                None => Self::Text,
            },
        }
    }

    /// The members of a struct.
    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Struct { members, .. } = self { members } else { &[] }
    }

    /// The form as text.
    pub fn describe(&self) -> String {
        match self {
            Self::Integer => "integer".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Instant => "time".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Union { of_text: true } => "text or other".to_owned(),
            Self::Union { of_text: false } => "any".to_owned(),
            Self::Struct { members, .. } => {
                let members: Vec<_> =
                    members.iter().map(|(name, form)| format!("{name}: {}", form.describe())).collect();
                format!("{{{}}}", members.join(", "))
            }
            Self::List(item) => format!("[{}]", item.describe()),
        }
    }

    /// The members of a struct as fields.
    pub fn fields(&self) -> Vec<Field> {
        self.members().iter().map(|(name, form)| form.field(name)).collect()
    }

    /// A field of that name. Its metadata holds the part of the form that its type cannot express.
    fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        let Self::Union { of_text } = self else { return field };
        let text_of = if *of_text { TEXT } else { JSON };
        field.with_metadata(HashMap::from([(UNION.to_owned(), text_of.to_owned())]))
    }

    /// The type of the column.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Instant => instant(),
            Self::Text | Self::Union { .. } => DataType::Utf8,
            Self::Struct { .. } => DataType::Struct(self.fields().into()),
            Self::List(item) => DataType::List(item.item()),
        }
    }

    /// The field of a list whose items are of this form.
    pub fn item(&self) -> Arc<Field> {
        Arc::new(self.field(Field::LIST_FIELD_DEFAULT_NAME))
    }

    /// A value's text without repeated members in the objects that the form describes. Of equal names, the last one
    /// stays; names that differ only by half a surrogate pair are changed so that they still differ.
    pub fn without_repeats(&self, json: &str) -> String {
        match self {
            Self::Struct { members: forms, .. } if json.starts_with('{') => {
                let (keys, texts): (Vec<_>, Vec<_>) = json::members(json).into_iter().unzip();
                let kept = names(&keys).into_iter().zip(texts).filter_map(|(name, text)| Some((name?, text)));
                let members = kept.map(|(name, json)| {
                    let form = forms.iter().find(|(known, _)| *known == name).map(|(_, form)| form);
                    let text = form.map_or_else(|| json.to_owned(), |form| form.without_repeats(json));
                    format!("{}:{text}", Value::from(name))
                });
                let members: Vec<String> = members.collect();
                format!("{{{}}}", members.join(","))
            }
            Self::List(item) if json.starts_with('[') => {
                let elements: Vec<String> =
                    json::elements(json).into_iter().map(|element| item.without_repeats(element)).collect();
                format!("[{}]", elements.join(","))
            }
            _ => json.to_owned(),
        }
    }
}
