#!/usr/bin/env bash
# Airbyte's standard tests, as airbyte-cdk has them: those for sources, and those for images, the latter by Airbyte's own
# command line and with a stand-in for Docker. Every warning is an error; standard/README.md says what is skipped.
# `run.sh` beside it runs this, with a Python that has airbyte-cdk, the program, and a folder that is removed later.
set -euo pipefail
cd "$(dirname "$0")/../../.."

PROGRAM=$ECOSYSTEM_PROGRAM
source tests/sandbox.sh
# A refresh token that works each time, since every test begins with the same configuration. A digit in the token, since
# without one the tests do not take it for a secret and let it pass in logs.
token=t0ken-of-the-sandbox
# These chats are ordinary: among more of them there are some whose history holds an entry that is no object, as the
# service may send it, and the tests demand that every record fits its schema.
serve --chats 400 --seed 2 --credentials pair --refresh-tokens lasting --token "$token"

# The folder's name is the connector's.
connector=$ECOSYSTEM_FOLDER/source-zendesk-chat
mkdir -p "$connector/configurations"
cp tests/ecosystem/airbyte/standard/* "$connector"
# The tests know no Rust. Of what is written in Java they ask for nothing but an image.
sed 's/language:rust/language:java/' metadata.yaml >"$connector/metadata.yaml"
"$ECOSYSTEM_PYTHON" "$connector/configurations.py" "$folder/config.json" "$token" "$connector/configurations"

export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 TMPDIR=$folder
cd "$connector"
echo "the suite for sources" >&2
"$ECOSYSTEM_PYTHON" -m pytest -m "not image_tests" test_source_suite.py || failed=1
echo "the suite for images" >&2
PATH=$connector:$PATH "$(dirname "$ECOSYSTEM_PYTHON")/airbyte-cdk" image test . --image source-zendesk-chat:dev || failed=1
exit "${failed:-0}"
