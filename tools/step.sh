#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one step of the build: says what it does and how long it took. The command's output is shown only when it
# fails, or while it runs with -v or V=1.
# usage: step.sh [-v] TITLE COMMAND [ARGUMENT...]
set -u

live=${V:-0}
if [ "$1" = -v ]; then
  live=1
  shift
fi
title=$1
shift

bold='' red='' dim='' plain=''
if [ -z "${NO_COLOR:-}" ] && [ -t 1 ]; then
  bold=$(printf '\033[1m') red=$(printf '\033[31m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

seconds_since() {
  ms=$((($(date +%s%N) - $1) / 1000000))
  printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

started=$(date +%s%N)
status=0
if [ "$live" = 1 ]; then
  printf '%s▸ %s%s\n' "$bold" "$title" "$plain"
  "$@" || status=$?
  printf '%s▸ %s%s …' "$bold" "$title" "$plain"
else
  log=$(mktemp) || exit 1
  trap 'rm -f "$log"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '%s▸ %s%s …' "$bold" "$title" "$plain"
  "$@" >"$log" 2>&1 </dev/null || status=$?
fi

if [ "$status" -eq 0 ]; then
  printf ' %s%s%s\n' "$dim" "$(seconds_since "$started")" "$plain"
else
  printf ' %sfailed%s after %s\n' "$red" "$plain" "$(seconds_since "$started")"
  [ "$live" = 1 ] || sed 's/^/    /' "$log" >&2
fi
exit "$status"
