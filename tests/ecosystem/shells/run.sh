#!/usr/bin/env bash
# Shells complete what `completions` tells them, and readers of manuals find nothing wrong with what `man` prints: bash,
# and with the argument `all` zsh, fish and mandoc, which are installed if they are missing.
#
#     tests/ecosystem/shells/run.sh [all]
#
# PROGRAM names the program to check; without it, this builds one.
set -euo pipefail
cd "$(dirname "$0")/../../.."

source tests/sandbox.sh
at_most_all "$@"
export LC_ALL=C.UTF-8 PATH=$folder:$PATH
cp "$program" "$folder/source-zendesk-chat"

# Holds what a shell offers, a word a line, to what it should.
offers() {
    local shell=$1 wanted=$2
    cat >"$folder/offered"
    diff <(tr ' ' '\n' <<<"$wanted" | sort) <(sort "$folder/offered") >&2 && return
    echo "$shell does not complete as it should" >&2
    return 1
}

complete_in_bash() {
    source-zendesk-chat completions bash >"$folder/completions.bash"
    bash -c 'source "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$(complete -p "$1" | sed "s/.* -F \([^ ]*\) .*/\1/")" "$1" "${@: -1}" "${@: -2:1}"
        printf "%s\n" "${COMPREPLY[@]}"' bash "$folder/completions.bash" source-zendesk-chat "$@"
}
complete_in_bash d | offers bash 'discover dump' || failed=1
complete_in_bash dump --s | offers bash '--sandbox --streams --since' || failed=1
complete_in_bash dump --mode inc | offers bash 'incremental-append incremental-deduped' || failed=1

if [ "${1:-}" = all ]; then
    needs zsh fish mandoc
    complete_in_fish() { fish --no-config -c "source-zendesk-chat completions fish | source; complete -C '$1'" | cut -f 1; }
    complete_in_fish 'source-zendesk-chat d' | offers fish 'discover dump' || failed=1
    complete_in_fish 'source-zendesk-chat dump --s' | offers fish '--sandbox --streams --since' || failed=1
    complete_in_fish 'source-zendesk-chat dump --mode inc' | offers fish 'incremental-append incremental-deduped' || failed=1

    # A terminal of its own, in which the key is pressed.
    source-zendesk-chat completions zsh >"$folder/_source-zendesk-chat"
    complete_in_zsh() { "${PYTHON:-python3}" tests/ecosystem/shells/zsh.py "$folder" "$1" | tr ' ' '\n'; }
    complete_in_zsh 'source-zendesk-chat dump --mode incremental-d' |
        offers zsh 'source-zendesk-chat dump --mode incremental-deduped' || failed=1
    complete_in_zsh 'source-zendesk-chat disc' | offers zsh 'source-zendesk-chat discover' || failed=1
fi

# Every page, as a reader of manuals judges it.
command -v groff >/dev/null || needs mandoc
pages=$(source-zendesk-chat --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(wc -w <<<"$pages")" -ge 10 ] || { echo "only these commands are known: $pages" >&2; exit 1; }
for page in '' $pages; do
    source-zendesk-chat man $page >"$folder/page.1"
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W error "$folder/page.1" >&2 || { echo "the page of $page is not sound" >&2; failed=1; }
    fi
    if command -v groff >/dev/null; then
        groff -man -Tutf8 -ww "$folder/page.1" 2>"$folder/warnings" >"$folder/page.txt"
        [ ! -s "$folder/warnings" ] || { cat "$folder/warnings" >&2; failed=1; }
    fi
done
exit "${failed:-0}"
