"""The Python of the page on querying runs, and each library counts what the page says."""

import importlib.util
import re
import subprocess
import sys
import unittest

from queries import FENCED
from test_queries import FOLDER, ROOT

PAGE = (ROOT / "docs/querying.md").read_text()


def here(block):
    """Whether all that a block imports is installed."""
    names = re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE)
    return all(importlib.util.find_spec(name) for name in names)


class Python(unittest.TestCase):
    def test_every_library_counts_the_same(self):
        blocks = [block["text"] for block in FENCED.finditer(PAGE) if block["language"] == "python"]
        blocks = list(filter(here, blocks))
        self.assertGreaterEqual(len(blocks), 3)
        (told,) = re.findall(r"counts (\d+) chats", PAGE)
        for block in blocks:
            ran = subprocess.run([sys.executable, "-c", block], cwd=FOLDER / "now", capture_output=True, text=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), block)
            self.assertEqual(re.findall(r"\d+", ran.stdout)[-1], told, block)
