#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs Go: the machine's if it is new enough, else the one that deps-go.sh has fetched. From 1.24 on its listeners are
# Multipath TCP by default, which is what the tests need it for.
# usage: go.sh [ARGUMENT...]   without arguments: succeeds if there is one
#        go.sh --path            prints where it is, for what needs the network and caches of its own
set -u

is_new_enough() {
  [ -x "$1" ] || return 1
  minor=$(GOTOOLCHAIN=local "$1" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge 24 ]
}

found=''
for go in "$(command -v go)" /usr/local/go/bin/go "$PWD"/build/go/lib/python3*/site-packages/go/bin/go; do
  if is_new_enough "$go"; then
    found=$go
    break
  fi
done
[ -n "$found" ] || exit 1
[ $# -gt 0 ] || exit 0
if [ "$1" = --path ]; then
  echo "$found"
  exit 0
fi
# No other toolchain, no network, no C compiler; the cache goes with the build.
GOTOOLCHAIN=local GOPROXY=off GOFLAGS='' CGO_ENABLED=0 GOCACHE=$PWD/build/go-cache exec "$found" "$@"
