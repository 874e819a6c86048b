"""What the wheel and the source distribution hold, and what installing the wheel brings."""

import email
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

BUILT, FOLDER = Path(os.environ["ECOSYSTEM_BUILT"]), Path(os.environ["ECOSYSTEM_FOLDER"])

PACKAGE = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]

VERSION = PACKAGE["version"]

INFORMATION = f"source_zendesk_chat-{VERSION}.dist-info"

PROGRAM = f"source_zendesk_chat-{VERSION}.data/scripts/source-zendesk-chat"


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}


def read(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def only(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


class Wheel(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.wheel = only(BUILT, "*.whl")

    def test_it_is_for_any_python_on_this_kind_of_machine(self):
        machine = os.uname().machine
        name = rf"source_zendesk_chat-{re.escape(VERSION)}-py3-none-manylinux_2_\d+_{machine}\.whl"
        self.assertRegex(self.wheel.name, rf"\A{name}\Z")
        tags = email.message_from_bytes(read(self.wheel, f"{INFORMATION}/WHEEL"))
        self.assertEqual(tags["Root-Is-Purelib"], "false")

    def test_it_holds_the_program_and_its_licence(self):
        found = contents(self.wheel)
        expected = {PROGRAM, *(f"{INFORMATION}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE"))}
        self.assertEqual(set(found), expected)
        # A program without its permission to run is of no use.
        self.assertEqual(found[PROGRAM].external_attr >> 16 & 0o777, 0o755)
        self.assertEqual(read(self.wheel, f"{INFORMATION}/licenses/LICENSE"), (ROOT / "LICENSE").read_bytes())

    def test_pip_builds_the_same_of_the_sources(self):
        one, other = contents(self.wheel), contents(only(BUILT / "by-pip", "*.whl"))
        self.assertEqual(set(one), set(other))
        for name in (PROGRAM, f"{INFORMATION}/METADATA", f"{INFORMATION}/licenses/LICENSE"):
            self.assertEqual((one[name].CRC, one[name].external_attr), (other[name].CRC, other[name].external_attr), name)

    def test_it_does_not_tell_where_it_was_built(self):
        for name in contents(self.wheel):
            self.assertNotIn(str(ROOT).encode(), read(self.wheel, name), name)

    def test_it_says_what_it_is(self):
        told = email.message_from_bytes(read(self.wheel, f"{INFORMATION}/METADATA"))
        self.assertEqual((told["Name"], told["Version"]), ("source-zendesk-chat", VERSION))
        self.assertEqual((told["Summary"], told["License-Expression"]), (PACKAGE["description"], PACKAGE["license"]))
        self.assertEqual(told["License-File"], "LICENSE")
        self.assertIsNone(told["Requires-Dist"])
        self.assertEqual(told["Description-Content-Type"].partition(";")[0], "text/markdown")
        self.assertEqual(told.get_payload(decode=True).decode().strip(), (ROOT / "README.md").read_text().strip())

    def test_what_is_installed_runs(self):
        program = FOLDER / "fresh/bin/source-zendesk-chat"
        self.assertEqual(shutil.which("source-zendesk-chat"), str(program))
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, f"source-zendesk-chat {VERSION}\n")
        spec = subprocess.run([program, "spec"], capture_output=True, text=True, check=True)
        messages = [json.loads(line) for line in spec.stdout.split("\n")[:-1]]
        self.assertIn("SPEC", [message["type"] for message in messages])


class Sources(unittest.TestCase):
    def test_they_are_what_a_build_needs(self):
        with tarfile.open(only(BUILT, "*.tar.gz")) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        ours = {"Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "pyproject.toml", "spec.json"}
        self.assertLessEqual(ours | {"PKG-INFO"}, names)
        for folder in ("src", "schemas"):
            files = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
            self.assertLessEqual(files, names)
            ours |= files
        papers = {path.name for path in ROOT.glob("*.md")}
        self.assertEqual(names - ours, papers - ours | {"PKG-INFO"})
