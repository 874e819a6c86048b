//! The parameters of a request.

use axum::http::Uri;

/// Decoded parameters, in their order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a query without its question mark; a query that cannot be decoded has none.
    pub fn of(query: &str) -> Self {
        let uri = Uri::try_from(format!("/?{query}")).unwrap_or_default();
        Self(axum::extract::Query::try_from_uri(&uri).map_or_else(|_| Vec::new(), |query| query.0))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
