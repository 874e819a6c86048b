"""A dataset as its `_state.json` tells it, and the types that its tables must have."""

import json
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

TABLES = tuple(sorted(path.stem for path in (REPOSITORY / "schemas").glob("*.json")))

# Those that are divided by month.
PARTITIONED = ("agent_events", "agent_timeline", "chats", "conversions", "department_events")

# What every table holds beside the members of its records.
ADDED = {"_extra": "text", "_extracted_at": "timestamp", "_run_id": "text"}


def state(lake):
    """All that a dataset says of itself."""
    return json.loads((Path(lake) / "_state.json").read_text())


def live(lake, table):
    """The files that are a table, as the README shows how to list them."""
    return [f"{lake}/{file['path']}" for file in state(lake)["tables"][table]["live"]]


def rows(lake, table):
    """How many rows `_state.json` says that a table has."""
    return sum(file["rows"] for file in state(lake)["tables"][table]["live"])


def months(lake, table):
    """The months that a table has files for, in order."""
    folders = (part for path in live(lake, table) for part in path.split("/") if part.startswith("month="))
    return sorted({folder.removeprefix("month=") for folder in folders})


def expected(table):
    """The columns of a table by name, with their types: what its schema declares, and what is added to it.

    A type is `integer`, `double`, `boolean`, `timestamp`, `text`, `("list", type)` or `("struct", {name: type})`.
    """
    columns = dict(type_of(schema(table))[1])
    columns.update(ADDED)
    if table in PARTITIONED:
        columns["month"] = "text"
    return columns


def schema(table):
    return json.loads((REPOSITORY / "schemas" / f"{table}.json").read_text())


def type_of(schema):
    """The type of what a JSON schema declares; a value of several types is text."""
    names = schema.get("type", [])
    names = tuple(name for name in ([names] if isinstance(names, str) else names) if name != "null")
    if names == ("string",):
        return "timestamp" if schema.get("format") == "date-time" else "text"
    if names == ("integer",):
        return "integer"
    if names in (("number",), ("integer", "number"), ("number", "integer")):
        return "double"
    if names == ("boolean",):
        return "boolean"
    if names in (("object",), ("object", "array")) and "properties" in schema:
        return ("struct", {name: type_of(member) for name, member in schema["properties"].items()})
    if names == ("array",) and "items" in schema:
        return ("list", type_of(schema["items"]))
    return "text"


def environment(**more):
    """The environment of a program that talks to this machine only, whatever proxies and clouds are set up on it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ZENDESK_CHAT_"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **more}
