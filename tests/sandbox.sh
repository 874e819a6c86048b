# What scripts share that run the program against a sandbox in a process of its own; sourced from the project's root.
# PROGRAM names the program, from there; without it, one is built. PYTHON names the Python that environments are made of.
export LC_ALL=C

if [ -z "${PROGRAM:-}" ]; then cargo build --release --quiet; fi
program=$(realpath "${PROGRAM:-${CARGO_TARGET_DIR:-target}/release/source-zendesk-chat}")
folder=$(mktemp -d)
trap 'kill "${sandbox:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# Refuses all arguments but `all`.
at_most_all() {
    case $* in
    '' | all) ;;
    *)
        echo "usage: $0 [all]" >&2
        exit 2
        ;;
    esac
}

# All traffic is on this machine, whatever proxy, cloud or account is set up for others.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
for name in $(compgen -v AWS_ || true) $(compgen -v ZENDESK_CHAT_ || true); do unset "$name"; done
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

# Starts a sandbox with these flags, without a rate limit, and writes the configuration that reads exactly its first year.
serve() { serve_at 0 "$@"; }

# The same with a rate limit, which the configuration does not know of.
serve_at() {
    : >"$folder/greeting"
    "$program" sandbox --rate "$@" >"$folder/greeting" 2>"$folder/sandbox.log" &
    sandbox=$!
    until [ "$(wc -l <"$folder/greeting")" -ge 2 ]; do
        kill -0 "$sandbox" 2>/dev/null || { cat "$folder/sandbox.log" >&2; exit 1; }
        sleep 0.05
    done
    sed -n 2p "$folder/greeting" |
        sed 's/}$/,"end_date":"2026-01-01T00:00:00Z","requests_per_minute":100000000}/' >"$folder/config.json"
    url=$(sed -E 's/.*"base_url":"([^"]*)".*/\1/' "$folder/config.json")
}

stop() {
    kill "$sandbox"
    wait "$sandbox" 2>/dev/null || true
    sandbox=
}

# Installs what is missing of these commands, each `COMMAND` or `COMMAND=PACKAGE`, as packages of the distribution.
needs() {
    local each missing=() as_root=
    for each in "$@"; do command -v "${each%=*}" >/dev/null || missing+=("${each#*=}"); done
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update --quiet >&2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "${missing[@]}" >&2
}

# Makes the Python environment target/$1 of what lists name, unless it is there with these very versions.
environment() {
    local environment=target/$1
    shift
    cat "$@" | cmp --silent - "$environment/requirements.txt" && return
    rm -rf "$environment"
    "${PYTHON:-python3}" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "${@/#/--requirement=}"
    cat "$@" >"$environment/requirements.txt"
}
