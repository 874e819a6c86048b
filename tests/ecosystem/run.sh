#!/usr/bin/env bash
# What others wrote, held against the program: each folder beside this file is a part, and installs what it needs by
# itself. With the argument `all`, what takes long is run as well.
#
#     tests/ecosystem/run.sh [all]
#
# PROGRAM names the program to check; without it, one is built.
set -euo pipefail
cd "$(dirname "$0")/../.."

for part in tests/ecosystem/*/run.sh; do
    echo "$part" >&2
    "$part" "$@" || failed="${failed:-} $part"
done
[ -z "${failed:-}" ] || { echo "failed:$failed" >&2; exit 1; }
