#!/usr/bin/env bash
# Makes .venv with every Python dependency, pinned and hash-checked, and installs the Debian packages named as
# arguments where they are missing. Doing it twice is doing it once.
set -euo pipefail
cd "$(dirname "$0")/.."
UV_VERSION=0.13.9

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else
        command -v sudo >/dev/null || { echo "Run as root, or install sudo: need to run: $*" >&2; exit 1; }
        sudo "$@"
    fi
}

apt_missing() { # print those of the packages "$@" that are not installed
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"
    done
}

apt_ensure() {
    local missing
    missing=$(apt_missing "$@")
    [ -z "$missing" ] && return
    command -v apt-get >/dev/null || { echo "Please install by hand (no apt-get here): $missing" >&2; exit 1; }
    say "installing Debian packages: $missing"
    as_root apt-get update -qq
    start_no_services
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

POLICY=/usr/sbin/policy-rc.d
start_no_services() { # the rig runs servers of its own: those of the packages must not start (invoke-rc.d(8))
    [ -e $POLICY ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null
    as_root chmod 755 $POLICY
    trap 'as_root rm -f $POLICY' EXIT
}

find_python() { # the first Python that is new enough and can make a virtual environment
    local p
    for p in python3 python3.14 python3.13 python3.12 python3.11; do
        "$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$p"; return; }
    done
    return 1
}

[ $# -gt 0 ] && apt_ensure "$@"

if ! PYTHON=$(find_python); then
    apt_ensure python3 python3-venv
    PYTHON=$(find_python) || { apt_ensure python3.11 python3.11-venv; PYTHON=$(find_python); } ||
        { echo "Thresher needs Python 3.11 or newer with venv." >&2; exit 1; }
fi

if [ ! -x .venv/bin/uv ]; then
    say "making .venv with $PYTHON"
    "$PYTHON" -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$UV_VERSION"
fi

STAMP=.venv/.synced
WANT=$(cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum)
if [ "$(cat $STAMP 2>/dev/null)" != "$WANT" ]; then
    say "installing the Python packages of requirements.lock"
    VIRTUAL_ENV=.venv .venv/bin/uv pip install -q --require-hashes -r requirements.lock
    VIRTUAL_ENV=.venv .venv/bin/uv pip install -q --no-deps -e .
    echo "$WANT" >$STAMP
fi
