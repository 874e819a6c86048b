"""A made-up account of the program's own, and what it holds, asked for with nothing but HTTP."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

PROGRAM = os.environ["ECOSYSTEM_PROGRAM"]

# What each export calls its time, in which unit it is asked, and what it must be told.
EXPORTS = {
    "chats": ("update_timestamp", 1, {"fields": "chats(*)"}),
    "agent_timeline": ("start_time", 1_000_000, {"fields": "agent_timeline(*)"}),
    "agent_events": ("timestamp", 1, {"fields": "agent_events(*)"}),
    "conversions": ("timestamp", 1, {}),
    "department_events": ("timestamp", 1, {}),
}

LISTS = ("departments", "goals", "roles", "shortcuts", "skills", "triggers")


@contextmanager
def account(*flags):
    """An account without a rate limit; gives the configuration that reads its first year."""
    # Somebody is banned at each midnight, which must not come between a read and a look at the truth.
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    if midnight - datetime.now(UTC) < timedelta(minutes=3):
        time.sleep(185)
    command = [PROGRAM, "sandbox", "--rate", "0", *map(str, flags)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            process.stdout.readline()
            bounds = {"end_date": "2026-01-01T00:00:00Z", "requests_per_minute": 100_000_000}
            yield json.loads(process.stdout.readline()) | bounds
        finally:
            process.kill()


def ask(config, path, **query):
    """What the account answers."""
    address = f"{config['base_url']}/api/v2/chat/{path}?{urllib.parse.urlencode(query)}"
    bearer = {"Authorization": f"Bearer {config['credentials']['access_token']}"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=bearer)) as answer:
        return json.load(answer)


def exported(config, stream):
    """The records of an export within the bounds of a configuration."""
    cursor, unit, more = EXPORTS[stream]
    begin, end = (datetime.fromisoformat(config[bound]) for bound in ("start_date", "end_date"))
    records, query = {}, {"start_time": int(begin.timestamp() - 1) * unit} | more
    while True:
        page = ask(config, f"incremental/{stream}", limit=1000, **query)
        for record in page[stream]:
            moment = datetime.fromisoformat(record[cursor])
            if begin <= moment < end:
                records[json.dumps(record)] = record
        if not page[stream] or moment >= end:
            return list(records.values())
        following = urllib.parse.parse_qsl(urllib.parse.urlsplit(page["next_page"]).query)
        query |= {name: value for name, value in following if name in ("start_time", "start_id")}


def numbered(config, stream, *arrays):
    """The records that are asked for by number."""
    records, since = {}, 0
    while True:
        page = ask(config, stream, since_id=since, limit=100)
        found = [record for array in arrays for record in page.get(array, [])] if arrays else page
        fresh = {record["id"]: record for record in found if record["id"] not in records}
        if not fresh:
            return list(records.values())
        records |= fresh
        # Each array may have been cut by itself.
        since = min(max(record["id"] for record in part) for part in ([page[a] for a in arrays if page.get(a)] or [page]))


def truth(config, stream):
    """All records of a stream as the account answers them."""
    if stream in EXPORTS:
        records = exported(config, stream)
        if stream == "agent_timeline":
            return [{"id": f"{record['agent_id']}|{record['start_time']}"} | record for record in records]
        return records
    if stream in LISTS:
        return ask(config, stream)
    if stream == "agents":
        return numbered(config, stream)
    if stream == "bans":
        return numbered(config, stream, "visitor", "ip_address")
    if stream == "accounts":
        return [ask(config, "account")]
    return [ask(config, "routing_settings/account")["data"]]
