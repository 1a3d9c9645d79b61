#!/bin/sh
# restore.sh FILE DATA: lay a snapshot into DATA, the data directory of a broker that does not run.
#
# A broker with `appendonly yes` reads its append-only file alone and would pass a dump.rdb by, beginning empty. So the
# snapshot becomes the base of a new append-only file. DATA must hold none: move an old `appendonlydir` away first.
set -eu

[ $# -eq 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
file=$1 data=$2
die() { echo "restore: $*" >&2; exit 1; }

case $(head -c 6 "$file") in
REDIS0 | VALKEY) ;;
*) die "$file is no snapshot of a broker" ;;
esac
[ -d "$data" ] || die "$data is no directory"
[ ! -e "$data/appendonlydir" ] || die "$data holds data already: move its appendonlydir away"
[ ! -e "$data/dump.rdb" ] || die "$data holds data already: move its dump.rdb away"
part=$(mktemp -d "$data/restoring.XXXXXX")
trap 'rm -rf "$part"' EXIT
cp "$file" "$part/appendonly.aof.1.base.rdb"
echo "file appendonly.aof.1.base.rdb seq 1 type b" >"$part/appendonly.aof.manifest"
# As whoever owns the directory: the broker must be able to read and write it.
if [ "$(id -u)" = 0 ]; then chown -R "$(stat -c %u:%g "$data" 2>/dev/null || stat -f %u:%g "$data")" "$part"; fi
sync
mv "$part" "$data/appendonlydir"
trap - EXIT
echo "restore: $data is ready: start the broker with 'appendonly yes', then gateways and workers" >&2
