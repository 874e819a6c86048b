"""What `run.sh` has made for the checks, and how they start the program themselves."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from account import PROGRAM, account
from dataset import PARTITIONED, environment, live

FOLDER = Path(os.environ["ECOSYSTEM_FOLDER"])


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
def sandbox(name, *flags):
    """An account without a rate limit; gives the configuration file that reads its first year."""
    with account(*flags) as configuration:
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(configuration))
        yield path
