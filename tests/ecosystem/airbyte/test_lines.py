"""Every line that a run of the tests wrote is a message to everybody who reads one."""

import os
import unittest
from collections import Counter
from pathlib import Path

import readings

# Where the tests kept what their runs wrote, a file each.
TRANSCRIPTS = Path(os.environ["TRANSCRIPTS"])

STATE = '{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"chats"},%s},%s}}'

# What is no message, though some readers take it for one.
SPOILED = {
    "no payload": '{"type":"RECORD"}',
    "the payload of another type": '{"type":"STATE","log":{"level":"INFO","message":"m"}}',
    "an unknown type": '{"type":"NOTE","note":{}}',
    "a moment that is no integer": '{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":1.5}}',
    "a moment with a fraction": '{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":1.0}}',
    "no moment": '{"type":"RECORD","record":{"stream":"s","data":{}}}',
    "null for what is left out": '{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":1,"namespace":null}}',
    "an unknown reason": '{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":1,"meta":{"changes":'
    '[{"field":"f","change":"NULLED","reason":"WHIM"}]}}}',
    "an unknown level": '{"type":"LOG","log":{"level":"WARNING","message":"m"}}',
    "an unknown status": '{"type":"CONNECTION_STATUS","connectionStatus":{"status":"OK"}}',
    "an unknown kind of failure": '{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1.0,"error":'
    '{"message":"m","failure_type":"mine"}}}',
    "a state of null": STATE % ('"stream_state":null', '"sourceStats":{"recordCount":1.0}'),
    "a count in words": STATE % ('"stream_state":{}', '"sourceStats":{"recordCount":"one"}'),
    "a link that is none": '{"type":"SPEC","spec":{"documentationUrl":"nowhere","connectionSpecification":{}}}',
    "an address that is none": '{"type":"SPEC","spec":{"documentationUrl":"http://h:99999/","connectionSpecification":{}}}',
    "a state of no stream": '{"type":"STATE","state":{"type":"STREAM"}}',
    "an error that says nothing": '{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1.0}}',
    "no status": '{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.0}}',
    "no configuration": '{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":1.0}}',
    "no number": '{"type":"RECORD","record":{"stream":"s","data":{"n":NaN},"emitted_at":1}}',
    "too large a number": '{"type":"RECORD","record":{"stream":"s","data":{"n":9223372036854775808},"emitted_at":1}}',
    "half a line": '{"type":"RECORD","record":{"stream":"s","da',
    "more than one line": '{"type":"LOG","log":\n{"level":"INFO","message":"m"}}',
}

SOUND = (
    '{"type":"LOG","log":{"level":"INFO","message":"m"}}',
    '{"type":"RECORD","record":{"stream":"s","data":{"n":9223372036854775807,"t":"a\\nb"},"emitted_at":1}}',
    STATE % ('"stream_state":{"update_timestamp":"1","windows":[]}', '"sourceStats":{"recordCount":1.0}'),
)


class Lines(unittest.TestCase):
    def test_the_readings_tell_what_is_no_message(self):
        for what, line in SPOILED.items():
            with self.subTest(what):
                self.assertNotEqual([], readings.problems(line))
        for line in SOUND:
            self.assertEqual([], readings.problems(line))

    def test_each_reading_finds_what_no_other_does(self):
        alone = (readings.problems(line) for line in SPOILED.values())
        finders = {found[0].split(":")[0] for found in alone if len(found) == 1}
        self.assertEqual({reading.__name__ for reading in readings.READINGS}, finders)

    def test_every_line_of_every_run_is_a_message(self):
        kinds = Counter()
        for transcript in sorted(TRANSCRIPTS.glob("*.jsonl")):
            text = transcript.read_bytes().decode()
            self.assertTrue(not text or text.endswith("\n"), f"{transcript.name} ends within a line")
            for number, line in enumerate(text.split("\n")[:-1], 1):
                self.assertEqual([], readings.problems(line), f"{transcript.name}, line {number}: {line[:300]}")
                kinds[line.split('"')[3]] += 1
        print(f"{kinds.total()} lines: {dict(kinds.most_common())}")
        self.assertEqual(set(readings.PAYLOADS), set(kinds), "a run wrote each type of message")
