#!/usr/bin/env bash
# `login` in a real browser: headless Chromium of the distribution presses the buttons of the sandbox's consent page. What
# is missing is installed: Chromium as a package, Playwright into `target`. Screenshots are in `target/browser`, for people.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$PWD/target/browser
program=${PROGRAM:-target/release/source-zendesk-chat}
[ -n "${PROGRAM:-}" ] || cargo build --release

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update --quiet
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends chromium
    browser=$(command -v chromium)
fi
mkdir -p "$folder"
cp tests/browser/{package.json,package-lock.json,login.mjs} "$folder"
npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
PROGRAM=$(realpath "$program") BROWSER=$browser node "$folder/login.mjs"
