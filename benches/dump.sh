#!/usr/bin/env bash
# Measures the time and memory that `dump` takes to turn 250,000 chats, 960 MB of JSON, into Parquet. For comparison,
# dlt reads the same sandbox and writes Parquet into a folder, too. Both sides of a ratio are measured in the same run;
# absolute speeds are only reported.
set -euo pipefail
cd "$(dirname "$0")/.."

chats=${1:-250000}
least_ratio=8
most_memory=300
wanted_speed=100

source benches/sandbox.sh
python=$PWD/target/dlt/bin/python
TIMEFORMAT='%R %U %S'

# Prints the processor time in seconds that the sandbox has used so far.
served() { awk -v tick="$(getconf CLK_TCK)" '{print ($14 + $15) / tick}' "/proc/$sandbox/stat"; }

# Prints all descendants of a process, one per line.
below() {
    local child
    for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do
        echo "$child"
        below "$child"
    done
}

# Runs a command. Sets `elapsed` and `busy` (wall-clock and processor time in seconds) and `peak` (memory in MB), for
# all of its processes. Memory is sampled twice a second and shared pages count once, so the result is rather too small.
measure() {
    local now client
    { time "$@" >"$folder/talk" 2>&1; } 2>"$folder/times" &
    client=$!
    peak=0
    while kill -0 "$client" 2>/dev/null; do
        now=$(below "$client" | sed 's|.*|/proc/&/smaps_rollup|' | xargs --no-run-if-empty cat 2>/dev/null |
            awk '/^Pss:/ {sum += $2} END {print int(sum / 1024)}') || true
        [ "${now:-0}" -le "$peak" ] || peak=$now
        sleep 0.5
    done
    wait "$client" || { cat "$folder/talk" >&2; exit 1; }
    read -r elapsed busy < <(awk '{print $1, $2 + $3}' "$folder/times")
}

# Checks that the Parquet files named on stdin hold every chat exactly once. Prints a row with the measurements and the
# size of the folder.
row() {
    local written
    written=$("$python" -c '
import sys, pyarrow.dataset
chats = pyarrow.dataset.dataset(sys.stdin.read().split(), format="parquet").to_table(columns=["id"]).column("id")
print(len(chats), len(chats.unique()))')
    [ "$written" = "$chats $chats" ] || { echo "$1: not $chats chats but $written, all and distinct" >&2; exit 1; }
    printf '| %s | %.1f s | %.1f s | %d MB | %d MB | %d MB |\n' \
        "$1" "$elapsed" "$busy" "$(speed)" "$peak" "$(du -sm "$2" | cut -f 1)"
}

# Prints the MB of JSON per second of processor time.
speed() { awk -v json="$megabytes" -v busy="$busy" 'BEGIN {printf "%.0f", json / busy}'; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.1f", a / b}'; }

environment dlt benches/dlt/requirements.txt
serve --chats "$chats" --spans 0
before=$(served)
pages >"$folder/pages"
serving=$(awk -v a="$(served)" -v b="$before" 'BEGIN {printf "%.2f", a - b}')
count=$(wc -l <"$folder/pages")
megabytes=$(awk '{sum += $1} END {printf "%.0f", sum / 1000000}' "$folder/pages")

echo "| $chats chats | time | processor time | JSON a second of it | peak memory | Parquet |"
echo "|---|---|---|---|---|---|"
dump=("$program" dump --quiet --config "$folder/config.json" --streams chats --out)
measure "${dump[@]}" "$folder/ours"
ours=$elapsed ours_busy=$busy ours_speed=$(speed)
# Unlike the sampled peak, this one is exact.
peak=$(memory "${dump[@]}" "$folder/again" 2>/dev/null)
ours_peak=$peak
# Files that were merged into others stay in the folder for a while. The views name the files that count.
sed -nE "s|^ *lake\(\) \|\| '(.*\.parquet)',?$|$folder/ours/\1|p" "$folder/ours/views.sql" | row '`dump`' "$folder/ours"
rm -r "$folder/ours" "$folder/again"

# Two levels are what dlt's own source for Zendesk Chat requests, and all that chats have. As with `dump`, nested values
# then have types and columns of their own.
measure "$python" benches/dlt/dlt_chats.py "$folder/config.json" "$folder/tables" 2
theirs=$elapsed theirs_busy=$busy theirs_peak=$peak
again=$(grep -c 'retrying task' "$folder/talk" || true)
find "$folder/tables/zendesk/chats" -name '*.parquet' | row 'dlt, nested values in tables' "$folder/tables/zendesk"
rm -r "$folder/tables"

# The least work for dlt: nested values stay text.
measure "$python" benches/dlt/dlt_chats.py "$folder/config.json" "$folder/text" 0
find "$folder/text/zendesk/chats" -name '*.parquet' | row 'dlt, nested values as text' "$folder/text/zendesk"
stop

times=$(ratio "$theirs" "$ours")
cat <<END

| what | measured | must be |
|---|---|---|
| JSON, pages | $megabytes MB, $count | |
| sandbox's processor time for them, in each time above | $serving s | |
| dlt / \`dump\`, time | $times | at least $least_ratio |
| dlt / \`dump\`, processor time | $(ratio "$theirs_busy" "$ours_busy") | |
| dlt with nested values as text / \`dump\`, time | $(ratio "$elapsed" "$ours") | |
| processes of dlt whose work was done again | $again | |
| JSON a second of \`dump\`'s processor time | $ours_speed MB | $wanted_speed MB are wanted; depends on the machine |
| peak memory of \`dump\` | $ours_peak MB | below $most_memory and below dlt's $theirs_peak |
END
awk -v ratio="$times" -v least="$least_ratio" -v memory="$ours_peak" -v room="$most_memory" -v theirs="$theirs_peak" \
    'BEGIN {exit !(ratio >= least && memory < room && memory < theirs)}' || { echo "a bound was not kept" >&2; exit 1; }
