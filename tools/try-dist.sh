#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpacks the tarball elsewhere and tries it there, with an empty environment and through a symbolic link.
set -eu

version=$(node -p 'require("./package.json").version')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf "build/perigee-$version-linux-x64.tar.gz" -C "$folder"
root=$folder/perigee-$version-linux-x64

if grep -rqF "$PWD" "$root/dist" "$root/bin"; then
  echo "The release names a path of the machine that built it:" >&2
  grep -rlF "$PWD" "$root/dist" "$root/bin" >&2
  exit 1
fi
ln -s "$root/bin/perigee" "$folder/perigee"
cd /
env -i "$folder/perigee" version | tee /dev/stderr | grep -qF "$version"
env -i "$folder/perigee" --help >/dev/null
# shellcheck disable=SC2016 # JavaScript's, not the shell's
env -i "$root/lib/node" -e 'require(process.argv[1])' "$root/dist/native/perigee.node"
# Its libraries come from the release, not from the machine.
if env -i ldd "$root/dist/native/perigee.node" | grep -E 'lib(bpf|elf|z)\.so' | grep -vF "$root"; then
  exit 1
fi
