#!/bin/sh
# setup.sh LOCK: make .venv hold what LOCK names, and this project on top of it.
# Needs Python >= 3.11 and nothing else. Does nothing when nothing has changed; PYTHON=... chooses
# the interpreter of a new .venv.
set -eu
cd "$(dirname "$0")/.."
lock=$1
stamp=.venv/.installed-$lock

say() { printf '%s\n' "headrace: $*"; }
die() { say "$*" >&2; exit 1; }

# A shim or a stub of that name may exist and yet not run, so each candidate has to prove itself.
fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_venvs() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

find_python() {
    spare=
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3.14 python3; do
        fits "$candidate" || continue
        if makes_venvs "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        spare=${spare:-$candidate}
    done
    printf '%s\n' "$spare"
}

# Whether PACKAGE is there now; with root's rights it is installed, without them the user is told how.
install_package() { sh deploy/package.sh "$1"; }

# Debian leaves ensurepip out of its python3; the package that brings it is named after the version.
complete_python() {
    makes_venvs "$1" && return
    install_package "$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" || true
    makes_venvs "$1" ||
        die "$1 cannot make virtual environments (it has no ensurepip): complete it, or set PYTHON to another"
}

# llama.cpp needs GNU's OpenMP library, which a minimal Debian does not have.
complete_model() {
    .venv/bin/python -c 'import xllamacpp' 2>&1 | grep -q libgomp || return 0
    install_package libgomp1 ||
        say "without libgomp1 there is no embedded model; name another with: headrace up --upstream" >&2
}

# The folder is part of the fingerprint because an environment does not survive being moved.
fingerprint() { { pwd; cat "$lock" pyproject.toml; } | cksum; }

if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1 ||
    [ "$(cat .venv/.home 2>/dev/null)" != "$(pwd)" ]; then
    python=$(find_python)
    [ -n "$python" ] || die "needs Python 3.11 or newer, and found none; install it or set PYTHON"
    complete_python "$python"
    say "making .venv with $("$python" --version 2>&1)"
    "$python" -m venv --clear .venv
    pwd >.venv/.home
fi

wanted=$(fingerprint)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing $lock (the first time this takes a minute or two)"
    rm -f "$stamp"
    .venv/bin/python deploy/installing.py "$lock"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
        --no-deps --no-build-isolation --editable .
    [ "$lock" != requirements.lock ] || complete_model
    printf '%s\n' "$wanted" >"$stamp"
fi
