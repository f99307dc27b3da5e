#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the format of the programs in Go and what Go's own vet finds in them.
set -eu

folders='test/support/go tools/cluster/go'
gofmt=$(sh tools/go.sh env GOROOT)/bin/gofmt
# shellcheck disable=SC2086 # a list of words
strange=$("$gofmt" -l $folders test/support/otlp)
if [ -n "$strange" ]; then
  printf 'not in the format of gofmt:\n%s\n' "$strange"
  exit 1
fi
for folder in $folders; do
  sh tools/go.sh vet -C "$folder" .
done
