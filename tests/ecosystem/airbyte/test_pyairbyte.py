"""PyAirbyte drives the program: what it loads into DuckDB is what the account holds."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import airbyte
import duckdb
from airbyte.caches import DuckDBCache
from airbyte.exceptions import AirbyteConnectorFailedError

from account import EXPORTS, PROGRAM, account, truth

STREAMS = sorted(path.stem for path in (Path(__file__).parents[3] / "schemas").glob("*.json"))

KEYS = {"accounts": "account_key", "routing_settings": None}

# What a member of each type becomes.
TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DECIMAL(38,9)",
    "boolean": "BOOLEAN",
    "object": "JSON",
    "array": "JSON",
}

# How a column's value is got out of a record of the account.
VALUES = {
    "JSON": "CAST(nullif(CAST(record->'$.{}' AS VARCHAR), 'null') AS JSON)",
    "TIMESTAMP": "CAST(replace(record->>'$.{}', 'Z', '') AS TIMESTAMP)",
}


def column(declared):
    (kind,) = set(declared["type"]) - {"null"}
    return "TIMESTAMP" if declared.get("format") == "date-time" else TYPES[kind]


class PyAirbyte(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.told = []

    def cache(self, name="cache"):
        return DuckDBCache(db_path=self.folder / f"{name}.duckdb", cache_dir=self.folder / name)

    def database(self, name="cache"):
        """What was loaded; PyAirbyte still holds the file itself."""
        copy = shutil.copy(self.folder / f"{name}.duckdb", self.folder / "copy.duckdb")
        return duckdb.connect(str(copy))

    def source(self, config, *streams):
        source = airbyte.get_source(
            "source-zendesk-chat", config, local_executable=PROGRAM, config_change_callback=self.told.append
        )
        source.select_streams(list(streams or STREAMS))
        return source

    def assert_same(self, config, streams=STREAMS, name="cache"):
        """Each column of each table has, for each key, the value that the account has."""
        with self.database(name) as database:
            for stream in streams:
                records = self.folder / f"{stream}.jsonl"
                records.write_text("".join(json.dumps(record) + "\n" for record in truth(config, stream)))
                key = KEYS.get(stream, "id")
                columns = database.sql(
                    f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{stream}'"
                    " AND column_name NOT LIKE '\\_airbyte\\_%' ESCAPE '\\'"
                ).fetchall()
                declared = json.loads((Path(__file__).parents[3] / f"schemas/{stream}.json").read_text())["properties"]
                self.assertEqual(dict(columns), {name: column(declared[name]) for name in declared}, stream)
                values = (
                    f"{VALUES.get(type, f'CAST(record->>{chr(39)}$.{{}}{chr(39)} AS {type})').format(name)} AS \"{name}\""
                    for name, type in columns
                )
                database.sql(
                    f"CREATE OR REPLACE TEMP VIEW truth AS SELECT {', '.join(values)}"
                    f" FROM (SELECT json AS record FROM read_ndjson_objects('{records}'))"
                )
                rows = database.sql("SELECT count(*) FROM truth").fetchone()
                self.assertGreater(rows[0], 0, stream)
                self.assertEqual(database.sql(f"SELECT count(*) FROM main.{stream}").fetchone(), rows, stream)
                on = f'ON loaded."{key}" = truth."{key}"' if key else "ON true"
                differ = ", ".join(
                    f'count(*) FILTER (loaded."{name}" IS DISTINCT FROM truth."{name}")' for name, _ in columns
                )
                found = database.sql(f"SELECT {differ} FROM main.{stream} loaded FULL JOIN truth {on}").fetchone()
                names = [name for name, _ in columns]
                self.assertEqual(dict(zip(names, found)), dict.fromkeys(names, 0), stream)

    def test_all_streams_come_with_all_values_and_a_second_read_brings_what_is_new(self):
        with account("--chats", "600") as config:
            first = config | {"end_date": "2025-07-01T00:00:00Z", "lookback_hours": 0}
            source = self.source(first)
            source.check()
            self.assertEqual(sorted(source.get_available_streams()), STREAMS)
            source.read(cache=self.cache())
            self.assert_same(first)
            before = self.rows()

            read = self.source(config | {"lookback_hours": 0}).read(cache=self.cache())
            self.assert_same(config)
            after = self.rows()
            # What has a cursor brings what is new, and perhaps once more what stands just before; the others come whole.
            onwards = [*EXPORTS, "agents", "bans"]
            new = {stream: after[stream] - before[stream] for stream in onwards}
            self.assertTrue(all(new[stream] > 0 for stream in EXPORTS), new)
            whole = sum(after[stream] for stream in STREAMS if stream not in onwards)
            self.assertIn(read.processed_records - whole - sum(new.values()), range(len(EXPORTS) + 1))

            again = self.source(config | {"lookback_hours": 0}).read(cache=self.cache())
            self.assertIn(again.processed_records - whole, range(len(EXPORTS) + 1), "and a third one nothing")
            self.assert_same(config)

    def rows(self):
        with self.database() as database:
            return {stream: database.sql(f"SELECT count(*) FROM main.{stream}").fetchone()[0] for stream in STREAMS}

    def test_a_stream_that_fails_fails_the_run_unless_it_may_be_skipped(self):
        with account("--chats", "60", "--forbid", "incremental/agent_events") as config:
            source = self.source(config)
            source.check()
            with self.assertRaises(AirbyteConnectorFailedError) as failed:
                source.read(cache=self.cache("failed"))
            self.assertIn("agent_events: the service answered 403", failed.exception.log_file.read_text())
            self.source(config | {"skip_unavailable_streams": True}).read(cache=self.cache("skipped"))
            self.assert_same(config, [stream for stream in STREAMS if stream != "agent_events"], "skipped")

    def test_a_wrong_token_is_no_empty_success(self):
        with account("--chats", "60") as config:
            wrong = config | {"credentials": {"credentials": "access_token", "access_token": "another"}}
            with self.assertRaises(airbyte.exceptions.AirbyteConnectorCheckFailedError):
                self.source(wrong).check()
            with self.assertRaises(AirbyteConnectorFailedError):
                self.source(wrong).read(cache=self.cache())

    def test_renewed_tokens_reach_the_caller(self):
        # A token is good for twelve requests, so a read needs more of them than it begins with.
        with account("--chats", "600", "--credentials", "pair", "--token-requests", "12") as config:
            self.source(config).read(cache=self.cache())
            self.assertTrue(self.told)
            self.assertNotEqual(self.told[-1]["credentials"]["refresh_token"], config["credentials"]["refresh_token"])
            # What came last is what works; a refresh token that was used once does not.
            self.source(self.told[-1], "roles").check()
            with self.assertRaises(airbyte.exceptions.AirbyteConnectorCheckFailedError):
                self.source(config, "roles").check()
