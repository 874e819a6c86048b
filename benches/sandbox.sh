# Shared by the scripts of this folder: a sandbox, and commands that read its first year.
source tests/sandbox.sh
needs curl
token='Authorization: Bearer sandbox-token'
read=("$program" read --config "$folder/config.json" --catalog "$folder/catalog.json")

# Writes a catalog with one stream.
choose() { echo "{\"streams\":[{\"stream\":{\"name\":\"$1\"},\"sync_mode\":\"incremental\"}]}" >"$folder/catalog.json"; }

# Prints the peak memory of a command in MB, as the kernel counted it. The command's output goes to the file `$output`.
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

# Fetches all pages of that year by following next_page. Prints the size in bytes and the address of each.
pages() {
    local page="$url/api/v2/chat/incremental/chats?start_time=1735689599&limit=1000&fields=chats(*)"
    while [ "$(sed -E 's/.*start_time=([0-9]*).*/\1/' <<<"$page")" -lt 1767225600 ]; do
        curl --silent --globoff --header "$token" "$page" >"$folder/page"
        echo "$(stat -c %s "$folder/page") $page"
        page=$(tail -c 600 "$folder/page" | sed -E 's/.*"next_page":"([^"]*)".*/\1/')
    done
}
