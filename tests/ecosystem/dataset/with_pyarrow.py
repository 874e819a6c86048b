"""A dataset as PyArrow reads it."""

import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset

from dataset import live
from facts import fact, kind_of

NAME = "PyArrow"

MONTH = pyarrow.dataset.partitioning(pyarrow.schema([("month", pyarrow.string())]), flavor="hive")


class Tables:
    """The tables of a dataset through the list in `_state.json`."""

    def __init__(self, lake):
        self.lake = lake

    def open(self, table):
        partitioning = MONTH if any("/month=" in path for path in live(self.lake, table)) else None
        return pyarrow.dataset.dataset(live(self.lake, table), partitioning=partitioning)

    def columns(self, table):
        return columns(self.open(table))

    def facts(self, table):
        return facts_of(self.open(table))

    def rows(self, table, month=None):
        return self.open(table).count_rows(filter=None if month is None else compute.field("month") == month)


def columns(opened):
    return {field.name: type_of(field.type) for field in opened.schema}


def type_of(type):
    if type == pyarrow.timestamp("us", "UTC"):
        return "timestamp"
    if pyarrow.types.is_struct(type):
        return ("struct", {field.name: type_of(field.type) for field in type})
    if pyarrow.types.is_list(type):
        return ("list", type_of(type.value_type))
    return {"int64": "integer", "double": "double", "bool": "boolean", "string": "text"}.get(str(type), str(type))


def facts_of(opened):
    table = opened.to_table()
    found = {}
    for name, type in columns(table).items():
        gather(found, name, type, table[name].combine_chunks())
    return found


def gather(found, path, type, values):
    kind, values = kind_of(type), values.drop_null()
    if kind == "struct":
        found[path] = fact(kind, len(values))
        for name, of in type[1].items():
            gather(found, f"{path}.{name}", of, compute.struct_field(values, name))
    elif kind == "list":
        found[path] = fact(kind, len(values), compute.sum(compute.list_value_length(values)).as_py())
        gather(found, f"{path}[]", type[1], compute.list_flatten(values))
    elif kind == "text":
        found[path] = fact(kind, len(values), compute.sum(compute.utf8_length(values)).as_py())
    elif kind == "boolean":
        found[path] = fact(kind, len(values), compute.sum(values).as_py())
    elif kind == "timestamp":
        ends = compute.min_max(values.cast(pyarrow.int64())).as_py()
        found[path] = fact(kind, len(values), ends["min"], ends["max"])
    else:
        ends = compute.min_max(values).as_py()
        found[path] = fact(kind, len(values), compute.sum(values).as_py(), ends["min"], ends["max"])
