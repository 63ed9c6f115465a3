#!/bin/sh
# install.sh VENV REQUIREMENTS: make the virtual environment if need be and install the locked files into it.
set -eu
venv=$1 requirements=$2

if [ ! -x "$venv/bin/python" ]; then
    for candidate in python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "${python:-}" ]; then
        echo "Countinghouse needs Python 3.11 or newer with venv (on Debian: apt install python3 python3-venv)." >&2
        exit 1
    fi
    echo "Making $venv with $("$python" --version) ..."
    "$python" -m venv "$venv"
fi
echo "Installing $requirements ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$requirements"
