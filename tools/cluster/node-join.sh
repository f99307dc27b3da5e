#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a child of this process's own cgroup, in every hierarchy, and writes down which they are.
# usage: node-join.sh NAME LIST COMMAND...
set -eu

name=$1 list=$2
shift 2
: >"$list"
while IFS=: read -r _ controllers path; do
  hierarchy=${controllers#name=}
  cgroup=/sys/fs/cgroup/${hierarchy:-unified}${path%/}/perigee-k8s-$name
  mkdir -p "$cgroup"
  echo "$cgroup" >>"$list"
  if [ "$controllers" = cpuset ]; then
    cat "${cgroup%/*}/cpuset.cpus" >"$cgroup/cpuset.cpus"
    cat "${cgroup%/*}/cpuset.mems" >"$cgroup/cpuset.mems"
    echo 1 >"$cgroup/cgroup.clone_children"
  fi
done </proc/self/cgroup
while read -r cgroup; do
  echo $$ >"$cgroup/cgroup.procs"
done <"$list"
exec "$@"
