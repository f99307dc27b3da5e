#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prometheus and its promtool, which the tests of metrics, dashboards and alerts run, out of Debian's package: installing
# that would start a server. They are fetched once and kept outside the tree.
# usage: prometheus.sh FOLDER   puts the programs there
set -eu

out=$1
kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/perigee/prometheus

if [ ! -x "$kept/prometheus" ] || [ ! -x "$kept/promtool" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  chmod 755 "$folder"
  (cd "$folder" && apt-get -q download prometheus && dpkg -x prometheus_*.deb .) || {
    printf 'perigee: the package prometheus cannot be fetched.\n  → put prometheus and promtool into %s\n' "$kept" >&2
    exit 1
  }
  mkdir -p "$kept"
  mv "$folder/usr/bin/promtool" "$folder/usr/bin/prometheus" "$kept"
fi
mkdir -p "$out"
for program in prometheus promtool; do
  ln -sf "$kept/$program" "$out/$program"
  # As new as what it was made from: make looks at the program, not at the link.
  touch "$kept/$program"
done
