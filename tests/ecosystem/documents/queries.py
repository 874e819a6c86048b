"""The queries that documents show, each with the answer that is printed below it."""

import itertools
import re
from dataclasses import dataclass

# What a block is marked with if it needs what is not here, such as a bucket.
NOT_RUN = "-- not run"

FENCED = re.compile(r"^(?P<mark>`{3,})(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=mark)[ \t]*$", re.MULTILINE | re.DOTALL)

FRAME = re.compile(r"[|│┃─━┄┌┬┐├┼┤└┴┘╞╪╡═]")

# DuckDB prints the types below the names, and the size of a table below its rows.
TYPES = re.compile(r"((u?(tiny|small|big|huge)?int(eger|\d+)?|double|float|decimal\S*|varchar|boolean|date|time|interval|uuid|json|blob"
                   r"|timestamp\S*( with time zone)?|struct\S*|map\S*)(\[\])*\s*)+")
SIZE = re.compile(r"\(?\d+ rows?( \d+ columns?)?\)?( \(\d+ shown\))?( \d+ columns?)?")


@dataclass
class Query:
    line: int
    text: str
    answer: str | None

    @property
    def runs(self):
        return NOT_RUN not in self.text


def queries(document):
    """The blocks of SQL of a document; a table directly below one, or a block of text, is its answer."""
    found = []
    for block in FENCED.finditer(document):
        if block["language"] == "sql":
            line = document.count("\n", 0, block.start()) + 1
            found.append(Query(line, block["text"], answer(document[block.end() :].lstrip())))
    return found


def answer(below):
    """The answer with which a text begins, if it begins with one."""
    if block := FENCED.match(below):
        return block["text"] if block["language"] in ("", "text") else None
    table = itertools.takewhile(lambda line: line.startswith("|"), below.splitlines(keepends=True))
    return "".join(table) or None


def told(answer):
    """The rows of a printed answer, the names first, whatever frame it is printed in; cells are parted by one blank."""
    rows = [words(line) for line in answer.splitlines()]
    rows = [row for row in rows if row.replace("-", "").replace(":", "").strip()]
    return [row for row in rows if not SIZE.fullmatch(row) and not (rows.index(row) == 1 and TYPES.fullmatch(row))]


def asked(database, text):
    """The rows that DuckDB answers to the last statement of a text, in the same form; nothing if there is none."""
    result = None
    for statement in database.extract_statements(text):
        result = database.query(statement.query.strip().rstrip(";"))
    if result is None:
        return []
    names = [words(name) for name in result.columns]
    texts = result.project(", ".join(f"#{place}::VARCHAR" for place, _ in enumerate(names, 1)))
    return [words(" ".join(names))] + [words(" ".join(map(cell, row))) for row in texts.fetchall()]


def cell(value):
    return "NULL" if value is None else value


def words(line):
    """A line without a frame around or within it."""
    return " ".join(FRAME.sub(" ", line).split())
