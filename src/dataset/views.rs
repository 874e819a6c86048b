//! `views.sql`: one DuckDB view per table, over exactly the files that count.

use std::fmt::Write as _;

use super::{Manifest, Store};

/// The beginning of every `views.sql` that this program writes.
const HEAD: &str = "-- Written anew by each commit";

/// The month of a row, read from the dataset's own part of its file's path. DuckDB would read the whole path, and the
/// place may lie below folders that look like months or like other columns.
const MONTH: &str =
    "nullif(regexp_extract(filename, '/month=([^/]*)/[^/]*$', 1), '__HIVE_DEFAULT_PARTITION__') AS month";

/// The views over all tables that have files.
///
/// The place occurs in them once, as a macro. Unlike a variable, a macro is saved in a database file together with the
/// views.
pub fn text(manifest: &Manifest, store: &Store) -> String {
    let mut text = format!("{HEAD}: duckdb -init views.sql\n{}\n", place(store));
    for (name, table) in &manifest.tables {
        if table.live.is_empty() {
            continue;
        }
        let files: Vec<String> = table.live.iter().map(|file| format!("lake() || {}", quoted(&file.path))).collect();
        let files = files.join(",\n  ");
        let by_month = table.live.iter().any(|file| file.path.contains("/month="));
        let (columns, filename) = if by_month {
            (format!("* EXCLUDE (filename), {MONTH}"), ", filename = true")
        } else {
            ("*".to_owned(), "")
        };
        // Writing into a `String` cannot fail.
        let _ = writeln!(
            text,
            "CREATE OR REPLACE VIEW \"{name}\" AS SELECT {columns} FROM read_parquet([\n  {files}\n], union_by_name = true, hive_partitioning = false{filename});"
        );
    }
    text
}

/// Whether this program wrote a `views.sql`. An empty one may be replaced, too.
pub fn is_ours(text: &[u8]) -> bool {
    text.is_empty() || text.starts_with(HEAD.as_bytes())
}

/// Whether a `views.sql` points to this place.
pub fn is_of(text: &str, store: &Store) -> bool {
    text.contains(&place(store))
}

/// The macro that defines where the files are.
fn place(store: &Store) -> String {
    format!("CREATE OR REPLACE MACRO lake() AS {};", quoted(&literally(&store.address(""))))
}

/// A path with its wildcards escaped, so that DuckDB takes it literally.
fn literally(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '*' | '?' | '[' => literal.extend(['[', character, ']']),
            _ => literal.push(character),
        }
    }
    literal
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use object_store::memory::InMemory;

    use super::*;
    use crate::dataset::{DataFile, Table};

    fn store(prefix: &str) -> Store {
        Store::in_bucket(Arc::new(InMemory::new()), "s3://bucket".to_owned(), prefix.into())
    }

    #[test]
    fn a_place_below_a_folder_like_a_partition_gives_no_columns() {
        let mut manifest = Manifest::new("acme", DateTime::UNIX_EPOCH, "run");
        let file = |path: &str| DataFile { path: path.to_owned(), rows: 1, bytes: 1, min: None, max: None };
        let table = |path| Table { live: vec![file(path)], ..Table::default() };
        manifest.tables.insert("chats".to_owned(), table("chats/month=2025-01/a.parquet"));
        manifest.tables.insert("roles".to_owned(), table("roles/a.parquet"));
        let text = text(&manifest, &store("name=acme/lake"));
        assert!(!text.contains("hive_partitioning = true"), "{text}");
        assert_eq!(text.matches("name=acme").count(), 1, "the place stands there once: {text}");
        assert_eq!(text.matches("AS month").count(), 1, "{text}");
    }

    #[test]
    fn a_path_means_itself_whatever_stands_in_it() {
        assert_eq!(quoted(&literally("/it's [a] l*k?e")), "'/it''s [[]a] l[*]k[?]e'");
    }

    #[test]
    fn views_that_came_from_elsewhere_are_distinguished_from_those_of_the_place() {
        let text = text(&Manifest::new("acme", DateTime::UNIX_EPOCH, "run"), &store("lake"));
        assert!(is_ours(text.as_bytes()) && !is_ours(b"CREATE VIEW mine AS SELECT 1;"));
        assert!(is_of(&text, &store("lake")) && !is_of(&text, &store("lake2")) && !is_of(&text, &store("moved/lake")));
    }
}
