#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the format of the programs in Go and what Go's own vet finds in them.
set -eu

folder=test/support/go
gofmt=$(sh tools/go.sh env GOROOT)/bin/gofmt
strange=$("$gofmt" -l "$folder")
if [ -n "$strange" ]; then
  printf 'not in the format of gofmt:\n%s\n' "$strange"
  exit 1
fi
sh tools/go.sh vet -C "$folder" .
