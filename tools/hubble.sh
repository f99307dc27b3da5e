#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the hubble command line client, which the tests of the flow API run, from the Go module proxy. Sums of all
# modules are in test/support/hubble/go.sum. It takes four minutes on two cores and 1 GB of Go's caches, so it's kept
# outside the tree, by those sums.
# usage: hubble.sh FILE   puts the program there
set -eu

out=$1
module=$PWD/test/support/hubble
sums=$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-16)
kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/perigee/hubble/$sums/hubble

if [ ! -x "$kept" ]; then
  go=$(sh tools/go.sh env GOROOT)/bin/go
  mkdir -p "$(dirname "$kept")"
  GOTOOLCHAIN=local GOFLAGS='-mod=readonly -trimpath -buildvcs=false' CGO_ENABLED=0 \
    sh tools/go-build.sh "$go" "$module" -ldflags '-s -w' -o "$kept.$$" github.com/cilium/cilium/hubble
  mv "$kept.$$" "$kept"
fi
mkdir -p "$(dirname "$out")"
ln -sf "$kept" "$out"
# As new as what it was made from: make looks at the program, not at the link.
touch "$kept"
