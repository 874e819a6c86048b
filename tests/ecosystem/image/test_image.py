"""Dockerfile, .dockerignore and metadata.yaml agree with each other, with the program, and with what Airbyte asks for."""

import importlib.metadata
import json
import os
import subprocess
import tomllib
import unittest
from pathlib import Path

import jsonschema
import yaml
from dockerfile import BUILD, ENTRYPOINT, FINAL, base, copies, last, pairs, texts

FOLDER = Path(os.environ["ECOSYSTEM_FOLDER"])

PROGRAM = os.environ["ECOSYSTEM_PROGRAM"]

PACKAGE = tomllib.loads(Path("Cargo.toml").read_text())["package"]

METADATA = yaml.safe_load(Path("metadata.yaml").read_text())

SCHEMA = "airbyte_connector_models/metadata/v0/ConnectorMetadataDefinitionV0.json"

# The ID of Airbyte's own connector.
THEIRS = "40d24d0f-b8f9-4fe0-9e6c-b06c0f3f45e4"

# The libraries that every Debian has, since its package manager needs them.
LIBRARIES = {"linux-vdso.so.1", "libc.so.6", "libgcc_s.so.1", "libm.so.6"}


class Image(unittest.TestCase):
    def test_it_runs_as_airbyte_and_not_as_root(self):
        self.assertEqual(last(FINAL, "USER"), "1000:1000")
        users = " ".join(texts(FINAL, "RUN"))
        self.assertIn("groupadd --gid 1000 airbyte", users)
        self.assertRegex(users, r"useradd --uid 1000 --gid 1000 .*--home-dir /airbyte airbyte")
        self.assertEqual(last(FINAL, "WORKDIR"), "/airbyte")
        # What it finds in the image belongs to root, and nobody is root after it.
        self.assertEqual([name for name, _ in FINAL[-2:]], ["USER", "ENTRYPOINT"])

    def test_airbyte_starts_what_docker_starts(self):
        [(_, [built], target)] = [copy for copy in copies(FINAL) if copy[0]]
        self.assertEqual(built, "/build/target/release/source-zendesk-chat")
        self.assertEqual(ENTRYPOINT, [f"{target}source-zendesk-chat"])
        self.assertEqual(pairs(FINAL, "ENV"), {"AIRBYTE_ENTRYPOINT": " ".join(ENTRYPOINT)})

    def test_its_labels_say_what_the_metadata_says(self):
        data = METADATA["data"]
        labels = {"io.airbyte.name": data["dockerRepository"], "io.airbyte.version": data["dockerImageTag"]}
        self.assertEqual(pairs(FINAL, "LABEL"), labels)

    def test_its_version_is_the_programs(self):
        self.assertEqual(METADATA["data"]["dockerImageTag"], PACKAGE["version"])
        self.assertEqual(said("--version"), f"source-zendesk-chat {PACKAGE['version']}\n")

    def test_it_is_built_by_the_oldest_rust_for_its_own_debian(self):
        # It has a shell, which a Debian always has.
        release = base(FINAL).removeprefix("debian:").removesuffix("-slim")
        self.assertEqual(base(FINAL), f"debian:{release}-slim")
        self.assertEqual(base(BUILD), f"rust:{PACKAGE['rust-version']}-slim-{release}")

    def test_it_is_built_of_what_is_sent_and_nothing_else_is_sent(self):
        lines = Path(".dockerignore").read_text().splitlines()
        everything, *sent = [line for line in lines if not line.startswith("#")]
        self.assertEqual(everything, "*")
        copied = [*copies(BUILD), *copies(FINAL)]
        needed = [source for origin, sources, _ in copied if not origin for source in sources]
        self.assertCountEqual(sent, [f"!{source}" for source in needed])


class Metadata(unittest.TestCase):
    def test_airbytes_schema_accepts_it(self):
        path = importlib.metadata.distribution("airbyte-connector-models").locate_file(SCHEMA)
        jsonschema.Draft7Validator(
            json.loads(Path(path).read_text()), format_checker=jsonschema.FormatChecker(["uuid", "date"])
        ).validate(METADATA)

    def test_it_is_not_taken_for_airbytes_own(self):
        self.assertNotEqual(METADATA["data"]["definitionId"], THEIRS)
        self.assertNotIn("airbyte/", METADATA["data"]["dockerRepository"])

    def test_it_agrees_with_the_specification_and_the_streams(self):
        data = METADATA["data"]
        self.assertEqual(data["documentationUrl"], json.loads(Path("spec.json").read_text())["documentationUrl"])
        streams = {path.stem for path in Path("schemas").glob("*.json")}
        self.assertLessEqual(set(data["suggestedStreams"]["streams"]), streams)
        self.assertIn("chats", data["suggestedStreams"]["streams"])
        self.assertEqual(data["allowedHosts"]["hosts"], ["*.zendesk.com"])


class Program(unittest.TestCase):
    """The program where there is nothing: no environment, no home, no name, and a folder that is not its own."""

    def test_it_needs_no_library_that_debian_lacks(self):
        told = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
        needed = {line.split()[0] for line in told.splitlines()}
        self.assertLessEqual({name for name in needed if "ld-linux" not in name}, LIBRARIES)

    def test_it_runs_as_the_images_user(self):
        configuration = ["--config", str(FOLDER / "config.json")]
        self.assertIn('"type":"SPEC"', said("spec"))
        self.assertIn('"status":"SUCCEEDED"', said("check", *configuration))
        self.assertIn('"type":"CATALOG"', said("discover", *configuration))
        self.assertEqual(said("read", *configuration).count('"status":"COMPLETE"'), 15)


def said(*arguments):
    """What the program says as the image's user, or, where this is not run by root, as whoever runs it."""
    user = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
    run = subprocess.run([PROGRAM, *arguments], env={}, cwd="/", capture_output=True, text=True, **user)
    assert run.returncode == 0, run.stderr
    return run.stdout
