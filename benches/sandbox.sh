# What the scripts of this folder share: a sandbox in a process of its own, and what reads its first year.
export LC_ALL=C

cargo build --release --quiet
program=$PWD/target/release/source-zendesk-chat
folder=$(mktemp -d)
trap 'kill "${sandbox:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
read=("$program" read --config "$folder/config.json" --catalog "$folder/catalog.json")

# Starts a sandbox with these flags, without a rate limit, and writes the configuration that reads exactly its first year.
serve() { serve_at 0 "$@"; }

# The same with a rate limit, which the configuration does not know of.
serve_at() {
    rm -f "$folder/greeting"
    "$program" sandbox --rate "$@" >"$folder/greeting" &
    sandbox=$!
    until [ "$(cat "$folder/greeting" 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.05; done
    sed -n 2p "$folder/greeting" |
        sed 's/}$/,"end_date":"2026-01-01T00:00:00Z","requests_per_minute":100000000}/' >"$folder/config.json"
    url=$(sed -E 's/.*"base_url":"([^"]*)".*/\1/' "$folder/config.json")
}

stop() {
    kill "$sandbox"
    wait "$sandbox" 2>/dev/null || true
}

# Writes the catalog that asks for one stream.
choose() { echo "{\"streams\":[{\"stream\":{\"name\":\"$1\"},\"sync_mode\":\"incremental\"}]}" >"$folder/catalog.json"; }

# The most memory that a command takes, in MB, as the kernel counted it; what it writes goes to a file.
memory() {
    "$@" >"${output:-/dev/null}" &
    local process=$! peak=0 now
    while now=$(awk '/^VmHWM/ {print $2}' "/proc/$process/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.01
    done
    wait "$process"
    echo $((peak / 1024))
}
