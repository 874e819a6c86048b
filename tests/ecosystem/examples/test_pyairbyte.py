"""The script loads an account into DuckDB, keeps the tokens that a run brings, and goes on from there."""

import json
import re
import stat
import sys
from importlib.metadata import version

import duckdb

from surroundings import EXAMPLES, Example, account, ended

SCRIPT = EXAMPLES / "pyairbyte/load.py"

STREAMS = ("chats", "departments", "agent_events")


class PyAirbyte(Example):
    def load(self, *streams):
        """Runs the script; gives how many records it read, and how many rows the tables have."""
        command = [sys.executable, SCRIPT, self.folder / "config.json", self.folder / "zendesk.duckdb", *streams]
        code, output, talk = ended(command, AIRBYTE_LOGGING_ROOT=str(self.folder / "zendesk.logs"))
        self.assertEqual(code, 0, output + talk)
        records = int(re.search(r"^(\d+) records were read$", output, re.MULTILINE)[1])
        return records, {name: int(rows) for name, rows in re.findall(r"^(\w+): (\d+) rows$", output, re.MULTILINE)}

    def test_it_asks_for_the_version_that_is_tried(self):
        asked = (EXAMPLES / "pyairbyte/requirements.txt").read_text().splitlines()
        self.assertIn(f"airbyte=={version('airbyte')}", asked)

    def test_a_second_run_works_with_what_the_first_one_left(self):
        # A token is good for twelve requests, so that the first run spends its pair and more.
        with account("--credentials", "pair", "--token-requests", "12") as configuration:
            path = self.write("config.json", configuration | {"end_date": "2025-07-01T00:00:00Z"})
            path.chmod(0o600)
            _, some = self.load()
            self.assertEqual(len(some), 15)
            self.assertLess(some["chats"], 300)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            kept = json.loads(path.read_text())
            for name in ("access_token", "refresh_token"):
                self.assertNotEqual(kept["credentials"].pop(name), configuration["credentials"].pop(name))

            path.write_text(path.read_text().replace("2025-07-01", "2026-01-01"))
            read, rows = self.load(*STREAMS)
            self.assertEqual(rows["chats"], 300)
            new = sum(rows[name] - some[name] for name in ("chats", "agent_events"))
            # Departments have no cursor and come anew.
            self.assertEqual(read, new + rows["departments"])
        with duckdb.connect(str(self.folder / "zendesk.duckdb")) as database:
            for name in STREAMS:
                found = database.sql(f"select count(*), count(distinct id) from main.{name}").fetchone()
                self.assertEqual(found, (rows[name], rows[name]))
        left = {path.name for path in self.folder.iterdir()}
        self.assertLessEqual(left, {"config.json", "zendesk.duckdb", "zendesk.duckdb.staging", "zendesk.logs"})
