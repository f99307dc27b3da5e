#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# First process of a kernel under test: loads its modules, runs what the command line names after perigee= (a bundled
# program below /perigee) and powers off. Console: ttyS0. The program's standard output: ttyS1.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NO_COLOR=1
busybox=/bin/busybox

"$busybox" mount -t proc proc /proc
"$busybox" mount -t sysfs sysfs /sys
"$busybox" mount -t devtmpfs devtmpfs /dev
"$busybox" mount -t tmpfs tmpfs /tmp
"$busybox" mount -t tmpfs tmpfs /run
"$busybox" mount -t cgroup2 cgroup2 /sys/fs/cgroup
"$busybox" mount -t bpf bpf /sys/fs/bpf
# The archive holds no links.
"$busybox" ln -s /run /var/run
while read -r module; do
  "$busybox" insmod "/modules/$module"
done </modules/order
ip link set lo up
# A serial line would change line ends and echo what it sends.
"$busybox" stty -F /dev/ttyS1 raw -echo

program=$("$busybox" sed -n 's/.*perigee=\([^ ]*\).*/\1/p' /proc/cmdline)
cd /perigee || "$busybox" poweroff -f
node --enable-source-maps "$program" >/dev/ttyS1
echo "ended with $?" >/dev/console
"$busybox" poweroff -f
