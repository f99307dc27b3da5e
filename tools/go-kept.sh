#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a program in Go that tests run from modules of the Go module proxy, whose sums are in test/support/MODULE/go.sum.
# It takes minutes and much of Go's caches, so it's kept outside the tree, by those sums and its own sources.
# usage: go-kept.sh MODULE PACKAGE FILE   puts the program there
set -eu

module=$PWD/test/support/$1 package=$2 out=$3
sums=$(find "$module" -name '*.go' -o -name 'go.*' | sort | xargs cat | sha256sum | cut -c1-16)
kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/perigee/$1/$sums/$1

if [ ! -x "$kept" ]; then
  go=$(sh tools/go.sh env GOROOT)/bin/go
  mkdir -p "$(dirname "$kept")"
  GOTOOLCHAIN=local GOFLAGS='-mod=readonly -trimpath -buildvcs=false' CGO_ENABLED=0 \
    sh tools/go-build.sh "$go" "$module" -ldflags '-s -w' -o "$kept.$$" "$package"
  mv "$kept.$$" "$kept"
fi
mkdir -p "$(dirname "$out")"
ln -sf "$kept" "$out"
# As new as what it was made from: make looks at the program, not at the link.
touch "$kept"
