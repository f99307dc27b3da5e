#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks what a target needs from the machine before any work is done; says what is missing and what to do about it.
# usage: preflight.sh CHECK...   where CHECK is root, linux, btf or cgroup2
set -u

# The system files can be replaced by others to test the messages.
btf=${PERIGEE_BTF:-/sys/kernel/btf/vmlinux}
mounts=${PERIGEE_MOUNTS:-/proc/mounts}

refuse() {
  printf 'perigee: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

for check in "$@"; do
  case $check in
    root)
      [ "$(id -u)" = 0 ] ||
        refuse 'this needs root: it loads eBPF programs and makes network namespaces.' 'run it again as root, for example with sudo.'
      ;;
    linux)
      [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
        refuse "this machine is $(uname -s) on $(uname -m); Perigee runs on Linux on x86_64." 'use such a machine, or a virtual one.'
      ;;
    btf)
      [ -r "$btf" ] ||
        refuse "the running kernel has no type information ($btf is missing)." \
          'boot a kernel with CONFIG_DEBUG_INFO_BTF=y; the kernels of Debian 12 and later have it.'
      ;;
    cgroup2)
      grep -q '^[^ ]* [^ ]* cgroup2 ' "$mounts" ||
        refuse 'no cgroup v2 hierarchy is mounted; connections are intercepted at its root.' \
          'mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified'
      ;;
    *) refuse "unknown check: $check" 'use root, linux, btf or cgroup2.' ;;
  esac
done
