#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches Debian's newest cloud kernel of each series into CACHE/SERIES: `vmlinuz`, and `lib/modules` with its index.
# apt checks the signatures; its lists lie in the cache, so the machine's own sources and packages are not touched.
# usage: fetch-kernels.sh CACHE SERIES...
set -eu

cache=$1
shift
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
# Security updates of Debian 12 hold 6.1 and 6.12, the backports of Debian 13 what came later.
sources="deb [signed-by=$keys] $mirror/debian-security bookworm-security main
deb [signed-by=$keys] $mirror/debian trixie-backports main"

refuse() {
  printf 'perigee: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

apt_in_cache() {
  tool=$1
  shift
  "$tool" -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::main=- \
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Acquire::Languages=none -o APT::Sandbox::User= "$@"
}

fetch() {
  series=$1
  pattern="^linux-image-$(printf %s "$series" | sed 's/\./\\./g')\\.[0-9.]+(-[0-9]+|\\+deb[0-9.]+)-cloud-amd64\$"
  package=$(apt_in_cache apt-cache search --names-only "$pattern" | cut -d' ' -f1 | sort -V | tail -n 1)
  [ -n "$package" ] || refuse "no kernel image of series $series was found." "choose one that Debian has: KERNELS='6.1 6.12 6.18'."
  work=$cache/$series.new
  rm -rf "$work"
  mkdir -p "$work"
  (cd "$work" && apt_in_cache apt-get download "$package" && dpkg-deb -x ./*.deb . && rm ./*.deb)
  mv "$work"/boot/vmlinuz-* "$work/vmlinuz"
  # In Debian 13 packages they lie below /usr.
  [ -d "$work/lib/modules" ] || mv "$work/usr/lib" "$work/lib"
  depmod -b "$work" "$(ls "$work/lib/modules")"
  rm -rf "${cache:?}/$series"
  mv "$work" "$cache/$series"
}

missing=''
for series in "$@"; do
  [ -f "$cache/$series/vmlinuz" ] || missing="$missing $series"
done
[ -n "$missing" ] || exit 0

mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
cache=$(cd "$cache" && pwd)
apt=$cache/apt
printf '%s\n' "$sources" >"$apt/sources.list"
apt_in_cache apt-get update
for series in $missing; do
  fetch "$series"
done
