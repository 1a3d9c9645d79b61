#!/bin/sh
# package.sh PACKAGE...: install Debian packages, where we may; else say how.
set -eu

say() { printf '%s\n' "headrace: $*"; }

command -v apt-get >/dev/null || exit 1
if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    say "to go on, run: sudo apt-get install $*" >&2
    exit 1
fi
say "installing $*"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if { $root apt-get update && $root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    exit 0
fi
tail -n 5 "$log" >&2
exit 1
