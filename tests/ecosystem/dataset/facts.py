"""Facts about every value of a table, at every depth, by which readers are compared.

A fact stands at a path such as `history[].tags[]` and is a tuple whose first member counts what is not null:

    struct      (count,)
    list        (count, items in all of them)
    text        (count, characters in all of them)
    boolean     (count, how many are true)
    integer     (count, sum, least, greatest)
    double      (count, sum, least, greatest)
    timestamp   (count, least, greatest), in microseconds since 1970
"""

import math


def fact(kind, count, *values):
    """A fact; engines differ in what the sum of nothing is, so nothing has none. None stands for what is not known."""
    if not count:
        return (0,)
    number = float if kind == "double" else int
    return (int(count), *(value if value is None else number(value) for value in values))


def kind_of(type):
    return type if isinstance(type, str) else type[0]


def same(one, other):
    """Whether two facts are equal; sums of doubles depend a little on their order."""
    close = (
        a is None or b is None or a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-9))
        for a, b in zip(one, other)
    )
    return len(one) == len(other) and all(close)


def differences(one, other):
    """What two readers, given by name and facts, do not agree on, in sentences."""
    (name, facts), (other_name, other_facts) = one, other
    told = []
    for path in sorted(facts.keys() | other_facts.keys()):
        here, there = facts.get(path), other_facts.get(path)
        if here is None or there is None:
            told.append(f"{path}: only {name if there is None else other_name} has it")
        elif not same(here, there):
            told.append(f"{path}: {name} has {here}, {other_name} has {there}")
    return told


class Dialect:
    """How one engine of SQL says what is needed here."""

    def __init__(self, quote, items, microseconds):
        self.quote, self.items, self.microseconds = quote, items, microseconds

    def aggregates(self, kind, value):
        more = {
            "struct": (),
            "list": ("sum(cardinality({}))",),
            "text": ("sum(length({}))",),
            "boolean": ("sum(CASE WHEN {} THEN 1 ELSE 0 END)",),
            "integer": ("sum({})", "min({})", "max({})"),
            "double": ("sum({})", "min({})", "max({})"),
            "timestamp": (f"min({self.microseconds}({{}}))", f"max({self.microseconds}({{}}))"),
        }[kind]
        return [form.format(value) for form in ("count({})", *more)]


DUCKDB = Dialect('"{}"', "SELECT unnest({}) AS item FROM ({})", "epoch_us")
SPARK = Dialect("`{}`", "SELECT explode({}) AS item FROM ({})", "unix_micros")


def by_sql(dialect, run, source, columns):
    """The facts of the rows that a query yields. `run` runs a query that yields one row, and returns that."""
    found = {}
    values = [(name, dialect.quote.format(name), type) for name, type in columns.items()]
    levels = [(source, values)]
    while levels:
        source, values = levels.pop()
        asked = []
        while values:
            path, value, type = values.pop()
            kind = kind_of(type)
            asked.append((path, kind, dialect.aggregates(kind, value)))
            if kind == "struct":
                members = ((name, dialect.quote.format(name), of) for name, of in type[1].items())
                values += [(f"{path}.{name}", f"{value}.{quoted}", of) for name, quoted, of in members]
            if kind == "list":
                levels.append((dialect.items.format(value, source), [(f"{path}[]", "item", type[1])]))
        answer = list(run(f"SELECT {', '.join(one for *_, all in asked for one in all)} FROM ({source})"))
        for path, kind, aggregates in asked:
            found[path] = fact(kind, *answer[: len(aggregates)])
            del answer[: len(aggregates)]
    return found
