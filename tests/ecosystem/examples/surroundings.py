"""Made-up accounts for the examples, and the surroundings in which a scheduler runs them."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from account import PROGRAM
from account import account as made_up

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

FOLDER = Path(os.environ["ECOSYSTEM_FOLDER"])

# Where the examples say that the program is, and where it is here.
INSTALLED, HERE = "/usr/local/bin", str(FOLDER / "path")


def account(*flags):
    """A small account without a rate limit; gives the configuration that reads its first year."""
    return made_up("--chats", 300, *flags)


def ended(command, confine=None, **surroundings):
    """What became of a command that is given nothing but these variables: exit code, what it printed, what it said."""
    variables = {"PATH": f"{HERE}:/usr/bin:/bin", "HOME": os.environ["HOME"], "TMPDIR": str(FOLDER)} | surroundings
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ran = subprocess.run(command, env=variables, cwd=FOLDER, preexec_fn=confine, text=True, timeout=120, **pipes)
    return ran.returncode, ran.stdout, ran.stderr


def inspected(lake):
    """What `inspect` says of a dataset, which must be whole."""
    return json.loads(subprocess.run([PROGRAM, "inspect", lake, "--json"], stdout=subprocess.PIPE, check=True).stdout)


def imposter(text):
    """A folder for the path with another program under our name."""
    program = Path(tempfile.mkdtemp(dir=FOLDER)) / "source-zendesk-chat"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program.parent


class Example(unittest.TestCase):
    """An example, with a folder of its own to run in."""

    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))

    def write(self, name, configuration):
        path = self.folder / name
        path.write_text(json.dumps(configuration))
        return path
