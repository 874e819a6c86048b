"""Writes the chats between the dates of a configuration as Parquet, as one does with dlt.

Usage: dlt_chats.py CONFIG FOLDER NESTING, where NESTING is how many levels of tables lie below the one of the chats.

What dlt's guide to its performance tells is done: whole pages are yielded and dlt's own parser reads their JSON; the
files between the stages are not compressed, and enough for as many normalizing processes as there are processors.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

config = json.loads(Path(sys.argv[1]).read_text())
folder = Path(sys.argv[2]).resolve()
nesting = int(sys.argv[3])

# dlt takes its settings from the environment, some of them on import. No telemetry is sent, and all state stays in the
# folder.
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="WARNING",
    DLT_DATA_DIR=str(folder / "state"),
    SOURCES__DATA_WRITER__DISABLE_COMPRESSION="true",
    SOURCES__DATA_WRITER__FILE_MAX_ITEMS="10000",
    NORMALIZE__WORKERS=str(os.cpu_count()),
)

import dlt
from dlt.common import json as dlt_json
from dlt.sources.helpers import requests


def hints(**types):
    """Hints at the types of columns."""
    return {column: {"name": column, "data_type": data_type} for column, data_type in types.items()}


@dlt.source(name="zendesk_chat", max_table_nesting=nesting)
def zendesk_chat():
    # The types of these columns differ between files. Without hints the processes disagree, and dlt repeats the work of
    # one.
    @dlt.resource(
        name="chats",
        write_disposition="append",
        columns=hints(response_time__avg="double", unread="bigint"),
        nested_hints={
            "history": dlt.mark.make_nested_hints(
                columns=hints(agent_id="text", msg_id="text", department_id="text", prev_department_id="text")
            ),
            "engagements": dlt.mark.make_nested_hints(
                columns=hints(agent_id="text", department_id="text", duration="double", response_time__avg="double")
            ),
        },
    )
    def chats():
        session = requests.Client().session
        session.headers["Authorization"] = f"Bearer {config['credentials']['access_token']}"
        start, end = (int(datetime.fromisoformat(config[name]).timestamp()) for name in ("start_date", "end_date"))
        url = f"{config['base_url']}/api/v2/chat/incremental/chats?start_time={start}&fields=chats(*)&limit=1000"
        while True:
            response = session.get(url)
            response.raise_for_status()
            page = dlt_json.loadb(response.content)
            if not page["chats"]:
                return
            if page["end_time"] >= end:
                # These times all have the same format, so they can be compared as text.
                yield [chat for chat in page["chats"] if chat["update_timestamp"] < config["end_date"]]
                return
            yield page["chats"]
            url = page["next_page"]

    return chats


pipeline = dlt.pipeline(
    "chats",
    destination=dlt.destinations.filesystem(bucket_url=folder.as_uri()),
    dataset_name="zendesk",
)
pipeline.run(zendesk_chat(), loader_file_format="parquet").raise_on_failed_jobs()
