"""PyAirbyte finds what `pip` has installed by its name, and reads with it."""

import json
import os
import subprocess
import unittest
from collections import Counter
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache

BUILT, FOLDER = Path(os.environ["ECOSYSTEM_BUILT"]), Path(os.environ["ECOSYSTEM_FOLDER"])

FRESH = FOLDER / "fresh/bin/source-zendesk-chat"

NAME = "source-zendesk-chat"

STREAMS = ["chats", "departments"]


class ByName(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = json.loads((FOLDER / "config.json").read_text())
        command = [FRESH, "read", "--config", FOLDER / "config.json"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
        records = (line["record"]["stream"] for line in map(json.loads, lines) if line["type"] == "RECORD")
        cls.expected = Counter(records)

    def assert_reads(self, source, program):
        self.assertEqual(source.executor._cli, [str(program)])
        source.check()
        source.select_streams(STREAMS)
        name = self.id().rpartition(".")[2]
        result = source.read(cache=DuckDBCache(db_path=FOLDER / f"{name}.duckdb", cache_dir=FOLDER / name))
        found = {stream: len(result[stream]) for stream in STREAMS}
        self.assertEqual(found, {stream: self.expected[stream] for stream in STREAMS})

    def test_the_name_of_the_program(self):
        self.assert_reads(airbyte.get_source(NAME, self.config, local_executable=NAME), FRESH)

    def test_nothing_but_the_name(self):
        self.assert_reads(airbyte.get_source(NAME, self.config), FRESH)

    def test_installed_by_pyairbyte(self):
        source = airbyte.get_source(NAME, self.config, pip_url=str(next(BUILT.glob("*.whl"))), install_root=FOLDER)
        self.assert_reads(source, FOLDER / f".venv-{NAME}/bin/{NAME}")
