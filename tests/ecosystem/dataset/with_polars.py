"""A dataset as Polars reads it."""

import polars

from dataset import PARTITIONED, live
from facts import fact, kind_of

NAME = "Polars"

SCALARS = {polars.Int64: "integer", polars.Float64: "double", polars.Boolean: "boolean", polars.String: "text"}


class Tables:
    """The tables of a dataset through the list in `_state.json`."""

    def __init__(self, lake):
        self.lake = lake

    def scan(self, table):
        return polars.scan_parquet(live(self.lake, table), hive_partitioning=table in PARTITIONED)

    def columns(self, table):
        return columns(self.scan(table))

    def facts(self, table):
        return facts_of(self.scan(table))

    def rows(self, table, month=None):
        return rows(self.scan(table), month)


def rows(frame, month=None):
    if month:
        frame = frame.filter(polars.col("month") == month)
    return frame.select(polars.len()).collect().item()


def columns(frame):
    return {name: type_of(type) for name, type in frame.collect_schema().items()}


def type_of(type):
    if type == polars.Datetime("us", "UTC"):
        return "timestamp"
    if isinstance(type, polars.Struct):
        return ("struct", {field.name: type_of(field.dtype) for field in type.fields})
    if isinstance(type, polars.List):
        return ("list", type_of(type.inner))
    return SCALARS.get(type, str(type))


def facts_of(frame):
    frame = frame.collect()
    found = {}
    for name, type in columns(frame.lazy()).items():
        gather(found, name, type, frame[name])
    return found


def gather(found, path, type, values):
    kind, values = kind_of(type), values.drop_nulls()
    if kind == "struct":
        found[path] = fact(kind, len(values))
        for name, of in type[1].items():
            gather(found, f"{path}.{name}", of, values.struct.field(name))
    elif kind == "list":
        found[path] = fact(kind, len(values), values.list.len().sum())
        # Polars makes a null of a list without items, which is no item to others.
        gather(found, f"{path}[]", type[1], values.explode())
    elif kind == "text":
        found[path] = fact(kind, len(values), values.str.len_chars().sum())
    elif kind == "boolean":
        found[path] = fact(kind, len(values), values.sum())
    elif kind == "timestamp":
        values = values.to_physical()
        found[path] = fact(kind, len(values), values.min(), values.max())
    else:
        found[path] = fact(kind, len(values), values.sum(), values.min(), values.max())
