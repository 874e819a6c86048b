"""Makes the configurations of acceptance-test-config.yml out of one that signs in with a pair of tokens.

    configurations.py <that configuration> <an access token> <folder>
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

PAIR, ACCESS_TOKEN, FOLDER = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], Path(sys.argv[3])


def write(name, configuration, **changes):
    (FOLDER / f"{name}.json").write_text(json.dumps(configuration | changes))


def by_token(token):
    return {"credentials": "access_token", "access_token": token}


write("access_token", PAIR, credentials=by_token(ACCESS_TOKEN))

# However one signs in, the same is read; a month of it will do.
month = PAIR | {"start_date": "2025-12-01T00:00:00Z"}
pair = PAIR["credentials"]
write("pair", month)
write("refresh_token", month, credentials={name: value for name, value in pair.items() if name != "access_token"})
client = {"client_id": "sandbox-confidential", "client_secret": pair["client_secret"]}
write("client_credentials", month, credentials={"credentials": "client_credentials", **client})

# What Airbyte's own connector knows, and where the sandbox is. It knows no end, so it begins late.
recently = datetime.now(UTC) - timedelta(days=30)
theirs = {name: PAIR[name] for name in ("subdomain", "credentials", "base_url")}
write("airbytes_own", theirs, start_date=f"{recently:%Y-%m-%dT%H:%M:%SZ}")

# One is refused by the account, the other before it is asked.
write("wrong_token", month, credentials=by_token("t0ken-of-nobody"))
write("wrong_subdomain", month, subdomain="acme.example.com")
