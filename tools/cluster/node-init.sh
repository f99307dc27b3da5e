#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process of a node, in its namespaces: private mounts, then containerd, kubelet and kube-proxy.
# usage: node-init.sh NAME ADDRESS FOLDER
set -eu

# shellcheck source=tools/cluster/environment.sh
. "$(dirname "$0")/environment.sh"
name=$1 address=$2 folder=$3

# The kubelet wants shared propagation; this is a new group of peers, of this node alone.
mount --make-rshared /
umount -l -R /sys/fs/cgroup
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
while IFS=: read -r _ controllers _; do
  hierarchy=${controllers#name=}
  mkdir -p "/sys/fs/cgroup/${hierarchy:-unified}"
  case $controllers in
    '') mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified ;;
    name=*) mount -t cgroup -o "none,$controllers" cgroup "/sys/fs/cgroup/$hierarchy" ;;
    *) mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$hierarchy" ;;
  esac
done </proc/self/cgroup

own() {
  mkdir -p "$2"
  mount --bind "$folder/$1" "$2"
}
own kubelet /var/lib/kubelet
own containerd /var/lib/containerd
own log /var/log
own addresses /var/lib/cni
own cni /etc/cni/net.d
own opt /opt/cni/bin
own run /run
mkdir -p /run/containerd /run/netns /run/lock /var/log/pods /var/log/containers
echo "nameserver ${services%.*}.10" >/run/resolv.conf

# The kubelet and kube-proxy write settings of the whole kernel: they are shown files that hold what they want.
pretend() {
  file=$folder/sysctl/$(echo "$1" | tr / _)
  echo "$2" >"$file"
  mount --bind "$file" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000

hostname "$name"
trap 'exit 0' TERM
containerd -c "$folder/containerd.toml" >"$folder/containerd.log" 2>&1 &
until ctr version >/dev/null 2>&1; do
  sleep 0.05
done
for image in "$images"/*.tar; do
  ctr -n k8s.io images import "$image" >>"$folder/import.log" 2>&1
done
"$bin/kubelet" --config="$folder/kubelet.yaml" --kubeconfig="$run/$name.kubeconfig" --hostname-override="$name" \
  --node-ip="$address" --root-dir=/var/lib/kubelet --cert-dir=/var/lib/kubelet/pki >"$folder/kubelet.log" 2>&1 &
"$bin/kube-proxy" --kubeconfig="$run/kube-proxy.kubeconfig" --hostname-override="$name" --proxy-mode=iptables \
  --cluster-cidr="$pods.0.0/16" --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0 \
  --conntrack-tcp-timeout-close-wait=0 >"$folder/kube-proxy.log" 2>&1 &
# Its end is the end of all of them, so it waits for ever; the shell reaps those that lost their parent.
while :; do
  wait || true
  sleep 1
done
