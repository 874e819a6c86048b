#!/usr/bin/env bash
# The queries of the documents, and their Python, are run on a dataset of the made-up account, and answer as they say.
#
#     tests/ecosystem/documents/run.sh [all]
#
# PROGRAM names the program to check; without it, one is built. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

checks=tests/ecosystem/documents
source tests/sandbox.sh
at_most_all "$@"
export LC_ALL=C.UTF-8
environment ecosystem/documents "$checks/requirements.txt"
python=$PWD/target/ecosystem/documents/bin/python

# The account grows. What a document prints must not: it is compared with what the account held earlier, too.
dump() {
    mkdir "$folder/$1"
    "$program" dump --sandbox --out "$folder/$1/zendesk-lake" "${@:2}" 2>"$folder/$1.log" || {
        cat "$folder/$1.log" >&2
        exit 1
    }
}
dump now &
dump earlier --until 2026-07-01T00:00:00Z
wait $!

export ECOSYSTEM_FOLDER=$folder PYTHONDONTWRITEBYTECODE=1
(cd "$checks" && "$python" -m unittest test_queries test_python)
