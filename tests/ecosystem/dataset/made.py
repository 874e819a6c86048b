"""What `run.sh` has made for the checks, and how they start the program themselves."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from dataset import PARTITIONED, environment, live

FOLDER = Path(os.environ["ECOSYSTEM_FOLDER"])

PROGRAM = os.environ["ECOSYSTEM_PROGRAM"]


def spoiled(lake, month):
    """A copy of a dataset that can only be read in one month's files, and the first, which tells columns."""
    copy = FOLDER / "spoiled"
    if not copy.exists():
        shutil.copytree(lake, copy, ignore=lambda *_: ["_lock"])
        for table in PARTITIONED:
            for path in live(copy, table)[1:]:
                if f"month={month}" not in path:
                    Path(path).write_bytes(b"spoiled")
    return copy


def start(*arguments, **more):
    """Starts the program; it is waited for with `ended`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([PROGRAM, *map(str, arguments)], env=environment(**more), text=True, **pipes)


def ended(process, seconds=120):
    """What became of the program: exit code, what it printed, and what it said."""
    try:
        output, talk = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, output, talk


@contextmanager
def sandbox(name, *arguments):
    """A made-up account without a rate limit; gives the configuration file that reads its first year."""
    with open(FOLDER / f"{name}.log", "w") as log:
        command = [PROGRAM, "sandbox", "--rate", "0", *map(str, arguments)]
        process = subprocess.Popen(command, env=environment(), text=True, stdout=subprocess.PIPE, stderr=log)
        try:
            process.stdout.readline()
            configuration = json.loads(process.stdout.readline())
            configuration |= {"end_date": "2026-01-01T00:00:00Z", "requests_per_minute": 100_000_000}
            path = FOLDER / f"{name}.json"
            path.write_text(json.dumps(configuration))
            yield path
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
