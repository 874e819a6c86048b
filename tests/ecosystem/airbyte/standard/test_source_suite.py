"""Airbyte's standard tests for sources: where they would call a source's Python, they run the program."""

import os
import subprocess

import orjson
import pytest
from airbyte_cdk.models import AirbyteMessageSerializer
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

PROGRAM = os.environ["ECOSYSTEM_PROGRAM"]


class Program:
    """What the tests take for a source. All that they ask of it goes through `run`."""

    def spec(self, logger):
        raise NotImplementedError


def run(source, args, *, expected_outcome):
    """Runs a command as `entrypoint_wrapper` would, but refuses lines that are no messages, which that takes for logs."""
    ended = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
    lines = ended.stdout.split("\n")[:-1]
    for line in lines:
        AirbyteMessageSerializer.load(orjson.loads(line))
    failure = subprocess.CalledProcessError(ended.returncode, args, ended.stdout, ended.stderr)
    return entrypoint_wrapper.EntrypointOutput(
        lines, failure if ended.returncode else None, command=args, stderr=ended.stderr
    )


@pytest.fixture(autouse=True)
def program(monkeypatch):
    monkeypatch.setattr(entrypoint_wrapper, "_run_command", run)


class TestSource(SourceTestSuiteBase):
    connector = Program
