#!/usr/bin/env bash
# `pip install .` brings the program: the wheel is built from the source distribution and installed into a fresh
# environment, and PyAirbyte uses what was installed by its name.
#
#     tests/ecosystem/wheel/run.sh [all]
#
# Without `all` it does nothing, since it builds the program anew. PROGRAM names the program that serves the account;
# without it, one is built. What is installed and built is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

checks=tests/ecosystem/wheel
source tests/sandbox.sh
at_most_all "$@"
if [ "${1:-}" != all ]; then
    echo "the wheel is only built and tried with the argument \`all\`" >&2
    exit
fi
export LC_ALL=C.UTF-8
environment ecosystem/maturin "$checks/requirements.txt"
environment ecosystem/airbyte tests/ecosystem/airbyte/requirements.txt
airbyte=$PWD/target/ecosystem/airbyte/bin/python
maturin=$PWD/target/ecosystem/maturin/bin
built=$PWD/target/ecosystem/wheel
rm -rf "$built"

# What it says on the way is only shown if it fails.
quietly() {
    "$@" >"$folder/building.log" 2>&1 || {
        cat "$folder/building.log" >&2
        exit 1
    }
}

# Not where this project is built: cargo would take what is built of a copy for what it builds there, and would not look at
# the sources again.
export CARGO_TARGET_DIR=$PWD/target/ecosystem/wheel-build
quietly "$maturin/maturin" sdist --out "$built"
mkdir "$built/sources"
# All its files are of 2006, so that cargo would take what was built of others for theirs.
tar -xzf "$built"/*.tar.gz -C "$built/sources" --strip-components 1 --touch
# As a release is made, and as pip does it for who has the sources.
(cd "$built/sources" && quietly "$maturin/maturin" build --release --out "$built")
quietly fetching "$maturin/pip" wheel --no-deps --wheel-dir "$built/by-pip" "$built/sources"

export PIP_NO_INDEX=1 PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1
"$PYTHON" -m venv "$folder/fresh"
"$folder/fresh/bin/pip" install "$built"/*.whl

serve --chats 300
# Nothing is asked of Airbyte's registry, reported, or written into a home.
export AIRBYTE_OFFLINE_MODE=1 DO_NOT_TRACK=1 AIRBYTE_NO_UV=1
export AIRBYTE_PROJECT_DIR=$folder AIRBYTE_LOGGING_ROOT=$folder/logs TMPDIR=$folder HOME=$folder
export ECOSYSTEM_FOLDER=$folder ECOSYSTEM_BUILT=$built PYTHONDONTWRITEBYTECODE=1
cd "$checks"
PATH=$folder/fresh/bin:$PATH "$airbyte" -W ignore -m unittest --buffer test_wheel test_pyairbyte
