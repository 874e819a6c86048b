#!/bin/sh
# Brings the datasets of many accounts up to date, some side by side: each account has a quota of its own.
#
#     dump-all.sh CONFIGURATIONS DATASETS [AT_ONCE]
#
# CONFIGURATIONS is a folder with a configuration for each account, such as acme.json. Its dataset is DATASETS/acme, and
# DATASETS/acme.log tells of its last run. An account that fails is named with the reason, and does not stop the others;
# the exit code is 1 then.
[ $# -ge 2 ] || { echo "usage: $0 CONFIGURATIONS DATASETS [AT_ONCE]" >&2; exit 2; }
mkdir -p "$2" || exit 1

# shellcheck disable=SC2016 # The inner shell puts the names in.
printf '%s\0' "$1"/*.json | xargs -0 -n 1 -P "${3:-4}" sh -c '
    account=$(basename "$2" .json)
    source-zendesk-chat dump --config "$2" --out "$1/$account" >"$1/$account.log" 2>&1 && exit
    code=$?
    echo "$account: exit code $code: $(tail -n 1 "$1/$account.log")" >&2
    exit 1
' sh "$2" || exit 1
