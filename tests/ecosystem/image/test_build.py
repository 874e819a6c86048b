"""The program is built of nothing but the files that the image is built of, by the Dockerfile's own command."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path

from dockerfile import BUILD, FINAL, copies, last, texts

CONTEXT = Path(os.environ["ECOSYSTEM_FOLDER"], "context")


class Build(unittest.TestCase):
    def test_what_is_copied_is_enough(self):
        CONTEXT.mkdir()
        for _, sources, target in copies(BUILD):
            for source in sources:
                if Path(source).is_dir():
                    shutil.copytree(source, CONTEXT / target)
                else:
                    shutil.copy(source, CONTEXT / target)
        # What was built once need not be built again.
        kept = Path("target/ecosystem/image-build").absolute()
        kept.mkdir(parents=True, exist_ok=True)
        (CONTEXT / "target").symlink_to(kept)
        for command in texts(BUILD, "RUN"):
            subprocess.run(command, shell=True, cwd=CONTEXT, env=os.environ | {"CARGO_TARGET_DIR": "target"}, check=True)
        [built] = [source for origin, [source], _ in copies(FINAL) if origin]
        program = CONTEXT / Path(built).relative_to(last(BUILD, "WORKDIR"))
        subprocess.run([program, "spec"], stdout=subprocess.DEVNULL, check=True)
