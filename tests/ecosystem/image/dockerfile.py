"""The Dockerfile, taken apart."""

import io
import json
import shlex
from pathlib import Path

from dockerfile_parse import DockerfileParser


def stages():
    """Its stages, each a list of pairs of instruction and text."""
    parser = DockerfileParser(fileobj=io.BytesIO(Path("Dockerfile").read_bytes()))
    found = []
    for part in parser.structure:
        if part["instruction"] == "FROM":
            found.append([])
        if part["instruction"] != "COMMENT":
            found[-1].append((part["instruction"], part["value"]))
    return found


BUILD, FINAL = stages()


def texts(stage, instruction):
    return [text for name, text in stage if name == instruction]


def last(stage, instruction):
    return texts(stage, instruction)[-1]


def base(stage):
    """The image that a stage begins with."""
    return texts(stage, "FROM")[0].split()[0]


def pairs(stage, instruction):
    """What a stage's instructions of the form `NAME=value` say."""
    words = (word for text in texts(stage, instruction) for word in shlex.split(text))
    return dict(word.split("=", 1) for word in words)


def copies(stage):
    """What a stage copies: where from, if from another stage, the sources, and the target."""
    for text in texts(stage, "COPY"):
        words = shlex.split(text)
        options = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if word not in options]
        yield (options[0].removeprefix("--from=") if options else None), sources, target


ENTRYPOINT = json.loads(last(FINAL, "ENTRYPOINT"))
