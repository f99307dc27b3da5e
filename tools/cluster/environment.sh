# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# Where the parts of the test cluster lie and how they are reached; sourced by the scripts beside it.

home=${PERIGEE_CLUSTER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/perigee/kubernetes}
bin=$home/bin
images=$home/images
run=$home/run
kubeconfig=$run/admin.kubeconfig

kubernetes=v1.35.4
etcd=v3.6.16
helm=v3.22.0

# The host is the control plane, on a bridge that the nodes hang on; node N is host address 10+N, its pods 10.200.N.0/24.
bridge=perigee-k8s
network=10.201.0
host=$network.1
pods=10.200
services=10.96.0.0/16
nodes='node1 node2'

refuse() {
  printf 'perigee: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

# A process is known by its number and its start: numbers are used again.
start_of() {
  awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null || true
}

is_running() {
  [ -n "$1" ] && [ "$(start_of "$1")" = "$2" ]
}

# Makes the bridge unless it is there.
make_bridge() {
  ip link show "$bridge" >/dev/null 2>&1 && return
  ip link add "$bridge" type bridge
  ip addr add "$host/24" dev "$bridge"
  ip link set "$bridge" up
}
