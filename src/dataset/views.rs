//! `views.sql`: one DuckDB view a table, over exactly the files that count.

use std::fmt::Write as _;

use super::{Manifest, Store};

/// The views over all tables that have files.
pub fn text(manifest: &Manifest, store: &Store) -> String {
    let mut text = "-- Written anew by each commit: duckdb -init views.sql\n".to_owned();
    for (name, table) in &manifest.tables {
        if table.live.is_empty() {
            continue;
        }
        let files: Vec<String> =
            table.live.iter().map(|file| format!("'{}'", store.address(&file.path).replace('\'', "''"))).collect();
        let partitioned = table.live.iter().any(|file| file.path.contains("/month="));
        let hive = if partitioned { ", hive_partitioning = true, hive_types_autocast = false" } else { "" };
        // Writing into a text does not fail.
        let _ = writeln!(
            text,
            "CREATE OR REPLACE VIEW \"{name}\" AS SELECT * FROM read_parquet([\n  {}\n], union_by_name = true{hive});",
            files.join(",\n  ")
        );
    }
    text
}
