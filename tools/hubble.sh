#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the hubble command line client, which the tests of the flow API run: four minutes on two cores, 1 GB of Go's caches.
# usage: hubble.sh FILE   puts the program there
set -eu

exec sh tools/go-kept.sh hubble github.com/cilium/cilium/hubble "$1"
