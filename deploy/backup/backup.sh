#!/bin/sh
# backup.sh FILE [OPTIONS]: a snapshot of all that a broker holds, while everything runs.
#
# OPTIONS are those of valkey-cli or redis-cli that say which broker: -h HOST -p PORT, -s SOCKET, --user, --tls; the
# password comes from REDISCLI_AUTH. The user needs `+psync +replconf +ping`. FILE appears once it is whole.
# It holds everything that was ever said, and where HEADRACE_SECRET is unset what seals keys: keep it like that.
set -eu

[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
file=$1
shift
cli=$(command -v valkey-cli || command -v redis-cli) || { echo "backup: needs valkey-cli or redis-cli" >&2; exit 1; }
umask 077
part=$(mktemp "$file.XXXXXX")
trap 'rm -f "$part"' EXIT
"$cli" "$@" --rdb "$part" >&2
case $(head -c 6 "$part") in
REDIS0 | VALKEY) ;;
*) echo "backup: what came is no snapshot" >&2; exit 1 ;;
esac
sync "$part" 2>/dev/null || sync
mv "$part" "$file"
trap - EXIT
echo "backup: $(wc -c <"$file" | tr -d ' ') bytes in $file" >&2
