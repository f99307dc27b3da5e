#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes the cluster down and removes what it left, but for what was built. Ends only processes that it started.
set -eu

here=$(dirname "$0")
# shellcheck source=tools/cluster/environment.sh
. "$here/environment.sh"

for node in $nodes; do
  sh "$here/node.sh" down "$node"
done
sh "$here/control-plane.sh" down
ip link del "$bridge" 2>/dev/null || true
rm -rf "$run"
