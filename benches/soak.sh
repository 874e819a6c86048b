#!/usr/bin/env bash
# Ten million spans of the agents' time line and a million chats, while one request in fifty meets a fault: every record
# comes, and memory does not grow with them. Other numbers may be given: spans, then chats.
set -euo pipefail
cd "$(dirname "$0")/.."

spans=${1:-10000000}
chats=${2:-1000000}
most_memory=64
# A page of chats is 4 MB, and around a fault a few more of them are held.
most_growth=16

source benches/sandbox.sh
mkfifo "$folder/lines"

# Reads the year of a stream from a sandbox with these flags; leaves the distinct keys, the failures and the memory.
soak() {
    local stream=$1
    shift
    rm -f "$folder/failures"
    choose "$stream"
    serve "$@" --fault-seed 7
    # The key is what a record begins with.
    tee >(grep -c 'trying again' >"$folder/failures") <"$folder/lines" | cut -d'"' -f4,16,18 |
        sed -n 's/^RECORD"id"//p' | sort -u -S 256M -T "$folder" | wc -l >"$folder/distinct" &
    local counting=$!
    peak=$(output="$folder/lines" memory "${read[@]}")
    wait "$counting"
    # Whoever counts them is no child that can be waited for.
    until [ -s "$folder/failures" ]; do sleep 0.05; done
    distinct=$(cat "$folder/distinct")
    failures=$(cat "$folder/failures")
    stop
}

# Soaks a stream of so many records, and for the memory a tenth of them that meets as many faults.
row() {
    local stream=$1 records=$2 small begin
    soak "$stream" --fault-share 5 "${@:3}" $((records / 10))
    small=$peak
    begin=$SECONDS
    soak "$stream" --fault-share 50 "${@:3}" "$records"
    echo "| $stream | $records | $distinct | $failures | $peak MB | $small MB | $((SECONDS - begin)) s |"
    [ "$distinct" -eq "$records" ] || { echo "$stream is not complete" >&2; exit 1; }
    # One request in fifty for pages of a thousand each; not every fault is told of.
    [ "$failures" -gt "$((records / 200000))" ] || { echo "$stream met hardly a fault" >&2; exit 1; }
    awk -v large="$peak" -v small="$small" -v room="$most_memory" -v growth="$most_growth" \
        'BEGIN {exit !(large < room && large <= small + growth)}' || { echo "$stream: memory grew" >&2; exit 1; }
}

echo "| stream | records | distinct keys | failures passed over | peak memory | at a tenth | time |"
echo "|---|---|---|---|---|---|---|"
row agent_timeline "$spans" --chats 0 --spans
row chats "$chats" --spans 0 --chats
