"""Every query of the documents runs, and is answered as they say."""

import contextlib
import os
import unittest
from pathlib import Path

import duckdb

from queries import asked, queries, told

ROOT = Path(__file__).resolve().parents[3]

FOLDER = Path(os.environ["ECOSYSTEM_FOLDER"])

DOCUMENTS = {path: queries(path.read_text()) for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}


def connection():
    """A database that needs no network, with the views of the dataset that the working directory holds."""
    database = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    database.execute("SET TimeZone = 'UTC'")
    database.execute(Path("zendesk-lake/views.sql").read_text())
    return database


class Queries(unittest.TestCase):
    maxDiff = None

    def hold(self, folder):
        """Runs the queries of each document in their order, since one may lean on another."""
        with contextlib.chdir(FOLDER / folder):
            for path, found in DOCUMENTS.items():
                database = connection()
                for query in filter(lambda query: query.runs, found):
                    with self.subTest(f"{path.relative_to(ROOT)}:{query.line}"):
                        rows = asked(database, query.text)
                        if query.answer is not None:
                            self.assertEqual(rows, told(query.answer))

    def test_every_query_runs_and_is_answered_as_it_is_printed(self):
        self.hold("now")

    def test_no_answer_depends_on_the_day(self):
        self.hold("earlier")

    def test_there_are_queries_with_answers(self):
        found = [query for found in DOCUMENTS.values() for query in found]
        self.assertGreaterEqual(sum(query.answer is not None for query in found), 3)
        self.assertGreaterEqual(len(found), 10)


class Printed(unittest.TestCase):
    """Answers are understood in every form in which DuckDB prints them."""

    ROWS = ["name n", "Ann Lee 1", "NULL 20"]

    def test_a_box(self):
        box = "┌─────────┬───────┐\n│  name   │   n   │\n│ varchar │ int64 │\n├─────────┼───────┤\n│ Ann Lee │     1 │\n│ NULL    │    20 │\n"
        self.assertEqual(told(box + "└─────────┴───────┘\n"), self.ROWS)
        self.assertEqual(told(box + "├─────────┴───────┤\n│ 2 rows          │\n└─────────────────┘\n"), self.ROWS)

    def test_a_table_of_markdown(self):
        self.assertEqual(told("| name    |  n |\n|---------|---:|\n| Ann Lee |  1 |\n| NULL    | 20 |\n"), self.ROWS)

    def test_columns(self):
        self.assertEqual(told("name     n\n-------  --\nAnn Lee  1\nNULL     20\n"), self.ROWS)

    def test_what_is_asked_reads_the_same(self):
        text = "CREATE TABLE t AS SELECT 1; SELECT * FROM (VALUES ('Ann Lee', 1), (NULL, 20)) AS t(name, n);"
        self.assertEqual(asked(duckdb.connect(), text), self.ROWS)

    def test_only_what_stands_directly_below_is_an_answer(self):
        asks = [f"```sql\nSELECT {number};\n```\n\n" for number in range(1, 5)]
        text = asks[0] + "```text\n1\n```\n\n" + asks[1] + "Words.\n\n```text\n2\n```\n" + asks[2] + "| 3 |\n|---|\n| 3 |\n\nWords.\n\n"
        found = queries(text + asks[3] + "```sql\n-- not run\n```\n")
        self.assertEqual([query.answer for query in found], ["1\n", None, "| 3 |\n|---|\n| 3 |\n", None, None])
        self.assertEqual([query.line for query in found][:2], [1, 9])
        self.assertEqual([query.runs for query in found], [True] * 4 + [False])
