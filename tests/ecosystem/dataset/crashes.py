"""Ends runs into an object store at their calls of it, as `cargo test` does in a folder.

The first argument says at one of how many calls; the others are the command that runs the test.
"""

import os
import subprocess
import sys

from store import BUCKET, Store

store = Store()
own = {"CRASHES_BUCKET": f"s3://{BUCKET}/crashes", "CRASHES_STEP": sys.argv[1]}
ended = subprocess.run(sys.argv[2:], env={**os.environ, **store.environment(), **own}, stdout=subprocess.PIPE, text=True)
store.close()
print(ended.stdout, file=sys.stderr)
# A test that is called otherwise by now is none.
sys.exit(ended.returncode or "ok. 1 passed" not in ended.stdout)
