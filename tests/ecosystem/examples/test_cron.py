"""The crontab is one, and its jobs do and tell what it says."""

import fcntl
import json
import re
import shutil

from crontab import CronTab

from surroundings import EXAMPLES, HERE, INSTALLED, Example, account, ended, imposter

TABLE = (EXAMPLES / "cron/crontab").read_text()


def jobs(text):
    """The jobs of a crontab as one who knows the format reads them."""
    table = CronTab(tab=text)
    return [(str(job.slices), job.command) for job in table if job.is_valid()], dict(table.env)


class Cron(Example):
    def setUp(self):
        super().setUp()
        shutil.copy(EXAMPLES / "cron/dump.sh", self.folder)

    def job(self, number, path=HERE):
        """Runs a job as cron does: with `sh`, and the variables of the table."""
        found, variables = jobs(TABLE)
        command = found[number][1].replace("/srv/zendesk-chat", str(self.folder))
        return ended(["/bin/sh", "-c", command], PATH=variables["PATH"].replace(INSTALLED, str(path)))

    def troubles(self):
        return (self.folder / "trouble.log").read_text()

    def test_every_line_is_understood(self):
        found, variables = jobs(TABLE)
        lines = [line for line in TABLE.splitlines() if line and not line.startswith("#")]
        self.assertEqual(len(found) + len(variables), len(lines))
        self.assertEqual(list(variables), ["MAILTO", "PATH"])
        self.assertEqual([when for when, _ in found], ["17 * * * *", "43 5 * * 0"])

    def test_a_wrong_time_is_noticed(self):
        for wrong in ("61 * * * *", "17 * * *", "17 * * * fry"):
            found, _ = jobs(TABLE.replace("17 * * * *", wrong))
            self.assertNotEqual(found, jobs(TABLE)[0])

    def test_the_documents_script_needs_no_path(self):
        root = EXAMPLES.parent
        documents = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
        text = "".join(path.read_text() for path in documents)
        blocks = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", text, re.DOTALL)
        (script,) = (block for block in blocks if "/srv/zendesk-chat/run.sh" in block)
        script = script.replace(INSTALLED, HERE).replace("/srv/zendesk-chat", str(self.folder))
        (self.folder / "run.sh").write_text(script)
        with account() as configuration:
            self.write("config.json", configuration)
            # What cron gives a job for which its table names no path.
            code, output, _ = ended(["/bin/sh", self.folder / "run.sh"], PATH="/usr/bin:/bin")
        self.assertEqual((code, output), (0, ""))
        (records,) = self.folder.glob("records-*.jsonl")
        self.assertEqual(records.read_text().count('"type":"RECORD","record":{"stream":"chats"'), 300)
        self.assertTrue(json.loads((self.folder / "state.json").read_text()))

    def test_each_run_adds_a_line_and_says_nothing(self):
        with account() as configuration:
            # With an end there would be a word about what lies beyond it.
            del configuration["end_date"]
            self.write("config.json", configuration)
            self.assertEqual([self.job(0), self.job(0), self.job(1)], [(0, "", "")] * 3)
        runs = [json.loads(line) for line in (self.folder / "runs.jsonl").read_text().splitlines()]
        self.assertEqual([len(run["streams"]) for run in runs], [15, 15])
        self.assertEqual([run["dataset"] for run in runs], [f"{self.folder.resolve()}/zendesk-lake/"] * 2)
        self.assertFalse((self.folder / "trouble.log").exists())

    def test_what_went_wrong_is_written_and_kept(self):
        with account() as configuration:
            configuration["credentials"]["access_token"] = "another"
            self.write("config.json", configuration)
            code, output, talk = self.job(0)
        self.assertEqual((code, output, talk), (1, "", self.troubles()))
        self.assertRegex(talk, r"^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ, exit code 1\n")
        self.assertIn("401", talk)

    def test_a_warning_is_written_too(self):
        with account("--forbid", "triggers") as configuration:
            self.write("config.json", configuration)
            code, output, talk = self.job(0)
        self.assertEqual((code, output, talk), (0, "", self.troubles()))
        self.assertIn("exit code 0\n", talk)
        self.assertIn("triggers is unavailable and was passed over", talk)

    def test_a_run_beside_another_changes_nothing(self):
        lake = self.folder / "zendesk-lake"
        lake.mkdir()
        with account() as configuration, open(lake / "_lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.write("config.json", configuration)
            code, _, talk = self.job(0)
        self.assertEqual(code, 1)
        self.assertIn("Another run is writing to", talk)
        self.assertEqual([path.name for path in lake.iterdir()], ["_lock"])

    def test_a_killed_run_is_told_of(self):
        code, _, talk = self.job(0, imposter("kill -KILL $$"))
        self.assertEqual(code, 137)
        self.assertIn("exit code 137\n", talk)

    def test_a_missing_file_is_told_of_once_a_week(self):
        with account() as configuration:
            self.write("config.json", configuration)
            self.job(0)
        next((self.folder / "zendesk-lake/chats").rglob("*.parquet")).unlink()
        code, output, talk = self.job(1)
        self.assertEqual((code, output), (1, ""))
        self.assertIn("1 of 15 tables are not whole: chats", talk)
