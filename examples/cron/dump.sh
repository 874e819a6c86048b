#!/bin/sh
# Brings the dataset beside this script up to date. What a run brought is a line of runs.jsonl. What went wrong is added
# to trouble.log and written here, so that cron sends it; the exit code is that of the run.
cd "$(dirname "$0")" || exit 1

began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
said=$(source-zendesk-chat dump --config config.json --out zendesk-lake --quiet --json 2>&1 >>runs.jsonl)
code=$?
# A run may also have warned of something and have ended well.
[ "$code" -eq 0 ] && [ -z "$said" ] && exit
printf '%s, exit code %s\n%s\n' "$began" "$code" "$said" | tee -a trouble.log >&2
exit "$code"
