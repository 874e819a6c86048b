# What scripts share that run the program against a sandbox in a process of its own; sourced from the project's root.
# PROGRAM names the program, from there; without it, one is built. PYTHON names the Python that environments are made of.
export LC_ALL=C

# All traffic is on this machine, whatever proxy, cloud or account is set up for others; only what is installed comes from
# elsewhere.
proxies=()
for name in {HTTP,HTTPS,ALL,NO}_PROXY {http,https,all,no}_proxy; do
    [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
    unset "$name"
done
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
for name in $(compgen -v AWS_ || true) $(compgen -v ZENDESK_CHAT_ || true); do unset "$name"; done

# Runs what installs something, by the proxies that are set up.
fetching() { env "${proxies[@]}" "$@"; }

if [ -z "${PROGRAM:-}" ]; then fetching cargo build --release --quiet; fi
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

# Starts a sandbox with these flags, without a rate limit, and writes the configuration that reads exactly its first year.
serve() { serve_at 0 "$@"; }

# The same with a rate limit, which the configuration does not know of.
serve_at() {
    # Somebody is banned at each midnight, which must not come between a read and a look at the truth.
    local left=$((86400 - $(date +%s) % 86400))
    [ "$left" -gt 600 ] || sleep "$((left + 1))"
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
    $as_root env "${proxies[@]}" apt-get update --quiet >&2
    $as_root env "${proxies[@]}" DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --yes --no-install-recommends "${missing[@]}" >&2
}

# Finds the Python that environments are made of, unless PYTHON names it: PyAirbyte takes none newer than 3.12.
find_python() {
    for PYTHON in ${PYTHON:-python3.12 python3.11 python3}; do
        "$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && return
    done
    echo "Python 3.11 or 3.12 is needed, and $PYTHON is none: let PYTHON name one" >&2
    exit 1
}

# Makes the Python environment target/$1 of what lists name, unless it is there with these very versions.
environment() {
    local environment=target/$1 wanted
    shift
    find_python
    wanted=$("$PYTHON" --version && cat "$@")
    [ "$wanted" != "$(cat "$environment/made-of" 2>/dev/null)" ] || return 0
    "$PYTHON" -c 'import ensurepip' 2>/dev/null || needs ensurepip=python3-venv
    rm -rf "$environment"
    "$PYTHON" -m venv "$environment"
    fetching "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "${@/#/--requirement=}"
    echo "$wanted" >"$environment/made-of"
}
