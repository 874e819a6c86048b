"""`dump` into an object store: what is there afterwards, and who may write."""

import json
import signal
import time
import unittest
import urllib.request
from datetime import datetime, timedelta, timezone

import botocore.exceptions
import polars
import pyarrow.dataset
import pyarrow.fs

import facts
import records
import with_duckdb
import with_polars
import with_pyarrow
from dataset import TABLES, rows
from made import FOLDER, ended, sandbox, start
from store import BUCKET, KEY, REGION, SECRET, Store

# What `dump` wrote into a folder in one run.
LAKE = FOLDER / "it's a lake"

CONFIGURATION = FOLDER / "config.json"

# What rows of two runs do not have in common.
OWN = ("_extracted_at", "_run_id")


def setUpModule():
    # What it holds belongs to the process, so there is one for all.
    ObjectStore.store = Store()
    unittest.addModuleCleanup(ObjectStore.store.close)


class ObjectStore(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # Each check has a dataset of its own.
        self.prefix = f"some/path/{self._testMethodName}"
        self.state_key = f"{self.prefix}/_state.json"

    def tearDown(self):
        self.assertEqual([], self.store.unfinished())

    def begin(self, *arguments, configuration=CONFIGURATION, **more):
        place = ("--config", configuration, "--out", f"s3://{BUCKET}/{self.prefix}", "--json")
        return start("dump", *place, *arguments, **{**self.store.environment(), **more})

    def dump(self, *arguments, **more):
        """Runs it to a good end, and gives its summary by stream."""
        code, output, talk = ended(self.begin(*arguments, **more))
        self.assertEqual(0, code, talk)
        return {stream["stream"]: stream for stream in json.loads(output)["streams"]}

    def assert_refused(self, ended, *words):
        code, _, talk = ended
        self.assertEqual(1, code, talk)
        for word in words:
            self.assertIn(word, talk)
        self.assertNotIn("panicked", talk)
        return talk

    def state(self):
        return json.loads(self.store.read(self.state_key))

    def lease_to(self, run, age):
        """Leaves the dataset to another run, which was last heard of so long ago."""
        state = self.state()
        state["lease"] = {"run": run, "renewed": (datetime.now(timezone.utc) - age).isoformat()}
        self.store.write(self.state_key, json.dumps(state))

    def download(self):
        folder = FOLDER / self._testMethodName
        for key in self.store.keys(self.prefix):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.store.read(f"{self.prefix}/{key}"))
        return folder

    def assert_whole(self):
        """The dataset holds the account; gives it as a folder."""
        there = self.store.keys(self.prefix)
        for table in self.state()["tables"].values():
            for file in table["live"]:
                self.assertEqual(file["bytes"], there.get(file["path"]), file["path"])
        # What a run made and then made into something else stays until the next one starts.
        self.assertEqual(set(), {path for path in self.untold() if self.state()["run"] not in path})
        folder = self.download()
        for table in TABLES:
            with self.subTest(table=table):
                self.assertEqual(rows(LAKE, table), rows(folder, table))
                one, other = ("a folder", content(LAKE, table)), ("the store", content(folder, table))
                self.assertEqual([], facts.differences(one, other))
        return folder

    def untold(self):
        """The files that the dataset has, and tells nothing of."""
        told = {"_state.json", "views.sql"}
        for table in self.state()["tables"].values():
            told |= {file["path"] for file in (*table["live"], *table.get("retired", ()))}
        return self.store.keys(self.prefix).keys() - told


def content(lake, table):
    found = with_pyarrow.Tables(lake).facts(table)
    return {path: fact for path, fact in found.items() if path not in OWN}


class Conditions(ObjectStore):
    """The store does what the checks of this file rest on."""

    def test_conditional_puts(self):
        key = f"{self.prefix}/object"
        version = self.store.write(key, b"one", IfNoneMatch="*")
        newer = self.store.write(key, b"two", IfMatch=version)
        for condition in ({"IfNoneMatch": "*"}, {"IfMatch": version}):
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                self.store.write(key, b"three", **condition)
            self.assertEqual(412, caught.exception.response["ResponseMetadata"]["HTTPStatusCode"])
        self.assertNotEqual(version, newer)
        self.assertEqual(b"two", self.store.read(key))

    def test_unfinished_uploads_are_seen(self):
        upload = {"Bucket": BUCKET, "Key": f"{self.prefix}/object"}
        upload["UploadId"] = self.store.client.create_multipart_upload(**upload)["UploadId"]
        self.assertEqual([upload["Key"]], self.store.unfinished())
        self.store.client.abort_multipart_upload(**upload)


class Content(ObjectStore):
    def test_two_runs(self):
        first = self.dump("--until", "2025-07-10T12:00:00Z")
        second = self.dump()
        truth = records.of((FOLDER / "records.jsonl").read_text().split("\n")[:-1])
        for table in TABLES:
            with self.subTest(table=table):
                self.assertEqual(len(truth[table]), second[table]["rows"])
                if "cursor" in self.state()["tables"][table] and first[table]["rows"] < second[table]["rows"]:
                    self.assertLess(second[table]["read"], len(truth[table]), "the second run was not incremental")
        self.assertLess(second["chats"]["read"], len(truth["chats"]))
        self.assertNotIn("lease", self.state())
        folder = self.assert_whole()
        self.check_views(folder)
        self.check_readers()
        self.dump("--streams", "skills")
        self.assertEqual(set(), self.untold())

    def check_views(self, folder):
        """The views name the live files by their addresses, and are right over a copy of them."""
        views, base = (folder / "views.sql").read_text(), f"s3://{BUCKET}/{self.prefix}"
        for table in TABLES:
            for file in self.state()["tables"][table]["live"]:
                self.assertIn(f"lake() || '{file['path']}'", views)
        tables = with_duckdb.Tables(folder, views.replace(base, str(folder)))
        for table in TABLES:
            self.assertEqual(rows(LAKE, table), tables.rows(table))

    def check_readers(self):
        """PyArrow and Polars read it where it lies."""
        opens = {"access_key": KEY, "secret_key": SECRET, "region": REGION}
        files = pyarrow.fs.S3FileSystem(endpoint_override=self.store.url, **opens)
        options = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_region": REGION}
        options |= {"aws_endpoint_url": self.store.url, "aws_allow_http": "true"}
        paths = [f"{BUCKET}/{self.prefix}/{file['path']}" for file in self.state()["tables"]["chats"]["live"]]
        opened = pyarrow.dataset.dataset(paths, filesystem=files, partitioning=with_pyarrow.MONTH)
        self.assertEqual(rows(LAKE, "chats"), opened.count_rows())
        addresses = [f"s3://{path}" for path in paths]
        frame = polars.scan_parquet(addresses, hive_partitioning=True, storage_options=options)
        one, other = with_pyarrow.facts_of(opened), with_polars.facts_of(frame)
        self.assertEqual([], facts.differences(("PyArrow", one), ("Polars", other)))

    def test_views_are_those_of_the_last_commit(self):
        self.store.application.reversed = "/views.sql"
        try:
            self.dump("--streams", "skills,agent_events,agent_timeline,chats")
        finally:
            self.store.application.reversed = None
        views = self.store.read(f"{self.prefix}/views.sql").decode()
        for table, told in self.state()["tables"].items():
            with self.subTest(table=table):
                missing = [file["path"] for file in told["live"] if file["path"] not in views]
                self.assertEqual([], missing, "an older `views.sql` was written over a newer one")

    def test_a_file_that_is_uploaded_in_parts(self):
        with sandbox("large", "--chats", 600_000, "--spans", 0) as configuration:
            summary = self.dump("--streams", "chats", "--until", "2025-02-01T00:00:00Z", configuration=configuration)
        live = self.state()["tables"]["chats"]["live"]
        self.assertEqual(summary["chats"]["rows"], sum(file["rows"] for file in live))
        file = max(live, key=lambda file: file["bytes"])
        head = self.store.client.head_object(Bucket=BUCKET, Key=f"{self.prefix}/{file['path']}")
        self.assertEqual(file["bytes"], head["ContentLength"])
        self.assertIn("-", head["ETag"], f"{file} was uploaded in one piece, so that nothing was shown")
        path = self.download() / file["path"]
        self.assertEqual(file["rows"], polars.scan_parquet(path).select(polars.col("id").n_unique()).collect().item())

    def test_a_path_with_spaces_and_quotes(self):
        self.prefix = "some path/it's a lake"
        self.state_key = f"{self.prefix}/_state.json"
        self.dump("--streams", "skills,chats")
        for table in ("skills", "chats"):
            for file in self.state()["tables"][table]["live"]:
                self.assertEqual(file["bytes"], self.store.keys(self.prefix)[file["path"]])


class Writers(ObjectStore):
    def test_a_fresh_lease_of_another_is_respected(self):
        self.dump("--streams", "skills")
        self.lease_to("20260101T000000Z-0badcafe", timedelta(minutes=4))
        before = self.store.keys(self.prefix), self.store.read(self.state_key)
        talk = self.assert_refused(ended(self.begin()), "20260101T000000Z-0badcafe, which is writing to", self.prefix)
        self.assertNotIn(SECRET, talk)
        self.assertEqual(before, (self.store.keys(self.prefix), self.store.read(self.state_key)))

    def test_an_old_lease_is_taken_over(self):
        self.dump("--until", "2025-07-10T12:00:00Z")
        self.lease_to("20260101T000000Z-0badcafe", timedelta(minutes=6))
        self.dump()
        self.assertNotIn("lease", self.state())
        self.assert_whole()

    def test_one_of_two_that_make_a_dataset_wins(self):
        self.check_two_writers()

    def test_one_of_two_that_go_on_with_a_dataset_wins(self):
        self.dump("--until", "2025-07-10T12:00:00Z")
        self.check_two_writers()

    def check_two_writers(self):
        # Slow enough that the second starts long before the first is done.
        with sandbox("slow", "--chats", 3000, "--latency-ms", 300) as configuration:
            writers = [self.begin(configuration=configuration) for _ in range(2)]
            results = [ended(writer) for writer in writers]
        codes = sorted(code for code, _, _ in results)
        self.assertEqual([0, 1], codes, "\n".join(talk for *_, talk in results))
        (loser,) = (result for result in results if result[0])
        self.assertRegex(self.assert_refused(loser), r"is writing to|has taken over")
        self.assertNotIn("lease", self.state())
        self.assert_whole()

    def test_who_lost_the_lease_stops_and_removes_nothing(self):
        self.dump("--until", "2025-07-10T12:00:00Z")
        with sandbox("slow", "--chats", 3000, "--latency-ms", 300) as configuration:
            process = self.begin(configuration=configuration)
            self.wait_for(lambda: "lease" in self.state())
            self.lease_to("20260101T000000Z-0badcafe", timedelta())
            before, state = self.store.keys(self.prefix), self.store.read(self.state_key)
            self.assert_refused(ended(process), "has taken over")
        self.assertEqual(state, self.store.read(self.state_key))
        self.assertLessEqual(before.keys(), self.store.keys(self.prefix).keys())

    def test_a_killed_run_leaves_nothing_for_good(self):
        self.dump("--until", "2025-07-10T12:00:00Z")
        with sandbox("slow", "--chats", 3000, "--latency-ms", 300) as configuration:
            files = self.store.keys(self.prefix)
            process = self.begin(configuration=configuration)
            self.wait_for(lambda: len(self.store.keys(self.prefix)) > len(files) + 1)
            process.kill()
            ended(process)
        lease = self.state()["lease"]["run"]
        self.assert_refused(ended(self.begin()), f"{lease}, which is writing to")
        self.lease_to(lease, timedelta(minutes=6))
        self.dump()
        self.assert_whole()

    def test_a_run_that_is_told_to_stop_gives_the_place_free(self):
        with sandbox("slow", "--chats", 3000, "--latency-ms", 300) as configuration:
            process = self.begin(configuration=configuration)
            self.wait_for(lambda: len(self.store.keys(self.prefix)) > 2)
            process.terminate()
            self.assertEqual(-signal.SIGTERM, ended(process)[0])
        self.assertNotIn("lease", self.state())
        self.dump()
        self.assert_whole()

    def wait_for(self, happened):
        for _ in range(600):
            if happened():
                return
            time.sleep(0.05)
        self.fail("it did not happen within 30 seconds")


class Credentials(ObjectStore):
    def test_wrong_ones_are_told_without_secrets(self):
        wrong = {"AWS_ACCESS_KEY_ID": "a-wrong-key-id", "AWS_SECRET_ACCESS_KEY": "a-wrong-secret-key"}
        self.must_prove_themselves(after=0)
        try:
            result = ended(self.begin("--streams", "skills", **wrong, AWS_SESSION_TOKEN="a-session-token"))
        finally:
            self.must_prove_themselves(after=1_000_000_000)
        talk = self.assert_refused(result, "InvalidAccessKeyId", "--out")
        for secret in (wrong["AWS_SECRET_ACCESS_KEY"], "a-session-token", "sandbox-token", "Authorization"):
            self.assertNotIn(secret, talk)
            self.assertNotIn(secret, result[1])

    def must_prove_themselves(self, after):
        """The store looks at nobody's credentials unless it is told after how many requests it shall."""
        url = f"{self.store.url}/moto-api/reset-auth"
        # Proxies of this machine have no part in this.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        plain = {"Content-Type": "text/plain"}
        opener.open(urllib.request.Request(url, data=str(after).encode(), headers=plain, method="POST")).close()


if __name__ == "__main__":
    unittest.main()
