# What the scripts of the command-line clients share. Source it with the script's own arguments:
# ENDPOINT KEY SECRET [CA_FILE]
set -euo pipefail
if (($# < 3)); then
  echo "usage: $0 ENDPOINT KEY SECRET [CA_FILE]" >&2
  exit 64
fi
endpoint=${1%/} key=$2 secret=$3 ca=${4:-}
clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$clients/environment" python)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Nothing of the user's own configuration is read or written.
export LC_ALL=C.UTF-8 HOME=$work PATH=$python/bin:$PATH
unset "${!AWS_@}" "${!RCLONE_@}"
if [[ $ca ]]; then export SSL_CERT_FILE=$ca REQUESTS_CA_BUNDLE=$ca; fi
export NO_PROXY='*' no_proxy='*'

step() { printf '%3ds  %s\n' "$SECONDS" "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
# same FILE FILE: the same bytes
same() { cmp -- "$1" "$2" || fail "$1 and $2 differ"; }
# is TEXT TEXT: the same text
is() { [[ $1 == "$2" ]] || fail "not ${2@Q} but ${1@Q}"; }
# has TEXT PART
has() { [[ $1 == *"$2"* ]] || fail "no ${2@Q} in ${1@Q}"; }
# lacks TEXT PART
lacks() { [[ $1 != *"$2"* ]] || fail "there is ${2@Q} in ${1@Q}"; }
# refused COMMAND...: it fails
refused() { if "$@" >refused.log 2>&1; then fail "went through: $*"; fi; }
# noise FILE BYTES
noise() { head -c "$2" /dev/urandom >"$1"; }
bucket=client-$$-$RANDOM$RANDOM
