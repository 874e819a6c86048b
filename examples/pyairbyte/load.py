"""Loads an account into a DuckDB file with PyAirbyte. The first run brings all, each later one what is new.

    python load.py config.json zendesk.duckdb [STREAM ...]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

# No look at Airbyte's registry is needed, and no report to Airbyte of each run. PyAirbyte reads these when imported.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

import airbyte
from airbyte.caches import DuckDBCache


def keep(configuration, path):
    """Replaces the configuration as a whole: a refresh token works once, so that what it brought must not be lost."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
        json.dump(configuration, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def main(config, database, *streams):
    # A link is followed: it is the file behind it that is replaced.
    path = Path(config).resolve()
    source = airbyte.get_source(
        "source-zendesk-chat",
        local_executable="source-zendesk-chat",
        config=json.loads(path.read_text()),
        config_change_callback=lambda configuration: keep(configuration, path),
    )
    if streams:
        source.select_streams(list(streams))
    else:
        source.select_all_streams()
    # No `check` goes before it: `read` tells the same, and would not know of a token that `check` has renewed, since
    # PyAirbyte goes on with the configuration that it was given.
    result = source.read(cache=DuckDBCache(db_path=database, cache_dir=f"{database}.staging"))
    print(f"{result.processed_records} records were read")
    for stream, table in result.streams.items():
        print(f"{stream}: {len(table)} rows")


if len(sys.argv) < 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
