#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A build of Go that takes minutes: says every 20 seconds what it has come to, and everything that is no progress.
# usage: go-build.sh GO FOLDER ARGUMENT...   of `go build`, which is done in FOLDER
set -eu

go=$1 folder=$2
shift 2
{
  status=0
  "$go" build -C "$folder" -v "$@" 2>&1 || status=$?
  echo "status $status"
} | awk '
  function say(what) {
    now = systime()
    if (now - said < 20) return
    said = now
    print "  " what
    fflush()
  }
  BEGIN { said = systime() }
  /^status [0-9]+$/ { status = $2; next }
  /^go: downloading / { modules++; say(modules " modules, now " $3); next }
  /^[a-z0-9][A-Za-z0-9._~\/-]*$/ { packages++; say(packages " packages, now " $0); next }
  { print; fflush() }
  END { exit status }'
