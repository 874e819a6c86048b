#!/usr/bin/env bash
# Measures the time and memory of `read` and `dump`, compared with curl, with Airbyte's runner, and with themselves
# without windows. Prints one table. Both sides of a ratio are measured in the same run; absolute times are reported but
# never checked. Arguments select cases by name.
set -euo pipefail
cd "$(dirname "$0")/.."

source benches/sandbox.sh
rounds=3
missed=0

# Prints the wall-clock time of a command in milliseconds.
wall() {
    local begin end
    begin=$(date +%s%N)
    "$@" >/dev/null
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000))
}

least() { sort -n | head -n 1; }

most() { sort -n | tail -n 1; }

of() { awk -v a="$1" -v b="$2" -v digits="${3:-2}" 'BEGIN {printf "%.*f", digits, a / b}'; }

seconds() { of "$1" 1000 1; }

# Prints a row of the table: the case, its measurement, and the bound that the measurement's first number must meet.
row() {
    local name=$1 measured=$2 value=$3 bound=${4:-}
    local must=
    case $bound in
        "<="*) must="at most ${bound#<=}" ;;
        ">="*) must="at least ${bound#>=}" ;;
    esac
    echo "| $name | $measured | $must |"
    [ -z "$bound" ] || awk "BEGIN {exit !($value $bound)}" || { echo "not reached: $name" >&2; missed=1; }
}

fetch_with_curl() {
    local page
    while read -r page; do
        curl --silent --globoff --header "$token" --output /dev/null "$page"
    done <"$folder/addresses"
}

# `read` without a rate limit, against curl fetching the same pages, one process per page.
curl_case() {
    choose chats
    serve --chats 100000 --spans 0
    pages | cut -d " " -f 2 >"$folder/addresses"
    wall "${read[@]}" >/dev/null
    : >"$folder/read"; : >"$folder/curl"
    for _ in $(seq "$rounds"); do
        wall "${read[@]}" >>"$folder/read"
        wall fetch_with_curl >>"$folder/curl"
    done
    stop
    local ours theirs ratio
    ours=$(least <"$folder/read") theirs=$(least <"$folder/curl")
    ratio=$(of "$ours" "$theirs")
    row "100,000 chats, \`read\` / curl" "$ratio ($(seconds "$ours") s / $(seconds "$theirs") s)" "$ratio" "<=1.0"
}

# The same against Airbyte's runner of declarative connectors. Also the start-up time of both programs.
cdk_case() {
    local theirs runner=$PWD/target/ecosystem/airbyte/bin/source-declarative-manifest
    environment ecosystem/airbyte tests/ecosystem/airbyte/requirements.txt
    choose chats
    sed 's/"name":"chats"/&,"json_schema":{},"supported_sync_modes":["incremental"]/; s/"sync_mode":"incremental"/&,"destination_sync_mode":"append"/' \
        "$folder/catalog.json" >"$folder/full-catalog.json"
    theirs=("$runner" read --config "$folder/config.json" --catalog "$folder/full-catalog.json" --manifest-path tests/ecosystem/airbyte/manifest.yaml)
    serve --chats 100000 --spans 0
    local our_time their_time our_memory their_memory records
    our_time=$(wall "${read[@]}")
    our_memory=$(memory "${read[@]}")
    their_time=$(date +%s%N)
    their_memory=$(output="$folder/theirs" memory "${theirs[@]}" 2>/dev/null)
    their_time=$((($(date +%s%N) - their_time) / 1000000))
    records=$(grep -c '"type":"RECORD"' "$folder/theirs")
    rm "$folder/theirs"
    stop
    # The runner's last page reaches beyond the year, so it may read more.
    [ "$records" -ge 100000 ] || { echo "Airbyte's runner read $records chats" >&2; exit 1; }
    local faster smaller
    faster=$(of "$their_time" "$our_time" 0) smaller=$(of "$our_memory" "$their_memory")
    row "the same, time of Airbyte's runner / \`read\`" "$faster ($(seconds "$their_time") s / $(seconds "$our_time") s)" "$faster" ">=30"
    row "the same, memory of \`read\` / Airbyte's runner" "$smaller ($our_memory MB / $their_memory MB)" "$smaller" "<=0.34"
    our_time=$(for _ in $(seq 10); do wall "$program" spec; done | least)
    their_time=$(for _ in $(seq 3); do wall "$runner" spec; done | least)
    row "\`spec\`, Airbyte's runner / ours" "$(of "$their_time" "$our_time" 0) ($their_time ms / $our_time ms)" 0
}

# Memory does not grow with the account.
memory_case() {
    choose chats
    local small large ratio
    serve --chats 100000 --spans 0
    # Ten runs fetch as many pages as the large run, so memory has as many chances to peak.
    small=$(for _ in $(seq 10); do memory "${read[@]}"; done | most)
    stop
    serve --chats 1000000 --spans 0
    large=$(memory "${read[@]}")
    stop
    ratio=$(of "$large" "$small")
    row "peak memory, 1,000,000 chats / 100,000" "$ratio ($large MB / $small MB)" "$ratio" "<=1.1"
}

# Reads an account with a rate limit. Sets `elapsed` (in milliseconds), `requests` and `refused` (responses with 429).
backfill() {
    sed -E "s/\"requests_per_minute\":[0-9]*/\"requests_per_minute\":$1$2/" "$folder/config.json" >"$folder/throttled.json"
    elapsed=$(date +%s%N)
    LOG_LEVEL=debug "$program" read --config "$folder/throttled.json" --catalog "$folder/catalog.json" |
        grep -aF '"type":"LOG"' >"$folder/log"
    elapsed=$((($(date +%s%N) - elapsed) / 1000000))
    requests=$(sed -nE 's/.*"message":"([0-9]+) requests were made.*/\1/p' "$folder/log")
    refused=$(grep -c 'answered 429' "$folder/log" || true)
}

# An account at the service's usual pace: each request takes a second.
even_case() {
    choose chats
    serve_at 200 --chats 60000 --spans 0 --latency-ms 1000
    backfill 200 ',"concurrency":1'
    local alone=$elapsed none=$refused ratio
    # The quota of the minute before must not be used up when the second run starts.
    sleep 60
    backfill 200 ''
    stop
    ratio=$(of "$alone" "$elapsed")
    row "60,000 chats, 1 s a request, 200 a minute: page after page / \`read\`" \
        "$ratio ($(seconds "$alone") s / $(seconds "$elapsed") s, $requests requests)" "$ratio" ">=2.7"
    row "the same: refusals for the quota (429)" "$((none + refused))" "$((none + refused))" "<=0"
}

# An account with a large quota, with most of its chats in a short time.
crowded_case() {
    choose chats
    serve_at 2000 --chats 600000 --crowded --spans 0 --latency-ms 200
    backfill 2000 ',"concurrency":1'
    local alone=$elapsed none=$refused share ratio
    sleep 60
    backfill 2000 ''
    stop
    share=$(awk -v wall="$elapsed" 'BEGIN {printf "%.2f", 600 / (wall / 60000 * 2000)}')
    ratio=$(of "$alone" "$elapsed")
    row "600,000 chats, 9 of 10 in a tenth of the time, 0.2 s, 2,000 a minute: pages needed / (time x quota)" \
        "$share ($(seconds "$elapsed") s, $requests requests)" "$share" ">=0.85"
    row "the same: page after page / \`read\`" "$ratio ($(seconds "$alone") s / $(seconds "$elapsed") s)" "$ratio" ">=5"
    row "the same: refusals for the quota (429)" "$((none + refused))" "$((none + refused))" "<=0"
}

# Writing Parquet, against writing text to /dev/null.
dump_case() {
    choose chats
    serve --chats 250000 --spans 0
    local text parquet ratio
    : >"$folder/text"; : >"$folder/parquet"
    # The two alternate, and often, since a machine's speed changes over time.
    for _ in $(seq 6); do
        wall "${read[@]}" >>"$folder/text"
        wall "$program" dump --quiet --config "$folder/config.json" --streams chats --out "$folder/lake" \
            2>/dev/null >>"$folder/parquet"
        rm -rf "$folder/lake"
    done
    text=$(least <"$folder/text") parquet=$(least <"$folder/parquet")
    stop
    ratio=$(of "$parquet" "$text")
    row "250,000 chats, \`dump\` / \`read\`" "$ratio ($(seconds "$parquet") s / $(seconds "$text") s)" "$ratio" "<=3"
}

cores=$(nproc) room=$(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo)
echo "\`benches/run.sh\`, $(date +%F), $cores cores, $room GB:"
echo
echo "| case | measured | must be |"
echo "|---|---|---|"
for case in ${*:-curl cdk memory even crowded dump}; do "${case}_case"; done
exit "$missed"
