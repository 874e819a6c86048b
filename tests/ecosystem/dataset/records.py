"""What `read` says that the account holds: the truth that a dataset is measured by.

Two things cannot be told from what it printed: the text of an array or object that stands in a column of text, and,
where it says that it changed a value to fit the schema, the value. `changed` counts the latter.
"""

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

from dataset import schema, type_of
from facts import fact, kind_of

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def of(lines):
    """The latest record of each key, by stream, out of what `read` printed."""
    streams = {}
    for line in lines:
        message = json.loads(line)
        if message["type"] != "RECORD":
            continue
        stream, data = message["record"]["stream"], message["record"]["data"]
        records = streams.setdefault(stream, {})
        # A stream without a key in its records has one record.
        records[data.get("account_key", data.get("id"))] = data
    return {stream: list(records.values()) for stream, records in streams.items()}


def changed(lines):
    """How often `read` changed a member, by stream and JSON Pointer."""
    changes = Counter()
    for line in lines:
        message = json.loads(line)
        for change in message.get("record", {}).get("meta", {}).get("changes", ()):
            changes[message["record"]["stream"], "/" + change["field"]] += 1
    return changes


def facts(table, records):
    """The facts of records, as `facts.py` tells them."""
    found = {}
    for name, member in schema(table)["properties"].items():
        gather(found, name, member, [record.get(name) for record in records])
    return found


def gather(found, path, schema, values):
    kind = kind_of(type_of(schema))
    values = [fitting(kind, schema, value) for value in values]
    values = [value for value in values if value is not None]
    if kind == "struct":
        found[path] = fact(kind, len(values))
        for name, member in schema["properties"].items():
            gather(found, f"{path}.{name}", member, [value.get(name) for value in values])
    elif kind == "list":
        found[path] = fact(kind, len(values), sum(map(len, values)))
        gather(found, f"{path}[]", schema["items"], [item for value in values for item in value])
    elif kind == "text":
        known = all(isinstance(value, str) for value in values)
        found[path] = fact(kind, len(values), sum(map(len, values)) if known else None)
    elif kind == "boolean":
        found[path] = fact(kind, len(values), sum(values))
    elif kind == "timestamp":
        found[path] = fact(kind, len(values), min(values, default=0), max(values, default=0))
    else:
        found[path] = fact(kind, len(values), sum(values), min(values, default=0), max(values, default=0))


def fitting(kind, schema, value):
    """What a column of this kind holds of a JSON value; none if it cannot hold it."""
    if value is None:
        return None
    if kind == "text":
        return value if isinstance(value, (str, list, dict)) else json.dumps(value)
    if kind == "struct":
        # An array stands for the members in their order; a value of another kind stands in `_extra` alone.
        if isinstance(value, list):
            return dict(zip(schema["properties"], value))
        return value if isinstance(value, dict) else None
    if kind == "timestamp":
        return (datetime.fromisoformat(value) - EPOCH) // timedelta(microseconds=1)
    return value
