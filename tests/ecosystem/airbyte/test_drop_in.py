"""A connection is switched from Airbyte's own connector to this one, with its state, and back."""

import json
import os
import subprocess
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

from account import PROGRAM, account, truth

RUNNER = Path(os.environ["ECOSYSTEM_PYTHON"]).with_name("source-declarative-manifest")

MANIFEST = Path(__file__).with_name("manifest.yaml")

# What Airbyte's own connector reads incrementally, and by which member.
CURSORS = {"chats": "update_timestamp", "agent_timeline": "start_time", "agents": "id", "bans": "id"}

TIMES = ("chats", "agent_timeline")

# Where its last run ended.
MOMENT = datetime(2025, 6, 1, 12, 30, 7, tzinfo=UTC)


def iso(moment, precision="seconds"):
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def epoch(stream, moment):
    return str(int(moment.timestamp()) * (1_000_000 if stream == "agent_timeline" else 1))


def sliced(stream):
    """What the concurrent framework writes on the way: a slice that was read, and one behind a gap."""
    later = MOMENT + timedelta(days=30)
    start = epoch(stream, datetime(2025, 1, 1, tzinfo=UTC))
    slices = [
        {"start": start, "end": epoch(stream, MOMENT), "most_recent_cursor_value": epoch(stream, MOMENT)},
        {"start": epoch(stream, later), "end": epoch(stream, later + timedelta(days=9))},
    ]
    return {"state_type": "date-range", "slices": slices}


def descriptor(stream, blob):
    return {"stream_descriptor": {"name": stream}, "stream_state": blob}


def streams(blobs):
    return [{"type": "STREAM", "stream": descriptor(stream, blob)} for stream, blob in blobs.items()]


# What stands for a connection that was never read.
EMPTY = (
    "",
    "null",
    "[]",
    "{}",
    json.dumps(streams(dict.fromkeys(CURSORS))),
    json.dumps(streams({stream: {} for stream in CURSORS})),
    json.dumps([{"type": "LEGACY", "data": {}}]),
)


def as_pyairbyte_keeps(blobs):
    """With a null for all that is not there, and one of the names twice."""
    nulls = '"data":null,"destinationStats":null,"global":null,"global_":null,"global_":null,"sourceStats":null'
    of = '{"stream_descriptor":{"name":"%s","namespace":null},"stream_state":%s}'
    states = (of % (stream, json.dumps(blob)) for stream, blob in blobs.items())
    return "[" + ",".join('{"type":"STREAM","stream":%s,%s}' % (state, nulls) for state in states) + "]"


def forms(numbers):
    """Each form of a state file, from the first version of the connector to the platform of today."""
    text = {"chats": iso(MOMENT), "agent_timeline": iso(MOMENT, "microseconds"), **numbers}
    count = {stream: epoch(stream, MOMENT) for stream in TIMES} | numbers
    plain = {stream: int(epoch(stream, MOMENT)) for stream in TIMES} | numbers
    texts, counts, plains = ({stream: {cursor: of[stream]} for stream, cursor in CURSORS.items()} for of in (text, count, plain))
    described = [descriptor(stream, blob) for stream, blob in counts.items()]
    return {
        "an object of streams, times as text": json.dumps(texts),
        "an object of streams, times as numbers in text": json.dumps(counts),
        "an object of streams, times as numbers": json.dumps(plains),
        "LEGACY": json.dumps([{"type": "LEGACY", "data": texts}]),
        "LEGACY without its type": json.dumps({"data": counts}),
        "STREAM, times as text": json.dumps(streams(texts)),
        "STREAM, times as numbers in text": json.dumps(streams(counts)),
        "STREAM without its type": json.dumps([{"stream": stream} for stream in described]),
        "GLOBAL": json.dumps([{"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": described}}]),
        "STREAM, times as numbers": json.dumps(streams(plains)),
        "slices": json.dumps(streams(counts | {stream: sliced(stream) for stream in TIMES})),
        "as PyAirbyte keeps it": as_pyairbyte_keeps(counts),
    }


class DropIn(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def read(self, command, config, names, state, halt=lambda blob: False):
        """The records that a run brings, by stream, and its last states; up to the one that is to be the last."""
        stream = {"json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
        configured = {"sync_mode": "incremental", "destination_sync_mode": "append"}
        catalog = {"streams": [{"stream": {"name": name, **stream}, **configured} for name in names]}
        files = {"config": json.dumps(config), "catalog": json.dumps(catalog), "state": state}
        for name, content in files.items():
            (self.folder / f"{name}.json").write_text(content)
            command = [*command, f"--{name}", str(self.folder / f"{name}.json")]
        ended = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stdout[-2000:] + ended.stderr[-2000:])
        records, states = {name: [] for name in names}, {}
        for message in map(json.loads, ended.stdout.split("\n")[:-1]):
            if message["type"] == "RECORD":
                records[message["record"]["stream"]].append(message["record"]["data"])
            if message["type"] == "STATE":
                states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
                if halt(message["state"]["stream"]["stream_state"]):
                    break
        return records, states

    def ours(self, config, names, state="[]", **more):
        # What appears late is read again for a day otherwise, and would hide where a run begins.
        return self.read([PROGRAM, "read"], config | {"lookback_hours": 0}, names, state, **more)

    def theirs(self, config, names, state="[]"):
        return self.read([RUNNER, "read", "--manifest-path", str(MANIFEST)], config, names, state)

    def keys(self, records):
        """What tells the records of a stream apart, whether or not they have the id that the time line is given here."""
        return {record.get("id") or f"{record['agent_id']}|{record['start_time']}" for record in records}

    def test_every_form_that_its_state_ever_had_is_gone_on_from(self):
        with account("--chats", "600") as config:
            all_of = {stream: truth(config, stream) for stream in CURSORS}
            numbers = {stream: sorted(record["id"] for record in all_of[stream])[150] for stream in ("agents", "bans")}
            for form, state in forms(numbers).items():
                with self.subTest(form):
                    records, _ = self.ours(config, list(CURSORS), state)
                    for stream, cursor in CURSORS.items():
                        if stream in TIMES:
                            after = [r for r in all_of[stream] if datetime.fromisoformat(r[cursor]) >= MOMENT]
                        else:
                            after = [r for r in all_of[stream] if r["id"] > numbers[stream]]
                        self.assertGreater(len(all_of[stream]), len(after) + 50)
                        self.assertEqual(self.keys(records[stream]), self.keys(after), stream)

    def test_what_says_nothing_begins_anew(self):
        with account("--chats", "60") as config:
            everything, _ = self.ours(config, list(CURSORS))
            for state in EMPTY:
                with self.subTest(state):
                    records, _ = self.ours(config, list(CURSORS), state)
                    for stream in CURSORS:
                        self.assertEqual(self.keys(records[stream]), self.keys(everything[stream]), stream)

    def test_what_its_framework_writes_is_gone_on_from(self):
        with account("--chats", "3000") as config:
            before, states = self.theirs(config | {"end_date": iso(MOMENT)}, TIMES)
            after, _ = self.ours(config, TIMES, json.dumps(list(states.values())))
            self.assert_whole(config, before, after)

    def test_its_framework_goes_on_from_what_is_written_here(self):
        with account("--chats", "3000") as config:
            before, states = self.ours(config | {"end_date": iso(MOMENT)}, TIMES)
            after, _ = self.theirs(config, TIMES, json.dumps(list(states.values())))
            self.assert_whole(config, before, after)

    def test_its_framework_passes_over_what_only_this_one_understands(self):
        with account("--chats", "12000", "--latency-ms", "50") as config:
            before, states = self.ours(config, ["chats"], halt=lambda blob: "windows" in blob)
            self.assertIn("windows", states["chats"]["stream"]["stream_state"], "a run that broke off while it read windows")
            after, _ = self.theirs(config, ["chats"], json.dumps(list(states.values())))
            wanted = self.keys(truth(config, "chats"))
            self.assertLess(len(self.keys(after["chats"])), len(wanted), "it did not begin anew")
            self.assertLessEqual(wanted, self.keys(before["chats"]) | self.keys(after["chats"]))

    def test_what_is_written_here_has_the_members_of_its_state(self):
        with account("--chats", "600") as config:
            _, states = self.ours(config, list(CURSORS))
            for stream, cursor in CURSORS.items():
                value = states[stream]["stream"]["stream_state"][cursor]
                self.assertIsInstance(value, str if stream in TIMES else int, stream)
                if stream in TIMES:
                    self.assertRegex(value, r"^\d{16}$" if stream == "agent_timeline" else r"^\d{10}$")

    def assert_whole(self, config, before, after):
        """Two runs brought everything, and the second one little of what the first had brought."""
        for stream in TIMES:
            one, other = self.keys(before[stream]), self.keys(after[stream])
            self.assertLess(len(one & other), 20, stream)
            self.assertGreater(min(len(one), len(other)), 1000, stream)
            wanted = self.keys(truth(config, stream))
            # Its paging stops at the page that reaches the end, and passes on what that holds beyond it.
            self.assertLessEqual(wanted, one | other, stream)
