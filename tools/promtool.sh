#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prometheus' promtool, which the tests of the metrics run, out of Debian's package: installing that would start a server.
# 19 MB are fetched once and kept outside the tree.
# usage: promtool.sh FILE   puts the program there
set -eu

out=$1
kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/perigee/promtool

if [ ! -x "$kept" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  chmod 755 "$folder"
  (cd "$folder" && apt-get -q download prometheus && dpkg -x prometheus_*.deb .) || {
    printf 'perigee: the package prometheus cannot be fetched.\n  → put promtool at %s\n' "$kept" >&2
    exit 1
  }
  mkdir -p "$(dirname "$kept")"
  mv "$folder/usr/bin/promtool" "$kept"
fi
mkdir -p "$(dirname "$out")"
ln -sf "$kept" "$out"
# As new as what it was made from: make looks at the program, not at the link.
touch "$kept"
