"""DuckDB, Polars and PyArrow read one dataset, and find in it what `read` says that the account holds."""

import json
import unittest
from functools import cache

import polars
import pyarrow.dataset
import pyarrow.parquet

import facts
import records
import with_duckdb
import with_polars
import with_pyarrow
from dataset import ADDED, PARTITIONED, TABLES, expected, live, months, rows, state
from made import FOLDER, spoiled

# Filled by one run, filled by two runs, and without any row in the tables that are divided by month.
LAKE, GROWN, EMPTY = FOLDER / "it's a lake", FOLDER / "grown", FOLDER / "empty"

ENGINES = (with_pyarrow, with_duckdb, with_polars)

# A month in the middle of the dataset.
MONTH = "2025-05"


@cache
def tables(engine, lake):
    return engine.Tables(lake)


@cache
def found(engine, lake, table):
    """The facts of a table as an engine reads it."""
    return tables(engine, lake).facts(table)


@cache
def printed():
    return (FOLDER / "records.jsonl").read_text().split("\n")[:-1]


@cache
def truth():
    return records.of(printed())


def without(facts, names):
    return {path: fact for path, fact in facts.items() if path.split(".")[0].removesuffix("[]") not in names}


def each(tables, *engines):
    return [(table, engine) for table in tables for engine in engines]


class Readers(unittest.TestCase):
    maxDiff = None

    def assert_same(self, one, other):
        self.assertEqual([], facts.differences(one, other))


class Shape(Readers):
    def test_the_tables_are_those_of_the_schemas(self):
        self.assertEqual(15, len(TABLES))
        for lake in (LAKE, GROWN, EMPTY):
            self.assertEqual(sorted(TABLES), sorted(state(lake)["tables"]))

    def test_columns_have_the_types_of_the_schemas(self):
        for lake in (LAKE, GROWN, EMPTY):
            for table, engine in each(TABLES, *ENGINES):
                with self.subTest(table=table, engine=engine.NAME):
                    self.assertEqual(expected(table), tables(engine, lake).columns(table), lake.name)

    def test_columns_stand_in_one_order(self):
        for table, engine in each(TABLES, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                one, other = (list(tables(reader, LAKE).columns(table)) for reader in (with_pyarrow, engine))
                self.assertEqual(one, other)

    def test_a_table_without_rows_is_read_like_any(self):
        for table, engine in each(PARTITIONED, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                self.assertEqual(1, len(live(EMPTY, table)))
                self.assertEqual(0, tables(engine, EMPTY).rows(table))


class Content(Readers):
    def test_rows_are_as_many_as_the_account_has(self):
        summary = json.loads((FOLDER / "summary.json").read_text())
        told = {stream["stream"]: stream for stream in summary["streams"]}
        for table, engine in each(TABLES, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                count = len(truth()[table])
                self.assertGreater(count, 0)
                self.assertEqual("complete", told[table]["status"])
                self.assertEqual(count, told[table]["rows"])
                self.assertEqual(len(live(LAKE, table)), told[table]["files"])
                for lake in (LAKE, GROWN):
                    self.assertEqual(count, rows(lake, table), lake.name)
                    self.assertEqual(count, tables(engine, lake).rows(table), lake.name)

    def test_values_are_those_that_were_read(self):
        changed = {(stream, pointer.removeprefix("/")) for stream, pointer in records.changed(printed())}
        for table, engine in each(TABLES, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                names = [name for stream, name in changed if stream == table]
                there = without(records.facts(table, truth()[table]), names)
                here = without(found(engine, LAKE, table), [*names, *ADDED, "month"])
                self.assert_same((engine.NAME, here), ("the account", there))

    def test_what_a_column_cannot_give_back_is_beside_it(self):
        changes = records.changed(printed())
        self.assertTrue(changes)
        for (table, pointer), count in changes.items():
            extras = tables(with_pyarrow, LAKE).open(table).to_table(columns=["_extra"])["_extra"].drop_null()
            with self.subTest(table=table, pointer=pointer):
                self.assertEqual(count, sum(pointer in json.loads(extra) for extra in extras.to_pylist()))

    def test_what_is_beside_columns_is_json_to_duckdb(self):
        # It takes half a surrogate pair for an error, which a cut emoji leaves behind.
        database = tables(with_duckdb, GROWN).database
        for table in TABLES:
            broken = f'SELECT count(*) FROM "{table}" WHERE NOT json_valid(_extra)'
            with self.subTest(table=table):
                self.assertEqual((0,), database.execute(broken).fetchone())

    def test_engines_agree_on_every_value(self):
        for lake in (LAKE, GROWN, EMPTY):
            for table, engine in each(TABLES, with_duckdb, with_polars):
                with self.subTest(table=table, engine=engine.NAME):
                    first = (with_pyarrow.NAME, found(with_pyarrow, lake, table))
                    self.assert_same(first, (engine.NAME, found(engine, lake, table)))

    def test_two_runs_make_what_one_makes(self):
        own = ("_extracted_at", "_run_id")
        for table, engine in each(TABLES, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                one, two = (without(found(engine, lake, table), own) for lake in (LAKE, GROWN))
                self.assert_same(("one run", one), ("two runs", two))

    def test_nested_values_were_there_to_compare(self):
        chats = found(with_pyarrow, LAKE, "chats")
        for path in ("visitor.id", "webpath[].to", "history[].tags[]", "engagements[].response_time.avg"):
            self.assertGreater(chats[path][0], 0, path)


class Files(Readers):
    def test_a_glob_reads_a_dataset_of_one_run(self):
        for table in TABLES:
            first = ("the live files", found(with_pyarrow, LAKE, table))
            with self.subTest(table=table):
                rows = f"SELECT * {with_duckdb.glob(LAKE, table)}"
                self.assert_same(first, ("DuckDB's glob", with_duckdb.facts_of(with_duckdb.connection(), rows)))
                scan = polars.scan_parquet(LAKE / table / "**/*.parquet", hive_partitioning=True)
                self.assert_same(first, ("Polars' glob", with_polars.facts_of(scan)))
                folder = pyarrow.dataset.dataset(LAKE / table, partitioning="hive")
                self.assert_same(first, ("PyArrow's folder", with_pyarrow.facts_of(folder)))

    def test_retired_files_are_in_no_list(self):
        views = (GROWN / "views.sql").read_text()
        retired = 0
        for table in TABLES:
            here = {str(path.relative_to(GROWN)) for path in (GROWN / table).rglob("*.parquet")}
            listed = {file["path"] for file in state(GROWN)["tables"][table]["live"]}
            self.assertLessEqual(listed, here)
            for path in here:
                self.assertEqual(path in listed, f"lake() || '{path}'" in views, path)
            retired += len(here - listed)
        self.assertGreater(retired, 0, "two runs retired no file, so the lists were not put to the test")

    def test_files_are_as_large_as_listed(self):
        for lake in (LAKE, GROWN, EMPTY):
            for table in TABLES:
                for file in state(lake)["tables"][table]["live"]:
                    self.assertEqual(file["bytes"], (lake / file["path"]).stat().st_size, file["path"])
                    metadata = pyarrow.parquet.read_metadata(lake / file["path"])
                    self.assertEqual(file["rows"], metadata.num_rows, file["path"])


class Months(Readers):
    """A condition on `month` is answered by that month's files alone."""

    @classmethod
    def setUpClass(cls):
        cls.spoiled = spoiled(LAKE, MONTH)

    def month_of(self, table):
        created = "start_time" if table == "agent_timeline" else "timestamp"
        rows = [record for record in truth()[table] if record[created].startswith(MONTH)]
        self.assertGreater(len(rows), 0)
        return len(rows)

    def test_there_are_all_months(self):
        for table in PARTITIONED:
            with self.subTest(table=table):
                self.assertEqual([f"2025-{month:02}" for month in range(1, 13)], months(LAKE, table))

    def test_engines_agree_on_a_month(self):
        for table, engine in each(PARTITIONED, *ENGINES):
            with self.subTest(table=table, engine=engine.NAME):
                for lake in (LAKE, GROWN):
                    self.assertEqual(self.month_of(table), tables(engine, lake).rows(table, MONTH), lake.name)

    def test_duckdb_reads_one_month(self):
        for table in PARTITIONED:
            with self.subTest(table=table):
                database = tables(with_duckdb, LAKE).database
                query = f"SELECT count(*), max(_extracted_at) FROM \"{table}\" WHERE month = '{MONTH}'"
                plan = database.execute(f"EXPLAIN ANALYZE {query}").fetchall()[0][1]
                self.assertRegex(plan, r"Scanning Files: 1/12\b")
                query = f"SELECT DISTINCT filename {with_duckdb.listed(LAKE, table)} WHERE month = '{MONTH}'"
                files = [name for (name,) in database.execute(query).fetchall()]
                self.assertEqual([path for path in live(LAKE, table) if f"month={MONTH}" in path], files)

    def test_duckdb_reads_no_other_file(self):
        for table in PARTITIONED:
            with self.subTest(table=table):
                query = f"SELECT * {with_duckdb.glob(self.spoiled, table)} WHERE month = '{MONTH}'"
                found = with_duckdb.facts_of(with_duckdb.connection(), query)
                self.assertEqual(self.month_of(table), found["month"][0])

    def test_polars_reads_no_other_file(self):
        for table in PARTITIONED:
            with self.subTest(table=table):
                scan = with_polars.Tables(self.spoiled).scan(table).filter(polars.col("month") == MONTH)
                self.assertEqual(self.month_of(table), scan.collect().height)

    def test_pyarrow_reads_no_other_file(self):
        month = pyarrow.dataset.field("month") == MONTH
        for table in PARTITIONED:
            with self.subTest(table=table):
                opened = tables(with_pyarrow, LAKE).open(table)
                files = [fragment.path for fragment in opened.get_fragments(filter=month)]
                self.assertEqual([path for path in live(LAKE, table) if f"month={MONTH}" in path], files)
                spoiled = with_pyarrow.Tables(self.spoiled).open(table)
                self.assertEqual(self.month_of(table), spoiled.to_table(filter=month).num_rows)

    def test_without_the_month_the_spoiled_files_are_met(self):
        # Otherwise the three tests above show nothing.
        for table, engine in each(PARTITIONED, with_polars, with_pyarrow):
            with self.subTest(table=table, engine=engine.NAME):
                with self.assertRaises(Exception):
                    engine.Tables(self.spoiled).facts(table)


if __name__ == "__main__":
    unittest.main()
