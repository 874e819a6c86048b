"""A dataset as DuckDB reads it."""

from pathlib import Path

import duckdb

import facts
from dataset import live

NAME = "DuckDB"

SCALARS = {
    "BIGINT": "integer",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "VARCHAR": "text",
}


def connection():
    """A database in memory that needs no network."""
    database = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    database.execute("SET threads = 2")
    return database


class Tables:
    """The tables of a dataset through its `views.sql`."""

    def __init__(self, lake, views=None):
        self.database = connection()
        self.database.execute(views or (Path(lake) / "views.sql").read_text())

    def columns(self, table):
        return columns(self.database.table(table))

    def facts(self, table):
        return facts_of(self.database, f'SELECT * FROM "{table}"')

    def rows(self, table, month=None):
        where = f" WHERE month = '{month}'" if month else ""
        return self.database.execute(f'SELECT count(*) FROM "{table}"{where}').fetchone()[0]


def facts_of(database, query):
    """The facts of what a query yields, which is only run once."""
    database.execute(f"CREATE OR REPLACE TEMP TABLE looked_at AS {query}")
    run = lambda asked: database.execute(asked).fetchone()
    return facts.by_sql(facts.DUCKDB, run, "SELECT * FROM looked_at", columns(database.table("looked_at")))


def columns(relation):
    return {name: type_of(type) for name, type in zip(relation.columns, relation.types)}


def type_of(type):
    if type.id == "struct":
        return ("struct", {name: type_of(member) for name, member in type.children})
    if type.id == "list":
        return ("list", type_of(type.children[0][1]))
    return SCALARS.get(str(type), str(type))


def glob(lake, table):
    """What to select from to read all files of a table's folder."""
    return f"FROM read_parquet({quoted(f'{lake}/{table}/**/*.parquet')}, hive_partitioning = true)"


def listed(lake, table):
    """What to select from to read the live files of a table; each row tells its file."""
    files = ", ".join(map(quoted, live(lake, table)))
    options = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true, filename = true"
    return f"FROM read_parquet([{files}], {options})"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"
