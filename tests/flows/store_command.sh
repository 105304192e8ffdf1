#!/usr/bin/env bash
# The command line an operator meets: help, errors with a remedy, exit codes.
set -euo pipefail
: "${KOBUK:?the kobuk binary}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # expect CODE TEXT COMMAND...
  local code=0 out
  out=$("${@:3}" 2>&1) || code=$?
  [ "$code" = "$1" ] || { echo "exit code $code, not $1: ${*:3}"; echo "$out"; exit 1; }
  case "$out" in *"$2"*) ;; *) echo "no '$2' in the output of: ${*:3}"; echo "$out"; exit 1 ;; esac
}

expect 0 "Commands:" "$KOBUK" --help
expect 2 "Commands:" "$KOBUK"
expect 2 'unknown command "stroe", did you mean store?' "$KOBUK" stroe
expect 0 "kobuk 0." "$KOBUK" version
expect 0 '"kubernetes":"v1.36' "$KOBUK" version -o json
expect 2 "did you mean --output?" "$KOBUK" version --ouput json
expect 0 "Examples:" "$KOBUK" store --help
expect 2 "say where the store is" "$KOBUK" store status
expect 1 "there is no store in $work" "$KOBUK" store status -p "$work"
[ -z "$(ls -A "$work")" ] || { echo "a failed look left files behind"; exit 1; }
head -c 8192 /dev/urandom >"$work/data.mdb"
expect 1 "restore it from a backup" "$KOBUK" store list -p "$work"
