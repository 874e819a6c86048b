#!/usr/bin/env bash
# The image, as far as it can be checked without a container engine: a linter reads the Dockerfile, its instructions are
# compared with Cargo.toml, metadata.yaml and what Airbyte asks of an image, and the program runs as the image's user
# would. With the argument `all` the program is also built of nothing but what the image is built of.
#
#     tests/ecosystem/image/run.sh [all]
#
# What is not run: `docker build`. No base image is fetched, the packages and the user of the final stage are not made,
# and nothing starts in a container. So it is not known from here that the base images exist under these names, nor how
# large the image is.
#
# PROGRAM names the program to check; without it, this builds one. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

checks=tests/ecosystem/image

source tests/sandbox.sh
at_most_all "$@"
environment ecosystem/image "$checks/requirements.txt"
bin=$PWD/target/ecosystem/image/bin
# Of this one only the schema of metadata.yaml is wanted, and none of the 300 MB that it asks for.
fetching "$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps airbyte-connector-models==0.1.12
serve --chats 100
# Another user than the one who runs this must get at it.
chmod 711 "$folder"
install -m 755 "$program" "$folder/source-zendesk-chat"
chmod 644 "$folder/config.json"

"$bin/hadolint" --no-color --failure-threshold style Dockerfile || failed=1
export ECOSYSTEM_FOLDER=$folder ECOSYSTEM_PROGRAM=$folder/source-zendesk-chat
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$checks
suites=(test_image)
[ "${1:-}" != all ] || suites+=(test_build)
for suite in "${suites[@]}"; do
    echo "$suite" >&2
    "$bin/python" -m unittest "$suite" || failed=1
done
exit "${failed:-0}"
