#!/usr/bin/env bash
# What people read Parquet with reads what `dump` writes, and finds what the account holds: DuckDB, Polars and PyArrow;
# with the argument `all` also Spark, which is large, and Java for it if that is missing. And `dump` writes into an object
# store.
#
#     tests/ecosystem/dataset/run.sh [all]
#
# PROGRAM names the program to check; without it, this builds one. What is installed is kept in target/ecosystem.
set -euo pipefail
cd "$(dirname "$0")/../../.."

checks=tests/ecosystem/dataset
source tests/sandbox.sh
at_most_all "$@"
export LC_ALL=C.UTF-8
[ "${1:-}" != all ] || needs java=default-jre-headless
lists=("$checks/requirements.txt" "$checks/requirements-store.txt")
[ "${1:-}" != all ] || lists+=("$checks/requirements-spark.txt")
environment "ecosystem/dataset${1:+-with-spark}" "${lists[@]}"
python=$PWD/target/ecosystem/dataset${1:+-with-spark}/bin/python
serve --chats 3000

# What it says on the way is only shown if it fails.
dump() {
    "$program" dump --config "$folder/config.json" "$@" 2>"$folder/dump.log" || {
        cat "$folder/dump.log" >&2
        exit 1
    }
}

# The records in an order of their own and without the time of reading, so that two reads can be compared.
records() { "$program" read --config "$folder/config.json" | grep '"type":"RECORD"'; }
timeless() { sed -E 's/"emitted_at":[0-9]+,//' "$1" | sort; }

records >"$folder/records.jsonl"
dump --out "$folder/it's a lake" --json >"$folder/summary.json"
dump --out "$folder/grown" --until 2025-07-10T12:00:00Z
dump --out "$folder/grown"
dump --out "$folder/empty" --until 2025-01-01T00:00:01Z
records >"$folder/later.jsonl"
diff <(timeless "$folder/records.jsonl") <(timeless "$folder/later.jsonl") >&2 || {
    echo "two reads of one account differ" >&2
    exit 1
}

export ECOSYSTEM_FOLDER=$folder ECOSYSTEM_PROGRAM=$program PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD/tests/ecosystem
suites=(test_readers test_object_store)
[ "${1:-}" != all ] || suites+=(test_spark)
for suite in "${suites[@]}"; do
    echo "$suite" >&2
    (cd "$checks" && "$python" -m unittest "$suite") || failed=1
done

# A run may be ended at any call of the store; `all` tries every one of them.
echo crashes >&2
step=11
[ "${1:-}" != all ] || step=1
"$python" "$checks/crashes.py" "$step" \
    cargo test --quiet --test suite dump::crashes::in_a_bucket -- --ignored >&2 || failed=1
exit "${failed:-0}"
