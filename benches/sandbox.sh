# What the scripts of this folder share: a sandbox in a process of its own, and what reads its first year.
export LC_ALL=C

cargo build --release --quiet
program=$PWD/target/release/source-zendesk-chat
folder=$(mktemp -d)
trap 'kill "${sandbox:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
token='Authorization: Bearer sandbox-token'
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

# Makes the Python environment `target/$1` of what benches/$1/requirements.txt names, unless it is there with these very versions.
environment() {
    local environment=target/$1 wanted=benches/$1/requirements.txt
    cmp --silent "$wanted" "$environment/requirements.txt" && return
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$environment"
}

# Fetches all pages of that year as next_page names them, and tells the size in bytes and the address of each.
pages() {
    local page="$url/api/v2/chat/incremental/chats?start_time=1735689599&limit=1000&fields=chats(*)"
    while [ "$(sed -E 's/.*start_time=([0-9]*).*/\1/' <<<"$page")" -lt 1767225600 ]; do
        curl --silent --globoff --header "$token" "$page" >"$folder/page"
        echo "$(stat -c %s "$folder/page") $page"
        page=$(tail -c 600 "$folder/page" | sed -E 's/.*"next_page":"([^"]*)".*/\1/')
    done
}
