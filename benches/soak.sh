#!/usr/bin/env bash
# Reads ten million spans of the agents' time line and a million chats, while one request in fifty meets a fault. Checks
# that every record arrives and that memory does not grow with their number. Arguments set other numbers: spans, then
# chats.
set -euo pipefail
cd "$(dirname "$0")/.."

spans=${1:-10000000}
chats=${2:-1000000}
most_memory=64
# A page of chats is 4 MB, and a few more pages are held around a fault.
most_growth=16

source benches/sandbox.sh
mkfifo "$folder/lines"

# Reads the year of a stream from a sandbox with these flags. Sets `distinct` (keys), `failures` and `peak` (memory).
soak() {
    local stream=$1
    shift
    rm -f "$folder/failures"
    choose "$stream"
    serve "$@" --fault-seed 7
    # Each record begins with its key.
    tee >(grep -c 'trying again' >"$folder/failures") <"$folder/lines" | cut -d'"' -f4,16,18 |
        sed -n 's/^RECORD"id"//p' | sort -u -S 256M -T "$folder" | wc -l >"$folder/distinct" &
    local counting=$!
    peak=$(output="$folder/lines" memory "${read[@]}")
    wait "$counting"
    # The process that counts failures is not a child that `wait` can wait for.
    until [ -s "$folder/failures" ]; do sleep 0.05; done
    distinct=$(cat "$folder/distinct")
    failures=$(cat "$folder/failures")
    stop
}

# Soaks a stream with this many records. For comparing memory, first with a tenth of them and the same number of faults.
row() {
    local stream=$1 records=$2 small begin
    soak "$stream" --fault-share 5 "${@:3}" $((records / 10))
    small=$peak
    begin=$SECONDS
    soak "$stream" --fault-share 50 "${@:3}" "$records"
    echo "| $stream | $records | $distinct | $failures | $peak MB | $small MB | $((SECONDS - begin)) s |"
    [ "$distinct" -eq "$records" ] || { echo "$stream is not complete" >&2; exit 1; }
    # A page holds a thousand records, and one request in fifty meets a fault. A quarter of the faults must be logged:
    # not all of them are.
    [ "$failures" -gt "$((records / 200000))" ] || { echo "$stream met hardly a fault" >&2; exit 1; }
    awk -v large="$peak" -v small="$small" -v room="$most_memory" -v growth="$most_growth" \
        'BEGIN {exit !(large < room && large <= small + growth)}' || { echo "$stream: memory grew" >&2; exit 1; }
}

echo "| stream | records | distinct keys | failures passed over | peak memory | at a tenth | time |"
echo "|---|---|---|---|---|---|---|"
row agent_timeline "$spans" --chats 0 --spans
row chats "$chats" --spans 0 --chats
