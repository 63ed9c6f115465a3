#!/bin/sh
# Lock pyproject.toml into requirements/, with hashes and without any index address.
set -eu
lock() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --upgrade --output-file "$@" pyproject.toml
}
lock requirements/production.txt
lock requirements/embedded.txt --extra embedded
lock requirements/development.txt --extra embedded --extra development
