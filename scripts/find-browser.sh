#!/bin/sh
# Print the path of a Chromium; bring one where there is none.
set -eu

find_one() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" && return 0
    done
    .venv/bin/python - <<'PYTHON'
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    path = pathlib.Path(playwright.chromium.executable_path)
print(path) if path.exists() else sys.exit(1)
PYTHON
}

if ! find_one; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            chromium fonts-noto-color-emoji; } >/dev/null 2>&1 || true
    fi
    find_one || { .venv/bin/python -m playwright install chromium >&2 && find_one; } || {
        echo "The browser tests need Chromium: install it (on Debian: apt install chromium) and try again." >&2
        exit 1
    }
fi
