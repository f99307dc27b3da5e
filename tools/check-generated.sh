#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Generates the codecs anew and compares them with the committed ones.
set -eu

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
node tools/generate-abi.ts --out "$fresh"
if ! diff -ru src/core/abi "$fresh"; then
  echo "The codecs differ from the layouts in bpf/abi: run 'make build' and commit src/core/abi." >&2
  exit 1
fi
node tools/generate-crds.ts --check
node tools/generate-reference.ts --check
node tools/generate-monitoring.ts --check
