#!/usr/bin/env bash
# How fast `read` is and how much memory it takes: 100,000 chats from a sandbox in a process of its own, without a rate
# limit, against curl, one process a page, fetching the same pages. Ratios are of the same run; times are only reported.
set -euo pipefail
cd "$(dirname "$0")/.."

chats=${1:-100000}
rounds=${2:-3}
most_ratio=1.5
most_memory=64

source benches/sandbox.sh
choose chats
token='Authorization: Bearer sandbox-token'

# The wall time in milliseconds of a command.
wall() {
    local begin end
    begin=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000))
}

read_chats() { "${read[@]}" >"${1:-/dev/null}"; }

# The addresses of all pages of that year, as next_page names them.
addresses() {
    local page="$url/api/v2/chat/incremental/chats?start_time=1735689599&limit=1000&fields=chats(*)"
    while :; do
        echo "$page"
        curl --silent --globoff --header "$token" "$page" >"$folder/page"
        page=$(tail -c 600 "$folder/page" | sed -E 's/.*"next_page":"([^"]*)".*/\1/')
        [ "$(sed -E 's/.*start_time=([0-9]*).*/\1/' <<<"$page")" -lt 1767225600 ] || break
    done
}

fetch_with_curl() {
    local page
    while read -r page; do
        curl --silent --globoff --header "$token" --output /dev/null "$page"
    done <"$folder/addresses"
}

# The processor time that the sandbox has taken so far, in milliseconds.
served() { awk -v tick="$(getconf CLK_TCK)" '{print int(($14 + $15) * 1000 / tick)}' "/proc/$sandbox/stat"; }

least() { sort -n | head -n 1; }

serve --chats "$chats" --spans 0
addresses >"$folder/addresses"
read_chats "$folder/lines"
pages=$(wc -l <"$folder/addresses")
records=$(grep -c '"type":"RECORD"' "$folder/lines")
megabytes=$(($(stat -c %s "$folder/lines") / 1000000))
: >"$folder/read"; : >"$folder/curl"; : >"$folder/served"
for _ in $(seq "$rounds"); do
    wall read_chats >>"$folder/read"
    before=$(served)
    wall fetch_with_curl >>"$folder/curl"
    echo $(($(served) - before)) >>"$folder/served"
done
reading=$(least <"$folder/read")
curling=$(least <"$folder/curl")
serving=$(least <"$folder/served")
large=$(memory "${read[@]}")
stop
serve --chats $((chats / 10)) --spans 0
small=$(memory "${read[@]}")
stop
starting=$(for _ in $(seq 10); do wall "$program" spec 2>/dev/null | tail -n 1; done | least)

ratio=$(awk -v a="$reading" -v b="$curling" 'BEGIN {printf "%.2f", a / b}')
share=$(awk -v a="$serving" -v b="$curling" 'BEGIN {printf "%.2f", a / b}')
cat <<END
| what | measured | must be |
|---|---|---|
| records, pages, output | $records, $pages, $megabytes MB | |
| \`read\` to /dev/null | $reading ms | |
| curl, one process a page | $curling ms | |
| \`read\` / curl | $ratio | at most $most_ratio |
| sandbox's processor time / curl | $share | at most 0.34 |
| peak memory, $chats chats | $large MB | below $most_memory |
| peak memory, $((chats / 10)) chats | $small MB | |
| start-up of \`spec\` | $starting ms | |
END
awk -v ratio="$ratio" -v most="$most_ratio" -v memory="$large" -v room="$most_memory" \
    'BEGIN {exit !(ratio <= most && memory < room)}' || { echo "a bound was not kept" >&2; exit 1; }
