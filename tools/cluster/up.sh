#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Brings a cluster up: a control plane on this host and two nodes. Some 25 s once everything is built.
set -eu

here=$(dirname "$0")
# shellcheck source=tools/cluster/environment.sh
. "$here/environment.sh"

if [ -d "$run" ]; then
  read -r process began <"$run/process/kube-apiserver" || true
  if is_running "${process:-}" "${began:-}"; then
    echo "There is one already: export KUBECONFIG=$kubeconfig"
    exit 0
  fi
  # What a machine that was switched off, or a start that failed, left behind.
  sh "$here/down.sh"
fi
[ -d /sys/fs/cgroup/unified ] || refuse 'the nodes need cgroup v1 with cgroup v2 beside it at /sys/fs/cgroup/unified.' \
  'boot with systemd.unified_cgroup_hierarchy=0, or mount both that way.'
trap '[ $? = 0 ] || echo "The logs are below $run" >&2' EXIT
sh tools/step.sh 'Starting the control plane' sh "$here/control-plane.sh" up
for node in $nodes; do
  sh tools/step.sh "Starting $node" sh "$here/node.sh" up "$node"
done
sh tools/step.sh 'Waiting for the nodes' "$bin/kubectl" --kubeconfig="$kubeconfig" wait --for=condition=Ready nodes --all --timeout=120s
echo "export KUBECONFIG=$kubeconfig"
