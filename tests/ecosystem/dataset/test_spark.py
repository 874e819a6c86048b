"""Spark finds in a dataset what PyArrow finds in it, which `test_readers.py` compares with the account."""

import unittest
from urllib.parse import unquote, urlparse

from pyspark.sql import functions

import facts
import with_pyarrow
import with_spark
from dataset import PARTITIONED, TABLES, expected, live
from made import spoiled
from test_readers import EMPTY, GROWN, LAKE, MONTH, found, tables


def setUpModule():
    Spark.spark = with_spark.session()
    unittest.addModuleCleanup(Spark.spark.stop)


class Spark(unittest.TestCase):
    maxDiff = None

    def tables(self, lake):
        return with_spark.Tables(self.spark, lake)

    def test_columns_have_the_types_of_the_schemas(self):
        for lake in (LAKE, GROWN, EMPTY):
            for table in TABLES:
                with self.subTest(table=table, lake=lake.name):
                    wanted, columns = expected(table), self.tables(lake).columns(table)
                    if lake == EMPTY and table in PARTITIONED:
                        # Spark takes the type of a month from the months that there are.
                        wanted["month"] = "nothing"
                    self.assertEqual(wanted, columns)
                    self.assertEqual(list(tables(with_pyarrow, lake).columns(table)), list(columns))

    def test_a_table_without_rows_is_read_like_any(self):
        for table in PARTITIONED:
            with self.subTest(table=table):
                for month in (None, MONTH):
                    self.assertEqual(0, self.tables(EMPTY).rows(table, month))

    def test_values_are_those_of_pyarrow(self):
        for lake, names in ((LAKE, TABLES), (GROWN, PARTITIONED)):
            for table in names:
                with self.subTest(table=table, lake=lake.name):
                    here, there = self.tables(lake).facts(table), found(with_pyarrow, lake, table)
                    self.assertEqual([], facts.differences(("Spark", here), ("PyArrow", there)))

    def test_a_folder_is_a_table(self):
        for table in TABLES:
            with self.subTest(table=table):
                here = self.spark.read.parquet(str(LAKE / table))
                self.assertEqual(tables(with_pyarrow, LAKE).rows(table), here.count())
                self.assertEqual(expected(table), with_spark.columns(here))

    def test_a_month_is_read_from_its_files_alone(self):
        month = functions.col("month") == MONTH
        for table in PARTITIONED:
            with self.subTest(table=table):
                count = tables(with_pyarrow, LAKE).rows(table, MONTH)
                frame = self.tables(LAKE).frame(table)
                names = frame.where(month).select(functions.input_file_name()).distinct().collect()
                files = [unquote(urlparse(name).path) for (name,) in names]
                self.assertEqual([path for path in live(LAKE, table) if f"month={MONTH}" in path], files)
                # The columns are given, so that no file is read to learn them.
                spoiled_frame = self.tables(spoiled(LAKE, MONTH)).frame(table, frame.schema)
                self.assertEqual(count, len(spoiled_frame.where(month).collect()))
                with self.assertRaises(Exception):
                    spoiled_frame.collect()


if __name__ == "__main__":
    unittest.main()
