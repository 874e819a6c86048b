#!/usr/bin/env bash
# What a release leans on: the workflow that runs `.ci/run` is one by its schema, and with the argument `all` cargo-deny looks at
# the dependencies' licences, sources and versions. The advisories, which it fetches from elsewhere, are left to `cargo
# deny check` by hand.
#
#     tests/ecosystem/release/run.sh [all]
#
# What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

source tests/sandbox.sh
at_most_all "$@"
environment ecosystem/release tests/ecosystem/release/requirements.txt
target/ecosystem/release/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml || failed=1
if [ "${1:-}" = all ]; then
    deny=target/ecosystem/cargo-deny
    CARGO_TARGET_DIR=$deny/target fetching cargo install --quiet --locked --root "$deny" cargo-deny@0.20.2
    # It looks at the crates of every platform, of which a build fetches those of one.
    fetching cargo fetch --quiet --locked
    "$deny/bin/cargo-deny" --offline check bans licenses sources || failed=1
fi
exit "${failed:-0}"
