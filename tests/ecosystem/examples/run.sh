#!/usr/bin/env bash
# `examples/` is held against the programs that it is made for, and run as they would run it, with made-up accounts.
#
#     tests/ecosystem/examples/run.sh [all]
#
# If systemd is missing, `all` installs it, and without `all` its units are passed over. PROGRAM names the program to check;
# without it, one is built. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

checks=tests/ecosystem/examples

source tests/sandbox.sh
at_most_all "$@"
export LC_ALL=C.UTF-8
environment ecosystem/examples "$checks/requirements.txt" tests/ecosystem/dataset/requirements-store.txt
environment ecosystem/airbyte tests/ecosystem/airbyte/requirements.txt

# The examples find the program on the path. What anything here would put into a home or a cache is gone in the end.
mkdir "$folder/path" "$folder/home"
ln -s "$program" "$folder/path/source-zendesk-chat"
export HOME=$folder/home ECOSYSTEM_FOLDER=$folder ECOSYSTEM_PROGRAM=$program PYTHONDONTWRITEBYTECODE=1

# Runs a file of tests in a Python environment.
try() {
    local python=$PWD/target/ecosystem/$1/bin/python
    echo "$2" >&2
    (cd "$checks" && PYTHONPATH=..:../dataset "$python" -m unittest --buffer "$2") || failed=1
}

target/ecosystem/examples/bin/shellcheck examples/*/*.sh || failed=1
suites=(test_cron test_kubernetes test_many_accounts)
[ "${1:-}" != all ] || needs systemd-analyze=systemd
if command -v systemd-analyze >/dev/null; then
    suites+=(test_systemd)
else
    echo "THE UNITS ARE NOT CHECKED: there is no systemd-analyze; with \`all\` it is installed" >&2
fi
for suite in "${suites[@]}"; do try examples "$suite"; done
try airbyte test_pyairbyte
exit "${failed:-0}"
