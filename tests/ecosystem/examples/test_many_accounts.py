"""Many accounts side by side: each has its dataset, and who failed is named."""

import os
from contextlib import ExitStack

from surroundings import EXAMPLES, Example, account, ended, imposter, inspected

SCRIPT = EXAMPLES / "many-accounts/dump-all.sh"


class ManyAccounts(Example):
    def setUp(self):
        super().setUp()
        self.configurations, self.datasets = self.folder / "configurations", self.folder / "its datasets"
        self.configurations.mkdir()

    def run_all(self, *at_once, **surroundings):
        return ended([SCRIPT, self.configurations, self.datasets, *at_once], **surroundings)

    def test_one_that_fails_is_named_and_stops_nobody(self):
        with ExitStack() as accounts:
            all_of_them = [accounts.enter_context(account("--seed", str(seed))) for seed in (1, 2, 3)]
            token = all_of_them[1]["credentials"]["access_token"]
            all_of_them[1]["credentials"]["access_token"] = "another"
            for name, configuration in zip(("first", "the second", "third"), all_of_them):
                self.write(f"configurations/{name}.json", configuration)
            code, output, talk = self.run_all("2")
            self.assertEqual((code, output), (1, ""))
            self.assertRegex(talk, r"\Athe second: exit code 1: .*the service answered 401.*\n\Z")
            logs = {name: (self.datasets / f"{name}.log").read_text() for name in ("first", "the second", "third")}
            self.assertIn(talk.removeprefix("the second: exit code 1: "), logs["the second"])
            self.assertIn("Look at it:", logs["third"])
            found = [inspected(self.datasets / name)["tables"] for name in ("first", "third")]
            self.assertEqual([tables["chats"]["rows"] for tables in found], [300, 300])
            self.assertNotEqual(found[0]["chats"]["bytes"], found[1]["chats"]["bytes"])

            all_of_them[1]["credentials"]["access_token"] = token
            self.write("configurations/the second.json", all_of_them[1])
            self.assertEqual(self.run_all(), (0, "", ""))
            self.assertEqual(inspected(self.datasets / "the second")["tables"]["chats"]["rows"], 300)

    def test_so_many_run_at_once(self):
        for number in range(6):
            self.write(f"configurations/{number}.json", {})
        events = self.folder / "events"
        slow = imposter(f"echo 1 >>'{events}'\nsleep 0.5\necho -1 >>'{events}'")
        self.assertEqual(self.run_all("3", PATH=f"{slow}:{os.defpath}"), (0, "", ""))
        running, most = 0, 0
        for step in map(int, events.read_text().split()):
            running += step
            most = max(most, running)
        self.assertEqual((running, most), (0, 3))

    def test_one_that_is_killed_is_named(self):
        self.write("configurations/first.json", {})
        code, _, talk = self.run_all(PATH=f"{imposter('kill -KILL $$')}:{os.defpath}")
        self.assertEqual(code, 1)
        # Some shells say that it was killed in the log, others by themselves.
        self.assertIn("first: exit code 137: ", talk)

    def test_no_configuration_at_all_is_a_failure(self):
        code, _, talk = self.run_all()
        self.assertEqual(code, 1)
        self.assertIn("No such file or directory", talk)
