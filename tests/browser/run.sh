#!/usr/bin/env bash
# `login` in a real browser: headless Chromium of the distribution presses the buttons of the sandbox's consent page. What
# is missing is installed: Chromium as a package, Playwright into `target`. Screenshots are in `target/browser`, for people.
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/sandbox.sh
command -v chromium-browser >/dev/null || needs chromium
browser=$PWD/target/browser
mkdir -p "$browser"
cp tests/browser/{package.json,package-lock.json,login.mjs} "$browser"
fetching npm ci --prefix "$browser" --no-audit --no-fund --loglevel=error
PROGRAM=$program BROWSER=$(command -v chromium-browser || command -v chromium) node "$browser/login.mjs"
