#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Becomes systemd, in namespaces of its own that the caller has made (mount, pid, cgroup, net, uts, ipc): the machine's
# own files under a writable layer, and nothing of its units but the journal and Perigee's two, as they are shipped.
# usage: systemd-boot.sh EMPTY_FOLDER TREE
set -eu

folder=$1 tree=$2 root=$1/root
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"

mount -t proc proc "$root/proc"
# Settings of the kernel are the host's, too: what boots here must not write them.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t bpf bpf "$root/sys/fs/bpf"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
units=lib/systemd/system
for place in run tmp var/log etc/systemd/system "$units/sysinit.target.wants" "$units/basic.target.wants"; do
  mkdir -p "$root/$place"
  mount -t tmpfs -o mode=755 tmpfs "$root/$place"
done

mkdir -p "$root/opt/perigee" "$root/etc/perigee/resources" "$root/before"
mount --bind "$tree" "$root/opt/perigee"
cp "$tree"/deploy/systemd/*.service "$root/etc/systemd/system/"
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' >"$root/etc/systemd/system/perigee-test.target"
: >"$root/etc/machine-id"

cd "$root"
pivot_root . before
umount -l /before
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=perigee-test.target
