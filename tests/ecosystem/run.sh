#!/usr/bin/env bash
# What people read Parquet with reads what `dump` writes, and finds what the account holds: DuckDB, Polars and PyArrow;
# with the argument `all` also Spark, which is large and needs Java. And `dump` writes into an object store.
#
#     tests/ecosystem/run.sh [all]
#
# PROGRAM names the program to check; without it, this builds one. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C.UTF-8

checks=tests/ecosystem
case ${1:-} in
'' | all) ;;
*)
    echo "usage: $0 [all]" >&2
    exit 2
    ;;
esac
if [ "${1:-}" = all ] && ! command -v java >/dev/null; then
    echo "Spark needs Java 17 or newer, and there is no \`java\` on the path: install one, or leave \`all\` out" >&2
    exit 1
fi
if [ -z "${PROGRAM:-}" ]; then cargo build --release --quiet; fi
program=$(realpath "${PROGRAM:-target/release/source-zendesk-chat}")

# Installs what a list names, once for each state of that list.
install() {
    local place=target/ecosystem/python
    mkdir -p target/ecosystem
    [ -x "$place/bin/python" ] || python3 -m venv "$place"
    if ! cmp --silent "$checks/$1" "$place/$1"; then
        "$place/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$checks/$1"
        cp "$checks/$1" "$place/$1"
    fi
}
install requirements.txt
[ "${1:-}" != all ] || install requirements-spark.txt

folder=$(mktemp -d)
trap 'kill "${sandbox:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# All traffic is on this machine, whatever proxy or cloud is set up for others.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
for name in $(compgen -v AWS_ || true) $(compgen -v ZENDESK_CHAT_ || true); do unset "$name"; done
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

: >"$folder/greeting"
"$program" sandbox --rate 0 --chats 3000 >"$folder/greeting" 2>"$folder/sandbox.log" &
sandbox=$!
until [ "$(wc -l <"$folder/greeting")" -ge 2 ]; do
    kill -0 "$sandbox" 2>/dev/null || { cat "$folder/sandbox.log" >&2; exit 1; }
    sleep 0.05
done
# Exactly the account's first year, however late it is.
sed -n 2p "$folder/greeting" |
    sed 's/}$/,"end_date":"2026-01-01T00:00:00Z","requests_per_minute":100000000}/' >"$folder/config.json"

# What it says on the way is only shown if it fails.
dump() {
    "$program" dump --config "$folder/config.json" "$@" 2>"$folder/dump.log" || {
        cat "$folder/dump.log" >&2
        exit 1
    }
}

# The records in an order of their own and without the time of reading, so that two reads can be compared.
records() { "$program" read --config "$folder/config.json" 2>/dev/null | grep '"type":"RECORD"'; }
timeless() { sed -E 's/"emitted_at":[0-9]+,//' "$1" | sort; }

# The account goes on living: where something happened in it meanwhile, such as the ban of a new day, all is made again.
while :; do
    rm -rf "$folder/it's a lake" "$folder/grown" "$folder/empty"
    records >"$folder/records.jsonl"
    dump --out "$folder/it's a lake" --json >"$folder/summary.json"
    dump --out "$folder/grown" --until 2025-07-10T12:00:00Z
    dump --out "$folder/grown"
    dump --out "$folder/empty" --until 2025-01-01T00:00:01Z
    records >"$folder/later.jsonl"
    if cmp --silent <(timeless "$folder/records.jsonl") <(timeless "$folder/later.jsonl"); then break; fi
done

export ECOSYSTEM_FOLDER=$folder ECOSYSTEM_PROGRAM=$program PYTHONDONTWRITEBYTECODE=1
suites=(test_readers test_object_store)
[ "${1:-}" != all ] || suites+=(test_spark)
for suite in "${suites[@]}"; do
    echo "$suite" >&2
    (cd "$checks" && "$OLDPWD/target/ecosystem/python/bin/python" -m unittest "$suite") || failed=1
done

# A run may be ended at any call of the store; `all` tries every one of them.
echo crashes >&2
step=11
[ "${1:-}" != all ] || step=1
target/ecosystem/python/bin/python "$checks/crashes.py" "$step" \
    cargo test --quiet --test suite dump::crashes::in_a_bucket -- --ignored >&2 || failed=1
exit "${failed:-0}"
