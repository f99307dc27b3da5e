#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A real node, containerd and kubelet, in namespaces of its own (mount, process, cgroup, network, host name, ipc), so that
# several of them and their agents share one machine. Its cgroups are children of the caller's own; nothing outside of
# them is mounted, moved or rewritten. Ending its first process ends all of it.
# usage: node.sh up NAME | down NAME | reboot NAME | exec NAME COMMAND... | load NAME ARCHIVE...
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/cluster/environment.sh
. "$here/environment.sh"
name=${2:-}
folder=$run/nodes/$name
netns=perigee-k8s-$name

# Its place among all nodes, from 1.
number_of() {
  index=0
  for node in $nodes; do
    index=$((index + 1))
    [ "$node" != "$1" ] || echo $index
  done
}

address_of() {
  echo "$network.$((10 + $(number_of "$1")))"
}

connect() {
  make_bridge
  ip netns add "$netns"
  ip link add "pk8s-$name" type veth peer name eth0 netns "$netns"
  ip link set "pk8s-$name" master "$bridge" up
  ip -n "$netns" addr add "$address/24" dev eth0
  ip -n "$netns" link set lo up
  ip -n "$netns" link set eth0 up
  ip -n "$netns" route add default via "$host"
  ip netns exec "$netns" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
  # Routes to the pods of the others; the host has them for what comes from the control plane.
  ip route replace "$pods.$number.0/24" via "$address"
  for other in $nodes; do
    [ "$other" = "$name" ] || ip -n "$netns" route replace "$pods.$(number_of "$other").0/24" via "$(address_of "$other")"
  done
}

# The Node comes first, so that its range of pod addresses is the one of the network plug-in.
register() {
  "$bin/kubectl" --kubeconfig="$kubeconfig" apply -f - >/dev/null <<FILE
apiVersion: v1
kind: Node
metadata: {name: $name, labels: {kubernetes.io/hostname: $name, kubernetes.io/os: linux}}
spec: {podCIDR: $pods.$number.0/24, podCIDRs: [$pods.$number.0/24]}
FILE
}

configure() {
  mkdir -p "$folder/kubelet" "$folder/containerd" "$folder/run" "$folder/log" "$folder/cni" "$folder/opt" "$folder/addresses" "$folder/sysctl"
  cp /usr/lib/cni/* "$folder/opt/"
  cat >"$folder/cni/10-bridge.conflist" <<FILE
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods.$number.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
FILE
  cat >"$folder/containerd.toml" <<FILE
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "perigee.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "$bin/node-helper"
FILE
  cat >"$folder/kubelet.yaml" <<FILE
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
oomScoreAdj: 0
evictionHard: {memory.available: 0%, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
serializeImagePulls: false
resolvConf: /run/resolv.conf
clusterDNS: [${services%.*}.10]
clusterDomain: cluster.local
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
nodeStatusUpdateFrequency: 4s
FILE
}

up() {
  number=$(number_of "$name")
  [ -n "$number" ] || refuse "there is no node called $name." "its name is one of: $nodes."
  address=$(address_of "$name")
  configure
  connect
  register
  launch
}

launch() {
  setsid sh "$here/node-join.sh" "$name" "$folder/cgroups" nsenter "--net=/run/netns/$netns" \
    unshare --mount --cgroup --pid --uts --ipc --fork --kill-child --mount-proc --propagation private \
    sh "$here/node-init.sh" "$name" "$address" "$folder" >"$folder/init.log" 2>&1 </dev/null &
  echo "$! $(start_of $!)" >"$folder/process"
}

# The first process as this host numbers it.
first_process() {
  read -r process began <"$folder/process"
  is_running "$process" "$began" || return 0
  awk '{ print $1 }' "/proc/$process/task/$process/children"
}

# Ends all of its processes, and with them its mounts.
halt() {
  if [ -f "$folder/process" ]; then
    read -r process began <"$folder/process"
    first=$(first_process)
    if is_running "$process" "$began"; then kill -KILL "${first:-$process}"; fi
    tries=0
    while is_running "$process" "$began" && [ $tries -lt 100 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
  fi
  [ ! -f "$folder/cgroups" ] || while read -r cgroup; do
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done <"$folder/cgroups"
}

# As a machine does: what is in memory is lost, with it what is pinned in bpffs; what is on disk stays.
reboot() {
  number=$(number_of "$name")
  address=$(address_of "$name")
  halt
  rm -rf "${folder:?}/run"
  mkdir "$folder/run"
  ip -n "$netns" link del cni0 2>/dev/null || true
  launch
}

down() {
  [ -d "$folder" ] || return 0
  halt
  ip route del "$pods.$(number_of "$name").0/24" 2>/dev/null || true
  ip link del "pk8s-$name" 2>/dev/null || true
  ip netns del "$netns" 2>/dev/null || true
  rm -rf "$folder"
}

run_inside() {
  first=$(first_process)
  [ -n "$first" ] || refuse "the node $name does not run." "see $folder/init.log, or start it: $0 up $name"
  nsenter -t "$first" -m -u -i -n -p -C "$@"
}

case ${1:-} in
  up) up ;;
  down) down ;;
  reboot) reboot ;;
  exec)
    shift 2
    run_inside "$@"
    ;;
  load)
    shift 2
    for archive in "$@"; do
      run_inside ctr -n k8s.io images import "$archive" >/dev/null
    done
    ;;
  *) refuse "unknown: ${1:-nothing}" 'use up, down, reboot, exec or load, and the name of a node.' ;;
esac
