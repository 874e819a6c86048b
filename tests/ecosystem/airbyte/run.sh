#!/usr/bin/env bash
# Airbyte's own tests and programs, and what it asks of every line: airbyte-cdk's standard tests, PyAirbyte, Airbyte's
# runner of declarative connectors, and the models of the protocol.
#
#     tests/ecosystem/airbyte/run.sh [all]
#
# PROGRAM names the program to check; without it, this builds one. TRANSCRIPTS names the folder in which `cargo test` kept
# what its runs wrote; without it, the runs are made. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

source tests/sandbox.sh
at_most_all "$@"
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
environment ecosystem/airbyte tests/ecosystem/airbyte/requirements.txt
if [ -z "${TRANSCRIPTS:-}" ]; then
    export TRANSCRIPTS=$folder/transcripts
    mkdir "$TRANSCRIPTS"
    cargo test --quiet --test suite >&2
fi
TRANSCRIPTS=$(realpath "$TRANSCRIPTS")

export ECOSYSTEM_FOLDER=$folder ECOSYSTEM_PROGRAM=$program ECOSYSTEM_PYTHON=$PWD/target/ecosystem/airbyte/bin/python
# Nothing is looked up elsewhere, and nothing told.
export AIRBYTE_OFFLINE_MODE=1 DO_NOT_TRACK=1 PYTHONPATH=$PWD/tests/ecosystem
# What it writes on the way is gone in the end.
export AIRBYTE_LOGGING_ROOT=$folder/logs AIRBYTE_PROJECT_DIR=$folder TMPDIR=$folder
for suite in test_lines test_pyairbyte test_drop_in; do
    echo "$suite" >&2
    (cd tests/ecosystem/airbyte && "$ECOSYSTEM_PYTHON" -m unittest --buffer "$suite") || failed=1
done
tests/ecosystem/airbyte/standard.sh || failed=1
exit "${failed:-0}"
