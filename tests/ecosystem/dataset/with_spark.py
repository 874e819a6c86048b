"""A dataset as Spark reads it."""

import os
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession, functions, types

import facts
from dataset import live

NAME = "Spark"

SCALARS = {
    types.LongType(): "integer",
    types.DoubleType(): "double",
    types.BooleanType(): "boolean",
    types.TimestampType(): "timestamp",
    types.StringType(): "text",
    types.NullType(): "nothing",
}


def session():
    """A Spark of our own, which talks to nobody and leaves nothing behind."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    folder = tempfile.mkdtemp(dir=os.environ["ECOSYSTEM_FOLDER"])
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": folder,
        "spark.log.level": "OFF",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


class Tables:
    """The tables of a dataset through the list in `_state.json`."""

    def __init__(self, spark, lake):
        self.spark, self.lake = spark, Path(lake)

    def frame(self, table, schema=None):
        reader = self.spark.read.option("basePath", str(self.lake / table))
        reader = reader if schema is None else reader.schema(schema)
        return reader.parquet(*live(self.lake, table))

    def columns(self, table):
        return columns(self.frame(table))

    def facts(self, table):
        return facts_of(self.frame(table))

    def rows(self, table, month=None):
        frame = self.frame(table)
        return frame.count() if month is None else frame.where(functions.col("month") == month).count()


def columns(frame):
    return {field.name: type_of(field.dataType) for field in frame.schema}


def type_of(type):
    if isinstance(type, types.StructType):
        return ("struct", {field.name: type_of(field.dataType) for field in type})
    if isinstance(type, types.ArrayType):
        return ("list", type_of(type.elementType))
    return SCALARS.get(type, str(type))


def facts_of(frame):
    frame = frame.cache()
    frame.createOrReplaceTempView("looked_at")
    try:
        run = lambda asked: frame.sparkSession.sql(asked).first()
        return facts.by_sql(facts.SPARK, run, "SELECT * FROM looked_at", columns(frame))
    finally:
        frame.unpersist()
